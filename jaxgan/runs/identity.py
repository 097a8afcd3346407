"""What identifies a run: its settings, the content of its data, and settings of JAX."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

# The usual values, for runs whose configuration does not have them.
_JAX = {
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_enable_x64": False,
}
_CONTENT = "_sha256"


def to_json(value: Any) -> Any:
    """Make arrays into lists and numbers that are not finite into ``None``."""
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return to_json(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def settings_of_jax() -> dict[str, Any]:
    """The settings of JAX that decide random numbers and dtypes."""
    return {name: getattr(jax.config, name) for name in _JAX}


def is_usual_jax() -> bool:
    """Whether they are what JAX sets by default."""
    return settings_of_jax() == _JAX


def identify(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON, with those of JAX."""
    return to_json(settings) | settings_of_jax()


def difference(
    directory: Any, old: Mapping[str, Any], settings: Mapping[str, Any]
) -> str | None:
    """Say which setting of a run differs, or ``None``.

    ``NAME_sha256`` is the content of the file or folder that the setting ``NAME`` spells.
    Where both have it, the content is compared and the spelling is not.

    Args:
      directory: Of the run, for the line.
      old: Settings in its configuration.
      settings: Those that are wanted.
    """
    old, new = _JAX | dict(old), identify(settings)
    # Defaults follow the data, so its content is told first.
    late = {n: n not in _JAX and not n.endswith(_CONTENT) for n in [*old, *new]}
    for name in sorted(late, key=late.__getitem__):
        subject = name.removesuffix(_CONTENT).removesuffix("_key")
        # Former runs on images have a key instead.
        before = old.get(subject + _CONTENT, old.get(f"{subject}_key"))
        after = new.get(subject + _CONTENT)
        if before is not None and after is not None:
            if before != after:
                return _other_content(directory, subject, old, new)
        elif name.endswith(_CONTENT) and subject in {**old, **new}:
            continue  # only one of both has it: the spelling is compared
        elif old.get(name) != new.get(name):
            was, now = _plain(old.get(name)), _plain(new.get(name))
            return f"{directory} was made with {name}={was}, not {now}"
    return None


def _other_content(
    directory: Any, name: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> str:
    was, now = (_plain(x.get(name, name)) for x in (old, new))
    if name + _CONTENT not in old:
        return f"{directory} is of a version that did not note the content of {was}"
    if was == now:
        return f"the content of {now} has changed since {directory} was made"
    return f"the content of {now} is not that of {was}, with which {directory} was made"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_plain(item) for item in value)
    return str(value)

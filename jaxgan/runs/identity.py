"""What identifies a run: its settings, the content of its data, and settings of JAX."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

# Default values, for runs whose configuration lacks them.
_JAX = {
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_enable_x64": False,
}
_CONTENT = "_sha256"


def to_json(value: Any) -> Any:
    """Convert to JSON values: arrays to lists, numbers that are not finite to ``None``.

    Examples:
      >>> import numpy as np
      >>> from jaxgan import runs
      >>> runs.to_json({"loss": np.array([0.5, np.nan])})
      {'loss': [0.5, None]}
    """
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
    """Return the settings of JAX that determine random numbers and dtypes."""
    return {name: getattr(jax.config, name) for name in _JAX}


def is_usual_jax() -> bool:
    """Tell whether these settings of JAX have their default values."""
    return settings_of_jax() == _JAX


def identify(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON values, including those of JAX."""
    return to_json(settings) | settings_of_jax()


def difference(
    directory: Any, old: Mapping[str, Any], settings: Mapping[str, Any]
) -> str | None:
    """Say which setting of a run differs; ``None`` if none does.

    ``NAME_sha256`` is a digest of the content of the file or folder in the setting ``NAME``.
    If both settings have it, the content is compared and the path is not.

    Args:
      directory: Directory of the run, for the message.
      old: Settings in the run's configuration.
      settings: The requested settings.
    """
    old, new = _JAX | dict(old), identify(settings)
    # Defaults depend on the data, so a difference of the data comes first.
    late = {n: n not in _JAX and not n.endswith(_CONTENT) for n in [*old, *new]}
    for name in sorted(late, key=late.__getitem__):
        subject = name.removesuffix(_CONTENT).removesuffix("_key")
        # Older runs on images have a key instead.
        before = old.get(subject + _CONTENT, old.get(f"{subject}_key"))
        after = new.get(subject + _CONTENT)
        if before is not None and after is not None:
            if before != after:
                return _other_content(directory, subject, old, new)
        elif name.endswith(_CONTENT) and subject in {**old, **new}:
            continue  # only one has it: the path is compared
        elif old.get(name) != new.get(name):
            was, now = _plain(old.get(name)), _plain(new.get(name))
            return f"{directory} was made with {name}={was}, not {now}"
    return None


def _other_content(
    directory: Any, name: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> str:
    was, now = (_plain(x.get(name, name)) for x in (old, new))
    if name + _CONTENT not in old:
        return f"{directory} was made by a version that did not record the content of {was}"
    if was == now:
        return f"the content of {now} has changed since {directory} was made"
    return f"the content of {now} is not that of {was}, with which {directory} was made"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_plain(item) for item in value)
    return str(value)

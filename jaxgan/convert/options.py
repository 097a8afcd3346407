"""User options for a checkpoint: settings that do not show in its file, and labels."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.errors import InputError

_T = TypeVar("_T", bound=bool | int | float | str)
_DISCRIMINATOR = re.compile(r"(D|netD|discriminator)(_|$)")
_LABELS = "which are a number or a row of numbers each"


class Settings:
    """Settings of a network that do not show in its file, such as ``final_tanh``.

    Args:
      values: Settings by name.
      whole: Whether the values are all the settings of a training run. Settings that the
        flavour does not use are then ignored instead of refused.
    """

    def __init__(self, values: Mapping[str, Any], *, whole: bool = False):
        self._values, self._whole = dict(values), whole
        self._names: set[str] = set()

    def get(self, name: str, default: _T) -> _T:
        """Return a setting, which must have the type of its default.

        Raises:
          InputError: If it has another type.
        """
        self._names.add(name)
        value: Any = self._values.get(name, default)
        if value is None and self._whole:  # JSON's null
            value = type(default)()
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if isinstance(default, str) and type(value) in (int, float):
            value = str(value)
        if type(value) is not type(default):
            raise InputError(
                f"the setting {name}={str(value)[:40]} must be of the type of {default!r}, its "
                "default"
            )
        return value

    def __contains__(self, name: str) -> bool:
        """Return whether the user gave a setting."""
        return name in self._values

    def check(self, flavour: str) -> None:
        """Check that all settings were used.

        Raises:
          InputError: If the flavour has no such setting.
        """
        unread = [name for name in self._values if name not in self._names]
        if unread and not self._whole:
            names = ", ".join(sorted(self._names)) or "none"
            raise InputError(
                f"the {flavour} has no setting {str(unread[0])[:40]}; it reads {names}"
            )


def read_settings(text: str) -> Settings:
    """Read ``name=value,name=value``, or a ``.json`` file of a training run's settings.

    Settings in the file count at any depth, except those of a discriminator. Settings in
    ``mapping_kwargs`` get the prefix ``mapping_``. A null counts as 0 or false.

    Raises:
      InputError: If the text is neither, or the file cannot be read.

    Examples:
      ``jaxgan.load(path, settings=options.read_settings("final_tanh=true"))``
    """
    if text.endswith(".json"):
        try:
            content = json.loads(Path(text).read_text("utf-8"))
        except OSError as error:
            raise InputError(f"{text}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            kind = type(error).__name__
            raise InputError(f"{text} is not a readable JSON file ({kind})") from error
        if not isinstance(content, dict):
            raise InputError(f"{text} holds no settings: it is not a JSON object")
        return Settings(_flat(content), whole=True)
    values = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise InputError(f"settings {part[:40]!r} must be name=value, or a .json file")
        values[name.strip()] = _parse(value.strip())
    return Settings(values)


def _parse(text: str) -> Any:
    try:
        value = json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float | str) else text


def _flat(content: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            if _DISCRIMINATOR.match(name):
                continue
            values |= _flat(value, "mapping_" if name == "mapping_kwargs" else "")
        else:
            values[start + name] = value
    return values


def read_labels(path: str | Path) -> np.ndarray:
    """Read labels from a file: classes ``[N]``, or rows ``[N, C]`` of numbers.

    Args:
      path: An ``.npy``, a text file with one label per line, or a ``dataset.json`` as in
        NVlabs' repositories.

    Raises:
      InputError: If the file holds no labels.

    Examples:
      ``jaxgan.load(path, label=options.read_labels("labels.npy"))``
    """
    path = Path(path)
    try:
        if path.suffix == ".json":
            pairs = json.loads(path.read_text("utf-8"))["labels"]
            labels = np.array([label for _, label in pairs])
        elif path.suffix == ".npy":
            labels = np.load(path, allow_pickle=False)
        else:
            lines = path.read_text("utf-8").replace(",", " ").split("\n")
            labels = np.array(
                [list(map(float, line.split())) for line in lines if line.strip()]
            )
            labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, RecursionError, EOFError) as error:
        raise InputError(f"{path} holds no labels, {_LABELS}") from error
    if labels.dtype.kind not in "fiu" or labels.ndim not in (1, 2) or not labels.size:
        raise InputError(f"{path} holds no labels, {_LABELS}")
    return labels


def label_rows(labels: ArrayLike, count: int, flavour: str) -> np.ndarray:
    """Convert labels to rows ``[N, count]`` float32 for a conditional network.

    Args:
      labels: A class, classes ``[N]`` from 0, or rows ``[N, count]``.
      count: Length of a row.
      flavour: Name of the generator in messages.

    Raises:
      InputError: If the labels are invalid.
    """
    if not count:
        raise InputError(f"the {flavour} takes no label: it is not conditional")
    array = np.atleast_1d(labels)
    numbers = array.size > 0 and array.dtype.kind in "iuf"
    if numbers and array.shape[1:] == (count,) and np.isfinite(array).all():
        return array.astype(np.float32)
    if not numbers or array.ndim != 1 or not np.isin(array, np.arange(count)).all():
        raise InputError(
            f"a label of this {flavour} is a class from 0 to {count - 1}, or a row of {count} "
            "numbers"
        )
    return np.eye(count, dtype=np.float32)[array.astype(int)]

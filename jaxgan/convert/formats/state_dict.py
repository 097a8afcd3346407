"""The arrays of a checkpoint, each of which a flavour takes exactly once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan.convert.formats._pickle import legible
from jaxgan.errors import InputError


class Checkpoint(NamedTuple):
    """The content of a file.

    Attributes:
      path: Path of the file, for messages.
      value: Result of ``torchfile.read``.
      arrays: Result of ``torchfile.tensors``, whose names are joined by dots.
    """

    path: str
    value: Any
    arrays: Mapping[str, np.ndarray]

    def prefix(self, marks: Sequence[str], preferred: Sequence[str] = ()) -> str | None:
        """Find the prefix of the names of a network's arrays, with its dot.

        Args:
          marks: Names that only this kind of network has. With a preferred prefix, or none,
            half of them are enough, so that a damaged network is not passed over.
          preferred: Prefixes to try first, in this order.

        Returns:
          The prefix; None if there is no such network.
        """
        for start in (*preferred, ""):
            if 2 * sum(start + mark in self.arrays for mark in marks) >= len(marks):
                return start
        ending = "." + marks[0]
        starts = (name[: 1 - len(ending)] for name in self.arrays if name.endswith(ending))
        whole = (s for s in starts if all(s + mark in self.arrays for mark in marks))
        return next(whole, None)


class StateDict:
    """The arrays below one prefix of a checkpoint.

    Attributes:
      flavour: Name of the flavour in messages.
    """

    def __init__(self, checkpoint: Checkpoint, prefix: str, flavour: str):
        self.flavour = flavour
        self._path = checkpoint.path
        self._left = {
            name.removeprefix(prefix): array
            for name, array in checkpoint.arrays.items()
            if name.startswith(prefix)
        }

    def __contains__(self, name: str) -> bool:
        """Tell whether an array of that name is left to take."""
        return name in self._left

    def names(self) -> list[str]:
        """List the names of the arrays that nothing has taken yet."""
        return list(self._left)

    def count(self, pattern: str) -> int:
        """Return one more than the largest number that ``pattern`` reads from a name."""
        matches = (re.match(pattern, name) for name in self._left)
        return max((int(match[1]) + 1 for match in matches if match), default=0)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array without taking it.

        Raises:
          InputError: If there is none of that name.
        """
        if name not in self._left:
            raise self.error(f"it lacks {name}")
        return self._left[name].shape

    def take(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Take an array as float32; None in a shape is any size.

        Raises:
          InputError: If it is missing, taken already, of another shape, or not of finite
            floating-point numbers.
        """
        actual = self.shape(name)
        if len(actual) != len(shape) or any(
            size not in (None, length) for size, length in zip(shape, actual, strict=True)
        ):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.error(f"its {name} has shape {list(actual)}, not [{wanted}]")
        array = self._left.pop(name)
        if not array.size:
            raise self.error(f"its {name} is empty")
        if array.dtype.kind != "f":
            raise self.error(f"its {name} is {array.dtype}, not floating point")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise self.error(f"its {name} is not finite")
        return array

    def take_mean(self, name: str, layers: int, dim: int) -> np.ndarray:
        """Take a mean code ``[D]``, or ``[L, D]`` where each layer has its own, flat or not.

        Raises:
          InputError: As for ``take``.
        """
        shape = self.shape(name)
        if shape not in ((layers, dim), (layers * dim,)):
            return self.take(name, (dim,))
        return self.take(name, shape).reshape(layers, dim)

    def drop(self, name: str) -> None:
        """Discard an array that the network does not need, if it is there."""
        self._left.pop(name, None)

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
          InputError: If something is.
        """
        if self._left:
            first, *others = self._left
            more = f" and {len(others)} more" if others else ""
            raise self.error(f"it has {legible(first)}{more}, which that network lacks")

    def error(self, why: str) -> InputError:
        """Make the error to raise, in one line."""
        return InputError(f"{self._path} looks like a {self.flavour}, but {why}")

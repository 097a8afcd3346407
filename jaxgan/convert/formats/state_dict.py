"""The arrays of a checkpoint, each of which a flavour takes exactly once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan.convert.formats._pickle import shown
from jaxgan.errors import InputError


class Checkpoint(NamedTuple):
    """What a file holds.

    Attributes:
      path: Of the file, for messages.
      value: As ``torchfile.read`` gives it.
      arrays: As ``torchfile.tensors`` gives them: names joined by dots.
    """

    path: str
    value: Any
    arrays: Mapping[str, np.ndarray]

    def prefix(self, marks: Sequence[str], preferred: Sequence[str] = ()) -> str | None:
        """What stands before the arrays of a network, with its dot.

        Args:
          marks: Names that only this kind of network has. After a preferred prefix, or none,
            half of them are enough: a damaged network is not passed over for another.
          preferred: Prefixes to choose first, in this order.

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
      flavour: What the arrays are taken for, for messages.
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
        """Whether an array of that name is left to take."""
        return name in self._left

    def names(self) -> list[str]:
        """Names of the arrays that nothing has taken yet."""
        return list(self._left)

    def count(self, pattern: str) -> int:
        """One more than the largest number that ``pattern`` finds at the start of a name."""
        found = (re.match(pattern, name) for name in self._left)
        return max((int(match[1]) + 1 for match in found if match), default=0)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array that is left where it is.

        Raises:
          InputError: If there is none of that name.
        """
        if name not in self._left:
            raise self.error(f"it lacks {name}")
        return self._left[name].shape

    def take(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """An array as float32; None in a shape is any size.

        Raises:
          InputError: If it is missing, taken already, of another shape, or not of finite
            floating-point numbers.
        """
        found = self.shape(name)
        if len(found) != len(shape) or any(
            size not in (None, of) for size, of in zip(shape, found, strict=True)
        ):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.error(f"its {name} has shape {list(found)}, not [{wanted}]")
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
        """A mean code ``[D]``, or ``[L, D]`` where each layer has its own, flat or not.

        Raises:
          InputError: As ``take``.
        """
        shape = self.shape(name)
        if shape not in ((layers, dim), (layers * dim,)):
            return self.take(name, (dim,))
        return self.take(name, shape).reshape(layers, dim)

    def drop(self, name: str) -> None:
        """Take an array that the network does not need, if it is there."""
        self._left.pop(name, None)

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
          InputError: If something is.
        """
        if self._left:
            first, *others = self._left
            more = f" and {len(others)} more" if others else ""
            raise self.error(f"it has {shown(first)}{more}, which that network lacks")

    def error(self, why: str) -> InputError:
        """The error to raise, in one line."""
        return InputError(f"{self._path} looks like a {self.flavour}, but {why}")

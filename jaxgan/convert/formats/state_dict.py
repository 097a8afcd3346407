"""The arrays of a checkpoint; a flavour must take each of them exactly once."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxgan.convert.formats import owners, torchfile
from jaxgan.convert.formats._inert import legible
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError


@dataclass(eq=False)
class Checkpoint:
    """The content of a file, and the user's options.

    Attributes:
      path: Path of the file, for messages.
      value: Result of ``torchfile.read``.
      arrays: Result of ``torchfile.tensors``, whose names are joined by dots.
      weights: Name of the generator to take, as in ``convert.load``.
      settings: Settings that do not show in the file.
    """

    path: str
    value: Any
    arrays: Mapping[str, np.ndarray]
    weights: str | None = None
    settings: Settings = field(default_factory=lambda: Settings({}))

    def choose(self, marks: Sequence[str], flavour: str) -> "StateDict | None":
        """Choose a generator; of several, the one with averaged weights.

        Args:
          marks: Names that only this kind of network has. Half of them are enough, so that a
            damaged network is recognised, too.
          flavour: Name of the flavour in messages.

        Returns:
          Its arrays; None if there is no such network.

        Raises:
          InputError: If there are several, and their names do not show which is averaged.
        """
        return self.choose_among(self.prefixes(marks), flavour)

    def prefixes(self, marks: Sequence[str]) -> list[str]:
        """List the prefixes, with their dots, below which at least half of the marks exist."""
        counts = Counter(
            name.removesuffix(mark)
            for mark in marks
            for name in self.arrays
            if name == mark or name.endswith(f".{mark}")
        )
        return [prefix for prefix, count in counts.items() if 2 * count >= len(marks)]

    def choose_among(self, prefixes: Iterable[str], flavour: str) -> "StateDict | None":
        """Choose one of several prefixes (with their dots); otherwise like ``choose``."""
        prefixes = [prefix for prefix in prefixes if not owners.is_optimizer(prefix)]
        if not prefixes:
            return None
        choice = owners.choose(prefixes, self.arrays, self.weights)
        if choice is None:
            names = owners.spell(prefixes)
            if self.weights is None:
                why = f"holds several generators, {names}: choose one with weights=NAME"
            else:
                name = ascii(self.weights[:80])
                why = f"has no single generator named {name}; it holds {names}"
            raise InputError(f"{self.path} {why} ({flavour})")
        origin = owners.origin(choice, prefixes, self.arrays)
        lender = owners.lender(choice, prefixes, self.arrays)
        return StateDict(self, choice, flavour, origin, lender)


class StateDict:
    """The arrays below one prefix of a checkpoint.

    Attributes:
      flavour: Name of the flavour in messages.
      prefix: The prefix, with its dot; empty for the whole file.
      origin: Which generator of the file this is, and what else the file holds.

    Args:
      checkpoint: The file.
      prefix: As above.
      flavour: As above.
      origin: As above.
      lender: Prefix of the generator that supplies the arrays that this one lacks.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        prefix: str,
        flavour: str,
        origin: str = "",
        lender: str | None = None,
    ):
        self.flavour, self.prefix, self.origin = flavour, prefix, origin
        self._path, self._value = checkpoint.path, checkpoint.value
        self._arrays: dict[str, np.ndarray] = {}
        for start in (prefix,) if lender is None else (lender, prefix):
            self._arrays |= {
                name.removeprefix(start): array
                for name, array in checkpoint.arrays.items()
                if name.startswith(start)
            }
        if lender is not None:
            self.origin += f"; its buffers are those of {owners.spell([lender])}"

    def __contains__(self, name: str) -> bool:
        """Return whether an array of this name is still to be taken."""
        return name in self._arrays

    def names(self) -> list[str]:
        """List the names of the arrays that are still to be taken."""
        return list(self._arrays)

    def count(self, pattern: str) -> int:
        """Return 1 plus the largest number that ``pattern`` matches in a name."""
        matches = (re.match(pattern, name) for name in self._arrays)
        # Python refuses to convert numbers with thousands of digits.
        return max((int(match[1][:18]) + 1 for match in matches if match), default=0)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array without taking it.

        Raises:
          InputError: If there is no array of this name.
        """
        if name not in self._arrays:
            kind = torchfile.objects_of(self._value).get(self.prefix + name)
            instead = f", which the file has as {kind}, not as numbers" if kind else ""
            raise self.error(f"it lacks {name}{instead}")
        return self._arrays[name].shape

    def take(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Take an array as float32, possibly read-only; None in a shape stands for any size.

        Raises:
          InputError: If it is missing, was already taken, has another shape, or does not
            hold finite floating-point numbers.
        """
        actual = self.shape(name)
        if len(actual) != len(shape) or any(
            size not in (None, length) for size, length in zip(shape, actual, strict=True)
        ):
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise self.error(f"its {name} has shape {list(actual)}, not [{expected}]")
        array = self._arrays.pop(name)
        if not array.size:
            raise self.error(f"its {name} is empty")
        if array.dtype.kind != "f":
            raise self.error(f"its {name} is {array.dtype}, not floating point")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise self.error(f"its {name} is not finite")
        return array

    def take_mean(self, name: str, layers: int, dim: int) -> np.ndarray:
        """Take a mean code ``[D]`` or ``[1, D]``, or one per layer, ``[L, D]`` or flattened.

        Raises:
          InputError: As for ``take``.
        """
        shape = self.shape(name)
        if shape not in ((layers, dim), (layers * dim,)):
            return self.take(name, (1, dim) if shape == (1, dim) else (dim,)).reshape(dim)
        return self.take(name, shape).reshape(layers, dim)

    def drop(self, name: str) -> None:
        """Discard an array that the network does not need, if it exists."""
        self._arrays.pop(name, None)

    def finish(self) -> None:
        """Check that all arrays were taken.

        Raises:
          InputError: If some are left.
        """
        if self._arrays:
            first, *others = self._arrays
            more = f" and {len(others)} more" if others else ""
            raise self.error(f"it has {legible(first)}{more}, which that network lacks")

    def error(self, why: str) -> InputError:
        """Make a one-line error."""
        article = "an" if self.flavour.startswith("NV") else "a"
        return InputError(f"{self._path} looks like {article} {self.flavour}, but {why}")

"""Bounds of the work and the memory that a file may cost, and the exception for the rest."""

from dataclasses import dataclass

MAX_STEPS = 1_000_000  # opcodes of a file, with those of the files inside it


class Refused(Exception):
    """The file is damaged or not allowed; the message is one line without the path."""


@dataclass
class Budget:
    """The cost that reading may still have, however deep files are nested.

    Attributes:
      steps: Pickle opcodes.
      bytes: Bytes in memory: inflated, nested, or in arrays.
    """

    steps: int
    bytes: int

    def take(self, count: int) -> None:
        """Pay for ``count`` bytes before they are allocated."""
        if count > self.bytes:
            raise Refused("unfolds to far more bytes than it has")
        self.bytes -= count

    def step(self, count: int = 1) -> None:
        """Pay for work that takes as long as ``count`` opcodes."""
        self.steps -= count
        if self.steps < 0:
            raise Refused(f"takes more work than {MAX_STEPS} pickle opcodes")

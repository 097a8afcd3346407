"""Limits on the work and memory that reading a file may cost, and the error beyond them."""

from dataclasses import dataclass

MAX_STEPS = 1_000_000  # pickle opcodes of a file, including files inside it


class Refused(Exception):
    """The file is damaged or not allowed; the message is one line without the path."""


@dataclass
class Budget:
    """The work and memory that are left for reading a file and the files inside it.

    Attributes:
      steps: Pickle opcodes.
      bytes: Bytes in memory: decompressed, nested or in arrays.
    """

    steps: int
    bytes: int

    def take(self, count: int) -> None:
        """Charge ``count`` bytes before they are allocated."""
        if count > self.bytes:
            raise Refused("unfolds to far more bytes than it has")
        self.bytes -= count

    def step(self, count: int = 1) -> None:
        """Charge work that takes as long as ``count`` opcodes."""
        self.steps -= count
        if self.steps < 0:
            raise Refused(f"takes more work than {MAX_STEPS} pickle opcodes")

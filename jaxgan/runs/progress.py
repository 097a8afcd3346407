"""Lines on stderr, progress bars and clocks."""

import sys
import time
from collections.abc import Callable
from typing import Any

import jax
from tqdm import tqdm

State = Any


Metrics = dict[str, Any]  # arrays


Advance = Callable[[State, int], tuple[State, Metrics]]


class Clock:
    """Time of training in this process, and until its first step had compiled.

    Attributes:
      began: When to count the time to the first step from, by ``time.monotonic``; now by
        default.
      first_step: Seconds until the first interval had compiled and begun.
      total: Seconds in training.
    """

    def __init__(self, began: float | None = None):
        self.began = time.monotonic() if began is None else began
        self.first_step: float | None = None
        self.total = 0.0

    def around(self, advance: Advance) -> Advance:
        """The same function, timed."""

        def timed(state, epochs):
            begin = time.monotonic()
            state, metrics = advance(state, epochs)
            if self.first_step is None:
                self.first_step = time.monotonic() - self.began
                say(f"first step after {self.first_step:.1f} s")
            jax.block_until_ready(metrics)
            self.total += time.monotonic() - begin
            return state, metrics

        return timed


def say(line: str) -> None:
    """Print a line to stderr, above the progress bar if there is one."""
    tqdm.write(line, file=sys.stderr)


def printable(text: str) -> str:
    """A line of text without what a terminal would obey."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def progress(start: int, total: int, unit: str = "epoch", **options: Any) -> tqdm:
    """A progress bar where stderr is a terminal, nothing elsewhere."""
    return tqdm(
        initial=start,
        total=total,
        unit=unit,
        disable=not sys.stderr.isatty(),
        dynamic_ncols=True,
        **options,
    )

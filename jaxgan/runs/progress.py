"""Lines on stderr, progress bars and clocks."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
from tqdm import tqdm

Advance = Callable[[Any, int], tuple[Any, dict[str, Any]]]


class Clock:
    """Measures how long training takes in this process, and its first step.

    Args:
      began: Start of the time to the first step, by ``time.monotonic``; now by default.

    Attributes:
      first_step: Seconds until the first interval was compiled and began.
      total: Seconds in training.
    """

    def __init__(self, began: float | None = None):
        self.began = time.monotonic() if began is None else began
        self.first_step: float | None = None
        self.total = 0.0

    def around(self, advance: Advance) -> Advance:
        """Time every call of a function."""

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
    """Replace the control characters of a line of text."""
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


@contextmanager
def counting(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that tells after each part how many are done, and of how many.

    Work that begins with more than one done has begun earlier, which a line says.
    """
    bar: tqdm | None = None

    def tell(done, total):
        nonlocal bar
        if bar is None:
            bar = progress(done - 1, total, unit)
            if done > 1:
                say(f"goes on after {done - 1} of {total} {unit}s")
        bar.update(done - bar.n)

    try:
        yield tell
    finally:
        if bar is not None:
            bar.close()


def duration(seconds: float) -> str:
    """A time for people: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Forecast:
    """Shows how much of some work is done, and how long the rest will take.

    On a terminal it is a bar, elsewhere a line per part. The time left is the time that
    this process has spent, scaled by the cost of what is left. A context manager.

    Args:
      costs: Expected cost of each part, in any unit.
      count: What the bar counts to.
      unit: Of the count.
      parts: What parts are called in a line.
    """

    def __init__(self, costs: Sequence[float], count: int, unit: str, parts: str):
        self._costs, self._count, self._unit, self._parts = costs, count, unit, parts
        self._at, self._began = 0, time.monotonic()

    def __enter__(self) -> "Forecast":
        self._bar = progress(0, self._count, self._unit, smoothing=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def tell(self, share: float) -> None:
        """Show that a share of the present part is done."""
        if not self._bar.disable:
            self._bar.update(round(self._count * self._done(share), 1) - self._bar.n)

    def next(self) -> None:
        """Show that the present part has ended."""
        self.tell(1)
        self._at += 1
        if self._bar.disable:
            done, spent = self._done(0), time.monotonic() - self._began
            say(
                f"{self._at} of {len(self._costs)} {self._parts} done after "
                f"{duration(spent)}, about {duration(spent * (1 - done) / done)} left"
            )

    def _done(self, share: float) -> float:
        costs = [*self._costs, 0]
        return (sum(costs[: self._at]) + share * costs[self._at]) / sum(costs)

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
    """Measures the training time of this process, and the time to its first step.

    Args:
      began: Start of the time to the first step, by ``time.monotonic``; now by default.

    Attributes:
      first_step: Seconds until the first interval was compiled and started.
      total: Seconds of training.
    """

    def __init__(self, began: float | None = None):
        self.began = time.monotonic() if began is None else began
        self.first_step: float | None = None
        self.total = 0.0

    def around(self, advance: Advance) -> Advance:
        """Wrap ``advance`` to time every call."""

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
    """Replace the control characters in a line of text."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def progress(start: int, total: int, unit: str = "epoch", **options: Any) -> tqdm:
    """Make a progress bar, which is shown only if stderr is a terminal."""
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
    """Show a bar for work that reports ``(done, total)`` after each part.

    If the first report has more than one part done, a line says that the work resumes.
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
    """Format a time: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Forecast:
    """Shows the progress of work in parts, and the time left; a context manager.

    On a terminal it shows a bar, elsewhere a line per part. The time left is the time spent,
    scaled by the cost of the remaining parts.

    Args:
      costs: Expected cost of each part, in any unit.
      count: Final count of the bar.
      unit: Unit of the count.
      parts: Name of the parts in a line, in the plural.
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
        """Show that a share of the current part is done."""
        if not self._bar.disable:
            self._bar.update(round(self._count * self._share_done(share), 1) - self._bar.n)

    def next(self) -> None:
        """Show that the current part is complete."""
        self.tell(1)
        self._at += 1
        if self._bar.disable:
            share, seconds = self._share_done(0), time.monotonic() - self._began
            say(
                f"{self._at} of {len(self._costs)} {self._parts} done after "
                f"{duration(seconds)}, about {duration(seconds * (1 - share) / share)} left"
            )

    def _share_done(self, share: float) -> float:
        costs = [*self._costs, 0]
        return (sum(costs[: self._at]) + share * costs[self._at]) / sum(costs)

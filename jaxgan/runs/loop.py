"""The training loop on the host: resume, train, check, log, draw, save, stop."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan.runs import Diverged, Run, Stopped, checkpoint
from jaxgan.runs.processes import agree
from jaxgan.runs.progress import progress, say

_HEALTH = ("critic_loss", "generator_loss", "spread")
COLLAPSE = 0.1  # a smaller spread, as a share of the data's, is reported as a collapse
# Metrics that are reported if they are below a limit during a whole interval: limit, line.
_LOW = {
    "clusters": (0.9, "collapse: generated examples reach {:.0%} of the data's clusters"),
    "distinct": (0.25, "collapse: generated examples are {:.0%} as distinct as the data's"),
}

State = Any  # a pytree of arrays
Metrics = dict[str, Any]  # {name: array}
Advance = Callable[[State, int], tuple[State, Metrics]]


class Interval(NamedTuple):
    """The training at the end of an interval.

    Attributes:
      epoch: Number of epochs done.
      state: Leaves ``[S, ...]``. It is donated to the next interval, which destroys it.
      metrics: ``{name: [S, E]}`` of the E epochs of the interval; empty at the start.
    """

    epoch: int
    state: State
    metrics: dict[str, np.ndarray]


def intervals(
    checkpoints: Path | None,
    init: Callable[[], State],
    advance: Advance,
    *,
    epochs: int,
    every: int,
    due: Callable[[int], bool] = lambda epoch: True,
    keep: int = 3,
    accept: Callable[[int], bool] = lambda epoch: True,
    settle: Callable[[], None] = lambda: None,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Interval]:
    """Train from the newest intact checkpoint, or from the start, to the last epoch.

    A checkpoint that is due is saved after the consumer has handled the interval, so what
    the consumer writes is on disk first. If the consumer breaks out of its loop, that
    interval is not saved.

    Args:
      checkpoints: Folder of the checkpoints; ``None`` to restore and save nothing.
      init: Makes the initial state. Restored numpy arrays are numpy arrays again, and JAX
        arrays are on the devices where ``init`` places them.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``.
      epochs: Total number of epochs.
      every: Epochs in an interval; the last interval may be shorter.
      due: ``epoch -> bool``: whether to save after an epoch; the last one is always saved.
      keep: Number of checkpoints to keep.
      accept: ``epoch -> bool``: whether to resume from the checkpoint of that epoch.
      settle: Called before each save.
      check: Called after each interval; may raise ``Stopped``.

    Yields:
      The start, without metrics, then every interval.

    Raises:
      InputError: If an intact checkpoint does not fit ``init``; nothing is written.
      Stopped: After a signal, once a checkpoint is saved.
    """
    state, epoch = init(), 0
    if checkpoints is not None:
        restored = checkpoint.restore(checkpoints, state, accept)
        for line in restored.damaged:
            say(f"{checkpoints.parent}: {line}")
        if restored.step:
            state, epoch = checkpoint.place(restored.tree, state), restored.step
        del restored  # frees a copy of the state on the host

    def save():
        settle()
        if checkpoints is not None:
            checkpoint.save(checkpoints, epoch, state, keep)

    yield Interval(epoch, state, {})
    while epoch < epochs:
        count = min(every, epochs - epoch)
        state, metrics = advance(state, count)
        epoch += count
        yield Interval(epoch, state, jax.device_get(metrics))
        try:
            agree(check)
        except Stopped:
            save()
            raise
        if due(epoch) or epoch == epochs:
            save()


def seconds_apart(seconds: float) -> Callable[[int], bool]:
    """Make a function ``due`` that is true at first, then at most once every ``seconds``."""
    last = -math.inf

    def due(epoch):
        nonlocal last
        now = time.monotonic()
        if now - last < seconds:
            return False
        last = now
        return True

    return due


class Hooks(NamedTuple):
    """Functions that the training loop calls.

    Attributes:
      draw: ``(epoch, state) -> work``: copies what a picture needs from the state, and
        returns a function that draws the picture, which runs in another thread.
      describe: ``{name: [S]} -> line``: a short line about the metrics of an epoch.
      watch: ``(start, records)``: called with new records and the number of epochs before
        them; the first call has no records.
      on_interval: ``(epoch, state, {name: [S, E]})``: called after every interval.
    """

    draw: Callable[[int, State], Callable[[], None]] = lambda epoch, state: lambda: None
    describe: Callable[[Metrics], str] = lambda metrics: describe(metrics)
    watch: Callable[[int, list[dict[str, Any]]], None] = lambda start, records: None
    on_interval: Callable[[int, State, Metrics], None] = lambda epoch, state, metrics: None


def describe(metrics: Mapping[str, Any], *others: str) -> str:
    """Describe an epoch by medians over lanes: both losses, and other metrics by name."""
    names = {"critic": "critic_loss", "generator": "generator_loss"}
    words = [f"{word} {np.median(metrics[name]):.3f}" for word, name in names.items()]
    return "  ".join(words + [f"{name} {np.median(metrics[name]):.2f}" for name in others])


def train(
    run: Run | None,
    init: Callable[[], State],
    advance: Advance,
    hooks: Hooks,
    *,
    epochs: int,
    steps_per_epoch: int,
    every: int,
    due: Callable[[int], bool],
    check: Callable[[], None] = lambda: None,
) -> State:
    """Train the lanes of a run to the last epoch, resuming from its directory.

    A run that is killed at any moment and started again writes the same files as an
    uninterrupted run.

    Args:
      run: The open run directory; ``None`` to write nothing.
      init: Makes the initial state, with leaves ``[S, ...]``.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``. The metrics include
        ``critic_loss``, ``generator_loss`` and ``spread`` (the spread of generated examples
        as a share of the data's). They may include ``clusters`` (the share of the data's
        clusters that generated examples reach) and ``distinct``.
      hooks: Functions to call on the way.
      epochs: Total number of epochs.
      steps_per_epoch: Generator updates in an epoch.
      every: Epochs in an interval, after which a picture is drawn.
      due: As in ``intervals``.
      check: Called after every interval; may raise ``Stopped``.

    Returns:
      The final state.

    Raises:
      Diverged: If every lane has a loss that is not finite; the last checkpoint is older.
      Stopped: After a signal, once a checkpoint is saved.
    """
    title = run.directory if run else "training"

    log_end = _count_epochs(run) if run else 0
    gaps: list[int] = []

    def accept(epoch):
        if run and epoch > log_end:
            gaps.append(epoch)
        return not run or epoch <= log_end

    frame: Future[None] | None = None

    def settle():
        if frame:
            frame.result()

    steps = intervals(
        run.checkpoints if run else None,
        init,
        advance,
        epochs=epochs,
        every=every,
        due=due,
        accept=accept,
        settle=settle,
        check=check,
    )
    epoch, state, _ = next(steps)
    if gaps:
        way = f"goes back to epoch {epoch}" if epoch else "starts over"
        say(f"{title}: metrics.jsonl lacks epochs before {max(gaps)}; {way}")
    if run:
        run.rewind(min(epoch, log_end))
    hooks.watch(epoch, [])
    health = _Health()
    with ThreadPoolExecutor(1) as artist, progress(epoch, epochs) as bar:
        if epoch == 0:
            frame = artist.submit(hooks.draw(0, state))
        elif epoch < epochs:
            say(f"{title}: goes on after epoch {epoch}")
        else:
            say(f"{title}: has all {epochs} epochs, so nothing is trained")
        for epoch, state, metrics in steps:
            count = len(metrics["critic_loss"][0])
            start = epoch - count
            health.examine(start, metrics)
            records = [
                {"epoch": start + i + 1, "step": (start + i + 1) * steps_per_epoch}
                | {name: values[:, i] for name, values in metrics.items()}
                for i in range(count)
            ]
            if run:
                run.log(records)
            hooks.watch(start, records)
            settle()
            frame = artist.submit(hooks.draw(epoch, state))
            hooks.on_interval(epoch, state, metrics)
            bar.update(count)
            line = hooks.describe({name: values[:, -1] for name, values in metrics.items()})
            if bar.disable:
                say(f"epoch {epoch}/{epochs}  {line}")
            else:
                bar.set_postfix_str(line)
    return state


def _count_epochs(run: Run) -> int:
    """Count the epochs in the log of a run; 0 if it lacks the metrics of a training."""
    records = run.records()
    return len(records) if records and {"step", *_HEALTH} <= records[0].keys() else 0


class _Health:
    """Reports each lane once when it diverges or collapses."""

    def __init__(self):
        self.reports: set[tuple[str, int]] = set()

    def examine(self, epoch: int, metrics: Metrics) -> None:
        finite = finite_epochs(metrics)
        if not finite[:, -1].any():
            at = epoch + 1 + int(np.argmin(finite.any(axis=0)))
            raise Diverged(
                f"every lane has diverged by epoch {at}; a smaller learning rate or another "
                "penalty may help; the last checkpoint is older"
            )
        self._report("diverged (no longer finite)", epoch, ~finite)
        text = f"collapse: generated spread under {COLLAPSE:.0%} of the data's"
        self._report(text, epoch, metrics["spread"] < COLLAPSE)
        for name in _LOW.keys() & metrics.keys():
            limit, text = _LOW[name]
            self._report_low(text, epoch, metrics[name], limit)

    def _report_low(self, text: str, epoch: int, shares: np.ndarray, limit: float) -> None:
        """Report lanes whose shares ``[S, E]`` are below a limit during a whole interval."""
        for lane in np.flatnonzero((shares < limit).all(axis=1)).tolist():
            last = np.zeros(shares.shape, bool)
            last[lane, -1] = True
            self._report(text.format(shares[lane, -1]), epoch, last)

    def _report(self, text: str, epoch: int, signs: np.ndarray) -> None:
        for lane in np.flatnonzero(signs.any(axis=1)).tolist():
            kind = text.split(":")[0]
            if (kind, lane) not in self.reports:
                self.reports.add((kind, lane))
                say(f"epoch {epoch + 1 + np.argmax(signs[lane])}, lane {lane}: {text}")


def finite_epochs(metrics: Metrics) -> np.ndarray:
    """Tell which lanes are finite after each epoch: ``[S, E]``.

    Losses are computed before an update, so the spread shows the effect of the last one.
    """
    return np.logical_and.reduce([np.isfinite(metrics[name]) for name in _HEALTH])

"""The host's loop: resume, advance, log, draw, save, stop."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxgan.runs import Diverged, Run, Stopped, checkpoint
from jaxgan.runs.progress import Advance, Metrics, State, progress, say

COLLAPSED = 0.1  # generated spread below this share of the data's


def train(
    run: Run,
    init: Callable[[], State],
    advance: Advance,
    *,
    epochs: int,
    steps_per_epoch: int,
    every: int,
    checkpoint_every: int,
    draw: Callable[[int, State], Callable[[], None]],
    describe: Callable[[Metrics], str],
    watch: Callable[[int, list[dict[str, Any]]], None] = lambda start, records: None,
    check: Callable[[], None] = lambda: None,
) -> State:
    """Train lanes from the newest intact checkpoint, or from the start, to the end.

    What is written before a checkpoint belongs to it: a run that is killed at any
    moment and started again writes the same files as one that is not.

    Args:
      run: The open run directory.
      init: Makes the first state, leaves ``[S, ...]``.
      advance: Trains a number of epochs; metrics are ``{name: [S, E]}``. Takes
        ``critic_loss``, ``generator_loss`` and ``spread``, the generated spread as a
        share of the data's.
      epochs: In all.
      steps_per_epoch: Generator updates in one.
      every: Epochs between two frames.
      checkpoint_every: Epochs between two checkpoints, a multiple of ``every``.
      draw: Takes what a frame needs from a state, at once, and returns the function
        that draws it, which runs in another thread.
      describe: One short line from the metrics of the last epoch, ``{name: [S]}``.
      watch: Called with the epoch that precedes new records, and with those; first with
        none.
      check: Called after every interval; may raise ``Stopped``.

    Returns:
      The last state.

    Raises:
      Diverged: If every lane has a loss that is not finite. The last checkpoint is
        from before.
      Stopped: By a signal, after a checkpoint.
    """
    restored = checkpoint.restore(run.checkpoints, jax.eval_shape(init))
    for line in restored.damaged:
        say(f"{run.directory}: {line}")
    state, epoch = init(), restored.step or 0
    if [record["epoch"] for record in run.records()][:epoch] != [*range(1, epoch + 1)]:
        say(f"{run.directory}: metrics.jsonl lacks epochs before {epoch}; starts over")
        epoch = 0
    if epoch:  # placed as init does, or the next step would compile again
        state = jax.tree.map(lambda x, y: jax.device_put(x, y.sharding), restored.tree, state)
    run.rewind(epoch)
    health = _Health()
    with ThreadPoolExecutor(1) as artist, progress(epoch, epochs) as bar:
        frame: Future[None] | None = None
        watch(epoch, [])
        if epoch == 0:
            frame = artist.submit(draw(0, state))
        elif epoch < epochs:
            say(f"{run.directory}: goes on after epoch {epoch}")
        while epoch < epochs:
            count = min(every, epochs - epoch)
            state, metrics = advance(state, count)
            metrics = {name: np.asarray(values) for name, values in metrics.items()}
            health.judge(epoch, metrics)
            records = [
                {"epoch": epoch + i + 1, "step": (epoch + i + 1) * steps_per_epoch}
                | {name: values[:, i] for name, values in metrics.items()}
                for i in range(count)
            ]
            run.log(records)
            watch(epoch, records)
            epoch += count
            if frame:
                frame.result()
            frame = artist.submit(draw(epoch, state))
            bar.update(count)
            line = describe({name: values[:, -1] for name, values in metrics.items()})
            bar.set_postfix_str(line) if not bar.disable else say(
                f"epoch {epoch}/{epochs}  {line}"
            )
            try:
                check()
            except Stopped as stop:
                frame.result()
                checkpoint.save(run.checkpoints, epoch, state)
                raise stop
            if epoch % checkpoint_every == 0 or epoch == epochs:
                frame.result()
                checkpoint.save(run.checkpoints, epoch, state)
        if frame:
            frame.result()
    return state


class _Health:
    """Says once of each lane when it diverges or collapses."""

    def __init__(self):
        self.ill: set[tuple[str, int]] = set()

    def judge(self, epoch: int, metrics: Metrics) -> None:
        # The spread is measured after the last update, the losses before it.
        watched = (metrics[x] for x in ("critic_loss", "generator_loss", "spread"))
        finite = np.logical_and.reduce([np.isfinite(x) for x in watched])
        if not finite[:, -1].any():
            at = epoch + 1 + int(np.argmin(finite.any(axis=0)))
            raise Diverged(
                f"no lane is finite any more at epoch {at}; a smaller learning "
                "rate or another penalty may help; the last checkpoint is from before"
            )
        self._tell("no longer finite", epoch, ~finite)
        text = f"collapse: generated spread under {COLLAPSED:.0%} of the data's"
        self._tell(text, epoch, metrics["spread"] < COLLAPSED)

    def _tell(self, text: str, epoch: int, signs: np.ndarray) -> None:
        for lane in np.flatnonzero(signs.any(axis=1)).tolist():
            if (text, lane) not in self.ill:
                self.ill.add((text, lane))
                say(f"epoch {epoch + 1 + np.argmax(signs[lane])}, lane {lane}: {text}")

"""The code that the laboratories of the study share: identities, training, records."""

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from experiments.common.settings import Training
from jaxgan.runs import loop, stoppable
from jaxgan.runs.records import Record, Work
from jaxgan.training.gan import GanState
from jaxgan.training.program import Program

SAVE_EVERY = 60.0  # seconds between checkpoints
# Settings that decide no result: how often is looked at, and where data, whose digest is in
# the identity, was read from.
_ASIDE = {"seed", "seeds", "frame_every", "checkpoint_every", "data", "data_key", "columns"}
_TRACED_SETTINGS = {"learning_rate", "critic_learning_rate", "penalty_weight", "clip"}

Arrays = dict[str, np.ndarray]


def settings(config: Training) -> dict[str, Any]:
    """Settings that decide a result, apart from the data."""
    return {n: x for n, x in dataclasses.asdict(config).items() if n not in _ASIDE}


def static(identity: Mapping[str, Any], config: Training) -> Hashable:
    """Everything but the values that are traced: equal for lanes of one program."""
    constants = [
        (name, value) for name, value in identity.items() if name not in _TRACED_SETTINGS
    ]
    return repr(constants), tuple(config.combinations()[0])


def train(
    program: Program,
    notes: Arrays,
    watch: Callable[[int, GanState, loop.Metrics, Arrays], None],
    epochs: int,
    every: int,
    work: Work,
) -> tuple[GanState, Arrays]:
    """Train lanes to the end and take notes; returns the last state and the notes.

    The notes, ``[S, ...]``, are in each checkpoint, so a run that is killed ends with the
    same numbers. ``watch(epoch, state, metrics, notes)`` writes them in place, at the start,
    where there are no metrics, and after ``every`` epochs. Two are added: ``finite``
    ``[S, E]``, whether a lane is finite after each epoch, and ``seconds`` ``[1]`` of
    training. Training ends early where no lane is finite: none comes back from there.
    """
    began, finite = 0.0, np.zeros((len(next(iter(notes.values()))), epochs), bool)
    start = {
        "state": program.init(),
        "notes": notes | {"finite": finite, "seconds": np.zeros(1)},
    }

    def advance(tree, count):
        nonlocal began
        began = time.monotonic()
        state, metrics = program.advance(tree["state"], count)
        return tree | {"state": state}, metrics

    tree = start
    for epoch, tree, metrics in loop.intervals(
        work.directory / "checkpoints",
        lambda: start,
        advance,
        epochs=epochs,
        every=every,
        due=loop.seconds_apart(SAVE_EVERY),
        keep=1,
        check=work.check,
    ):
        state, notes = tree["state"], tree["notes"]
        if not metrics:
            if epoch == 0:
                watch(0, state, metrics, notes)
            continue
        finite = loop.finite_epochs(metrics)
        notes["finite"][:, epoch - finite.shape[1] : epoch] = finite
        watch(epoch, state, metrics, notes)
        notes["seconds"] += time.monotonic() - began
        work.tell(0.95 * epoch / epochs)
        if not finite[:, -1].any():
            break
    return tree["state"], tree["notes"]


def divergence(finite: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each epoch ``[S, E]`` is before a lane diverged; that epoch, or 0, ``[S]``."""
    before = np.logical_and.accumulate(finite, axis=1)
    return before, np.where(before[:, -1], 0, np.argmin(before, axis=1) + 1)


def records(
    arrays: Iterable[Arrays], notes: Arrays, check: Callable[[], None] = lambda: None
) -> Iterator[Record]:
    """Records of the arrays of each lane as they come; their seconds include training.

    ``check`` ends the work on them within seconds; it raises ``Stopped`` to do so.
    """
    seconds, began = float(notes["seconds"][0]) / len(notes["finite"]), time.monotonic()
    items = iter(arrays)
    while (each := stoppable(lambda: next(items, None), check)) is not None:
        now = time.monotonic()
        yield Record(each, {"seconds": seconds + now - began})
        began = now

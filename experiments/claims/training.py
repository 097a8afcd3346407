"""The training of a study's lanes: from the newest checkpoint to the last epoch."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan import runs
from jaxgan.runs import checkpoint, progress

SAVE_EVERY = 60.0  # seconds between checkpoints
State = Any


def train(
    state: State,
    notes: dict[str, np.ndarray],
    advance: Callable[[State, int], tuple[State, int, bool]],
    epochs: int,
    directory: Path,
    tell: Callable[[float], None],
    check: Callable[[], None],
) -> State:
    """Train the lanes of one program to the end, from where ``directory`` has them.

    All that was seen on the way is in each checkpoint, so a run that is killed ends with
    the same numbers.

    Args:
      state: At the start.
      notes: Arrays that ``advance`` writes in place. ``epoch`` and ``seconds`` of training,
        ``[1]`` each, are added; those of a checkpoint overwrite all.
      advance: ``(state, epochs behind it) -> (later state, epochs behind that, whether any
        lane is finite)``. May donate the state. Training ends where no lane is finite:
        none comes back from there.
      epochs: In all.
      directory: Holds the checkpoints.
      tell: Called with the share that is done.
      check: Called after each advance; may raise ``Stopped``.

    Returns:
      The last state.

    Raises:
      Stopped: By a signal, after a checkpoint.
    """
    notes |= {"seconds": np.zeros(1, np.float32), "epoch": np.zeros(1, np.int32)}

    def save():
        checkpoint.save(directory, epoch, {"state": state, "notes": notes}, keep=1)

    restored = checkpoint.restore(directory, {"state": state, "notes": notes})
    for line in restored.damaged:
        progress.say(f"{directory}: {line}")
    if restored.step is not None:
        for name, x in restored.tree["notes"].items():
            notes[name][...] = x
        tree = restored.tree["state"]
        state = jax.tree.map(lambda x, y: jax.device_put(x, y.sharding), tree, state)
    epoch, saved, finite = int(notes["epoch"][0]), time.monotonic(), True
    while epoch < epochs and finite:
        began = time.monotonic()
        state, epoch, finite = advance(state, epoch)
        notes["epoch"][0] = epoch
        notes["seconds"] += time.monotonic() - began
        tell(0.95 * epoch / epochs)
        try:
            check()
        except runs.Stopped:
            if finite:  # or the last steps run again, to the same end
                save()
            raise
        if finite and (time.monotonic() - saved > SAVE_EVERY or epoch == epochs):
            save()
            saved = time.monotonic()
    return state

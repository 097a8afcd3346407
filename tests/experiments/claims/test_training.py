import jax.numpy as jnp
import numpy as np
import pytest

from experiments.claims import training
from jaxgan.runs import Stopped

EPOCHS = 6


def train(directory, check=lambda: None, lost_after=None):
    """What is seen of a state that counts up, and how it ends."""
    notes = {"seen": np.full(EPOCHS, -1)}
    advances = []

    def advance(state, epoch):
        advances.append(epoch)
        notes["seen"][epoch] = int(state)
        return state + 1, epoch + 1, epoch + 1 != lost_after

    start = jnp.zeros((), jnp.int32)
    state = training.train(start, notes, advance, EPOCHS, directory, lambda share: None, check)
    assert notes["epoch"] == len(notes["seen"][notes["seen"] >= 0])
    return int(state), notes["seen"].tolist(), advances


def stop_at(call):
    calls = iter(range(1, EPOCHS + 1))

    def check():
        if next(calls) == call:
            raise Stopped(15)

    return check


CASES = [(None, call) for call in range(1, EPOCHS + 1)] + [(3, call) for call in range(1, 4)]


@pytest.mark.parametrize(("lost_after", "call"), CASES)
def test_stopped_and_started_again_ends_alike(tmp_path, lost_after, call):
    last = lost_after or EPOCHS
    whole = train(tmp_path / "whole", lost_after=lost_after)
    assert whole[2] == [*range(last)]
    with pytest.raises(Stopped):
        train(tmp_path / "cut", stop_at(call), lost_after)
    again = train(tmp_path / "cut", lost_after=lost_after)
    assert again[:2] == whole[:2]
    # What diverged in its last step is not kept, all else is.
    assert again[2] == [*range(0 if call == lost_after else call, last)]

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.claims import lanes
from jaxgan.runs import Stopped
from jaxgan.runs.records import Work
from jaxgan.training.program import Program

EPOCHS = 6


def train(directory, check=lambda: None, lost_after=None, every=1):
    """Train two lanes that count up; returns their state, their notes, and what was done."""
    advances = []

    def advance(state, count):
        epoch = int(state[0])
        advances.append(epoch)
        names = ("critic_loss", "generator_loss", "spread")
        metrics = {name: np.ones((2, count)) for name in names}
        if lost_after is not None:
            metrics["spread"][:, max(lost_after - 1 - epoch, 0) :] = np.nan
        return state + count, metrics

    def watch(epoch, state, metrics, notes):
        assert epoch == int(state[0])
        assert bool(metrics) == (epoch > 0)
        notes["seen"][:, epoch] = state

    unused: Any = None
    program = Program(lambda: jnp.zeros(2, jnp.int32), advance, unused, unused, unused)
    notes = {"seen": np.full((2, EPOCHS + 1), -1)}
    work = Work(directory, lambda share: None, check)
    state, notes = lanes.train(program, notes, watch, EPOCHS, every, work)
    assert notes["seconds"] > 0
    return jax.device_get(state).tolist(), notes["seen"].tolist(), advances, notes["finite"]


def stop_at(call):
    calls = iter(range(1, EPOCHS + 1))

    def check():
        if next(calls) == call:
            raise Stopped(15)

    return check


CASES = [(None, call) for call in range(1, EPOCHS + 1)] + [(3, call) for call in range(1, 3)]


@pytest.mark.parametrize(("lost_after", "call"), CASES)
def test_stopped_and_started_again_ends_alike(tmp_path, lost_after, call):
    last = lost_after or EPOCHS
    whole = train(tmp_path / "whole", lost_after=lost_after)
    assert whole[2] == [*range(last)]
    assert (
        whole[3].tolist() == [[epoch < last - bool(lost_after) for epoch in range(EPOCHS)]] * 2
    )
    with pytest.raises(Stopped):
        train(tmp_path / "cut", stop_at(call), lost_after)
    again = train(tmp_path / "cut", lost_after=lost_after)
    assert again[:2] == whole[:2]
    np.testing.assert_array_equal(again[3], whole[3])
    assert again[2] == [*range(call, last)]


def test_a_step_in_which_all_lanes_diverge_is_not_saved(tmp_path):
    one = train(tmp_path, lost_after=3)
    assert one[2] == [0, 1, 2]
    (folder,) = (tmp_path / "checkpoints").iterdir()  # of the first step; no other was due
    assert folder.name == "step_00000001"
    again = train(tmp_path, lost_after=3)
    assert again[:2] == one[:2]
    assert again[2] == [1, 2]


def test_the_last_interval_may_be_shorter(tmp_path):
    state, seen, advances, finite = train(tmp_path, every=4)
    assert (state, advances) == ([6, 6], [0, 4])
    assert seen[0] == [0, -1, -1, -1, 4, -1, 6]
    assert finite.all()


def test_where_lanes_diverged():
    finite = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0]], bool)
    before, at = lanes.divergence(finite)
    assert at.tolist() == [0, 2, 1, 3]
    assert before.sum(axis=1).tolist() == [3, 1, 0, 2]

"""The host's loop, with a training that costs nothing: a counter and made-up losses."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.runs import Diverged, Run, Stopped, loop

LANES = 3


def init():
    return {"counter": jnp.zeros(LANES, jnp.int32), "notes": np.zeros((LANES, 9), np.float32)}


def advance(state, epochs, change=lambda metrics, epoch: None):
    """Add one per epoch, and record the counter in an array in place, as a study does."""
    start = int(state["counter"][0])
    for epoch in range(start, start + epochs):
        state["notes"][:, epoch] = epoch + 1
    metrics = {
        name: np.tile(np.arange(start, start + epochs, dtype=np.float32) + 1, (LANES, 1))
        for name in ("critic_loss", "generator_loss", "spread")
    }
    change(metrics, start)
    return {"counter": state["counter"] + epochs, "notes": state["notes"]}, metrics


def train(directory, hooks=None, advance=advance, epochs=6, check=lambda: None):
    with Run(directory, {"kind": "counter"}) as run:
        return loop.train(
            run,
            init,
            advance,
            hooks or loop.Hooks(),
            epochs=epochs,
            steps_per_epoch=10,
            every=2,
            due=lambda epoch: epoch % 4 == 0,
            check=check,
        )


def epochs_of(directory):
    with Run(directory, {"kind": "counter"}) as run:
        return [(record["epoch"], record["step"]) for record in run.records()]


def stop_after(calls):
    """A check that raises at its last call."""
    left = iter(range(calls - 1, -1, -1))

    def check():
        if not next(left):
            raise Stopped(15)

    return check


def test_intervals_begin_with_the_start_and_end_with_a_shorter_one(tmp_path):
    steps = [*loop.intervals(tmp_path, init, advance, epochs=5, every=2)]
    assert [x.epoch for x in steps] == [0, 2, 4, 5]
    assert [len(x.metrics.get("spread", [[]])[0]) for x in steps] == [0, 2, 2, 1]
    assert steps[-1].state["notes"][0].tolist() == [1, 2, 3, 4, 5, 0, 0, 0, 0]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = [*loop.intervals(None, init, advance, epochs=3, every=2)]
    assert [x.epoch for x in steps] == [0, 2, 3]
    assert not [*tmp_path.iterdir()]


def test_a_consumer_that_breaks_leaves_its_interval_unsaved(tmp_path):
    for at in loop.intervals(tmp_path / "c", init, advance, epochs=6, every=2):
        if at.epoch == 4:
            break
    at = next(loop.intervals(tmp_path / "c", init, advance, epochs=6, every=2))
    assert at.epoch == 2
    notes = at.state["notes"]
    assert isinstance(notes, np.ndarray)
    assert notes.flags.writeable
    assert notes[0].tolist() == [1, 2, *[0] * 7]


def test_what_is_drawn_and_logged_is_done_before_the_save(tmp_path, monkeypatch):
    events = []
    save = loop.checkpoint.save

    def noted(directory, step, *rest):
        events.append(f"save {step}")
        save(directory, step, *rest)

    monkeypatch.setattr(loop.checkpoint, "save", noted)
    hooks = loop.Hooks(
        draw=lambda epoch, state: lambda: events.append(f"draw {epoch}"),
        watch=lambda start, records: events.append(f"records {start} {len(records)}"),
        on_interval=lambda epoch, state, metrics: events.append(f"interval {epoch}"),
    )
    train(tmp_path / "run", hooks)
    saves = [i for i, event in enumerate(events) if event.startswith("save")]
    assert [events[i] for i in saves] == ["save 4", "save 6"]
    for i in saves:
        epoch = events[i].split()[1]
        assert {f"draw {epoch}", f"interval {epoch}"} <= set(events[:i])
    assert [x for x in events if x.startswith("records")] == [
        "records 0 0",
        "records 0 2",
        "records 2 2",
        "records 4 2",
    ]
    assert epochs_of(tmp_path / "run") == [(e, 10 * e) for e in range(1, 7)]


def test_a_signal_saves_and_training_goes_on(tmp_path, capsys):
    with pytest.raises(Stopped):
        train(tmp_path, check=stop_after(1))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_00000002"]
    state = train(tmp_path)
    assert "goes on after epoch 2" in capsys.readouterr().err
    assert state["counter"].tolist() == [6] * LANES
    assert state["notes"][0].tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0]
    assert epochs_of(tmp_path) == [(e, 10 * e) for e in range(1, 7)]


def test_more_epochs_go_on_from_a_complete_training(tmp_path):
    train(tmp_path, epochs=4)
    assert train(tmp_path, epochs=6)["notes"][0].tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0]


def test_lost_metrics_are_made_again(tmp_path, capsys):
    train(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\nrubbish\n')
    train(tmp_path)
    assert "metrics.jsonl lacks epochs before 6; starts over" in capsys.readouterr().err
    assert epochs_of(tmp_path) == [(e, 10 * e) for e in range(1, 7)]


def test_a_log_that_is_damaged_late_costs_the_later_epochs_only(tmp_path, capsys):
    train(tmp_path)
    path = tmp_path / "metrics.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], "rubbish", lines[5]]) + "\n")
    assert train(tmp_path)["notes"][0].tolist() == [1, 2, 3, 4, 5, 6, 0, 0, 0]
    assert (
        "metrics.jsonl lacks epochs before 6; goes back to epoch 4" in capsys.readouterr().err
    )
    assert path.read_text().splitlines() == lines


def test_a_checkpoint_that_does_not_fit_is_refused_and_all_stays(tmp_path, monkeypatch):
    def content():
        return {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    train(tmp_path, epochs=4)
    before = content()
    monkeypatch.setitem(globals(), "init", lambda: {"counter": jnp.zeros(LANES, jnp.uint32)})
    with pytest.raises(InputError, match="is intact and does not fit"):
        train(tmp_path)
    assert content() == before


def test_divergence_of_all_lanes_keeps_the_last_finite_checkpoint(tmp_path):
    def diverging(state, epochs):
        def change(metrics, start):
            metrics["critic_loss"][:] = np.nan if start >= 4 else 0

        return advance(state, epochs, change)

    with pytest.raises(Diverged, match="every lane has diverged by epoch 5"):
        train(tmp_path, advance=diverging, epochs=8)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_00000004"]
    assert len(epochs_of(tmp_path)) == 4


def test_divergence_and_collapse_of_a_lane_are_said_once(tmp_path, capsys):
    def ill(state, epochs):
        def change(metrics, start):
            metrics["generator_loss"][1] = np.inf
            metrics["spread"][2] = 0.05

        return advance(state, epochs, change)

    train(tmp_path, advance=ill)
    lines = capsys.readouterr().err.splitlines()
    assert [x for x in lines if "lane" in x] == [
        "epoch 1, lane 1: diverged (no longer finite)",
        "epoch 1, lane 2: collapse: generated spread under 10% of the data's",
    ]


def test_missed_clusters_of_a_whole_interval_are_a_collapse(tmp_path, capsys):
    def ill(state, epochs):
        def change(metrics, start):
            metrics["clusters"] = np.ones_like(metrics["spread"])
            metrics["clusters"][0, 0] = 0.5  # at times
            metrics["clusters"][1] = 0.875  # 7 of 8
            metrics["clusters"][2] = 0.125
            metrics["spread"][2, -1] = 0.05  # said once

        return advance(state, epochs, change)

    train(tmp_path, advance=ill)
    lines = capsys.readouterr().err.splitlines()
    assert [x for x in lines if "lane" in x] == [
        "epoch 2, lane 2: collapse: generated spread under 10% of the data's",
        "epoch 2, lane 1: collapse: generated examples reach 88% of the data's clusters",
    ]


def test_examples_that_repeat_over_a_whole_interval_are_a_collapse(tmp_path, capsys):
    def ill(state, epochs):
        def change(metrics, start):
            metrics["distinct"] = np.ones_like(metrics["spread"])
            metrics["distinct"][0, 0] = 0.1  # at times
            metrics["distinct"][1] = 0.2

        return advance(state, epochs, change)

    train(tmp_path, advance=ill)
    lines = capsys.readouterr().err.splitlines()
    assert [x for x in lines if "lane" in x] == [
        "epoch 2, lane 1: collapse: generated examples are 20% as distinct as the data's",
    ]


def test_finite_epochs_look_at_losses_and_spread():
    metrics = {name: np.ones((2, 3)) for name in ("critic_loss", "generator_loss", "spread")}
    metrics["critic_loss"][0, 2] = np.nan
    metrics["spread"][1, 0] = np.inf
    finite = loop.finite_epochs(metrics)
    assert finite.tolist() == [[True, True, False], [False, True, True]]


def test_saves_are_some_time_apart(monkeypatch):
    now = iter([0.5, 1.0, 1.5, 2.4, 2.5])
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(now))
    due = loop.seconds_apart(1.0)
    assert [due(epoch) for epoch in range(5)] == [True, False, True, False, True]

"""Jobs in run directories, with a training that costs nothing."""

import json
import threading

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxgan.errors import InputError
from jaxgan.runs import Diverged, Stopped, directory, jobs
from jaxgan.runs.tensorboard import Board
from jaxgan.runtime import replacing


def job(directory):
    def advance(state, epochs):
        names = ("critic_loss", "generator_loss", "spread")
        return state + epochs, {name: np.ones((2, epochs)) for name in names}

    def frame(epoch):
        return directory / f"{epoch}.png"

    def draw(epoch, state):
        return lambda: Image.new("RGB", (8, 8)).save(frame(epoch))

    def finish(state, records, frames):
        names = [path.name for path in frames]
        return {"count": state.tolist(), "records": len(records), "frames": names}

    return jobs.Job(
        init=lambda: jnp.zeros(2, jnp.int32),
        advance=advance,
        draw=draw,
        frame=frame,
        describe=lambda metrics: "fine",
        finish=finish,
        epochs=3,
        steps_per_epoch=1,
        every=2,
        checkpoint_every=2,
        picture="drawings",
    )


def run(directory, **options):
    return jobs.run(directory, {"kind": "test"}, lambda: job(directory), **options)


def test_a_job_is_done_once(tmp_path, capsys):
    summary = run(tmp_path / "run")
    assert summary["count"] == [3, 3]
    assert summary["records"] == 3
    assert summary["frames"] == ["0.png", "2.png", "3.png"]
    assert summary["train_s"] >= 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary
    assert run(tmp_path / "run") == summary
    assert "already complete" in capsys.readouterr().err
    with pytest.raises(InputError, match="was made with kind=test, not other"):
        jobs.run(tmp_path / "run", {"kind": "other"}, lambda: job(tmp_path / "run"))


def test_derived_files_that_are_damaged_are_made_again_or_left_out(tmp_path, capsys):
    """A summary or arrays are made again; a frame of an earlier state is left out."""
    summary = run(tmp_path)
    for name, content in (
        ("summary.json", "{"),
        ("summary.json", '{"count": 1}'),
        ("samples.npz", "PK cut short"),
    ):
        (tmp_path / name).write_text(content)
        again = run(tmp_path)
        assert again["count"] == summary["count"]
        assert json.loads((tmp_path / "summary.json").read_text()) == again
    assert "samples.npz is damaged: it is made again" in capsys.readouterr().err
    (tmp_path / "samples.npz").unlink()
    (tmp_path / "samples.npz").symlink_to(tmp_path / "nowhere")
    run(tmp_path)
    assert "samples.npz is damaged: it is made again" in capsys.readouterr().err
    (tmp_path / "samples.npz").unlink()
    for name, content in (("0.png", b""), ("2.png", (tmp_path / "2.png").read_bytes()[:-20])):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "summary.json").unlink()
    assert run(tmp_path)["frames"] == ["3.png"]
    assert "2.png is damaged and left out of the film" in capsys.readouterr().err


def test_a_signal_ends_the_last_measures_and_the_same_call_goes_on_with_them(tmp_path):
    began, never, began_at = threading.Event(), threading.Event(), []

    def measure(state, records, frames):
        began.set()
        while not never.wait(0.01):
            pass

    def stop():
        if began.is_set():
            raise Stopped(15)

    endless = job(tmp_path)._replace(finish=measure)
    with pytest.raises(Stopped):
        jobs.run(tmp_path, {"kind": "test"}, lambda: endless, check=stop)
    never.set()
    assert not (tmp_path / "summary.json").exists()

    def advance(state, epochs):
        began_at.append(state)

    again = job(tmp_path)._replace(advance=advance)
    summary = jobs.run(tmp_path, {"kind": "test"}, lambda: again)
    assert (summary["count"], began_at) == ([3, 3], [])


def test_an_error_of_the_disk_says_what_is_saved(tmp_path):
    def full(state, records, frames):
        with replacing(tmp_path / "film.gif"):
            raise OSError(28, "No space left on device")

    stuck = job(tmp_path)._replace(finish=full)
    with pytest.raises(OSError, match="No space left on device: '.*/film.gif'") as caught:
        jobs.run(tmp_path, {"kind": "test"}, lambda: stuck)
    assert caught.value.__notes__ == ["epoch 3 is saved"]
    assert run(tmp_path)["count"] == [3, 3]


def test_another_number_of_cores_is_said_where_numbers_depend_on_it(
    tmp_path, capsys, monkeypatch
):
    def words(**options):
        (tmp_path / "summary.json").unlink(missing_ok=True)
        run(tmp_path, **options)
        return capsys.readouterr().err

    monkeypatch.setattr(directory, "cores", lambda: 4)
    monkeypatch.setattr(jobs, "cores", lambda: 2)
    assert "CPU cores" not in words(cores_matter=True)  # it begins
    line = f"{tmp_path}: started with 4 CPU cores and resumes with 2: results differ"
    assert words(cores_matter=True).startswith(line)
    assert "CPU cores" not in words()
    monkeypatch.setattr(jobs, "cores", lambda: 4)
    assert "CPU cores" not in words(cores_matter=True)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["cores"]  # as of an earlier version
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(jobs, "cores", lambda: 2)
    assert "CPU cores" not in words(cores_matter=True)


def test_tensorboard_gets_the_same_numbers_and_frames(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs the tb extra")
    run(tmp_path, tensorboard=True)
    (events,) = (tmp_path / "tensorboard").iterdir()
    content = events.read_bytes()
    assert content.count(b"critic_loss/lane_1") == 3
    assert content.count(b"\x89PNG") == content.count(b"drawings") == 3


def test_a_full_disk_ends_the_numbers_for_tensorboard(tmp_path):
    """The writer of tensorboardX would hang: its thread fails, then its queue fills."""
    reader = pytest.importorskip("tensorboardX.event_file_writer", reason="needs the tb extra")
    with Board(tmp_path) as board:
        board.numbers(0, [{"epoch": 1, "step": 2, "loss": np.ones(1)}])

        def full(self, event):
            raise OSError(28, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader.EventsWriter, "write_event", full)
            with pytest.raises(OSError, match="No space left on device: '.*/tensorboard'"):
                board.numbers(1, [{"epoch": 2, "step": 4, "loss": np.ones(1)}])


def test_the_last_state_is_that_of_the_last_checkpoint(tmp_path):
    run(tmp_path)
    init = job(tmp_path).init
    assert jobs.last_state(tmp_path, init).tolist() == [3, 3]
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="manifest.json is missing or unreadable"):
        jobs.last_state(tmp_path, init)


def settings(config):
    return {"config": config}


def test_one_program_runs_in_the_directory_and_several_below_it(tmp_path):
    assert jobs.folders_of(["a"], tmp_path, str.upper) == {tmp_path: "a"}
    folders = jobs.folders_of(["a", "b"], tmp_path, str.upper)
    assert folders == {tmp_path / "A": "a", tmp_path / "B": "b"}
    results = jobs.run_all(folders, tmp_path, lambda config, folder: config * 2, settings)
    assert results == {tmp_path / "A": "aa", tmp_path / "B": "bb"}
    others = jobs.folders_of(["a", "c"], tmp_path, str.upper)
    with pytest.raises(InputError, match="was made with programs=A,B, not A,C"):
        jobs.check_all(others, tmp_path, settings)


def test_folders_have_plain_names_that_stay_apart(tmp_path):
    long = "x" * 300
    folders = jobs.folders_of(["a:b=1,c", f"{long}1", f"{long}2"], tmp_path, str)
    assert folders[tmp_path / "a_b_1_c"] == "a:b=1,c"
    assert len(folders) == 3
    assert all(len(folder.name) <= 200 for folder in folders)


def test_a_program_that_diverges_does_not_stop_the_others(tmp_path, capsys):
    def run_one(config, folder):
        if config == "bad":
            raise Diverged("no lane is finite")
        return config

    folders = jobs.folders_of(["bad", "good"], tmp_path, str)
    results = jobs.run_all(folders, tmp_path, run_one, settings)
    assert isinstance(results[tmp_path / "bad"], Diverged)
    assert results[tmp_path / "good"] == "good"
    assert "bad: no lane is finite" in capsys.readouterr().err
    with pytest.raises(Diverged):
        jobs.run_all({tmp_path / "x": "bad"}, tmp_path / "x", run_one, settings)


def test_other_runs_are_refused_before_anything_is_written(tmp_path):
    folders = jobs.folders_of(["a", "b"], tmp_path, str)
    jobs.run_all(folders, tmp_path, lambda config, folder: None, settings)
    run(tmp_path / "b")
    with pytest.raises(InputError, match="b was made with kind=test, not None"):
        jobs.run_all(folders, tmp_path, lambda config, folder: None, settings)
    assert not (tmp_path / "a").exists()

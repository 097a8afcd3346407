import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgan import runs
from jaxgan.errors import InputError

SETTINGS = {"epochs": 5, "learning_rate": (1e-4, 1e-3), "clip": None}


def test_a_run_is_configured_once(tmp_path):
    path = tmp_path / "a" / "b"
    with runs.Run(path, SETTINGS):
        config = json.loads((path / "config.json").read_text())
    assert config["settings"] == {
        **{"epochs": 5, "learning_rate": [1e-4, 1e-3], "clip": None},
        "jax_default_prng_impl": "threefry2x32",
        "jax_threefry_partitionable": True,
        "jax_enable_x64": False,
    }
    assert {"jax", "flax", "python"} <= set(config["versions"])
    assert config["command"] == shlex.join(sys.orig_argv)
    with runs.Run(path, SETTINGS):
        pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 6}, "epochs=5, not 6"),
        ({"learning_rate": (1e-4,)}, "learning_rate=0.0001,0.001, not 0.0001"),
        ({"extra": 1}, "extra=None, not 1"),
    ],
)
def test_a_changed_setting_is_refused_by_name(tmp_path, change, message):
    with runs.Run(tmp_path, SETTINGS) as run:
        run.log([{"epoch": 1}])
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(InputError, match=f"was made with {message}; --name makes"):
        runs.Run(tmp_path, SETTINGS | change)
    assert (tmp_path / "config.json").read_bytes() == before
    with runs.Run(tmp_path, SETTINGS | change, fresh=True) as run:
        assert run.records() == []


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        (jax.enable_x64, True, "jax_enable_x64=False, not True"),
        (jax.default_prng_impl, "rbg", "jax_default_prng_impl=threefry2x32, not rbg"),
    ],
)
@pytest.mark.parametrize("former", [False, True])
def test_settings_of_jax_are_settings_of_a_run(tmp_path, setting, value, words, former):
    with runs.Run(tmp_path, SETTINGS):
        pass
    if former:  # a run whose configuration does not tell
        (tmp_path / "config.json").write_text(json.dumps({"settings": SETTINGS}))
    with setting(value), pytest.raises(InputError, match=f"was made with {words}"):
        runs.Run(tmp_path, SETTINGS)
    with runs.Run(tmp_path, SETTINGS):
        pass


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    "content", [None, "not json", "[]", '{"settings": 5}', '"ab"', "[" * 100_000]
)
def test_a_folder_that_is_no_run_is_left_alone(tmp_path, fresh, content):
    (tmp_path / "thesis.txt").write_text("precious")
    if content:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match="is not a run"):
        runs.Run(tmp_path, SETTINGS, fresh=fresh)
    assert (tmp_path / "thesis.txt").read_text() == "precious"
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("name", ["config.json", "lock", "metrics.jsonl", "summary.json"])
def test_a_pipe_in_place_of_a_file_is_refused(tmp_path, name):
    with runs.Run(tmp_path, SETTINGS):
        pass
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=str(tmp_path)):
        runs.Run(tmp_path, SETTINGS)


def test_a_lock_does_not_empty_the_file_that_a_link_leads_to(tmp_path):
    with runs.Run(tmp_path / "run", SETTINGS):
        pass
    (tmp_path / "thesis.txt").write_text("precious")
    (tmp_path / "run" / "lock").unlink()
    (tmp_path / "run" / "lock").symlink_to(tmp_path / "thesis.txt")
    with pytest.raises(InputError, match="cannot write to .*run: .*links"):
        runs.Run(tmp_path / "run", SETTINGS)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_start_that_was_killed_at_once_is_no_obstacle(tmp_path):
    (tmp_path / "lock").write_text("")
    (tmp_path / "tmp_12_config.json").write_text('{"setti')
    with runs.Run(tmp_path, SETTINGS):
        assert not (tmp_path / "tmp_12_config.json").exists()


def test_what_writes_that_were_killed_leave_is_deleted(tmp_path):
    with runs.Run(tmp_path, SETTINGS):
        pass
    halves = ("tmp_1_a.json", "frames/tmp_1_b.png", "cells/01ab/tmp_1_seed_0000.npz")
    for name in (*halves, "frames/tmp_mine.png", "mine/tmp_1_c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    with runs.Run(tmp_path, SETTINGS):
        left = {path.name for path in tmp_path.rglob("tmp_*")}
    assert left == {"tmp_mine.png", "tmp_1_c.txt"}


def test_fresh_deletes_only_what_jaxgan_writes(tmp_path):
    written = [
        *("summary.json", "metrics.jsonl", "samples.png", "generator.npz", "direction_12.png"),
        *("checkpoints/step_00000020/manifest.json", "checkpoints/step_00000040/arrays/x"),
        *(
            "checkpoints/step_00000060.damaged/x",
            "frames/epoch_0001.png",
            "frames/step_0002.png",
        ),
        *("traversal/classes.png", "tensorboard/events.out.tfevents.1.host"),
        *(f"cells/{20 * 'a'}/seed_0001.npz", f"work/{20 * 'b'}/checkpoints/step_1/x"),
    ]
    mine = [
        *("notes.txt", "frames/best.png", "checkpoints/step_00000020.txt", "photos/1/face.jpg"),
        *("checkpoints/kept/step_00000020/x", "my-run/summary.json", "direction_a.png"),
    ]
    with runs.Run(tmp_path, SETTINGS):
        for name in written + mine:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("")
    (tmp_path / "pictures").symlink_to(tmp_path / "photos")
    with runs.Run(tmp_path, SETTINGS, fresh=True):
        pass
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left - {"lock", "config.json", "pictures"} == {
        part for name in mine for part in (name, *map(str, Path(name).parents)) if part != "."
    }


def test_fresh_killed_half_way_leaves_an_older_state_of_the_run(tmp_path, monkeypatch):
    with runs.Run(tmp_path, SETTINGS) as run:
        run.finish({})
        for step in (1, 2):
            (run.checkpoints / f"step_{step:08d}").mkdir(parents=True)
    delete, calls = shutil.rmtree, iter(range(9))

    def die(path, **options):
        delete(path, **options)
        if "tmp_" in str(path) and next(calls) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        runs.Run(tmp_path, SETTINGS | {"epochs": 9}, fresh=True)
    monkeypatch.undo()
    with runs.Run(tmp_path, SETTINGS) as run:
        assert run.summary() is None
        assert [path.name for path in run.checkpoints.iterdir()] == ["step_00000001"]
    with runs.Run(tmp_path, SETTINGS | {"epochs": 9}, fresh=True) as run:
        assert not run.checkpoints.exists()


def test_one_process_at_a_time(tmp_path):
    with runs.Run(tmp_path, SETTINGS), pytest.raises(InputError, match="in use by another"):
        runs.Run(tmp_path, SETTINGS)
    with runs.Run(tmp_path, SETTINGS):
        pass


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/run"):
        runs.Run(tmp_path / "file" / "run", SETTINGS)
    with pytest.raises(InputError, match="is not a run"):
        runs.Run(tmp_path / "file", SETTINGS)


def test_metrics_are_rewound_and_a_cut_line_is_dropped(tmp_path):
    with runs.Run(tmp_path, SETTINGS) as run:
        run.log([{"epoch": e, "loss": np.array([0.5, np.nan])} for e in (1, 2, 3)])
        assert run.records()[0] == {"epoch": 1, "loss": [0.5, None]}
        path = tmp_path / "metrics.jsonl"
        path.write_text(path.read_text() + '{"epoch": 4, "lo')
        assert [record["epoch"] for record in run.records()] == [1, 2, 3]
        run.rewind(2)
        run.log([{"epoch": 3, "loss": [0.5, 0.5]}])
        assert [record["epoch"] for record in run.records()] == [1, 2, 3]


@pytest.mark.parametrize(
    "line",
    [
        *(b"{}", b"5", b"null", b"\xff", b"[" * 100_000, b"", b'{"epoch": 2}'),
        *(b'{"epoch": 3, "loss": [1, 2]}', b'{"epoch": 2, "loss": [1]}'),
        b'{"epoch": 2, "loss": [1, "a"]}',
    ],
)
def test_a_damaged_log_is_cut_and_said(tmp_path, capsys, line):
    with runs.Run(tmp_path, SETTINGS) as run:
        run.log([{"epoch": e, "loss": [0.5, 0.5]} for e in (1, 2, 3)])
        path = tmp_path / "metrics.jsonl"
        first, _, third, _ = path.read_bytes().split(b"\n")
        path.write_bytes(b"\n".join([first, line, third, b""]))
        assert [record["epoch"] for record in run.records()] == [1]
        run.rewind(1)
        assert path.read_bytes() == first + b"\n"
    assert "metrics.jsonl: line 2 is damaged; cut to epoch 1" in capsys.readouterr().err


def test_a_log_may_gain_a_metric_in_the_middle(tmp_path):
    """This happens if a later version resumes a run."""
    with runs.Run(tmp_path, SETTINGS) as run:
        run.log([{"epoch": 1, "loss": [1.0]}, {"epoch": 2, "loss": [1.0], "modes": [8]}])
        assert [record["epoch"] for record in run.records()] == [1, 2]


@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json", "checkpoints", "frames"])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_in_place_of_a_file_is_one_line(tmp_path, name, fresh):
    with runs.Run(tmp_path, SETTINGS):
        pass
    path = tmp_path / name
    path.mkdir() if "." in name else path.write_text("")
    kind = "file" if "." in name else "folder"
    with pytest.raises(InputError, match=f"{name} is not a {kind}; move it away"):
        runs.Run(tmp_path, SETTINGS, fresh=fresh)
    path.rmdir() if "." in name else path.unlink()
    path.symlink_to(tmp_path / "missing")
    with pytest.raises(InputError, match=f"{name} is not a {kind}; move it away"):
        runs.Run(tmp_path, SETTINGS, fresh=fresh)


@pytest.mark.parametrize("content", [b"", b"5", b"\xff", b"[" * 100_000])
def test_a_damaged_summary_is_none(tmp_path, content):
    with runs.Run(tmp_path, SETTINGS) as run:
        (tmp_path / "summary.json").write_bytes(content)
        assert run.summary() is None


def test_summary_says_that_a_run_has_ended(tmp_path):
    with runs.Run(tmp_path, SETTINGS) as run:
        assert run.summary() is None
        run.finish({"fit": np.float64(1.5), "bad": float("inf")})
        assert run.summary() == {"fit": 1.5, "bad": None}

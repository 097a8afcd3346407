"""The command line: in this process, and where signals and kills matter in its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from experiments.points.__main__ import main
from tests.quick import AS_USERS

ROOT = Path(__file__).parents[3]


def test_dry_run_writes_nothing(tmp_path, flags_of, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--dry_run", *flags_of()]) == 0
    (settings,) = json.loads(capsys.readouterr().out).values()
    assert settings["epochs"] == 4
    assert settings["generator_widths"] == [8]
    assert not (tmp_path / "runs").exists()


def test_optimizers_of_optax_have_settings_and_plain_folders(
    tmp_path, flags_of, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    optimizers = "--optimizer=sgd,optax.adamw:weight_decay=1e-3,b1=0.5,optax.lion"
    assert main(["--dry_run", *flags_of(), optimizers]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [settings["optimizer"] for settings in plan.values()] == [
        "sgd",
        "optax.adamw:b1=0.5,weight_decay=0.001",
        "optax.lion",
    ]
    folders = [Path(folder) for folder in plan]
    assert folders[1].name == "wgan_gp-optax.adamw_b1_0.5_weight_decay_0.001"
    assert all(re.fullmatch(r"[\w.+/-]+", str(folder)) for folder in folders)
    assert main(["--dry_run", *flags_of(), "--optimizer=b1=0.5"]) == 2
    assert "unknown optimizer 'b1=0.5'; choose from sgd" in capsys.readouterr().err


def test_help_names_every_setting(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("variant", "critic_steps", "generator_widths", "recipe", "fresh", "out"):
        assert f"--{name}" in out or f"--[no]{name}" in out
    assert "Default: 4." in out  # of latent_dim


def test_what_is_taken_for_granted_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cloud = np.random.default_rng(0).normal(size=(400, 2))
    rows = [f"7,{x},{y}" for x, y in cloud.tolist()]
    Path("a.csv").write_text("\n".join(["0,1,2", *rows]))
    assert main(["--data=a.csv", "--dry_run", "--columns=1,2"]) == 0
    out, err = capsys.readouterr()
    assert "a.csv: the first row, 0,1,2, numbers the columns: read as a header" in err
    assert json.loads(out)["runs/points/a-wgan_gp"]["columns"] == ["1", "2"]
    assert main(["--data=a.csv", "--dry_run"]) == 2
    assert "(0, 1, 2); choose two with --columns=1,2" in capsys.readouterr().err


def bad_files(folder):
    """Files that BAD refers to."""
    cloud = np.random.default_rng(0).normal(size=(60, 2))
    scipy.io.savemat(folder / "keys.mat", {"a": cloud, "b": cloud})
    (folder / "text.mat").write_text("no MATLAB here")
    (folder / "file").write_text("")
    (folder / "binary").write_bytes(b"\xff\xfe")
    return str(folder)


BAD = [  # flags, with {} for the folder of bad files, and what the one line must say
    ("--data=nowhere.mat", "no such file: nowhere.mat"),
    ("--data={}/keys.mat", "no variable 'xx'; it has: a, b"),
    ("--data={}/text.mat", "not a readable .mat file"),
    ("--variant=wgna", "unknown variant 'wgna'; choose from gan, gan_minimax"),
    ("--learning_rate=fast", "--learning_rate=fast is not a list of numbers"),
    ("--critic_widths=64,1.5", "is not a list of whole numbers"),
    ("--epochs=ten", "epochs"),
    ("--epochs=-1", "--epochs=-1: must be a whole number"),
    ("--epoch=3", "Unknown command line flag 'epoch'"),
    ("--flagfile={}/binary", "decode"),
    ("gan", "unexpected argument 'gan'"),
    ("--out={}/file", "file"),
    ("--out=/dev/null/here", "/dev/null"),
    ("--out=", "must be the name of a folder"),
    ("--name=../escape", "must be a plain folder name"),
]


@pytest.mark.parametrize(("flag", "message"), BAD)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, flag, message):
    (tmp_path / "input").mkdir()
    (tmp_path / "cwd").mkdir()
    flag = flag.format(bad_files(tmp_path / "input"))
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path / "cwd")
    assert main([flag]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("points: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_complete_run_is_shown_and_a_changed_setting_refused(
    tmp_path, original, flags_of, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "points" / "cloud-wgan_gp"
    shutil.copytree(original, folder)
    given = {"seeds": 2, "learning_rate": (1e-3, 1e-4)}
    assert main(flags_of(**given)) == 0
    out, err = capsys.readouterr()
    assert "fit ratio" in out
    assert "runs/points/cloud-wgan_gp" in out
    assert "already complete" in err
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert main(flags_of(**given, critic_steps=2)) == 2
    assert "was made with critic_steps=3, not 2; --name makes" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


# In processes of their own.


def command(*args, cwd, **env):
    """Start the laboratory in a folder, where its runs land."""
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.points", *args],
        cwd=cwd,
        env=os.environ | AS_USERS | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, timeout=300):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def whole(tmp_path_factory, flags_of):
    """Flags, the directory of their run, and the cache of its programs."""
    folder, args = tmp_path_factory.mktemp("whole"), flags_of(epochs=40, seeds=2)
    cache = folder / "cache"
    process = command(*args, cwd=folder, JAX_COMPILATION_CACHE_DIR=str(cache))
    code, out, err = finish(process)
    assert code == 0, err
    assert "fit ratio" in out
    assert "runs/points/cloud-wgan_gp" in out
    assert "first step after" in err
    assert "epoch 40/40" in err
    directory = folder / "runs" / "points" / "cloud-wgan_gp"
    assert (directory / "summary.csv").exists()
    return args, directory, cache


@pytest.mark.slow
def test_a_second_start_compiles_nothing(tmp_path, whole):
    """Counted in files, not in seconds: the second start adds none to the cache."""
    args, _, cache = whole
    first = {path.name for path in cache.rglob("*-cache")}
    assert any("advance" in name for name in first)
    process = command(
        *args, "--name=second", cwd=tmp_path, JAX_COMPILATION_CACHE_DIR=str(cache)
    )
    code, out, err = finish(process)
    assert code == 0, err
    assert "runs/points/second" in out
    assert {path.name for path in cache.rglob("*-cache")} == first


@pytest.mark.slow
def test_signals_save_and_the_command_goes_on(tmp_path, flags_of):
    args = flags_of(epochs=20000, checkpoint_every=20000)
    checkpoints = tmp_path / "runs" / "points" / "cloud-wgan_gp" / "checkpoints"
    saved = []
    for signum, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = command(*args, cwd=tmp_path)
        goes_on = []
        for line in process.stderr:
            if "goes on after epoch" in line:
                goes_on.append(int(line.split()[-1]))
            if line.startswith("epoch "):
                break
        assert goes_on == saved[-1:]
        process.send_signal(signum)
        assert finish(process)[0] == code
        saved.append(max(int(folder.name[5:]) for folder in checkpoints.iterdir()))
    assert saved[1] > saved[0]


@pytest.mark.slow
def test_killed_at_random_moments_ends_with_the_same_bits(tmp_path, whole, final_state):
    args, directory, cache = whole
    rng = np.random.default_rng(0)
    resumed = 0
    for epoch in (4, 12, 20, 30):
        process = command(*args, cwd=tmp_path, JAX_COMPILATION_CACHE_DIR=str(cache))
        for line in process.stderr:
            resumed += "goes on after epoch" in line
            if line.startswith("epoch ") and int(line.split()[1].split("/")[0]) >= epoch:
                break
        time.sleep(rng.uniform(0, 0.2))  # into a checkpoint, a frame or a step
        process.kill()
        process.communicate()
    assert resumed >= 2
    process = command(*args, cwd=tmp_path, JAX_COMPILATION_CACHE_DIR=str(cache))
    assert finish(process)[0] == 0
    killed = tmp_path / "runs" / "points" / "cloud-wgan_gp"
    for name in ("metrics.jsonl", "samples.npz", "losses.png", "training.gif"):
        assert (killed / name).read_bytes() == (directory / name).read_bytes(), name
    assert final_state(killed) == final_state(directory)

"""The command line: in this process, and where a kill matters in its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.claims.__main__ import main

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--only=Z9"], "unknown claim 'Z9'"),
        (["--only="], "--only needs a value"),
        (["--seeds=0"], "--seeds=0: must be from 1"),
        (["--study=house"], "choose from claims, grid"),
        (["--study=grid", "--only=house"], "no variant or optimizer 'house'"),
        (["--epochs=3"], "--epochs goes with --study=grid"),
        (["--data=nowhere.mat"], "no such file: nowhere.mat"),
        (["--name=x"], "--name has no meaning here"),
        (["--only=E1"], "Fashion-MNIST"),
        (["--only=B2", "--scale=huge"], "unknown scale 'huge'; choose from small, report"),
        (["--study=grid", "--scale=small"], "--scale"),
    ],
)
def test_refusals(tmp_path, flags, message, capsys, monkeypatch):
    monkeypatch.setenv("JAXGAN_DATA", str(tmp_path / "none"))
    assert main([f"--out={tmp_path / 'o'}", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("claims: error: ")
    assert message in line
    assert not (tmp_path / "o").exists()


def test_help_has_the_flags_that_mean_something_here(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"--out: Folder of the study.* Default:\s+runs/claims\.", text)
    assert "--fresh" in text.replace("[no]", "")
    assert "one of small, report" in text
    assert not re.search("--name|tensorboard", text)


def test_dry_run_tells_what_would_run(tmp_path, capsys):
    assert main(["--only=B2", "--seeds=4", "--dry_run", f"--out={tmp_path / 'o'}"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["cells"], plan["runs to make"], plan["programs to run"]) == (7, 28, 6)
    assert not (tmp_path / "o").exists()


def test_a_dry_run_of_a_grid(tmp_path, capsys):
    flags = ["--study=grid", "--only=gan,wgan,sgd", "--seeds=2", "--dry_run"]
    assert main([*flags, f"--out={tmp_path / 'o'}"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["cells"], plan["runs to make"], plan["programs to run"]) == (16, 32, 2)
    assert [Path(name).name for name in plan["writes"]] == [
        "grid.html",
        "grid.json",
        "grid.csv",
    ]


def test_a_table_of_few_points(tmp_path, capsys):
    """Its columns are chosen by flags that are there, and what is taken for granted is said."""
    path, out = str(tmp_path / "a.csv"), f"--out={tmp_path / 'o'}"
    rows = np.random.default_rng(0).normal(size=(60, 3))
    np.savetxt(path, rows, delimiter=",", header="0,1,2", comments="")
    grid = ["--study=grid", "--only=gan,sgd", f"--data={path}", "--dry_run", out]
    assert main(grid) == 2
    assert "choose two with --columns=1,2" in capsys.readouterr().err
    assert main([*grid, "--columns=1,2"]) == 0
    said = capsys.readouterr().err
    assert "batch_size=48: there are 48 points to train on" in said
    assert "the first row, 0,1,2, numbers the columns: read as a header" in said
    assert main([f"--data={path}", "--columns=1,2", "--only=B1", "--dry_run", out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"claims: error: claim B1 cannot be tested on {path}: ")
    assert line.endswith("as there are 60 points")


def entries_of(folder):
    return json.loads((folder / "grid.json").read_text())["entries"]


@pytest.mark.slow
def test_killed_half_way_and_started_again(tmp_path):
    data = tmp_path / "cloud.npy"
    np.save(data, np.random.default_rng(0).normal(size=(600, 2)) * [2.0, 0.5] + 7)

    def start(out):
        words = [sys.executable, "-m", "experiments.claims", "--study=grid"]
        words += ["--only=gan,wgan,sgd", "--epochs=40", "--seeds=2"]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*words, f"--data={data}", f"--out={out}"],
            cwd=ROOT,
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    whole = start(tmp_path / "whole")
    assert "grid.html" in whole.communicate()[0]
    cut = start(tmp_path / "cut")
    while not list((tmp_path / "cut").glob("cells/*/seed_*.npz")) and cut.poll() is None:
        time.sleep(0.05)
    os.kill(cut.pid, signal.SIGKILL)
    cut.communicate()
    assert not (tmp_path / "cut" / "grid.json").exists()
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("cells/*/seed*")}
    assert 0 < len(done) < 32
    again = start(tmp_path / "cut")
    _, errors = again.communicate()
    assert again.returncode == 0
    assert f"{len(done)} runs are already complete" in errors
    cells = [entries_of(tmp_path / name) for name in ("cut", "whole")]
    assert cells[0] == cells[1]
    assert {path: path.stat().st_mtime_ns for path in done} == done

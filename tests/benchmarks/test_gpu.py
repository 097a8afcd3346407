"""The table of a card, without one."""

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import __main__ as table  # it makes the scripts importable
from benchmarks import gpu

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return subprocess.run(
        ["bash", "benchmarks/gpu.sh", *arguments],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )


def test_the_script_is_in_order_and_knows_every_step():
    subprocess.run(["bash", "-n", ROOT / "benchmarks/gpu.sh"], check=True)
    text = (ROOT / "benchmarks/gpu.sh").read_text()
    (chosen,) = (line for line in text.splitlines() if line.startswith("out=gpu.md only="))
    assert chosen.split("only=")[1].split()[0].split(",") == list(gpu.STEPS)
    seconds = [int(part.split()[0]) for part in text.split("seconds=")[1:]]
    assert len(seconds) == len(gpu.STEPS)
    assert sum(seconds) <= 595  # ten minutes with what is around them


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--what", "--what: the options are"),
        ("--only=tests,x", "--only=x: choose from tests, claims"),
    ],
)
def test_what_is_not_known_is_refused_in_a_line(argument, words):
    ended = run(argument)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1


class Clock:
    """Stands for a worker whose time is known, or which stops."""

    def __init__(self, name, *rest, script=None, environment=None):
        source = script.read_text()
        assert script.parent.name == "benchmarks"
        assert f'"{name}"' in source or name == table.images.COMPILED
        if name == "torch, channels-last":
            raise gpu.harness.Stopped("it stopped")
        self.seconds = {"stacked": 3.0, "torch": 6.0}.get(name, 2.0)

    def time(self):
        return 1e6 * self.seconds

    def close(self):
        return 0.0


@pytest.mark.parametrize("step", ["lanes", "images", "sefa"])
@pytest.mark.parametrize("tiny", [False, True])
def test_rows_say_times_ratios_targets_and_what_stopped(step, tiny, monkeypatch, capsys):
    monkeypatch.setattr(gpu.harness, "Worker", Clock)
    monkeypatch.setattr(gpu, "rivals", lambda: "")
    gpu.STEPS[step](tiny)
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert {len(row) for row in rows} == {5}
    ratios = {row[2].split(":")[0]: row[3] for row in rows}
    assert ratios.get("torch", "3.00") == ratios.get(gpu.EAGER, "3.00") == "3.00"
    assert ratios.get(gpu.STACKED, "1.50") == "1.50"
    targets = {row[4] for row in rows} - {"-"}
    expected = {"lanes": "at least 500", "images": "at least 1.3", "sefa": "at least 1.0"}
    assert targets == {expected[step]}
    stopped = [row for row in rows if row[2] == "torch, channels-last: stopped"]
    assert len(stopped) == (4 if step == "images" else 0)


def test_without_torch_its_column_says_so(monkeypatch, capsys):
    monkeypatch.setattr(gpu.harness, "Worker", Clock)
    monkeypatch.setattr(gpu, "rivals", lambda: "torch is not installed")
    gpu.STEPS["sefa"](True)
    rows = capsys.readouterr().out.splitlines()
    assert all("| 2 s per image | torch: torch is not installed | - |" in row for row in rows)


@pytest.mark.slow
def test_a_tiny_step_gives_rows(tmp_path):
    """Its programs, started as they are on a card; a step that fails would be named."""
    ended = run("--tiny", "--only=sefa", f"--out={tmp_path / 'gpu.md'}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    written = (tmp_path / "gpu.md").read_text()
    assert written == ended.stdout
    assert written.count("| StyleGAN2, 32 pixels, batch 1, ") == 2
    assert "Tiny sizes" in written


@pytest.mark.parametrize("absolute", [False, True])
def test_the_table_is_where_the_command_was_given(absolute, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho '| a row |'\n")
    (tmp_path / "python").chmod(0o755)
    out = tmp_path / "x.md" if absolute else "x.md"
    subprocess.run(
        ["bash", ROOT / "benchmarks" / "gpu.sh", f"--out={out}", "--only=sefa", "--tiny"],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        check=True,
    )
    assert (tmp_path / "x.md").read_text().splitlines()[-1] == "| a row |"

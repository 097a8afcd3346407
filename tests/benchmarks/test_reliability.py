"""Small versions of what ``benchmarks/reliability.py`` tries."""

import importlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxgan.runs import checkpoint

ROOT = Path(__file__).parents[2]
KINDS = ("mat", "npy", "points", "labels", "zip", "tar", "idx", "generators")


@pytest.fixture
def trials(monkeypatch):
    """Imports a module of the trials."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return lambda name: importlib.import_module(f"trials.{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_are_read_or_refused_in_a_line(tmp_path, trials, kind):
    mutations, samples = trials("mutations"), trials("samples")
    assert tuple(samples.KINDS) == KINDS
    if kind != "generators":  # some of them are refused as they are
        for number, sample in enumerate(samples.KINDS[kind].samples()):
            path = tmp_path / f"{number}{sample.suffix}"
            path.write_bytes(sample.join(sample.parts))
            samples.KINDS[kind].read(path, tmp_path / f"cache{number}")
    for number in range(25):
        reading = mutations.attempt(kind, 5, number, tmp_path)
        assert reading.ending in ("read", "refused"), reading
    assert mutations.mutant(kind, 5, 3) == mutations.mutant(kind, 5, 3)


def test_a_damaged_checkpoint_is_never_restored(tmp_path, trials):
    damages, labs = trials("damages"), trials("labs")
    tree = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(0, np.int32)}
    states = {step: jax.tree.map(lambda x, step=step: x + step, tree) for step in (1, 2)}
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    for step, state in states.items():
        checkpoint.save(tmp_path / "sound" / "checkpoints", step, state)
    restored = Counter()
    for number in range(16):
        folder = shutil.copytree(tmp_path / "sound", tmp_path / str(number))
        rng = np.random.default_rng(number)
        damage = damages.file_of_checkpoint(rng, folder, precious)
        whole = labs.checkpoints(folder)
        result = checkpoint.restore(folder / "checkpoints", tree)
        assert result.step == max(whole), damage.name
        assert len(result.damaged) == 2 - result.step
        jax.tree.map(np.testing.assert_array_equal, result.tree, states[result.step])
        assert labs.checkpoints(folder) == whole
        restored[result.step] += 1
    assert restored[1] > 12
    assert precious.read_bytes() == b"mine"


@pytest.mark.slow
def test_a_small_battery_counts_no_fault():
    """Of runs that are killed or damaged and go on."""
    command = [sys.executable, "benchmarks/reliability.py", "--labs=points", "--seed=3"]
    command += ["--only=kills,damages", "--kills=1", "--damages=3"]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = [line.split()[-8:-1] for line in ended.stdout.splitlines()]
    assert ["1", *["0"] * 6] in rows
    assert ["3", *["0"] * 6] in rows
    assert "1 complete runs compared" in ended.stdout

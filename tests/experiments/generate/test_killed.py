"""SIGKILL, of a process of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.generate.__main__ import main

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_bytes(point_run_of, tmp_path):
    words = [str(point_run_of[0]), "--count=40000", "--batch_size=8", "--seed=1"]
    command = [sys.executable, "-m", "experiments.generate", *words]
    raw = tmp_path / "a.npz.part" / "samples.raw"
    process = subprocess.Popen([*command, f"--out={tmp_path}/a.npz"], cwd=ROOT)
    while process.poll() is None and not (raw.exists() and raw.stat().st_size > 10_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 10_000 < raw.stat().st_size < 40_000 * 16
    assert main([*words, f"--out={tmp_path}/a.npz"]) == 0
    assert main([*words, f"--out={tmp_path}/whole.npz"]) == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "whole.npz"]

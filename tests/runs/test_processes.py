"""Training in several processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from experiments.faces.__main__ import main
from jaxgan.errors import InputError
from jaxgan.runs import Stopped, processes

# Of SGD: Adam would turn the rounding of gradients near zero into whole steps.
FACES = ["--variant=gan", "--size=32", "--width=4", "--train_size=160", "--batch_size=32"]
FACES += ["--optimizer=sgd", "--learning_rate=1e-3", "--name=run"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("host:1", None, None), "need --num_processes and --process_id too"),
        ((None, 2, 0), "need --coordinator too"),
        (("host:1", 2, 2), "--process_id=2: must be from 0 to 1"),
        (("host:1", 2, -1), "--process_id=-1: must be from 0 to 1"),
        (("host", 2, 0), "--coordinator=host must be HOST:PORT"),
    ],
)
def test_processes_that_do_not_fit_are_refused(arguments, words):
    with pytest.raises(InputError, match=re.escape(words)):
        processes.join(*arguments)


def test_one_process_joins_nobody(tmp_path):
    processes.join("host:1", 1, 0)
    processes.join(None, 1, None)
    processes.require_same("anything")
    processes.crash()
    processes.attend()
    assert not jax.distributed.is_initialized()
    with processes.mirrored(tmp_path) as directory:
        assert directory is tmp_path
    processes.agree(lambda: None)
    with pytest.raises(Stopped):
        processes.agree(stop)
    assert processes.end(3) == 3
    assert not processes.connection_lost(ValueError("Gloo: connection closed by peer"))


def stop():
    raise Stopped(signal.SIGTERM)


@pytest.mark.parametrize(
    ("environment", "several"),
    [
        ({}, False),
        ({"SLURM_NTASKS": "4"}, False),  # a batch script, which is one process
        ({"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "0"}, True),
    ],
)
def test_launchers_of_several_processes_are_recognised(environment, several):
    assert processes.has_launcher(environment) == several


class Store(dict):
    """What the processes share."""

    def key_value_set(self, key, value, allow_overwrite):
        self[key] = value

    def key_value_try_get(self, key):
        if key not in self:
            raise ValueError(f"NOT_FOUND: {key}")
        return self[key]


def test_a_silent_process_is_named_once():
    store = Store()
    one, two = (processes.Watch(store, number, 3, 0.0) for number in (0, 1))
    said = {}
    for now in range(0, 120, 5):
        lines = one.look(now)
        said |= {now: lines} if lines else {}
        if now < 20 or now > 80:
            two.look(now)
    assert said == {
        35: ["process 2 has been silent for 30 s; the others wait"],  # it never came
        55: ["process 1 has been silent for 30 s; the others wait"],
        90: ["process 1 answers again"],
    }


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(tmp_path, name, *flags, own=((), ())):
    """Two processes of the faces laboratory; each has flags of its own too."""
    coordinator, command = f"--coordinator=127.0.0.1:{port()}", [sys.executable, "-m"]
    command += ["experiments.faces", coordinator, "--num_processes=2", *FACES, *flags]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    return [
        subprocess.Popen(
            [*command, f"--process_id={number}", f"--out={tmp_path / name}", *own[number]],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(2)
    ]


def ends(running):
    """Return exit codes and printed lines, without gloo's line."""
    said = [process.communicate(timeout=120)[1] for process in running]
    return [process.returncode for process in running], [
        [line for line in text.splitlines() if not line.startswith("[Gloo]")] for text in said
    ]


def wait_for(path):
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} does not appear")


def arrays(folder: Path, epoch: int):
    path = folder / "checkpoints" / f"step_{epoch:08d}" / "arrays"
    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader:
        return [np.asarray(x) for x in jax.tree.leaves(reader.restore(path))]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A run of two processes, five steps an epoch."""
    folder = tmp_path_factory.mktemp("pair")
    codes, said = ends(start(folder, "pair", "--epochs=6"))
    assert codes == [0, 0], said
    assert len(said[1]) == 1  # it waits for all; then only the first process talks
    return folder / "pair" / "faces" / "run"


@pytest.mark.slow
def test_two_processes_equal_one(pair, tmp_path, monkeypatch):
    """After 20 steps."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main([*FACES, "--epochs=4", f"--out={tmp_path}"]) == 0
    together, alone = arrays(pair, 4), arrays(tmp_path / "faces" / "run", 4)
    scale = max(float(np.abs(x).max()) for x in alone if x.dtype.kind == "f")
    for x, y in zip(together, alone, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5 * min(1.0, scale))
    lines = (pair / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [5, 10, 15, 20, 25, 30]


@pytest.mark.slow
def test_processes_that_are_stopped_and_killed_go_on(pair, tmp_path):
    """A signal to one stops all, a kill ends the other, and the resumed run ends the same."""
    folder = tmp_path / "cut" / "faces" / "run"
    running = start(tmp_path, "cut", "--epochs=6")
    wait_for(folder / "frames" / "epoch_0000.png")
    running[1].terminate()
    codes, said = ends(running)
    assert codes == [143, 143]
    line = "faces: stopped by SIGTERM; run the same command to resume"
    assert [lines[-1] for lines in said] == [line, f"process 1: {line}"]
    saved = max((folder / "checkpoints").glob("step_????????"))
    assert int(saved.name[-8:]) == len((folder / "metrics.jsonl").read_text().splitlines()) < 6

    running = start(tmp_path, "cut", "--epochs=6")
    wait_for(folder / "frames" / "epoch_0003.png")
    running[1].kill()
    codes, said = ends(running)
    assert codes == [1, -signal.SIGKILL]
    gone = "faces: error: another process has ended; start all of them again to resume"
    assert said[0][-1].startswith(gone)

    codes, said = ends(start(tmp_path, "cut", "--epochs=6"))
    assert codes == [0, 0], said
    assert [x.tobytes() for x in arrays(folder, 6)] == [x.tobytes() for x in arrays(pair, 6)]
    for name in ("metrics.jsonl", "samples.png", "frames/epoch_0002.png"):
        assert (folder / name).read_bytes() == (pair / name).read_bytes()


@pytest.mark.slow
def test_processes_that_differ_are_refused(tmp_path):
    codes, said = ends(start(tmp_path, "bad", "--epochs=1", own=(["--seed=1"], ["--seed=2"])))
    assert codes == [2, 2]
    line = "faces: error: the processes have different settings or data"
    assert [lines[-1] for lines in said] == [line, f"process 1: {line}"]
    assert not (tmp_path / "bad").exists()

"""An image laboratory on several devices."""

import json

import jax
import numpy as np
import pytest

from experiments.faces import __main__ as faces
from experiments.images import run
from experiments.images.program import Machine
from jaxgan.runs import Stopped, jobs
from jaxgan.training import devices

# Of SGD: Adam would turn the rounding of gradients near zero into whole steps.
SLOW_STEPS = {"optimizer": ("sgd",), "learning_rate": (1e-3,)}


def train(directory, config, dataset, count, check=lambda: None, stream=None):
    machine = Machine(
        None if count is None else devices.make_mesh(jax.devices()[:count]), stream
    )
    run.run(config, directory, dataset, samples=10, machine=machine, check=check)


def stop():
    raise Stopped(15)


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(tmp_path, dataset, config_of):
    config = config_of(**SLOW_STEPS, epochs=3)
    train(tmp_path / "alone", config, dataset, 1)
    with pytest.raises(Stopped):
        train(tmp_path / "moved", config, dataset, 4, stop)
    with pytest.raises(Stopped):
        train(tmp_path / "moved", config, dataset, 2, stop)
    train(tmp_path / "moved", config, dataset, 1)
    init = run.make_program(config, dataset).init
    states = [jobs.last_state(tmp_path / name, init) for name in ("alone", "moved")]
    assert_close(*states)
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("alone", "moved")]
    alone, moved = ([json.loads(line) for line in text.splitlines()] for text in lines)
    for record, other in zip(alone, moved, strict=True):
        for name in record:
            np.testing.assert_allclose(
                record[name], other[name], rtol=1e-3, atol=1e-3, err_msg=name
            )


@pytest.mark.slow
def test_a_run_streams_what_it_would_keep(tmp_path, dataset, config_of):
    """Stopped, it goes on; two devices share its batches."""
    pytest.importorskip("grain", reason="the extra data")
    config = config_of(**SLOW_STEPS, epochs=2, flip=True)
    train(tmp_path / "kept", config, dataset, None)
    with pytest.raises(Stopped):
        train(tmp_path / "streamed", config, dataset, 2, stop, stream=True)
    train(tmp_path / "streamed", config, dataset, 2, stream=True)
    init = run.make_program(config, dataset).init
    states = [jobs.last_state(tmp_path / name, init) for name in ("kept", "streamed")]
    assert_close(*states)


def assert_close(state, other):
    for x, y in zip(*map(jax.tree.leaves, (state, other)), strict=True):
        if not jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_what_devices_hold_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["--size=32", "--width=2", "--train_size=64", "--variant=gan", "--dry_run"]
    show = faces.main
    assert show([*small, "--devices=4", "--batch_size=16"]) == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert "devices=4: 4 of the 16 images of a batch on each" in line
    assert "all images (192.0 KiB)" in line
    assert show([*small, "--devices=2", "--seeds=3"]) == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert "devices=2: 2 lanes on each, at most" in line
    assert "nothing passes between devices" in line
    assert show([*small, "--devices=4", "--batch_size=16", "--stream"]) == 0
    line = capsys.readouterr().err.splitlines()[-1]
    assert "some batches of the 192.0 KiB of images, which stay on the host" in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--devices=3", "--batch_size=16"], "devices=3 cannot share a batch of 16 equally"),
        (["--devices=4", "--batch_size=12", "--pack=6"], "cannot share a batch of 2 equally"),
        (["--devices=0"], "--devices=0: must be from 1 to 1024"),
        (["--devices=1000"], "devices=1000: must be from 1 to"),
    ],
)
def test_devices_that_do_not_fit_are_one_line(tmp_path, monkeypatch, capsys, flags, message):
    monkeypatch.chdir(tmp_path)
    small = ["--size=32", "--width=2", "--train_size=64", "--variant=gan", "--epochs=1"]
    assert faces.main([*small, *flags]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert message in lines[-1]
    assert lines[-1].startswith("faces: error: ")
    assert not (tmp_path / "runs").exists()

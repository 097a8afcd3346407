"""The command line."""

import csv
import gzip
import json
import struct

import numpy as np
import pytest

from experiments.stacked_mnist import measure
from experiments.stacked_mnist.__main__ import main
from jaxgan.judges import fashion
from jaxgan.networks.pairs import PAIRS
from tests.experiments.images.least import LEAST


@pytest.fixture
def digits(tmp_path):
    """Four small IDX files of ten classes, each of one brightness."""
    folder = tmp_path / "idx"
    folder.mkdir()
    for part, count in (("train", 40), ("t10k", 20)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        pictures = np.broadcast_to(25 * labels[:, None, None], (count, 28, 28))
        for kind, array in (("images-idx3", pictures), ("labels-idx1", labels)):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            path = folder / f"{part}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(header + array.tobytes(), 1))
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--train_size=3",), "--train_size=3: must be from 4 to 1000000 stacks"),
        (("--train_size=1000001",), "must be from 4 to 1000000 stacks"),
        (("--pack=3",), "--pack=3: must be a whole number from 1 that divides the batch of 64"),
        (("--critic_width=0",), "--critic_width=0: must be a whole number"),
        (("--model=report_conv",), "unknown model 'report_conv'; choose from dcgan"),
        (("--recipe=report_e",), "unknown recipe 'report_e'"),
        (("--data=/nowhere",), "/nowhere"),
    ],
)
def test_bad_input_is_one_line(tmp_path, digits, capsys, arguments, message):
    data = f"--data={digits}"
    small = [] if "--train_size" in arguments[0] else ["--train_size=100"]
    assert main([data, f"--out={tmp_path / 'o'}", *small, *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_modes_of_the_generators_and_of_real_stacks_are_counted(
    tmp_path, digits, monkeypatch, capsys
):
    def by_brightness(params, images):
        return np.eye(10)[np.minimum(images.mean(axis=(1, 2, 3)) // 25, 9).astype(int)], None

    monkeypatch.setitem(PAIRS, "dcgan", LEAST)
    judge = fashion.GarmentClassifier(None, 0.75)
    monkeypatch.setattr(fashion, "load_or_train", lambda data: judge)
    monkeypatch.setattr(fashion, "classify", by_brightness)
    monkeypatch.setattr(measure, "SAMPLES", 400)
    monkeypatch.setattr(measure, "_AT_ONCE", 200)
    arguments = [f"--data={digits}", f"--out={tmp_path}", "--train_size=64", "--seeds=2"]
    arguments += ["--variant=gan", "--learning_rate=1e-3,0.5", "--epochs=1", "--width=2"]
    arguments += ["--batch_size=32", "--latent_dim=3", "--pack=2"]
    assert main(arguments) == 0, capsys.readouterr().err
    (directory,) = (tmp_path / "stacked_mnist").iterdir()
    summary = json.loads((directory / "summary.json").read_text())
    assert summary["classifier_accuracy"] == 0.75
    assert summary["modes_of"] == 1000
    assert 250 < summary["modes_real"] < 400  # of 400 draws
    assert summary["reverse_kl_real"] < min(summary["reverse_kl"])
    # Small steps hardly move the average, which makes grey; large ones move the generator.
    assert max(summary["modes_ema"][:2]) < 20
    assert summary["modes"] != summary["modes_ema"]
    rows = list(csv.DictReader((directory / "modes.csv").read_text().splitlines()))
    settings = [(row["learning_rate"], row["seed"], row["pack"]) for row in rows]
    rates = ("0.001", "0.5")
    assert settings == [(rate, seed, "2") for rate in rates for seed in ("0", "1")]
    for name in measure.METRICS:
        assert [float(row[name]) for row in rows] == summary[name]
    assert main(arguments) == 0
    assert "already complete" in capsys.readouterr().err

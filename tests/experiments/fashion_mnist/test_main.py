"""The command line."""

import gzip
import json
import struct

import numpy as np
import pytest

from experiments.fashion_mnist.__main__ import main
from experiments.fashion_mnist.config import MODELS
from experiments.fashion_mnist.traverse import Move, _effect, dimensions_of
from jaxgan.data.fashion_mnist import CLASSES
from jaxgan.errors import InputError
from jaxgan.networks.pairs import PAIRS
from tests.experiments.images.least import LEAST


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def garments(tmp_path):
    """Four small IDX files: bright squares, whose place tells the class."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "idx"
    folder.mkdir()
    for part, count in (("train", 512), ("t10k", 2200)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        pictures = rng.integers(0, 40, (count, 28, 28)).astype(np.uint8)
        for picture, label in zip(pictures, labels, strict=True):
            picture[5 * (label // 5) : 5 * (label // 5) + 9, 5 * (label % 5) :][:, :8] += 200
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", pictures)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--traverse=100",), "--traverse=100: latent dimensions go from 0 to 99"),
        (("--traverse=-1",), "--traverse=-1: latent dimensions go from 0 to 99"),
        (("--traverse=x",), "--traverse=x is not a list of whole numbers"),
        (("--traverse=1", "--traverse_by=0"), "must be a finite number other than 0"),
        (("--model=conv",), "unknown model 'conv'; choose from report_dense, report_conv"),
        (
            ("--conditional",),
            "networks of --model=report_dense take no labels; use --model=dcgan or --m",
        ),
        (
            ("--conditional", "--model=dcgan", "--norm=none"),
            "labels need --norm=batch, not none",
        ),
        (("--recipe=report_z",), "unknown recipe 'report_z'"),
        (("--data=/nowhere",), "/nowhere"),
        (("--class_names=/nowhere",), "cannot read names of classes from /nowhere: No such"),
        ((f"--class_names={__file__}",), "names; there are 10 classes"),
    ],
)
def test_bad_input_is_one_line(tmp_path, garments, capsys, arguments, message):
    assert main([f"--data={garments}", f"--out={tmp_path / 'o'}", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "o").exists()


def test_a_single_test_image_is_refused(tmp_path, garments, capsys):
    write_idx(garments / "t10k-images-idx3-ubyte.gz", np.zeros((1, 28, 28), np.uint8))
    write_idx(garments / "t10k-labels-idx1-ubyte.gz", np.zeros(1, np.uint8))
    assert main([f"--data={garments}", f"--out={tmp_path / 'o'}"]) == 2
    assert capsys.readouterr().err.endswith("1 test image; at least 2 are needed\n")


def test_the_dimensions_are_those_of_the_report_where_there_are_so_many():
    assert dimensions_of(None, 1.0, 100) == (20, 50, 60, 70, 90)
    assert dimensions_of(None, 1.0, 55) == (20, 50)
    assert dimensions_of(None, 1.0, 5) == (0,)
    with pytest.raises(InputError, match="go from 0 to 4"):
        dimensions_of((5,), 1.0, 5)


def test_the_effect_of_a_move_is_the_total_variation_distance():
    """All samples move from one class to another, or a quarter of them does."""
    images = np.zeros((8, 28, 28, 1), np.uint8)
    before, after = np.eye(10)[[0] * 8], np.eye(10)[[3] * 8]
    effect = _effect(Move(images, images, before, after), CLASSES)
    assert effect["moved"] == 1
    assert list(effect["interval"]) == [1, 1]
    assert (effect["lowered_to"], effect["raised_to"]) == ("T-shirt/top", "Dress")
    after[2:] = before[2:]
    effect = _effect(Move(images, images, before, after), CLASSES)
    assert effect["moved"] == pytest.approx(0.25)
    low, high = effect["interval"]
    assert 0 <= low < 0.25 < high < 1


@pytest.mark.slow
def test_fashion_mnist_from_the_command_line(tmp_path, garments, monkeypatch, capsys):
    names = tmp_path / "names.txt"
    names.write_text("\n".join("abcdefghij"), "utf-8")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run():
        code = main(
            [
                "--model=report_dense,report_conv",
                f"--data={garments}",
                f"--out={tmp_path / 'runs'}",
                "--epochs=1",
                "--width=4",
                "--latent_dim=6",
                "--batch_size=32",
                "--traverse=1,4",
                "--traverse_by=5",
                f"--class_names={names}",
            ]
        )
        err = capsys.readouterr().err
        assert code == 0, err
        return err

    first = run()
    assert "numbered classes: 10 classes, a to j\n" in first
    (directory,) = (tmp_path / "runs" / "fashion_mnist").iterdir()
    for model in ("report_dense", "report_conv"):
        folder = directory / f"{model}-gan-adam" / "traversal"
        result = json.loads((folder / "traversal.json").read_text())
        assert {row["dimension"] for row in result["ranking"]} == set(range(6))
        assert result["classes"] == list("abcdefghij")
        moved = [row["moved"] for row in result["ranking"]]
        assert moved == sorted(moved, reverse=True)
        assert set(result["shares"]) == {"1", "4"}
        for shares in result["shares"].values():
            for values in shares.values():
                assert sum(values) == pytest.approx(1, abs=1e-4)
        assert (folder / "dimension_001.png").exists()
        assert (folder / "classes.png").exists()
    again = run()
    assert "already complete" in again
    assert "training the classifier" not in again


@pytest.mark.slow
def test_a_conditional_run_says_how_often_the_class_is_read(
    tmp_path, garments, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(PAIRS, "least", LEAST)
    monkeypatch.setitem(MODELS, "least", LEAST)
    flags = ("--model=least", "--conditional", "--flip", "--augment=translation", "--seeds=2")
    flags += ("--precision=bfloat16", f"--data={garments}", f"--out={tmp_path / 'runs'}")
    sizes = ("--epochs=1", "--width=4", "--latent_dim=3", "--batch_size=32", "--traverse=1")
    assert main([*flags, *sizes]) == 0, capsys.readouterr().err
    (folder,) = (tmp_path / "runs" / "fashion_mnist").iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    lines = (folder / "classes.csv").read_text().splitlines()
    assert lines[0] == "lane,class,generator,average,test_images"
    shares = np.array([line.split(",") for line in lines[1:]])[:, 2:].astype(float)
    means = shares.reshape(2, 10, 3).mean(axis=1)
    np.testing.assert_allclose(means[:, 0], summary["class_accuracy"])
    np.testing.assert_allclose(means[:, 1], summary["class_accuracy_average"])
    assert means[0, 2] == pytest.approx(summary["classifier_accuracy"], abs=0.05)
    assert (folder / "traversal" / "dimension_001.png").exists()

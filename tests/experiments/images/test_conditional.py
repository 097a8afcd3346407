"""Runs that go by labels, with images that are changed before the critic sees them."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import jaxgan
from experiments.common.settings import Recipe
from experiments.faces import config as faces
from experiments.images import run
from experiments.images.config import configure
from experiments.images.program import LatentSet, by_class, fixed_labels, fixed_latents
from experiments.images.quality import Follower, Quality
from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.networks.pairs import PAIRS
from jaxgan.runs import Stopped
from tests.experiments.images.conftest import SMALL
from tests.experiments.images.least import LEAST

CLASSES = ("one", "two", "three")
SIDE = SMALL["size"]


@pytest.fixture(autouse=True)
def least(monkeypatch):
    """A pair whose programs compile fast."""
    monkeypatch.setitem(PAIRS, "least", LEAST)


@pytest.fixture
def labelled(dataset):
    labels = np.arange(len(dataset.images), dtype=np.int32) % len(CLASSES)
    return dataset._replace(labels=labels, classes=CLASSES)


def config_of(dataset, **given):
    settings = SMALL | {"variant": ("gan",), "model": ("least",), "conditional": True} | given
    (config,) = configure(faces.DEFAULTS, Recipe({}), settings, dataset)
    return config


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"model": ("report_dcgan",)},
            "--conditional: the networks of --model=report_dcgan take no labels; use --model=",
        ),
        (
            {"model": ("report_dcgan",), "conditional": False, "precision": "bfloat16"},
            "--precision=bfloat16: the networks of --model=report_dcgan compute with float32",
        ),
        (
            {"model": ("report_dense",), "conditional": False},
            "--model=report_dense: its networks make images of 28 pixels, and these have 32",
        ),
        ({"pack": 2}, "--conditional: --pack=2 would mix classes"),
        ({"augment": ("noise",)}, "unknown augmentation 'noise'"),
        ({"augment": ("color", "color")}, "given twice"),
        ({"precision": "float16"}, "unknown precision 'float16'"),
    ],
)
def test_bad_settings_are_one_clear_line(labelled, given, message):
    with pytest.raises(InputError) as caught:
        config_of(labelled, **given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_without_labels_are_refused(dataset):
    with pytest.raises(InputError, match="--conditional: no labels of these images"):
        config_of(dataset)


def test_labels_identify_a_run_where_it_goes_by_them(labelled):
    """A run with none of the new settings has the identity of older runs."""
    other = labelled._replace(labels=labelled.labels[::-1].copy())
    plain, config = config_of(labelled, conditional=False), config_of(labelled)
    assert run.settings(labelled, plain) == run.settings(other, plain)
    assert run.settings(labelled, config) != run.settings(other, config)
    new = {"conditional", "augment", "flip", "precision", "labels_sha256"}
    assert not new & run.settings(labelled, plain).keys()
    config = config_of(labelled, augment=("color",), flip=True, precision="bfloat16")
    assert new < run.settings(labelled, config).keys()


def test_labels_are_drawn_from_those_that_are_trained_on(labelled):
    config = config_of(labelled, train_size=48)
    few = labelled._replace(labels=np.where(np.arange(64) < 48, labelled.labels, 7))
    labels = fixed_labels(config, few, 100, LatentSet.MEASURES)
    assert np.bincount(labels[:48]).tolist() == [16, 16, 16]
    np.testing.assert_array_equal(labels[48:96], labels[:48])
    assert (labels != fixed_labels(config, few, 100, LatentSet.SAMPLES)).any()
    assert fixed_labels(config_of(few, conditional=False), few, 9, LatentSet.GRID) is None


def test_fid_is_of_images_with_the_labels_of_the_data(tmp_path, labelled):
    config, labels = config_of(labelled), []

    def sample(state, z, some):
        assert len(z) == len(some)
        labels.extend(some)
        return np.zeros((1, len(z), SIDE, SIDE, 3), np.uint8)

    def measure(draw):
        draw(0, 7)
        draw(7, 64)
        return {"fid": 1.0, "kid": 1.0, "kid_deviation": 1.0}

    judge: Any = SimpleNamespace(quality=Quality(fid=64), measure=measure)
    follower = Follower(judge, config, tmp_path, labelled)
    assert follower.finish(lambda: (sample, None), {})["fid"] == [1.0]
    assert labels == fixed_labels(config, labelled, 64, LatentSet.MEASURES).tolist()
    assert sorted(labels) == sorted(labelled.labels)


@pytest.mark.slow
def test_a_conditional_run_goes_on_bit_for_bit_and_holds_its_labels(
    tmp_path, labelled, arrays_of
):
    config = config_of(labelled, seeds=2, flip=True, augment=("translation",), epochs=2)

    def stop_first():
        if not (tmp_path / "cut" / "frames" / "epoch_0002.png").exists():
            raise Stopped(15)

    with pytest.raises(Stopped):
        run.run(config, tmp_path / "cut", labelled, samples=10, check=stop_first)
    run.run(config, tmp_path / "cut", labelled, samples=10)
    whole = tmp_path / "whole"
    run.run(config, whole, labelled, samples=10)
    assert arrays_of(tmp_path / "cut") == arrays_of(whole)
    for name in ("metrics.jsonl", "samples.png", "frames/epoch_0002.png"):
        assert (tmp_path / "cut" / name).read_bytes() == (whole / name).read_bytes()
    first, second = json.loads((whole / "metrics.jsonl").read_text().splitlines()[0])["spread"]
    assert first != second

    with np.load(whole / "samples.npz") as file:
        images, labels = file["images"], file["labels"]
    expected = fixed_labels(config, labelled, 10, LatentSet.SAMPLES)
    np.testing.assert_array_equal(labels, expected)
    rows = run.read_samples(whole, 2).reshape(3, 8, SIDE, SIDE, 3)
    assert (rows[0] != rows[1]).any()
    with Image.open(whole / "frames" / "epoch_0002.png") as image:
        assert image.height >= 3 * 2 * SIDE
        assert image.width >= 8 * 2 * SIDE

    generator = jaxgan.load(whole)
    assert generator.num_labels == 3
    z, _ = by_class(fixed_latents(config, 10, LatentSet.SAMPLES), 1)
    codes = generator.encode(generator.params, z, np.eye(3, dtype=np.float32)[labels])
    again = to_uint8(generator.synthesise(generator.params, codes))
    assert abs(again.astype(int) - images).max() <= 1

"""Runs go by the content of their data, not by how a path is spelled or by times of files."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from experiments.common.settings import recipe_of
from experiments.faces import config as faces
from experiments.images import run as images_run
from experiments.images.config import configure
from experiments.points import config as points_config
from experiments.points import run as points_run
from jaxgan.data import image_folder, points
from jaxgan.runs.identity import difference, identify


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own for relative paths and for the cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image_folder, "cache_folder", lambda *parts: tmp_path / "cache")


def points_settings(path):
    (config,) = points_config.configure(data=path, variant=("gan",))
    return points_run.settings(points.load(path), config)


def faces_settings(path):
    dataset = faces.load(path, 32).dataset
    overrides = {"data": path, "size": 32}
    (config,) = configure(faces.DEFAULTS, recipe_of(None, {}), overrides, dataset)
    return images_run.settings(dataset, config)


def write_points(path, seed):
    np.save(path, np.random.default_rng(seed).normal(size=(200, 2)))


def write_faces(path, seed):
    os.makedirs(path, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 32, 32, 3), np.uint8)
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(f"{path}/{i:02d}.png")


@pytest.mark.parametrize(
    ("name", "write", "settings"),
    [("pts.npy", write_points, points_settings), ("faces", write_faces, faces_settings)],
)
def test_spelling_times_and_copies_make_no_other_run(name, write, settings):
    write(name, 0)
    old = identify(settings(name))
    assert difference("RUN", old, settings(f"./{name}")) is None
    for folder, _, names in os.walk("."):
        for file in names:
            os.utime(os.path.join(folder, file), (0, 0))
    assert difference("RUN", old, settings(os.path.abspath(name))) is None
    (shutil.copytree if os.path.isdir(name) else shutil.copy)(name, f"copy_{name}")
    assert difference("RUN", old, settings(f"copy_{name}")) is None
    write(name, 1)
    line = difference("RUN", old, settings(name))
    assert line == f"the content of {name} has changed since RUN was made"

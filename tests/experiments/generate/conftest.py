"""Runs of the laboratories as they are after training, with weights that are not trained."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from PIL import Image

from experiments.common.settings import Recipe
from experiments.faces import config as faces
from experiments.images import program, run
from experiments.images.config import configure
from experiments.points import config as point_config
from experiments.points import lanes as point_lanes
from experiments.points import program as point_program
from experiments.points import run as point_run
from jaxgan.convert import own
from jaxgan.data import points
from jaxgan.networks.pairs import PAIRS
from jaxgan.runs import Run, checkpoint
from tests.experiments.images.least import LEAST

SMALL = {"size": 32, "width": 3, "latent_dim": 4, "batch_size": 16, "epochs": 2, "seeds": 2}


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of 60 pictures of 32 pixels."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number, colour in enumerate(rng.integers(0, 256, (60, 1, 1, 3))):
        noise = rng.integers(-40, 41, (32, 32, 3))
        image = (colour + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="session")
def _least():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PAIRS, "least", LEAST)
        yield


def _varied(state):
    """A state whose average is another than its generator."""
    average = jax.tree.map(lambda x: x * 0.5 + 0.1, state.average)
    return dataclasses.replace(state, average=average)


@pytest.fixture(scope="session")
def image_run(tmp_path_factory, photos, _least):
    """Folder of a run on the photos: two lanes, checkpoints of epochs 1 and 2."""
    folder = tmp_path_factory.mktemp("runs") / "faces" / "gan"
    dataset = faces.load(str(photos), 32).dataset
    settings = SMALL | {"variant": ("gan",), "model": ("least",), "data": str(photos)}
    (config,) = configure(faces.DEFAULTS, Recipe({}), settings, dataset)
    state = _varied(program.make_program(config, dataset).init())
    with Run(folder, run.settings(dataset, config)) as record:
        earlier = jax.tree.map(lambda x: x * 2, state.generator.params)
        first = dataclasses.replace(
            state, generator=dataclasses.replace(state.generator, params=earlier)
        )
        checkpoint.save(record.checkpoints, 1, first)
        checkpoint.save(record.checkpoints, 2, state)
        program.save_generator(folder / own.FILE, config, dataset, state)
    return folder


@pytest.fixture(scope="session")
def point_run_of(tmp_path_factory):
    """Folder of a run on points: two lanes, without the samples of its end."""
    folder = tmp_path_factory.mktemp("runs") / "points" / "gan"
    settings = {"variant": ("gan",), "generator_widths": (8,), "critic_widths": (8,)}
    (config,) = point_config.configure(**settings, seeds=2, data="moons", epochs=2)
    cloud = points.load("moons")
    lanes = point_lanes.lanes_of(config, cloud.points)
    state = _varied(point_program.make_program(config, lanes).init())
    with Run(folder, point_run.settings(cloud, config)) as record:
        checkpoint.save(record.checkpoints, 2, state)
    return folder, config, state, lanes


@pytest.fixture
def state_of():
    """Reads a number of the settings of a run, or of an output."""

    def read(folder, name):
        return json.loads((folder / "config.json").read_text())["settings"][name]

    return read

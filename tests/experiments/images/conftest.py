import json
import shutil

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from experiments.common.settings import Recipe
from experiments.faces import compare
from experiments.faces import config as faces
from experiments.images import run
from experiments.images.config import Dataset, configure
from jaxgan.data import cartoon_faces

# One shape for all, so that all tests share compiled programs.
SMALL = {"size": 32, "width": 2, "latent_dim": 4, "batch_size": 16, "epochs": 2}


@pytest.fixture(scope="session")
def dataset():
    """A few cartoon faces."""
    return Dataset(cartoon_faces.load(64, size=32).images, "64 cartoons")


@pytest.fixture(scope="session")
def config_of(dataset):
    """Makes the configuration of a small run."""

    def make(**given):
        settings = SMALL | {"variant": ("gan",)} | given
        (config,) = configure(faces.DEFAULTS, Recipe({}), settings, dataset)
        return config

    return make


@pytest.fixture(scope="session")
def original(tmp_path_factory, dataset, config_of):
    """Directory of a complete run of two seeds; only for looking at it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    run.run(config_of(seeds=2), folder, dataset, finish=compare.finish(dataset), samples=10)
    return folder


@pytest.fixture
def finished(original, tmp_path):
    """A copy of a complete run."""
    return shutil.copytree(original, tmp_path / "finished")


@pytest.fixture(scope="session")
def arrays_of():
    """Reads the name and the bytes of the newest checkpoint's arrays."""

    def read(directory):
        newest = max((directory / "checkpoints").glob("step_????????"))
        manifest = json.loads((newest / "manifest.json").read_text())
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader:
            tree = reader.restore(newest / "arrays")
        leaves = [np.asarray(x) for x in jax.tree.leaves(tree)]
        assert len(leaves) == len(manifest["arrays"])
        return newest.name, [x.tobytes() for x in leaves]

    return read

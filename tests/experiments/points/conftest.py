import json
import shutil

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from experiments.points import run
from experiments.points.config import configure
from jaxgan.data import points

# One shape for all, so that all tests share compiled programs.
SMALL = {
    "variant": ("wgan_gp",),
    "epochs": 4,
    "frame_every": 2,
    "checkpoint_every": 2,
    "generator_widths": (8,),
    "critic_widths": (8,),
    "train_size": 512,
    "batch_size": 64,
    "critic_steps": 3,
}
SWEPT = {"seeds": 2, "learning_rate": (1e-3, 1e-4)}  # of the finished run: four lanes


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Path of a small cloud: its exact distances take no time."""
    path = tmp_path_factory.mktemp("data") / "cloud.npy"
    np.save(path, np.random.default_rng(0).normal(size=(600, 2)) * [2.0, 0.5] + 7)
    return str(path)


@pytest.fixture(scope="session")
def config_of(data):
    """Makes the configuration of a small run."""

    def make(**given):
        (config,) = configure(**SMALL | {"data": data} | given)
        return config

    return make


@pytest.fixture(scope="session")
def train():
    """Trains a configuration on its data in a directory."""

    def run_there(config, directory, **options):
        cloud = points.load(config.data, config.data_key)
        return run.run(config, directory, cloud, **options)

    return run_there


@pytest.fixture(scope="session")
def original(tmp_path_factory, config_of, train):
    """Directory of a complete run; only for looking at it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(config_of(**SWEPT), folder)
    return folder


@pytest.fixture
def finished(original, tmp_path):
    """A copy of a complete run, to be damaged and gone on with."""
    return shutil.copytree(original, tmp_path / "finished")


@pytest.fixture(scope="session")
def flags_of(data):
    """Makes the flags of a small run."""

    def make(**given):
        settings = SMALL | {"data": data} | given
        return [
            f"--{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
            for name, value in settings.items()
        ]

    return make


@pytest.fixture(scope="session")
def final_state():
    """Reads the name and the bytes of the newest checkpoint's arrays."""

    def read(directory):
        """Name and bytes of the newest checkpoint's arrays."""
        (newest, *_) = sorted((directory / "checkpoints").glob("step_????????"), reverse=True)
        manifest = json.loads((newest / "manifest.json").read_text())
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader:
            tree = reader.restore(newest / "arrays")
        leaves = [np.asarray(x) for x in jax.tree.leaves(tree)]
        assert len(leaves) == len(manifest["arrays"])
        return newest.name, [(x.shape, x.tobytes()) for x in leaves]

    return read

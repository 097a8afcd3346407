"""Load the data of a run: training data and held-out data."""

from typing import NamedTuple

import numpy as np

from experiments.faces import config as faces
from experiments.fashion_mnist import config as fashion
from experiments.generate import own_runs
from experiments.generate.own_runs import OwnRun
from experiments.images.config import Dataset
from experiments.stacked_mnist import config as stacked
from jaxgan.data import points
from jaxgan.data.fashion_mnist import Images
from jaxgan.data.points import Units
from jaxgan.errors import InputError
from jaxgan.runs.progress import say


class RunData(NamedTuple):
    """The images of a run.

    Attributes:
      dataset: All images; the first ones were trained on.
      labelled: The labelled data set behind them, if there is one.
    """

    dataset: Dataset
    labelled: Images | None = None


def load(run: OwnRun) -> RunData:
    """Load the images that a run of an image laboratory was trained on.

    Raises:
      InputError: If they cannot be read, or have changed since.
    """
    config = run.config
    try:
        if run.laboratory == own_runs.FACES:
            result = RunData(faces.load(config.data, config.size).dataset)
        elif run.laboratory == own_runs.FASHION:
            labelled, dataset = fashion.load(config.data)
            result = RunData(dataset, labelled)
        else:
            labelled, dataset = stacked.load(config.data, config.train_size)
            result = RunData(dataset, labelled)
    except InputError as error:
        raise InputError(f"the data of {run.directory}: {error}") from error
    if result.dataset.key != run.settings.get("data_sha256", result.dataset.key):
        say(f"{config.data} has changed since {run.directory} was trained on it")
    return result


def form_of(run: OwnRun) -> tuple[int, int]:
    """Return the number of channels and of classes of a run's images."""
    dataset = load(run).dataset
    return dataset.images.shape[-1], len(dataset.classes)


def points_of(run: OwnRun, lane: int) -> tuple[np.ndarray, Units]:
    """Return the points ``[N, 2]`` that a lane was trained on, and their units.

    They are read from the run's samples, or else from its data.

    Raises:
      InputError: If neither can be read.
    """
    config = run.config
    try:
        with np.load(run.directory / "samples.npz") as file:
            train = np.asarray(file["train"][lane], float)
    except Exception:  # missing in an incomplete run; a damaged file can raise any error
        cloud = points.load(config.data, config.data_key, config.columns)
        content = points.digest(cloud.points)
        if content != run.settings.get("data_sha256", content):
            raise InputError(
                f"{config.data} is not what {run.directory} was trained on, so the units of "
                "its points are not known"
            ) from None
        seed = config.seed + lane % config.seeds
        train, _ = points.split(cloud.points, config.train_size, seed)
    return train, points.units_of(train, standardize=config.standardize)

"""Real images to compare samples with, and the features for the comparison."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.generate import data, own_runs
from experiments.generate.config import Config
from experiments.generate.source import Source
from jaxgan.data import cartoon_faces, image_folder
from jaxgan.data.stacks import stack
from jaxgan.errors import InputError
from jaxgan.judges import fashion
from jaxgan.metrics import images, pyramid
from jaxgan.runs.progress import counting, say

LARGEST = 64  # largest side in pixels at which images of --data are compared
_FRESH = 7  # seed of unseen cartoons: runs use seed 0, judges 101 and 102
_UNIT_COUNT = 1000  # images to measure the units of features on
Features = Callable[[np.ndarray], Any]


class Real(NamedTuple):
    """Real images.

    Attributes:
      train: Training images ``[N, h, w, C]`` uint8, which a generator may repeat.
      held_out: Other images ``[M, h, w, C]`` of the same kind; ``None`` if there are none.
      about: Description of the images.
      baseline: Description of what is compared with them for reference.
      key: Identifies their content.
      makers: Functions by name that make features; they may take long.
    """

    train: np.ndarray
    held_out: np.ndarray | None
    about: str
    baseline: str
    key: str
    makers: Mapping[str, Callable[[], Features]]

    def features(self) -> dict[str, Features]:
        """Make the features by name: functions from ``[n, h, w, C]`` uint8 to ``[n, ...]``."""
        return {name: make() for name, make in self.makers.items()}


def load(config: Config, source: Source) -> Real:
    """Load the images to compare samples with.

    Raises:
      InputError: If they cannot be read, or there are none.
    """
    generator = source.images("--neighbours")
    if config.data is not None:
        side = min(generator.resolution, LARGEST)
        with counting("image") as tell:
            packed = image_folder.pack(config.data, side, processes=True, tell=tell)
        for line in packed.lines:
            say(line)
        train, held_out, labelled = packed.images, None, None
        about, key = f"the images of {config.data}", packed.key
    elif source.run is None:
        raise InputError(
            f"--neighbours needs --data=FOLDER, as {config.run} does not say which images it "
            "was trained on"
        )
    else:
        run = source.run
        try:
            run_data = data.load(run)
        except InputError as error:
            raise InputError(f"{error}; --data gives others") from error
        labelled, dataset = run_data.labelled, run_data.dataset
        count = run.config.train_size
        train, rest = dataset.images[:count], dataset.images[count:]
        held_out = _held_out(run, rest, labelled)
        about, key = f"the images that {run.directory} was trained on", dataset.key
    baseline = "an image held out" if held_out is not None else "a real image to another one"
    makers = {"pixels": lambda: _pixels} | _makers(config, train, labelled)
    return Real(train, held_out, about, baseline, key, makers)


def _held_out(run: own_runs.OwnRun, rest: np.ndarray, labelled: Any) -> np.ndarray | None:
    """Return images of the same kind that the run was not trained on."""
    if len(rest) >= _UNIT_COUNT:
        return rest
    if run.laboratory == own_runs.FASHION:
        return labelled.test_images
    if run.laboratory == own_runs.STACKED:
        return stack(labelled.test_images, _UNIT_COUNT)
    if run.config.data == "cartoons":
        return cartoon_faces.load(_UNIT_COUNT, _FRESH, run.config.size).images
    return None


def _pixels(batch: np.ndarray) -> np.ndarray:
    """Pixel levels divided by the root of their number: distances are RMS differences."""
    flat = np.asarray(batch, np.float32).reshape(len(batch), -1)
    return flat / np.sqrt(flat.shape[1])


def _makers(
    config: Config, train: np.ndarray, labelled: Any
) -> dict[str, Callable[[], Features]]:
    """Return functions that make features other than pixels, by name."""
    if config.inception is not None:
        weights = config.inception
        return {"Inception": lambda: images.inception_features(weights, say=say)}
    if labelled is not None:
        return {"a classifier": lambda: _classifier(labelled)}
    if train.shape[1] < 16:
        return {}
    return {"a pyramid": lambda: _pyramid(train)}


def _classifier(labelled: Any) -> Features:
    return functools.partial(_features_of, fashion.load_or_train(labelled).params)


def _features_of(params: Any, batch: np.ndarray) -> np.ndarray:
    """Return the last hidden layer of the classifier for each channel."""
    channels = np.moveaxis(batch, -1, 1)
    single = np.ascontiguousarray(channels).reshape(-1, *batch.shape[1:3], 1)
    return fashion.classify(params, single)[1].reshape(len(batch), -1)


def _pyramid(train: np.ndarray) -> Features:
    """Return features that weight all levels of a Laplacian pyramid equally.

    In pixels, coarse levels dominate, so that smooth images are near to every image.
    """
    rows = np.random.default_rng(0).permutation(len(train))[:_UNIT_COUNT]
    some = pyramid.levels(train[np.sort(rows)])
    units = [np.sqrt(level.var(axis=0).sum()) or 1.0 for level in some]

    def features(batch: np.ndarray) -> np.ndarray:
        parts = [
            level.reshape(len(level), -1) / unit
            for level, unit in zip(pyramid.levels(batch), units, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    return features

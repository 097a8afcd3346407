"""Real images to compare samples with, and the features by which they are compared."""

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

LARGEST = 64  # pixels at which the images of --data are compared, at most
_FRESH = 7  # seed of cartoons that no run has seen: theirs have seed 0, those of judges 101
_MEASURED = 1000  # images whose levels give the units of features
Features = Callable[[np.ndarray], Any]


class Real(NamedTuple):
    """Real images.

    Attributes:
      train: ``[N, h, w, C]`` uint8: those that a generator may repeat.
      held_out: ``[M, h, w, C]``: others of the same kind; ``None`` if there are none.
      about: What the images are.
      baseline: What is compared with them in place of a sample.
      key: Identifies their content.
      makers: By name: each makes features, which may take long.
    """

    train: np.ndarray
    held_out: np.ndarray | None
    about: str
    baseline: str
    key: str
    makers: Mapping[str, Callable[[], Features]]

    def features(self) -> dict[str, Features]:
        """By name: ``[n, h, w, C]`` uint8 to numbers ``[n, ...]``."""
        return {name: make() for name, make in self.makers.items()}


def load(config: Config, source: Source) -> Real:
    """Load what samples are compared with.

    Raises:
      InputError: If it cannot be read, or there is nothing to compare with.
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
            loaded = data.load(run)
        except InputError as error:
            raise InputError(f"{error}; --data gives others") from error
        labelled, dataset = loaded.labelled, loaded.dataset
        count = run.config.train_size
        train, rest = dataset.images[:count], dataset.images[count:]
        held_out = _held_out(run, rest, labelled)
        about, key = f"the images that {run.directory} was trained on", dataset.key
    baseline = "an image held out" if held_out is not None else "a real image to another one"
    makers = {"pixels": lambda: _pixels} | _makers(config, train, labelled)
    return Real(train, held_out, about, baseline, key, makers)


def _held_out(run: own_runs.OwnRun, rest: np.ndarray, labelled: Any) -> np.ndarray | None:
    """Images like those that were trained on, which were not."""
    if len(rest) >= _MEASURED:
        return rest
    if run.laboratory == own_runs.FASHION:
        return labelled.test_images
    if run.laboratory == own_runs.STACKED:
        return stack(labelled.test_images, _MEASURED)
    if run.config.data == "cartoons":
        return cartoon_faces.load(_MEASURED, _FRESH, run.config.size).images
    return None


def _pixels(batch: np.ndarray) -> np.ndarray:
    """Levels from 0 to 255, over the root of their number: distances are mean differences."""
    flat = np.asarray(batch, np.float32).reshape(len(batch), -1)
    return flat / np.sqrt(flat.shape[1])


def _makers(
    config: Config, train: np.ndarray, labelled: Any
) -> dict[str, Callable[[], Features]]:
    """Features other than pixels, and what they are called."""
    if config.inception is not None:
        weights = config.inception
        return {"Inception": lambda: images.inception_features(weights, say=say)}
    if labelled is not None:
        return {"a classifier": lambda: _classifier(labelled)}
    if train.shape[1] < 16:
        return {}
    return {"a pyramid": lambda: _pyramid(train)}


def _classifier(labelled: Any) -> Features:
    return functools.partial(_classified, fashion.load_or_train(labelled).params)


def _classified(params: Any, batch: np.ndarray) -> np.ndarray:
    """The last hidden layer of the garments' classifier, of each channel."""
    channels = np.moveaxis(batch, -1, 1)
    single = np.ascontiguousarray(channels).reshape(-1, *batch.shape[1:3], 1)
    return fashion.classify(params, single)[1].reshape(len(batch), -1)


def _pyramid(train: np.ndarray) -> Features:
    """Levels of Laplacian pyramids, of which each counts alike.

    In pixels the coarse ones count nearly alone, so that whatever is smooth is near to all.
    """
    chosen = np.random.default_rng(0).permutation(len(train))[:_MEASURED]
    some = pyramid.levels(train[np.sort(chosen)])
    units = [np.sqrt(level.var(axis=0).sum()) or 1.0 for level in some]

    def features(batch: np.ndarray) -> np.ndarray:
        parts = [
            level.reshape(len(level), -1) / unit
            for level, unit in zip(pyramid.levels(batch), units, strict=True)
        ]
        return np.concatenate(parts, axis=1)

    return features

"""The lanes of the points laboratory: what each run starts from, and in which units."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.points.config import Config
from jaxgan.data import points
from jaxgan.metrics import transport

MAX_COMPARED = 2000  # points in an exact transport problem, whose cost is cubic
DIRECTIONS = 16  # of a sliced distance
DRAWS = 10  # samples in the mean of a distance


class Units(NamedTuple):
    """The units of points: the data's own, those of training, those of measures.

    Training sees points of mean 0 and deviation 1 (or the data's own). Measures are in
    shares of the size of the training cloud, around its centre: float32 has no room for
    a small cloud far from the origin.

    Attributes:
      mean: Origin of the units of training, ``[1, 2]``, in the data's own units.
      scale: One unit of training, ``[1, 2]``.
      centre: Origin of the units of measures, ``[1, 2]``.
      size: One unit of measures, ``[1, 1]``.
    """

    mean: np.ndarray
    scale: np.ndarray
    centre: np.ndarray
    size: np.ndarray

    def to_training(self, data: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` of the data to units of training."""
        return (data - self.mean) / self.scale

    def to_data(self, training: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` of training to the data's own units."""
        return training * self.scale + self.mean

    def to_measure(self, data: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` of the data to units of measures."""
        return (data - self.centre) / self.size


class Lane(NamedTuple):
    """What a run starts from; over lanes every leaf has a leading axis S.

    Attributes:
      seed: Of the split, the weights and all draws.
      train: Points to train on, in the data's own units.
      test: Points held out.
      reference: Those of them that samples are compared with, as many as there are samples.
      units: The units of points.
      floor: Mean sliced distance of equally large samples of ``train`` to ``reference``,
        in units of measures.
      values: Traced settings by name.
    """

    seed: Any
    train: Any
    test: Any
    reference: Any
    units: Units
    floor: Any
    values: dict[str, Any] = {}


def start(config: Config, cloud: np.ndarray, seed: int) -> Lane:
    """Split the points ``[N, 2]`` and measure them: what every run with a seed starts from."""
    train, test = points.split(cloud, config.train_size, seed)
    mean, scale = np.zeros((1, 2)), np.ones((1, 2))
    if config.standardize:
        mean, deviation = train.mean(0, keepdims=True), train.std(0, keepdims=True)
        scale = np.where(deviation > 0, deviation, 1.0)
    centre = train.mean(0, keepdims=True)
    size = np.sqrt(((train - centre) ** 2).sum(1).mean())
    units = Units(mean, scale, centre, np.reshape(size, (1, 1)))
    reference = test[: min(len(train), len(test), MAX_COMPARED)]
    samples = floor_samples(train, len(reference), seed)
    floor = np.mean([sliced(units, sample, reference) for sample in samples])
    return Lane(np.int32(seed), train, test, reference, units, floor)


def floor_samples(train: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    """Draw ``DRAWS`` samples of the training points, as a perfect generator would."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(DRAWS):
        yield train[rng.choice(len(train), count, replace=False)]


def sliced(units: Units, sample: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Measure the sliced distance ``[]`` of two clouds ``[N, 2]`` in the data's units.

    The distance is in units of measures.
    """
    clouds = (units.to_measure(x).astype(np.float32) for x in (sample, reference))
    return np.asarray(_sliced(*clouds, transport.circle_directions(DIRECTIONS)))


_sliced = jax.jit(transport.sliced_wasserstein)


def stack(lanes: Sequence[Lane]) -> Lane:
    """Join lanes: leaves ``[S, ...]``."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *lanes)


def lanes_of(config: Config, cloud: np.ndarray) -> Lane:
    """All lanes of a program: every cell of settings with every seed."""
    seeds = range(config.seed, config.seed + config.seeds)
    starts = [start(config, cloud, seed) for seed in seeds]
    return stack([with_values(x, cell) for cell in config.cells() for x in starts])


def with_values(lane: Lane, cell: Mapping[str, float]) -> Lane:
    """Give a lane its traced settings."""
    return lane._replace(values={name: np.float32(x) for name, x in cell.items()})


def at(lanes: Lane, index: int) -> Lane:
    """Take one lane out of all."""
    return jax.tree.map(lambda x: x[index], lanes)

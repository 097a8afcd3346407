"""The lanes of the points laboratory: data split, units and settings of each run."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.points.config import Config
from jaxgan.data import points
from jaxgan.data.points import Units
from jaxgan.metrics import clusters, fit_ratio, transport

MAX_POINTS = 2000  # most points in an exact transport problem, whose cost is cubic
DIRECTIONS = 16  # projections of a sliced distance


class Lane(NamedTuple):
    """The start of a run; for several lanes every leaf has a leading axis S.

    Attributes:
      seed: Seed of the split, the weights and all draws.
      train: Points to train on, in the data's own units.
      test: Held-out points.
      reference: The held-out points that samples are compared with, as many as samples.
      units: Conversions between the units of data, training and measures.
      floor: Mean sliced distance from samples of ``train`` of the same size to ``reference``,
        in units of measures.
      clusters: Points of each of the data's clusters, ``[K, L, 2]``, the same in all lanes.
      values: Traced settings by name.
    """

    seed: Any
    train: Any
    test: Any
    reference: Any
    units: Units
    floor: Any
    clusters: Any
    values: dict[str, Any] = {}


def start(config: Config, cloud: np.ndarray, seed: int) -> Lane:
    """Split the points ``[N, 2]`` by seed and measure them."""
    train, test = points.split(cloud, config.train_size, seed)
    units = points.units_of(train, standardize=config.standardize)
    reference = test[: min(len(train), len(test), MAX_POINTS)]
    samples = fit_ratio.floor_samples(train, len(reference), seed)
    floor = np.mean([sliced_distance(units, sample, reference) for sample in samples])
    return Lane(np.int32(seed), train, test, reference, units, floor, clusters.find(cloud))


def sliced_distance(units: Units, sample: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Measure the sliced distance ``[]`` of two clouds ``[N, 2]`` in the data's units.

    The distance is in units of measures.
    """
    clouds = (units.to_measure(x).astype(np.float32) for x in (sample, reference))
    return np.asarray(_sliced(*clouds, transport.circle_directions(DIRECTIONS)))


_sliced = jax.jit(transport.sliced_wasserstein)


def stack(lanes: Sequence[Lane]) -> Lane:
    """Stack lanes: leaves ``[S, ...]``."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *lanes)


def lanes_of(config: Config, cloud: np.ndarray) -> Lane:
    """Return all lanes of a program: every combination of settings with every seed."""
    seeds = range(config.seed, config.seed + config.seeds)
    starts = [start(config, cloud, seed) for seed in seeds]
    return stack([with_values(x, values) for values in config.combinations() for x in starts])


def with_values(lane: Lane, values: Mapping[str, float]) -> Lane:
    """Give a lane its traced settings."""
    return lane._replace(values={name: np.float32(x) for name, x in values.items()})


def at(lanes: Lane, index: int) -> Lane:
    """Return one of several lanes."""
    return jax.tree.map(lambda x: x[index], lanes)

"""The cells of Fashion-MNIST: which classes single dimensions of latents lead to."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from experiments.claims import lanes as claims_lanes
from experiments.claims.images import cells
from experiments.claims.lanes import Arrays
from experiments.fashion_mnist import config as fashion_mnist
from experiments.images import program
from experiments.images.config import Config, Dataset
from jaxgan.data.fashion_mnist import Images
from jaxgan.judges import fashion
from jaxgan.runs.records import Laboratory, Lane, Record, Work
from jaxgan.training.gan import GanState

# Dimensions of latents that report E moves, and how far.
DIMENSIONS, DISTANCE = (20, 50, 60, 70, 90), 10.0


@lru_cache(maxsize=1)
def garments() -> tuple[Images, Dataset]:
    """Fashion-MNIST with labels, and its images to train on."""
    return fashion_mnist.load("fashion-mnist")


def identity(config: Config) -> dict[str, Any]:
    """All that decides a result but the seed."""
    return claims_lanes.settings(config) | {
        "data_sha256": garments()[1].key,
        "evaluated": cells.EVALUATION_COUNT,
        "shown": cells.FRAME_IMAGES,
        "spread_samples": program.SPREAD_SAMPLES,
        "traversed": [DIMENSIONS, DISTANCE, cells.MOVE_COUNT, cells.EDIT_COUNT],
    }


def shapes(config: Config) -> dict[str, tuple[int | None, ...]]:
    """Shapes of the arrays of a record."""
    return cells.shapes(config, 1) | {
        "shares": (len(DIMENSIONS), 3, 10),
        "edits": (len(DIMENSIONS), cells.EDIT_COUNT, 3, 28, 28, 1),
    }


def train(lanes: Sequence[Lane], work: Work) -> Iterator[Record]:
    """Train and measure lanes of one program, from where an earlier process stopped.

    Beside what ``cells.run`` says, with a ``curve`` on the features of a classifier, a
    record holds ``shares`` ``[T, 3, 10]``, those of each class among samples with each of
    the dimensions ``DIMENSIONS`` lowered, as drawn and raised by ``DISTANCE``; and
    ``edits`` ``[T, EDIT_COUNT, 3, 28, 28, 1]``, some of these.
    """
    config = lanes[0].cell.config
    data, dataset = garments()
    params = fashion.load_or_train(data).params
    scorer = cells.make_scorer(
        lambda images: fashion.classify(params, images, cells.EVALUATION_COUNT)[1],
        data.test_images,
        dataset.images,
    )
    sample = cells.make_sample(config, dataset)

    def measure(state: GanState) -> Arrays:
        return _traverse(config, params, sample, state)

    configs = [lane.cell.config for lane in lanes]
    return cells.run(configs, lanes, dataset, scorer, measure, work)


def _traverse(config: Config, params: Any, sample: cells.Sample, state: GanState) -> Arrays:
    """``shares`` and ``edits`` of one lane."""
    z, count = cells.moved_latents(config), cells.MOVE_COUNT
    shares, edits = [], []
    for dimension in DIMENSIONS:
        step = DISTANCE * np.eye(config.latent_dim, dtype=np.float32)[dimension]
        ends = [sample(state, z + sign * step) for sign in (-1, 0, 1)]
        shares.append([fashion.classify(params, x, count)[0].mean(axis=0) for x in ends])
        edits.append(np.stack(ends, axis=1)[: cells.EDIT_COUNT])
    return {"shares": np.stack(shares), "edits": np.stack(edits)}


FASHION = Laboratory(
    "fashion-mnist",
    1,
    identity,
    train,
    program=lambda config: claims_lanes.static(identity(config), config),
    cost=cells.cost,
    shapes=shapes,
)

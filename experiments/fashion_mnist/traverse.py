"""Traversal: how each latent dimension changes the classes of samples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.fashion_mnist import classes
from experiments.images import run
from experiments.images.config import Config, Dataset
from experiments.images.program import (
    DEFAULT,
    LatentSet,
    Machine,
    fixed_labels,
    fixed_latents,
    make_program,
    make_sampler,
)
from jaxgan import runs
from jaxgan.data.fashion_mnist import Images
from jaxgan.errors import InputError
from jaxgan.judges import fashion
from jaxgan.metrics import frechet, intervals, kernels, neighbours
from jaxgan.plots import figures, raster
from jaxgan.runs import jobs

FIGURE_SAMPLES, MEASURE_SAMPLES = 10, 100  # samples per figure, and per measurement
RESAMPLES = 400
TRAVERSE = (20, 50, 60, 70, 90)  # those of the report


def finish(
    data: Images, dataset: Dataset, classifier: fashion.GarmentClassifier, count: int = 2000
) -> run.Finish:
    """Make a function that measures every lane's samples with the classifier's features.

    ``classifier_frechet`` is a Fréchet distance between these features; it is not a FID.
    """
    _, real = fashion.classify(classifier.params, data.test_images[:count])
    k = min(5, len(real) - 1)

    def measure(config, sample, state, directory):
        rows, which = [], LatentSet.MEASURES
        labels = fixed_labels(config, dataset, count, which)
        for images in sample(state, fixed_latents(config, count, which), labels):
            _, fake = fashion.classify(classifier.params, images)
            rows.append(
                {
                    "classifier_frechet": frechet.frechet_distance(real, fake),
                    "classifier_kid": kernels.kernel_distance(real, fake).mean,
                    **neighbours.precision_recall(real, fake, k)._asdict(),
                }
            )
        by_lane = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        measures = {"classifier_accuracy": classifier.accuracy, **by_lane}
        if config.conditional:
            measures |= classes.measure(config, sample, state, directory, data, classifier)
        return measures

    return measure


class Move(NamedTuple):
    """Samples with a latent dimension lowered and raised, and their class probabilities.

    Attributes:
      low: Images ``[N, 28, 28, 1]`` uint8.
      high: Images ``[N, 28, 28, 1]`` uint8.
      lowered: Probabilities ``[N, K]``.
      raised: Probabilities ``[N, K]``.
    """

    low: np.ndarray
    high: np.ndarray
    lowered: np.ndarray
    raised: np.ndarray


def traverse(
    config: Config,
    directory: Path,
    dataset: Dataset,
    classifier: fashion.GarmentClassifier,
    dimensions: Sequence[int],
    by: float,
    names: Sequence[str],
    machine: Machine = DEFAULT,
) -> dict[str, Any]:
    """Move one latent dimension at a time and measure how the classes change.

    Writes ``traversal/dimension_020.png`` for each dimension, ``traversal/classes.png``
    and ``traversal/traversal.json``.

    Args:
      config: Configuration of the run.
      directory: Directory of the complete run.
      dataset: Images that the run was trained on.
      classifier: Classifies images.
      dimensions: Dimensions to draw; all are ranked.
      by: Distance to lower and raise a dimension.
      names: Names of the K classes.
      machine: Devices, as in ``make_program``.

    Returns:
      The content of the JSON file: the classes' shares with each dimension lowered, unmoved
      and raised, and a ranking of all dimensions by the total variation distance between the
      shares when lowered and when raised, with a bootstrap 95 % interval over samples.
    """
    folder, title = directory / "traversal", run.title_of(config)
    functions = make_program(config, dataset, machine=machine)
    state = jobs.last_state(directory, functions.init)
    sample = make_sampler(functions)
    z = fixed_latents(config, MEASURE_SAMPLES, LatentSet.TRAVERSAL)
    labels = fixed_labels(config, dataset, MEASURE_SAMPLES, LatentSet.TRAVERSAL)

    def shares_of(images: np.ndarray) -> np.ndarray:
        return fashion.classify(classifier.params, images)[0]

    def move(dimension: int) -> Move:
        low, high = (sample(state, z.at[:, dimension].add(x), labels)[0] for x in (-by, by))
        return Move(low, high, shares_of(low), shares_of(high))

    plain_images = sample(state, z, labels)[0]
    plain = shares_of(plain_images).mean(axis=0)
    ranking, shares = [], {}
    for dimension in range(config.latent_dim):
        pair = move(dimension)
        ranking.append({"dimension": dimension} | _effect(pair, names))
        if dimension not in dimensions:
            continue
        shares[dimension] = {
            "lowered": pair.lowered.mean(axis=0),
            "as drawn": plain,
            "raised": pair.raised.mean(axis=0),
        }
        raster.image_rows(
            folder / f"dimension_{dimension:03d}.png",
            {
                "lowered": pair.low[:FIGURE_SAMPLES],
                "as drawn": plain_images[:FIGURE_SAMPLES],
                "raised": pair.high[:FIGURE_SAMPLES],
            },
            f"{title}: dimension {dimension} by {by:g}",
        )
    shares = {dimension: shares[dimension] for dimension in dimensions}
    figures.shares(
        folder / "classes.png",
        names,
        {f"dimension {dimension}": share for dimension, share in shares.items()},
        f"{title}: share of each class as a dimension moves by {by:g}",
    )
    result = {
        "by": by,
        "samples": MEASURE_SAMPLES,
        "classifier_accuracy": classifier.accuracy,
        "classes": tuple(names),
        "shares": shares,
        "ranking": sorted(ranking, key=lambda row: -row["moved"]),
    }
    runs.write_json(folder / "traversal.json", result)
    return runs.to_json(result)


def _effect(move: Move, names: Sequence[str]) -> dict[str, Any]:
    """Return the total variation distance between both shares, with its interval."""
    shift = move.raised - move.lowered
    distance = np.abs(shift.mean(axis=0)).sum() / 2
    resamples = np.random.default_rng(0).integers(0, len(shift), (RESAMPLES, len(shift)))
    distances = np.abs(shift[resamples].mean(axis=1)).sum(axis=1) / 2
    return {
        "moved": distance,
        "interval": intervals.percentile(distance, distances)[1:],
        "lowered_to": names[move.lowered.mean(axis=0).argmax()],
        "raised_to": names[move.raised.mean(axis=0).argmax()],
    }


def dimensions_of(dimensions: Sequence[int] | None, by: float, size: int) -> tuple[int, ...]:
    """Return which of ``size`` latent dimensions to move, by default those of the report.

    Raises:
      InputError: If a dimension or the distance is out of range.
    """
    if dimensions is None:
        return tuple(number for number in TRAVERSE if number < size) or (0,)
    if not np.isfinite(by) or by == 0:
        raise InputError(f"--traverse_by={by:g} must be a finite number other than 0")
    for number in dimensions:
        if not 0 <= number < size:
            raise InputError(f"--traverse={number}: latent dimensions go from 0 to {size - 1}")
    return tuple(dimensions)


def show(title: str, result: Mapping[str, Any]) -> None:
    """Print the dimensions that change the classes most."""
    accuracy = result["classifier_accuracy"]
    print(f"{title}: dimensions that move the classes most (classifier {accuracy:.1%} right)")
    for row in result["ranking"][:5]:
        low, high = row["interval"]
        print(
            f"  {row['dimension']:3d}  {row['moved']:.2f} [{low:.2f}, {high:.2f}]  "
            f"{row['lowered_to']} to {row['raised_to']}"
        )

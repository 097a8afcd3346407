"""Measure the final samples of the points laboratory."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from experiments.points.config import Config
from experiments.points.lanes import Lane, at
from jaxgan.data import points
from jaxgan.metrics import coverage, fit_ratio, intervals, kernels, two_sample
from jaxgan.runs import cache
from jaxgan.runtime import cores

MODE_SAMPLES = 2500  # as in VEEGAN's and PacGAN's tables

# Measured for every lane on any data.
_MEASURES = ("w1", "fit_ratio", "p_value", "classifier_p_value")
RESULTS = ("floor", *(f"{name}{suffix}" for name in _MEASURES for suffix in ("", "_ema")))


def evaluate(
    lanes: Lane,
    cloud: points.PointCloud,
    draws: Sequence[Any],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Measure final samples ``[S, DRAWS, N, 2]``, given in units of training.

    All measures are in the data's own units. The energy test uses the first draw, the
    classifier test all draws. Modes are counted in ``MODE_SAMPLES`` samples of several draws,
    or in all samples if they are fewer.

    Returns:
      Results ``{name: [S]}``, and the content of ``samples.npz``: ``train``, ``test``,
      ``generated`` and ``generated_ema`` as ``[S, N, 2]``, and the seed and traced settings
      of every lane.
    """
    versions = dict(zip(("", "_ema"), draws, strict=True))

    def measure(index: int) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        lane = at(lanes, index)
        seed = int(lane.seed)
        floor = floor_of(lane)
        result = {"floor": floor}
        samples = {}
        for suffix, x in versions.items():
            clouds = lane.units.to_data(np.asarray(x[index], float))
            samples[f"generated{suffix}"] = fake = clouds[0]
            distance = fit_ratio.mean_distance(clouds, lane.reference)
            test = kernels.energy_test(fake, lane.reference, seed=seed)
            classifier = classify(clouds, lane.train, lane.reference, seed)
            result |= {
                f"w1{suffix}": distance,
                f"fit_ratio{suffix}": distance / floor if floor else math.inf,
                f"energy{suffix}": test.distance,
                f"p_value{suffix}": test.p_value,
                f"classifier_accuracy{suffix}": classifier.accuracy,
                f"classifier_p_value{suffix}": classifier.p_value,
            }
            if cloud.modes is not None:
                rows = clouds.reshape(-1, 2)[:MODE_SAMPLES]
                modes = coverage.coverage(rows, cloud.modes, cloud.radius)
                result |= {
                    f"modes{suffix}": modes.modes,
                    f"quality{suffix}": modes.quality,
                    f"reverse_kl{suffix}": modes.reverse_kl,
                }
        return result, samples

    with ThreadPoolExecutor(cores()) as pool:
        rows, clouds = zip(*pool.map(measure, range(len(lanes.seed))), strict=True)
    results = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    samples = {"train": lanes.train, "test": lanes.test, "seed": lanes.seed, **lanes.values}
    samples |= {name: np.stack([x[name] for x in clouds]) for name in clouds[0]}
    return results, samples


def floor_of(lane: Lane) -> float:
    """Measure the distance of training points to the reference; later runs reuse it."""
    train, reference, seed = lane.train, lane.reference, int(lane.seed)
    # With the lengths: another split of the same points has the same bytes in sequence.
    lengths = len(train), len(reference), fit_ratio.DRAWS
    key = cache.digest(train.tobytes(), reference.tobytes(), *lengths, seed)
    return float(
        cache.load_or_make(
            f"floors/{key}", np.zeros(()), lambda: fit_ratio.floor(train, reference, seed)
        )
    )


def classify(
    clouds: np.ndarray, train: np.ndarray, reference: np.ndarray, seed: int
) -> two_sample.ClassifierTest:
    """Test whether a classifier can tell a generator's samples from held-out points.

    It is trained on half of the draws and as many training points, and tested on the rest.

    Args:
      clouds: Samples ``[DRAWS, N, 2]``.
      train: Training points ``[M, 2]`` in any order.
      reference: Held-out points ``[N, 2]``.
      seed: Seed of the test.
    """
    half = len(clouds) // 2
    fit_points, test_points = (x.reshape(-1, 2) for x in (clouds[:half], clouds[half:]))
    train_set = fit_points, train[: len(fit_points)]
    return two_sample.classifier_test(test_points, reference, train=train_set, seed=seed)


def finite_lanes(history: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return which lanes are finite in the last record: ``[S]``."""
    names = ("critic_loss", "generator_loss", "spread")
    finite = ~np.any([[x is None for x in history[-1][name]] for name in names], axis=0)
    return np.asarray(finite)


def summarize(
    config: Config, results: Mapping[str, np.ndarray], finite: np.ndarray
) -> list[dict[str, Any]]:
    """Return one entry per cell (setting): settings, results by seed, means with intervals.

    Args:
      config: Configuration of the program.
      results: ``[S]`` by name, including ``fit_ratio`` and ``fit_ratio_ema``.
      finite: ``[S]``, which lanes did not diverge.
    """
    table = []
    for i, cell in enumerate(config.combinations()):
        lanes = slice(i * config.seeds, (i + 1) * config.seeds)
        by_seed = {name: values[lanes] for name, values in results.items()}
        table.append(
            {"variant": config.variant, "optimizer": config.optimizer}
            | cell
            | {
                "seeds": config.seeds,
                "diverged": int((~finite[lanes]).sum()),
                "fit_ratio": intervals.student(by_seed["fit_ratio"])._asdict(),
                "fit_ratio_ema": intervals.student(by_seed["fit_ratio_ema"])._asdict(),
                "by_seed": by_seed,
            }
        )
    return table

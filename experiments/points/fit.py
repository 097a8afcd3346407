"""How well the points laboratory's generators fit: measures of final samples."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from experiments.points.config import Config
from jaxgan.data import points
from jaxgan.metrics import coverage, intervals, kernels, transport

# Of every lane, on any data.
RESULTS = ("floor", "w1", "w1_ema", "fit_ratio", "fit_ratio_ema", "p_value", "p_value_ema")
DRAWS = 10


def floor_samples(real: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    """Samples of the training points, as a perfect generator would draw them."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(DRAWS):
        yield real[rng.choice(len(real), count, replace=False)]


def evaluate(
    config: Config,
    lanes: Mapping[str, np.ndarray],
    cloud: points.PointCloud,
    generated: Sequence[ArrayLike],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Measure final samples ``[S, DRAWS, N, 2]``, given in units of training.

    The fit ratio is the exact 1-Wasserstein distance of N samples to N held-out points,
    divided by the distance of N training points to the same held-out points, both as
    means over ``DRAWS`` draws: one draw of a thousand points is off by a fifth. A perfect
    generator scores 1.0. All in the data's own units. The energy test and the modes are
    those of the first draw.

    Returns:
      Results ``{name: [S]}``, and what ``samples.npz`` holds: ``train``, ``test``,
      ``generated`` and ``generated_ema`` as ``[S, N, 2]``, and the seed and traced values
      of every lane.
    """
    versions = {
        suffix: np.asarray(x, float) * lanes["scale"][:, None] + lanes["mean"][:, None]
        for suffix, x in zip(("", "_ema"), generated, strict=True)
    }

    def one(lane: int) -> dict[str, float]:
        reference, real = lanes["reference"][lane], lanes["train"][lane]
        seed = int(lanes["seed"][lane])
        result = {"floor": floor(real, reference, seed)}
        for suffix, clouds in versions.items():
            fake = clouds[lane, 0]
            distance = mean_distance(clouds[lane], reference)
            test = kernels.energy_test(fake, reference, seed=seed)
            result |= {
                f"w1{suffix}": distance,
                f"fit_ratio{suffix}": distance / result["floor"]
                if result["floor"]
                else math.inf,
                f"energy{suffix}": test.distance,
                f"p_value{suffix}": test.p_value,
            }
            if cloud.modes is not None:
                reached = coverage.coverage(fake, cloud.modes, cloud.radius)
                result |= {
                    f"modes{suffix}": reached.modes,
                    f"quality{suffix}": reached.quality,
                }
        return result

    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(one, range(len(lanes["seed"]))))
    results = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    names = ["train", "test", "seed", *config.cells()[0]]
    samples = {name: lanes[name] for name in names}
    samples |= {f"generated{suffix}": x[:, 0] for suffix, x in versions.items()}
    return results, samples


def mean_distance(clouds: np.ndarray, reference: np.ndarray) -> float:
    """Mean exact distance of clouds ``[DRAWS, N, 2]`` to held-out points ``[N, 2]``."""
    return float(np.mean([transport.wasserstein(x, reference) for x in clouds]))


def floor(real: np.ndarray, reference: np.ndarray, seed: int) -> float:
    """Mean exact distance of samples of the training points to the held-out points.

    Computed once for all programs of a sweep.
    """
    return _floor(real.tobytes(), reference.tobytes(), seed)


@functools.lru_cache(maxsize=256)
def _floor(real: bytes, reference: bytes, seed: int) -> float:
    """``floor`` of the bytes of two float64 arrays."""
    train_points, held_out = (np.frombuffer(x).reshape(-1, 2) for x in (real, reference))
    samples = floor_samples(train_points, len(held_out), seed)
    return mean_distance(np.stack([*samples]), held_out)


def finite_lanes(history: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Which lanes were still finite in the last record: ``[S]``."""
    watched = ("critic_loss", "generator_loss", "spread")
    finite = ~np.any([[x is None for x in history[-1][name]] for name in watched], axis=0)
    return np.asarray(finite)


def summarize(
    config: Config, results: Mapping[str, np.ndarray], finite: np.ndarray
) -> list[dict[str, Any]]:
    """One entry per cell: its settings, results by seed, and means with intervals.

    Args:
      config: Of the program.
      results: By name, ``[S]``; ``fit_ratio`` and ``fit_ratio_ema`` among them.
      finite: Which lanes did not diverge, ``[S]``.
    """
    table = []
    for i, cell in enumerate(config.cells()):
        lanes = slice(i * config.seeds, (i + 1) * config.seeds)
        by_seed = {name: values[lanes] for name, values in results.items()}
        table.append(
            {"variant": config.variant, "optimizer": config.optimizer}
            | cell
            | {
                "seeds": config.seeds,
                "diverged": int((~finite[lanes]).sum()),
                "fit_ratio": intervals.mean_interval(by_seed["fit_ratio"])._asdict(),
                "fit_ratio_ema": intervals.mean_interval(by_seed["fit_ratio_ema"])._asdict(),
                "by_seed": by_seed,
            }
        )
    return table

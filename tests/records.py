"""Records of runs that never ran, for the study of claims."""

import math
from typing import NamedTuple

import numpy as np

from jaxgan.runs.records import Laboratory, Record


def record(fit=1.2, first=10, epochs=100, seed=0, diverged=0):
    """A run of points: the sliced ratio is 9 before its first rough fit, 2 from then on."""
    rng = np.random.default_rng(seed)
    cloud = rng.normal(size=(40, 2))
    curve = np.where(np.arange(1, epochs + 1) >= first, 2.0, 9.0)
    if diverged:
        fit, curve[diverged - 1 :] = math.inf, math.nan
    arrays = {
        "fit_ratio": fit,
        "worst_ratio": 13.0,
        "worst_sliced": 11.0,
        "curve": curve,
        "diverged_at": diverged,
        "sample": cloud,
        "reference": cloud,
        "frames": np.stack([cloud] * 3),
        "frame_epochs": np.array([0, 1, epochs]),
    }
    facts = {"seconds": 2.0, "device": "1 x cpu", "commit": "abc", "versions": {"jax": "0"}}
    return Record({name: np.asarray(x) for name, x in arrays.items()}, facts)


def several(count=8, fit=1.2, spread=0.05, first=10, **settings):
    rng = np.random.default_rng(1)
    return [
        record(fit + x, first + i % 3, seed=i, **settings)
        for i, x in enumerate(spread * rng.normal(size=count))
    ]


class Config(NamedTuple):
    """Configuration of a cell; the name tells cells apart."""

    name: str
    epochs: int = 100


LAB = Laboratory(
    "synthetic",
    1,
    lambda config: {"name": config.name, "epochs": config.epochs},
    lambda lanes, work: [record() for _ in lanes],
    program=lambda config: 0,
)

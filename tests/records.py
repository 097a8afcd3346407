"""Made-up runs of the study of claims."""

import math

import numpy as np

from experiments.claims.cells import Laboratory, Record


def record(fit=1.2, first=10, epochs=100, seed=0, diverged=0):
    """A made-up run: the sliced ratio is 9 before its first rough fit, 2 from then on."""
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


class Made:
    """Configurations of made-up cells."""

    def __init__(self, epochs=100):
        self.epochs = epochs


LAB = Laboratory(
    lambda c: {"epochs": c.epochs}, lambda c: 0, lambda c: 1.0, (), lambda c: {}, lambda *a: []
)


def several(count=8, fit=1.2, spread=0.05, first=10, **given):
    rng = np.random.default_rng(1)
    return [
        record(fit + x, first + i % 3, seed=i, **given)
        for i, x in enumerate(spread * rng.normal(size=count))
    ]

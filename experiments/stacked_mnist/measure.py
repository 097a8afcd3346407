"""Count the modes that generated stacks reach."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.images import run
from experiments.images.config import Config
from experiments.images.program import LatentSet, fixed_latents, lanes_of, without_average
from jaxgan.data.fashion_mnist import Images
from jaxgan.data.stacks import CHANNELS, stack
from jaxgan.judges import fashion
from jaxgan.metrics.coverage import class_coverage

SAMPLES = 26_000  # as in VEEGAN and PacGAN
_AT_ONCE = 2000
METRICS = ("modes", "reverse_kl", "modes_ema", "reverse_kl_ema")


def finish(data: Images, classifier: fashion.GarmentClassifier) -> run.Finish:
    """Make a function that measures every lane's generator and its moving average.

    Stacks of test images are measured, too: this is the score of a perfect generator with
    this classifier.
    """
    modes = len(data.classes) ** CHANNELS
    real = stack(data.test_images, SAMPLES)
    best = class_coverage(fashion.mode_numbers(classifier.params, real), modes)

    def measure(config, sample, state, directory) -> Mapping[str, Any]:
        z = fixed_latents(config, SAMPLES, LatentSet.MEASURES)

        def counts(state) -> list[np.ndarray]:
            """Return modes and reverse KL divergence of every lane's samples, ``[S]`` each."""
            numbers = []
            for first in range(0, SAMPLES, _AT_ONCE):
                lanes = sample(state, z[first : first + _AT_ONCE])
                numbers.append([fashion.mode_numbers(classifier.params, x) for x in lanes])
            lanes = np.concatenate(numbers, axis=1)
            rows = [class_coverage(lane, modes) for lane in lanes]
            return [np.array(column) for column in zip(*rows, strict=True)]

        values = counts(without_average(state)) + counts(state)
        return {
            **dict(zip(METRICS, values, strict=True)),
            "modes_real": best.modes,
            "reverse_kl_real": best.reverse_kl,
            "modes_of": modes,
            "samples": SAMPLES,
            "classifier_accuracy": classifier.accuracy,
        }

    return measure


def rows(config: Config, folder: Path) -> list[dict[str, Any]]:
    """Return the lines of ``modes.csv``, one per lane; none if the run is incomplete."""
    path = folder / "summary.json"
    if not path.exists():
        return []
    summary = json.loads(path.read_text("utf-8"))
    names = ("model", "variant", "optimizer", "pack")
    settings = {name: getattr(config, name) for name in names}
    values = [value for value in config.combinations() for _ in range(config.seeds)]
    table = []
    for lane, seed in enumerate(lanes_of(config).seed.tolist()):
        results = {name: summary[name][lane] for name in METRICS}
        table.append({**settings, **values[lane], "seed": seed, **results})
    return table

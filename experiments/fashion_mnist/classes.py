"""Measure whether conditional samples belong to the class that was asked for."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.images.config import Config
from experiments.images.program import (
    LatentSet,
    Sampler,
    by_class,
    fixed_latents,
    without_average,
)
from jaxgan.data.fashion_mnist import Images
from jaxgan.judges import fashion
from jaxgan.runs.directory import write_csv
from jaxgan.training.gan import GanState

EACH = 200  # images per class, with the same latents for all classes


def measure(
    config: Config,
    sample: Sampler,
    state: GanState,
    directory: Path,
    data: Images,
    classifier: fashion.GarmentClassifier,
) -> dict[str, Any]:
    """Measure the share of generated images that the classifier assigns to their class.

    Writes ``classes.csv``: one line per lane and class, with the shares of the generator, of
    its moving average, and of the real test images of the class.

    Args:
      config: Configuration of a conditional run.
      sample: Sampler of the moving averages.
      state: State of all lanes.
      directory: Directory of the run.
      data: The real images.
      classifier: Classifies images; its accuracy on test images is what a perfect generator
        would reach.

    Returns:
      ``class_accuracy`` and ``class_accuracy_average`` of the generator and its moving
      average: one number per lane, means over classes.
    """
    z, labels = by_class(fixed_latents(config, EACH, LatentSet.CLASSES), len(data.classes))

    def shares(state: GanState) -> np.ndarray:  # [S, K]
        lanes = [_classify(classifier, images) == labels for images in sample(state, z, labels)]
        return np.reshape(lanes, (len(lanes), -1, EACH)).mean(axis=2)

    of_generator, of_average = shares(without_average(state)), shares(state)
    right = _classify(classifier, data.test_images) == data.test_labels
    rows = [
        {
            "lane": lane,
            "class": name,
            "generator": of_generator[lane, number],
            "average": of_average[lane, number],
            "test_images": _mean(right[data.test_labels == number]),
        }
        for lane in range(len(of_average))
        for number, name in enumerate(data.classes)
    ]
    write_csv(directory / "classes.csv", rows)
    return {
        "class_accuracy": of_generator.mean(axis=1),
        "class_accuracy_average": of_average.mean(axis=1),
    }


def _classify(classifier: fashion.GarmentClassifier, images: np.ndarray) -> np.ndarray:
    """Return the most probable class of each image."""
    return fashion.classify(classifier.params, images)[0].argmax(axis=1)


def _mean(right: np.ndarray) -> float:
    return float(right.mean()) if len(right) else float("nan")

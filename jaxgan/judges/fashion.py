"""A classifier of garments, for judging a generator of 28x28 images.

It is trained once; its parameters stay in the cache.

Example: ``classify(load_or_train(data).params, images)`` gives probabilities and features.
"""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from jaxgan.data.fashion_mnist import Images
from jaxgan.data.pixels import to_float
from jaxgan.judges import fitting
from jaxgan.networks.fashion import Classifier
from jaxgan.networks.layers import compiler_options
from jaxgan.runs import cache as runs_cache
from jaxgan.runs import progress

VERSION = 1  # raise it when a change affects the classifier's answers
EPOCHS, BATCH = 6, 128


class GarmentClassifier(NamedTuple):
    """A trained classifier.

    Attributes:
      params: Parameters of ``networks.fashion.Classifier``.
      accuracy: Accuracy on the test images.
    """

    params: Any
    accuracy: float


def fit(
    images: Array, labels: Array, *, classes: int = 10, epochs: int = EPOCHS, seed: int = 0
) -> Any:
    """Train a classifier; a pure function of its arguments.

    Args:
      images: ``[N, 28, 28, 1]`` uint8.
      labels: ``[N]`` int32, below ``classes``.
      classes: Number of classes.
      epochs: Passes over the images.
      seed: Seed of the initial weights and of the order of the images.

    Returns:
      The parameters.
    """
    network, batch = Classifier(classes), min(BATCH, len(images))
    steps = len(images) // batch
    optimizer = optax.adam(optax.cosine_decay_schedule(2e-3, epochs * steps))

    def loss(params, index):
        logits, _ = network.apply(params, to_float(images[index]))
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[index]).mean()

    def draw(key):
        return (fitting.batches(key, len(images), batch),)

    key, init_key = jax.random.split(jax.random.key(seed))
    params = network.init(init_key, jnp.zeros((1, 28, 28, 1)))
    return fitting.fit(loss, params, optimizer, draw, epochs=epochs, key=key)


@jax.jit
def _apply(params, images):
    classes = params["params"]["Dense_1"]["bias"].shape[0]
    logits, features = Classifier(classes).apply(params, to_float(images))
    return jax.nn.softmax(logits), features


def classify(
    params: Any, images: np.ndarray, batch: int = 500
) -> tuple[np.ndarray, np.ndarray]:
    """Return class probabilities ``[N, K]`` and features ``[N, F]`` of uint8 images."""
    parts = [_apply(params, images[i : i + batch]) for i in range(0, len(images), batch)]
    probabilities, features = zip(*parts, strict=True)
    return np.concatenate(probabilities), np.concatenate(features)


def mode_numbers(params: Any, stacks: np.ndarray) -> np.ndarray:
    """Return the mode of each stack of C images: the channels' classes, read as digits.

    The class of a channel is the most likely one.

    Args:
      params: Parameters of a classifier of K classes.
      stacks: ``[N, 28, 28, C]`` uint8.

    Returns:
      ``[N]`` whole numbers from 0 to ``K**C - 1``.
    """
    number = np.zeros(len(stacks), int)
    for channel in range(stacks.shape[-1]):
        probabilities, _ = classify(params, stacks[..., channel : channel + 1])
        number = number * probabilities.shape[1] + probabilities.argmax(axis=1)
    return number


def load_or_train(data: Images, cache: Path | None = None) -> GarmentClassifier:
    """Return the classifier of these images: read it from the cache, or train it (30 s).

    ``experiments/fashion_mnist/classes.py`` shows it at work.

    Args:
      data: Training and test images with labels.
      cache: A folder; ``runtime.cache_folder()`` by default.
    """
    classes = len(data.classes)

    def train() -> Any:
        progress.say("training the classifier of the images, once")
        fit_all = functools.partial(fit, classes=classes)
        compiled = jax.jit(fit_all, compiler_options=compiler_options())
        return compiled(data.train_images, data.train_labels)

    key = runs_cache.digest(
        (VERSION, EPOCHS, BATCH), data.train_images.tobytes(), data.train_labels.tobytes()
    )
    like = jax.eval_shape(
        Classifier(classes).init, jax.random.key(0), jnp.zeros((1, 28, 28, 1))
    )
    params = runs_cache.load_or_make(f"classifier-{key}", like, train, cache)
    probabilities, _ = classify(params, data.test_images)
    accuracy = float(np.mean(probabilities.argmax(axis=1) == data.test_labels))
    return GarmentClassifier(params, accuracy)

"""A classifier of 28x28 images: trained once, kept, and asked what a generator makes."""

import hashlib
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

EPOCHS, BATCH = 6, 128


class Trained(NamedTuple):
    """A trained classifier.

    Attributes:
      params: Of ``networks.fashion.Classifier``.
      accuracy: Share of the test images that it gets right.
    """

    params: Any
    accuracy: float


def fit(images: Array, labels: Array, *, epochs: int = EPOCHS, seed: int = 0) -> Any:
    """Train a classifier; a pure function of its arguments.

    Args:
      images: ``[N, 28, 28, 1]`` uint8.
      labels: ``[N]`` int32, below 10.
      epochs: Passes over the images.
      seed: Of the first weights and the order of the images.

    Returns:
      The parameters.
    """
    steps = len(images) // BATCH
    optimizer = optax.adam(optax.cosine_decay_schedule(2e-3, epochs * steps))

    def loss(params, index):
        logits, _ = Classifier().apply(params, to_float(images[index]))
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[index]).mean()

    def draw(key):
        return (fitting.batches(key, len(images), BATCH),)

    key, init_key = jax.random.split(jax.random.key(seed))
    params = Classifier().init(init_key, jnp.zeros((1, 28, 28, 1)))
    return fitting.fit(loss, params, optimizer, draw, epochs=epochs, key=key)


@jax.jit
def _apply(params, images):
    logits, features = Classifier().apply(params, to_float(images))
    return jax.nn.softmax(logits), features


def classify(
    params: Any, images: np.ndarray, batch: int = 500
) -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities ``[N, 10]`` and features ``[N, F]`` of uint8 images."""
    parts = [_apply(params, images[i : i + batch]) for i in range(0, len(images), batch)]
    probabilities, features = zip(*parts, strict=True)
    return np.concatenate(probabilities), np.concatenate(features)


def trained(data: Images, cache: Path | None = None) -> Trained:
    """The classifier of these images: from the cache, or trained now (half a minute).

    Args:
      data: Train and test images with labels.
      cache: A folder; ``~/.cache/jaxgan`` by default.
    """
    cache = runs_cache.folder() if cache is None else cache
    made_by = runs_cache.code(fit, fitting, Classifier)
    digest = hashlib.sha256(f"{EPOCHS} {BATCH} {Classifier()} {made_by}".encode())
    digest.update(data.train_images.tobytes() + data.train_labels.tobytes())
    path = cache / f"classifier-{digest.hexdigest()[:16]}.npz"
    like = jax.eval_shape(Classifier().init, jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
    params = runs_cache.load(path, like)
    if params is None:
        progress.say("training the classifier of the images, once")
        train = jax.jit(fit, compiler_options=compiler_options())
        params = train(data.train_images, data.train_labels)
        runs_cache.save(path, params)
    probabilities, _ = classify(params, data.test_images)
    return Trained(params, float(np.mean(probabilities.argmax(axis=1) == data.test_labels)))

"""A small classifier of facial attributes, trained on photographs that the user has labelled.

It is trained once; its parameters stay in the cache. Its answers are reliable only for
images that look like those photographs.

``classifier`` is the entry point; ``docs/sefa.md`` shows it at work.
"""

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy
from jax import Array

from jaxgan import runtime
from jaxgan.data.image_folder import pack
from jaxgan.data.labels import Labels, read_labels
from jaxgan.data.pixels import to_float
from jaxgan.errors import InputError
from jaxgan.judges import fitting
from jaxgan.judges.attribute import Attribute
from jaxgan.judges.oracles import CELEBA, FFHQ, Eyes, Oracle, align
from jaxgan.networks.layers import Conv, compiler_options, normalise
from jaxgan.runs import cache as runs_cache
from jaxgan.runs import progress

VERSION = 1  # raise it when a change affects the classifier's answers
SIZE, PACK_SIZE = 64, 96  # pixels of the input, and of the images that it is cut from
EPOCHS, BATCH, SHIFT = 10, 64, 3
HELD_OUT = 0.2  # share of the images that are kept for testing
RARE, FEWEST = 0.01, 20  # least share and number of held-out images with the rarer answer
LEAST_AUC = 0.85


class Accuracy(NamedTuple):
    """How well the classifier recognises an attribute in held-out images.

    Attributes:
      attribute: Name of the attribute.
      share: Share of the held-out images that have it.
      balanced: Balanced accuracy: the mean of sensitivity and specificity.
      auc: Area under the ROC curve: the probability that an image with the attribute gets
        a higher score than one without.
      usable: Whether the answers are good enough to use.
    """

    attribute: str
    share: float
    balanced: float
    auc: float
    usable: bool


class Network(nn.Module):
    """Map images ``[B, H, W, 3]`` to logits ``[B, attributes]`` and features ``[B, features]``.

    Height and width are at least 16. Parameters fit only the size of the first call.

    Attributes:
      attributes: Number of logits.
      width: Channels of the first stage.
      features: Width of the last hidden layer.
    """

    attributes: int
    width: int = 32
    features: int = 128

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        init = nn.initializers.he_normal()
        for stage in range(4):
            width = self.width * 2 ** min(stage, 2)
            x = Conv(width, 4, stride=2, padding=1, kernel_init=init)(x)
            x = nn.relu(normalise(x, "layer", train=False))
        features = nn.relu(nn.Dense(self.features)(x.reshape(len(x), -1)))
        return nn.Dense(self.attributes)(features), features


def fit(images: Array, labels: Array, *, epochs: int = EPOCHS, seed: int = 0) -> Any:
    """Train the network; a pure function of its arguments.

    Images are augmented: mirrored with probability 0.5, and shifted by up to ``SHIFT`` pixels.

    Args:
      images: ``[N, SIZE, SIZE, 3]`` uint8, at least ``BATCH`` of them.
      labels: ``[N, A]`` bool.
      epochs: Passes over the images.
      seed: Seed of the initial weights, the order of the images and the augmentation.

    Returns:
      The parameters.
    """
    network, steps = Network(labels.shape[1]), len(images) // BATCH
    optimizer = optax.adamw(
        optax.cosine_decay_schedule(1e-3, epochs * steps), weight_decay=0.05
    )

    def loss(params, key, index):
        logits, _ = network.apply(params, to_float(_disturb(key, images[index])))
        return optax.sigmoid_binary_cross_entropy(logits, labels[index]).mean()

    def draw(key):
        order_key, key = jax.random.split(key)
        order = fitting.batches(order_key, len(images), BATCH)
        return jax.random.split(key, steps), order

    key, init_key = jax.random.split(jax.random.key(seed))
    params = network.init(init_key, jnp.zeros((1, SIZE, SIZE, 3)))
    return fitting.fit(loss, params, optimizer, draw, epochs=epochs, key=key)


def _disturb(key: Array, images: Array) -> Array:
    """Mirror and shift each of the images ``[B, SIZE, SIZE, 3]`` at random."""
    flip_key, shift_key = jax.random.split(key)
    flips = jax.random.bernoulli(flip_key, shape=(len(images), 1, 1, 1))
    images = jnp.where(flips, images[:, :, ::-1], images)
    around = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    starts = jax.random.randint(shift_key, (len(images), 2), 0, 2 * SHIFT + 1)

    def cut(image, start):
        return jax.lax.dynamic_slice(image, (start[0], start[1], 0), (SIZE, SIZE, 3))

    return jax.vmap(cut)(jnp.pad(images, around, mode="edge"), starts)


@jax.jit
def _apply(params, images):
    attributes = params["params"]["Dense_1"]["bias"].size
    return Network(attributes).apply(params, to_float(images))


def tell(params: Any, images: np.ndarray, batch: int = BATCH) -> tuple[np.ndarray, np.ndarray]:
    """Return logits ``[N, A]`` and features ``[N, F]``, float64, of images.

    Args:
      params: Parameters, as ``fit`` returns them.
      images: ``[N, SIZE, SIZE, 3]`` uint8.
      batch: Images per call; the last batch is padded, so that one program serves all.
    """
    ask = functools.partial(_apply, params)
    logits, features = fitting.in_batches(ask, images, batch)
    return logits, features


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve of scores ``[N]`` for labels ``[N]`` bool; ties count half.

    NaN if all labels are equal.
    """
    ones, zeros = labels.sum(), (~labels).sum()
    if not ones or not zeros:
        return float("nan")
    above = scipy.stats.rankdata(scores)[labels].sum() - ones * (ones + 1) / 2
    return float(above / (ones * zeros))


def accuracies(
    logits: np.ndarray, labels: np.ndarray, attributes: Sequence[str], usual: np.ndarray
) -> tuple[Accuracy, ...]:
    """Measure how well the network recognises each attribute in held-out images.

    An attribute is usable if its AUC is at least ``LEAST_AUC`` and its rarer answer holds
    for at least ``FEWEST`` images and for at least a share ``RARE`` of them.

    Args:
      logits: ``[N, A]``, the network's answers.
      labels: ``[N, A]`` bool, whether an image has an attribute.
      attributes: Names of the A attributes.
      usual: ``[A]``, share of the training images that have each attribute. A probability
        above it counts as a yes; with a threshold of 0.5, an unsure network would never
        find a rare attribute.
    """
    results = []
    answers = logits > scipy.special.logit(usual)
    for name, score, answer, label in zip(
        attributes, logits.T, answers.T, labels.T, strict=True
    ):
        rarer, area = min(label.sum(), (~label).sum()), auc(score, label)
        balanced = (answer[label].mean() + (~answer[~label]).mean()) / 2 if rarer else np.nan
        usable = bool(rarer >= max(FEWEST, RARE * len(label)) and area >= LEAST_AUC)
        results.append(Accuracy(name, float(label.mean()), float(balanced), area, usable))
    return tuple(results)


def classifier(
    images: str | os.PathLike,
    labels: str | os.PathLike,
    eyes: Eyes = FFHQ,
    *,
    have: Eyes = CELEBA,
    epochs: int = EPOCHS,
    seed: int = 0,
    cache: Path | None = None,
) -> Oracle:
    """Make an oracle of the labels' attributes: read it from the cache, or train it (minutes).

    Scores are log-odds, because probabilities hardly change once the network is sure. The
    oracle leaves out attributes that are too rare or that the network recognises badly; its
    ``source`` gives AUC and balanced accuracy of the others. ``docs/sefa.md`` shows how a
    run of the SeFa laboratory uses it.

    Args:
      images: A folder or an archive that ``data.image_folder.pack`` accepts.
      labels: A file that ``data.labels.read_labels`` accepts.
      eyes: Where the eyes are in the pictures to score.
      have: Where the eyes are in the centred squares of the labelled images.
      epochs: Passes over the images.
      seed: Seed of the training and of the choice of held-out images.
      cache: A folder; ``runtime.cache_folder()`` by default.

    Raises:
      InputError: If the labels or images cannot be used, or no attribute is usable.
    """
    table = read_labels(labels)
    faces, key = _faces(images, labels, table, have, cache or runtime.cache_folder())
    order = np.random.default_rng(seed).permutation(len(faces))
    held_out, rest = np.split(order, [int(HELD_OUT * len(faces))])
    if len(rest) < BATCH or len(held_out) < FEWEST:
        raise InputError(f"{labels} has {len(faces)} images; at least {5 * FEWEST} are needed")
    network = Network(len(table.attributes))

    def train() -> Any:
        progress.say(f"training a classifier of {len(table.attributes)} attributes, once")
        compiled = jax.jit(fit, static_argnames="epochs", compiler_options=compiler_options())
        return compiled(faces[rest], table.values[rest], epochs=epochs, seed=seed)

    settings = (VERSION, network, epochs, seed, BATCH, SHIFT, HELD_OUT, have, key)
    digest = runs_cache.digest(settings, table.attributes, table.values.tobytes())
    like = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, SIZE, SIZE, 3)))
    params = runs_cache.load_or_make(f"attributes-{digest}", like, train, cache)
    logits, _ = tell(params, faces[held_out])
    usual = table.values[rest].mean(axis=0)
    results = accuracies(logits, table.values[held_out], table.attributes, usual)
    return _oracle(params, results, faces[held_out], eyes)


def _faces(
    images: str | os.PathLike, path: str | os.PathLike, labels: Labels, have: Eyes, cache: Path
) -> tuple[np.ndarray, str]:
    """Return the labelled faces ``[N, SIZE, SIZE, 3]``, cropped as in FFHQ, and their key."""
    packed = pack(images, PACK_SIZE, cache / "images")
    rows = {Path(name).name: i for i, name in enumerate(packed.names)}
    rows |= {name: i for i, name in enumerate(packed.names)}
    missing = next((name for name in labels.images if name not in rows), None)
    if missing is not None:
        raise InputError(f"{path}: {missing!r} is not among the images of {images}")
    crops = packed.images[[rows[name] for name in labels.images]]
    digest = hashlib.sha256(f"{packed.key} {labels.images}".encode())
    return align(crops, have, FFHQ, SIZE), digest.hexdigest()


def _oracle(params: Any, results: Sequence[Accuracy], faces: np.ndarray, eyes: Eyes) -> Oracle:
    """Make the oracle of the usable attributes; ``faces`` are held-out images."""
    good = [i for i, one in enumerate(results) if one.usable]
    if not good:
        best = max(results, key=lambda one: one.auc)
        raise InputError(
            f"no attribute can be learned: the best is {best.attribute}, with AUC "
            f"{best.auc:.2f} on {len(faces)} held-out images; an attribute needs an AUC of "
            f"{LEAST_AUC}, and {FEWEST} images of each answer"
        )
    _, features = tell(params, faces)
    centre, spread = features.mean(axis=0), features.std(axis=0) + 1e-6

    def likeness(chips: np.ndarray) -> np.ndarray:
        vectors = (tell(params, chips)[1] - centre) / spread
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    mirror = (likeness(faces) * likeness(faces[:, :, ::-1])).sum(axis=1).mean()
    words = [results[i].attribute.replace("_", " ").lower() for i in good]
    accuracy = ", ".join(
        f"{word} {results[i].auc:.2f} ({results[i].balanced:.0%})"
        for word, i in zip(words, good, strict=True)
    )
    left_out = ", ".join(one.attribute for one in results if not one.usable) or "none"
    return Oracle(
        "labels",
        f"a network trained on the given labels; AUC and balanced accuracy on {len(faces)} "
        f"held-out images: {accuracy}; left out: {left_out}; likeness is the cosine of its "
        f"last hidden layer, not face recognition: {mirror:.2f} for a face and its mirror "
        "image, 0 for two people on average",
        tuple(Attribute(word, "log-odds", f"less {word}", f"more {word}") for word in words),
        lambda images: tell(params, align(images, eyes, FFHQ, SIZE))[0][:, good],
        lambda images: likeness(align(images, eyes, FFHQ, SIZE)),
    )

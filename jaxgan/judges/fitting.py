"""Train a network, and apply it to images in batches of one size.

``jaxgan/judges/fashion.py`` shows the functions at work.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax import Array


def fit(
    loss: Callable[..., Array],
    params: Any,
    optimizer: optax.GradientTransformation,
    draw: Callable[[Array], tuple[Array, ...]],
    *,
    epochs: int,
    key: Array,
) -> Any:
    """Minimise a loss; a pure function of its arguments.

    Args:
      loss: Function of the parameters and of one step's inputs; returns ``[]``.
      params: Initial parameters.
      optimizer: Updates the parameters at each step.
      draw: Draws the inputs of all steps of an epoch from a key: arrays ``[steps, ...]``.
      epochs: Number of epochs.
      key: Split into one key per epoch.

    Returns:
      The trained parameters.
    """

    def step(carry, inputs):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, *inputs), state, params)
        return (optax.apply_updates(params, updates), state), None

    def epoch(carry, key):
        return jax.lax.scan(step, carry, draw(key))

    carry = params, optimizer.init(params)
    (params, _), _ = jax.lax.scan(epoch, carry, jax.random.split(key, epochs))
    return params


def batches(key: Array, count: int, batch: int) -> Array:
    """Shuffle ``count`` indices into ``[count // batch, batch]``, each at most once."""
    steps = count // batch
    return jax.random.permutation(key, count)[: steps * batch].reshape(steps, batch)


def in_batches(
    ask: Callable[[np.ndarray], tuple[Array, ...]], images: np.ndarray, batch: int
) -> tuple[np.ndarray, ...]:
    """Call a function on images in batches of one size, so that it is compiled once.

    Args:
      ask: Maps images ``[batch, ...]`` to arrays ``[batch, ...]``, one row per image.
      images: ``[N, ...]``, at least one.
      batch: Images per call; the last batch is padded with zeros.

    Returns:
      The arrays of all images, ``[N, ...]`` float64.
    """
    short = -len(images) % batch
    padded = np.concatenate([images, np.zeros((short, *images.shape[1:]), images.dtype)])
    parts = [ask(padded[i : i + batch]) for i in range(0, len(padded), batch)]
    return tuple(
        np.concatenate([np.asarray(part, np.float64) for part in same])[: len(images)]
        for same in zip(*parts, strict=True)
    )

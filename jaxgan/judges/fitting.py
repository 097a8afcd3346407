"""Training a network on labelled images, and asking it about others, in batches."""

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
      loss: Of parameters and of the inputs of one step; returns ``[]``.
      params: To begin with.
      optimizer: A step of it follows every gradient.
      draw: The inputs of all steps of an epoch from its key, leaves ``[steps, ...]``.
      epochs: Calls of ``draw``.
      key: Split into those of the epochs.

    Returns:
      The last parameters.
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
    """Indices below ``count`` in random order, ``[count // batch, batch]``, none twice."""
    steps = count // batch
    return jax.random.permutation(key, count)[: steps * batch].reshape(steps, batch)


def in_batches(
    ask: Callable[[np.ndarray], tuple[Array, ...]], images: np.ndarray, batch: int
) -> tuple[np.ndarray, ...]:
    """What a function says of images, asked in batches of one size: one program.

    Args:
      ask: Images ``[batch, ...]`` to arrays ``[batch, ...]``, each row of its own image.
      images: ``[N, ...]``, one or more.
      batch: Images at once; zeros fill the last batch.

    Returns:
      Its arrays, ``[N, ...]`` float64.
    """
    short = -len(images) % batch
    padded = np.concatenate([images, np.zeros((short, *images.shape[1:]), images.dtype)])
    parts = [ask(padded[i : i + batch]) for i in range(0, len(padded), batch)]
    return tuple(
        np.concatenate([np.asarray(part, np.float64) for part in same])[: len(images)]
        for same in zip(*parts, strict=True)
    )

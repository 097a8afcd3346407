"""How distinct samples are from one another."""

import jax.numpy as jnp
from jax import Array, lax


def distinctness(samples: Array) -> Array:
    """Median distance of a sample to its nearest other, over the spread of all.

    It falls with the number of samples, and is near 0 for a generator that makes the same
    few examples again and again, however much these differ.

    Args:
      samples: ``[N, ...]``, N at least 2.

    Returns:
      ``[]``, without unit; 0 if all samples are equal.
    """
    rows = samples.reshape(len(samples), -1)
    rows = rows - rows.mean(axis=0, keepdims=True)
    # An accelerator's default may round factors to three digits.
    products = jnp.matmul(rows, rows.T, precision=lax.Precision.HIGHEST)
    norms = (rows**2).sum(axis=1)
    squared = norms[:, None] + norms[None] - 2 * products
    squared = jnp.where(jnp.eye(len(rows), dtype=bool), jnp.inf, jnp.maximum(squared, 0))
    # Not 0 / 0 where all are equal; what is not finite stays so.
    total = jnp.where(norms.mean() == 0, 1, norms.mean())
    return jnp.median(jnp.sqrt(squared.min(axis=1))) / jnp.sqrt(total)

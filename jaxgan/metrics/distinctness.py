"""Distinctness: how far samples are from their nearest neighbours."""

import jax.numpy as jnp
from jax import Array, lax


def distinctness(samples: Array) -> Array:
    """Compute the median distance to the nearest other sample, divided by the spread.

    The value is near 0 for a generator that repeats a few examples, however much these
    differ. It decreases with the number of samples, so compare equally many.

    Args:
      samples: ``[N, ...]``, N at least 2.

    Returns:
      ``[]``, without unit; 0 if all samples are equal.

    Examples:
      >>> import jax, jax.numpy as jnp
      >>> from jaxgan.metrics.distinctness import distinctness
      >>> samples = jax.random.normal(jax.random.key(0), (8, 2))
      >>> bool(distinctness(jnp.repeat(samples, 2, axis=0)) < distinctness(samples))
      True
    """
    rows = samples.reshape(len(samples), -1)
    rows = rows - rows.mean(axis=0, keepdims=True)
    # By default an accelerator may round the factors to three digits.
    products = jnp.matmul(rows, rows.T, precision=lax.Precision.HIGHEST)
    norms = (rows**2).sum(axis=1)
    squared = norms[:, None] + norms[None] - 2 * products
    squared = jnp.where(jnp.eye(len(rows), dtype=bool), jnp.inf, jnp.maximum(squared, 0))
    # Avoids 0 / 0 if all samples are equal; a result that is not finite stays so.
    total = jnp.where(norms.mean() == 0, 1, norms.mean())
    return jnp.median(jnp.sqrt(squared.min(axis=1))) / jnp.sqrt(total)

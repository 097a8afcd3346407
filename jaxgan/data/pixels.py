"""Pixels as bytes and as the numbers in [-1, 1] that networks take and make."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def prepare(batch: jax.Array) -> jax.Array:
    """Pixels ``uint8`` as the networks take them: float32 in [-1, 1]."""
    return batch.astype(jnp.float32) / 127.5 - 1


def pixels(images: Any) -> np.ndarray:
    """What generators make, float in [-1, 1], as ``uint8``; not a number as mid grey."""
    whole = np.nan_to_num(np.asarray(images))
    return np.clip(np.rint((whole + 1) * 127.5), 0, 255).astype(np.uint8)

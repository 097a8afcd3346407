"""Conversion of pixels between uint8 (files, data sets) and [-1, 1] (networks)."""

from typing import Any

import numpy as np


def to_float(batch: Any) -> Any:
    """Convert uint8 ``[...]`` to float32 in [-1, 1]; works on numpy and JAX arrays.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.data import pixels
      >>> pixels.to_uint8(pixels.to_float(np.array([0, 100, 255], np.uint8))).tolist()
      [0, 100, 255]
    """
    return batch.astype(np.float32) / 127.5 - 1


def to_uint8(images: Any) -> np.ndarray:
    """Convert generated images, floats around [-1, 1], to uint8; NaN becomes mid grey."""
    levels = np.nan_to_num(np.asarray(images, np.float32))
    levels += 1
    levels *= 127.5
    return np.rint(levels).clip(0, 255).astype(np.uint8)

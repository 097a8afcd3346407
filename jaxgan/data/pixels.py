"""Pixels: bytes on disk and in data sets, numbers in [-1, 1] in networks."""

from typing import Any

import numpy as np


def to_float(batch: Any) -> Any:
    """Convert bytes ``[...]`` to float32 in [-1, 1], on the host or inside a program."""
    return batch.astype(np.float32) / 127.5 - 1


def to_uint8(images: Any) -> np.ndarray:
    """Convert what a generator makes, float around [-1, 1], to bytes; NaN becomes mid grey."""
    levels = np.nan_to_num(np.asarray(images, np.float32))
    levels += 1
    levels *= 127.5
    return np.rint(levels).clip(0, 255).astype(np.uint8)

"""Put parameters on a device, scaled and transposed without an extra copy.

``flavours.load`` puts the parameters of every generator on the device with ``place_all``.
"""

import math
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxgan.convert.formats import mapped

_ALIGNMENT = 64  # bytes; on a CPU, JAX does not copy memory with this alignment


def place(array: np.ndarray, factor: float = 1.0) -> Array:
    """Multiply an array by a factor, as float32, and put it on the default device.

    The array may be a transposed view. Its memory is read once and not kept.
    """
    count = math.prod(array.shape)
    memory = np.empty(4 * count + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    out = memory[start : start + 4 * count].view(np.float32).reshape(array.shape)
    np.multiply(array, np.float32(factor), out=out)
    mapped.forget(array)
    return jax.device_put(out)


def place_all(params: Any) -> Any:
    """Apply ``place`` to the arrays of a tree that are not on the device."""
    return jax.tree.map(lambda x: x if isinstance(x, Array) else place(np.asarray(x)), params)

"""Make arrays from the bytes of a checkpoint: dtypes, storages and tensors."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxgan.convert.formats._pickle import Budget, Refused

MAX_DIMENSIONS = 16

_TENSOR_STEPS = 10  # pickle opcodes that cost as much as an array

UNTYPED = "untyped"
DTYPES = {  # by torch's name; bfloat16, which NumPy lacks, as its bits
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
    "int8": np.dtype("i1"),
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "uint8": np.dtype("u1"),
    "uint16": np.dtype("<u2"),
    "uint32": np.dtype("<u4"),
    "uint64": np.dtype("<u8"),
    "bool": np.dtype("?"),
    "complex64": np.dtype("<c8"),
    "complex128": np.dtype("<c16"),
}


@dataclass(frozen=True, eq=False, slots=True)
class Storage:
    """Bytes of tensors.

    Attributes:
      dtype: A name in ``DTYPES``, or ``UNTYPED``.
      content: The bytes; None if they are not known yet.
      size: Number of bytes.
    """

    dtype: str
    content: memoryview | None
    size: int


def itemsize(dtype: str) -> int:
    """Return the bytes of an element of a storage."""
    return 1 if dtype == UNTYPED else DTYPES[dtype].itemsize


def view_of(storage: Storage, view: Any) -> Storage:
    """Return the part of a storage that an old stream calls ``(key, offset, elements)``."""
    match view:
        case None:
            return storage
        case (str(), int(first), int(count)) if first >= 0 and count >= 0:
            begin, size = (n * itemsize(storage.dtype) for n in (first, count))
            if begin + size > storage.size:
                raise Refused("has a view beyond the end of its storage")
            content = storage.content
            if content is not None:
                content = content[begin : begin + size]
            return Storage(storage.dtype, content, size)
    raise Refused("has a storage view that is not known")


def check_shape(shape: tuple) -> None:
    """Refuse a shape that NumPy does not allow."""
    if len(shape) > MAX_DIMENSIONS:
        raise Refused(
            f"has a tensor of {len(shape)} dimensions; at most {MAX_DIMENSIONS} are supported"
        )
    if not all(type(length) is int and length >= 0 for length in shape):
        raise Refused("has a tensor with a size or stride that is not a number from 0")


def count_elements(shape: tuple) -> int:
    """Count elements, with empty dimensions counted as 1: a 0 must not hide huge ones."""
    return math.prod(max(length, 1) for length in shape)


def check_bools(array: np.ndarray) -> None:
    """Refuse booleans other than 0 and 1, which NumPy does not define."""
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise Refused("has truth values that are neither 0 nor 1")


def tensor(budget: Budget, storage: Storage, dtype: str, view: tuple) -> np.ndarray:
    """Cut an array out of a storage.

    Args:
      budget: Charged for the array.
      storage: The bytes.
      dtype: A name in ``DTYPES``.
      view: Offset, size and stride, in elements.

    Raises:
      Refused: If the array does not lie inside the storage, or is too large.
    """
    offset, size, stride = view
    bits = DTYPES[dtype]
    check_shape(size)
    check_shape(stride)
    if len(size) != len(stride) or offset < 0:
        raise Refused("has a tensor with a damaged layout")
    # The stride of a dimension with one element is arbitrary.
    stride = [step if length > 1 else 0 for length, step in zip(size, stride, strict=True)]
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and (last + 1) * bits.itemsize > storage.size:
        raise Refused(f"has a tensor of shape {list(size)} beyond the end of its storage")
    budget.step(_TENSOR_STEPS)
    if storage.content is None:
        return np.empty(0, bits)
    brain = dtype == "bfloat16"
    budget.take(count_elements(size) * (4 if brain else bits.itemsize))
    if 0 in size:
        array = np.empty(size, np.float32 if brain else bits)
    else:
        steps = [step * bits.itemsize for step in stride]
        array = np.ndarray(size, bits, storage.content, offset * bits.itemsize, steps)
    check_bools(array)
    if brain and array.size:  # the upper half of a float32
        wide = array.astype(np.uint32, order="C")
        wide <<= 16
        array = wide.view(np.float32)
    array.flags.writeable = False
    return array

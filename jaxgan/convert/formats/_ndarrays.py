"""Rebuild NumPy arrays and scalars in a pickle from the parts that NumPy saves."""

import math
from typing import Any

import numpy as np

from jaxgan.convert.formats import mapped
from jaxgan.convert.formats._arrays import DTYPES, check_bools, check_shape, count_elements
from jaxgan.convert.formats._bounds import Budget, Refused
from jaxgan.convert.formats._inert import Inert, kind

_CODES = {f"{dtype.kind}{dtype.itemsize}" for dtype in DTYPES.values()}


def dtype_of(value: Any) -> np.dtype | None:
    """Return the dtype of an inert ``numpy.dtype``; None if it is not numeric."""
    match value:
        case Inert("numpy.dtype", state, args=(str(code), *_)) if len(code) <= 4:
            order = "<"
            if isinstance(state, tuple) and len(state) > 1:
                order = state[1]
            elif code.startswith(">"):
                order = ">"
            code = code.lstrip("<>|=")
            if code in _CODES and isinstance(order, str) and order in ("<", ">", "|", "="):
                return np.dtype((">" if order == ">" else "<") + code)
    return None


def fill(budget: Budget, array: np.ndarray, state: tuple) -> None:
    """Fill an empty array; an array of objects or strings stays empty.

    Args:
      budget: Charged for the content.
      array: The array.
      state: Version, shape, dtype, whether in Fortran order, and bytes.

    Raises:
      Refused: If these do not match.
    """
    match state:
        case (int(), tuple(shape), Inert() as kind_of_items, turned, raw):
            dtype = dtype_of(kind_of_items)
        case _:
            raise Refused("has an array without a shape")
    check_shape(shape)
    if dtype is None:
        empty: Any = (1, (0,), np.dtype(object), False, [])
        array.__setstate__(empty)
        return
    raw = octets(budget, raw)
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise Refused(f"has an array of shape {list(shape)} with {len(raw)} bytes")
    budget.take(count_elements(shape) * dtype.itemsize)
    little = dtype.newbyteorder("<")
    if little != dtype:
        raw = np.frombuffer(raw, dtype).astype(little).tobytes()
    parts: Any = (1, shape, little, turned is True, raw)
    array.__setstate__(parts)
    check_bools(array)
    array.flags.writeable = False


def scalar(budget: Budget, args: tuple) -> Any:
    """Return the scalar of a dtype and its bytes; NotImplemented if it is not numeric."""
    match args:
        case (Inert() as kind_of_number, bytes() | str() as raw):
            dtype = dtype_of(kind_of_number)
            if dtype is not None and len(raw) == dtype.itemsize:
                array = np.frombuffer(octets(budget, raw), dtype)
                check_bools(array)
                return array.astype(dtype.newbyteorder("<"))[0]
    return NotImplemented


def octets(budget: Budget, raw: Any) -> bytes:
    """Return bytes, which Python 2 pickles as a string.

    Raises:
      Refused: If the value is neither bytes nor such a string.
    """
    if isinstance(raw, str):
        budget.take(len(raw))
        try:
            return raw.encode("latin1")
        except UnicodeEncodeError as error:
            raise Refused("has a text that is not of bytes") from error
    if isinstance(raw, memoryview):
        copy = bytes(raw)
        mapped.forget(np.frombuffer(raw, np.uint8))
        return copy
    if not isinstance(raw, bytes):
        raise Refused(f"has an array whose content is a {kind(raw)}")
    return raw

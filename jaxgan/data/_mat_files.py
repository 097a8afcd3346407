"""Arrays in MATLAB files up to version 7.2, from the published format.

Every length is checked against the file before anything is read, and compressed parts are
decompressed up to a limit, so damaged files are harmless.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MATRIX, _COMPRESSED = 14, 15
_CLASSES = {
    **{1: "cell", 2: "struct", 3: "object", 4: "text", 5: "sparse", 16: "function"},
    **{17: "opaque", **dict.fromkeys(range(6, 16), "array")},
}
_OPAQUE = 17
_COMPLEX = 0x800
_TYPES = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4"},
    **{7: "f4", 9: "f8", 12: "i8", 13: "u8"},
}
_TYPES_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
_Order = Literal["little", "big"]


class Truncated(ValueError):
    """A file ends inside a variable."""


class Hdf5(ValueError):
    """A file of version 7.3, which is HDF5."""


class TooLarge(ValueError):
    """A file decompresses to more than the limit."""


class Variable(NamedTuple):
    """A variable of a file.

    Attributes:
      name: Its name.
      kind: ``array``, ``complex``, ``text``, ``cell`` or another kind.
      read: Reads the array, with its stored type.
    """

    name: str
    kind: str
    read: Callable[[], np.ndarray]


def variables(content: bytes, most: int) -> Iterator[Variable]:
    """Yield the variables of a file.

    Args:
      content: Content of the file.
      most: Limit of the decompressed size in bytes.

    Raises:
      Hdf5: If it is a file of version 7.3.
      Truncated: If it ends early.
      TooLarge: If it decompresses to more than ``most`` bytes.
      ValueError: If it is not a MATLAB file, or damaged in another way.
    """
    if content.startswith(_HDF5):
        raise Hdf5
    if 0 in content[:4]:
        yield from _version_4(content)
        return
    orders: dict[bytes, _Order] = {b"IM": "little", b"MI": "big"}
    order = orders.get(content[126:128])
    if order is None:
        raise ValueError("no MATLAB file")
    version = int.from_bytes(content[124:126], order) >> 8
    if version == 2:
        raise Hdf5
    if version != 1:
        raise ValueError(f"version {version}")
    for kind, part in _elements(memoryview(content)[128:], order):
        if kind == _COMPRESSED:
            matrix = _inflate(part, most)
            most -= len(matrix)
            ((kind, part),) = islice(_elements(memoryview(matrix), order), 1)
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind}")
        yield _version_5(part, order)


def _elements(data: memoryview, order: _Order) -> Iterator[tuple[int, memoryview]]:
    """Yield the type and content of each data element."""
    start = 0
    while start + 8 <= len(data):
        kind, size = (int.from_bytes(data[start + i : start + i + 4], order) for i in (0, 4))
        begin, end = start + 8, start + 8 + size
        end += 0 if kind == _COMPRESSED else -size % 8
        if kind >> 16:  # a small element has four bytes of content in place of the size
            kind, size, begin, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
            if size > 4:
                raise ValueError("a small element of more than four bytes")
        elif kind == size == 0:
            break
        if begin + size > len(data):
            raise Truncated
        yield kind, data[begin : begin + size]
        start = end


def _inflate(part: memoryview, most: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(part, most + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(content) > most:
        raise TooLarge
    if not inflater.eof:
        raise ValueError("a compressed variable without an end")
    return content


def _version_5(data: memoryview, order: _Order) -> Variable:
    """Parse a matrix: flags, dimensions and name, then content that depends on its class."""
    parts = _elements(data, order)
    flags = int.from_bytes(_next(parts)[1][:4], order)
    kind = _CLASSES.get(flags & 0xFF)
    if kind is None:
        raise ValueError(f"a variable of class {flags & 0xFF}")
    sizes = b"" if flags & 0xFF == _OPAQUE else _next(parts)[1]
    shape = [int.from_bytes(sizes[i : i + 4], order) for i in range(0, len(sizes), 4)]
    name = bytes(_next(parts)[1]).decode("latin-1")
    if kind == "array" and flags & _COMPLEX:
        kind = "complex"

    def read():
        code, values = _next(parts)
        dtype = np.dtype(_TYPES[code]).newbyteorder(order)
        return _shaped(values, dtype, shape)

    return Variable(name, kind, read)


def _version_4(content: bytes) -> Iterator[Variable]:
    start = 0
    while start < len(content):
        mark = content[start : start + 4]  # a small number
        order: _Order = "big" if mark[:1] == b"\0" and any(mark) else "little"
        header = [
            int.from_bytes(content[i : i + 4], order) for i in range(start, start + 20, 4)
        ]
        code, rows, columns, imaginary, length = header
        thousands, kind = code // 1000, code % 10
        if thousands != (order == "big") or code // 100 % 10 or kind > 2 or imaginary > 1:
            raise ValueError("no MATLAB 4 variable")
        dtype = np.dtype(_TYPES_4[code // 10 % 10]).newbyteorder(order)
        begin = start + 20 + length
        size = rows * columns * dtype.itemsize
        if begin + size * (1 + imaginary) > len(content):
            raise Truncated
        name = content[start + 20 : begin].split(b"\0")[0].decode("latin-1")
        values = memoryview(content)[begin : begin + size]

        def read(values=values, dtype=dtype, shape=(rows, columns)):
            return _shaped(values, dtype, shape)

        yield Variable(
            name, ("complex" if imaginary else "array", "text", "sparse")[kind], read
        )
        start = begin + size * (1 + imaginary)


def _next(parts: Iterator[tuple[int, memoryview]]) -> tuple[int, memoryview]:
    part = next(parts, None)
    if part is None:
        raise Truncated
    return part


def _shaped(values: memoryview, dtype: np.dtype, shape: Any) -> np.ndarray:
    if math.prod(shape) * dtype.itemsize != len(values):
        raise ValueError("dimensions that differ from the numbers")
    return np.frombuffer(values, dtype).reshape(shape, order="F")

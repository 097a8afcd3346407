"""A reader of safetensors: size of the JSON header, header, and bytes of the tensors."""

import json
from typing import Any

import numpy as np

from jaxgan.convert.formats._arrays import DTYPES, Storage, tensor
from jaxgan.convert.formats._bounds import Budget, Refused
from jaxgan.convert.formats._inert import legible

_MAX_HEADER = 2**24  # bytes
_STEPS_PER_BYTE = 0.02  # cost of a byte in pickle opcodes
_KINDS = {"F": "float", "BF": "bfloat", "I": "int", "U": "uint", "C": "complex"}


def is_safetensors(head: bytes, size: int) -> bool:
    """Return whether a file of this size and with these first bytes has a JSON header."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= size - 8


def read(data: memoryview, budget: Budget) -> dict[str, np.ndarray]:
    """Read the tensors by name, as views of ``data``.

    Raises:
      Refused: If the file is damaged, has bytes that belong to no tensor or to two, or has an
        unsupported dtype.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    if not 10 <= start <= min(len(data), _MAX_HEADER):
        raise Refused("is not a readable safetensors file: its header is damaged")
    budget.step(int(start * _STEPS_PER_BYTE))
    try:
        header = json.loads(bytes(data[8:start]))
    except (ValueError, RecursionError) as error:
        raise Refused("is not a readable safetensors file: its header is damaged") from error
    if not isinstance(header, dict):
        raise Refused("is not a readable safetensors file: its header is damaged")
    header.pop("__metadata__", None)
    content, spans, arrays = data[start:], [], {}
    for name, entry in header.items():
        match entry:
            case {"dtype": str(code), "shape": [*shape], "data_offsets": [int(b), int(e)]}:
                spans.append((b, e))
                arrays[name] = _array(content, code, tuple(shape), (b, e), budget)
            case _:
                raise Refused(f"has a tensor {legible(name)} that is not described")
    ends = [0, *[end for _, end in sorted(spans)]]
    if [begin for begin, _ in sorted(spans)] != ends[:-1] or ends[-1] != len(content):
        raise Refused("is not a readable safetensors file: it is cut short, or has gaps")
    return arrays


def _array(
    content: memoryview, code: str, shape: tuple, span: tuple[int, int], budget: Budget
) -> Any:
    letters = code.rstrip("0123456789")
    dtype = "bool" if code == "BOOL" else _KINDS.get(letters, "") + code[len(letters) :]
    if dtype not in DTYPES:
        raise Refused(f"has a tensor of {legible(code)}, which is not supported")
    begin, end = span
    if not 0 <= begin <= end <= len(content):
        raise Refused("is not a readable safetensors file: it is cut short, or has gaps")
    part = content[begin:end]
    strides, elements = [], 1
    for length in reversed(shape):
        strides.append(elements)
        elements *= length if type(length) is int else 0
    view = (0, shape, tuple(reversed(strides)))
    array = tensor(budget, Storage(dtype, part, len(part)), dtype, view)
    if elements * DTYPES[dtype].itemsize != len(part):
        raise Refused(f"has a tensor of shape {list(shape)} with {len(part)} bytes")
    return array

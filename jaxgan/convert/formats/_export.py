"""Read the weights of a ``torch.export.save`` archive, which its JSON describes."""

import json
import re
from collections.abc import Callable
from typing import Any

from jaxgan.convert.formats._arrays import Storage, tensor
from jaxgan.convert.formats._bounds import Budget, Refused
from jaxgan.convert.formats._inert import Inert, legible
from jaxgan.convert.formats._torchscript import ACTIVATIONS, of_one_kind

_CONFIG = re.compile(rb"(?:[^/]+/)?data/weights/([^/]+)_weights_config\.json")
_PROGRAM = re.compile(rb"(?:[^/]+/)?models/[^/]+\.json|serialized_exported_program\.json")
_STATE_DICT = re.compile(  # torch.save wrote it in older versions
    rb"serialized_state_dict\.(?:pt|json)|(?:[^/]+/)?data/weights/[^/]+\.pt"
)
_MAX_CONFIG = 2**22  # bytes
_STEPS_PER_BYTE = 0.02  # cost of a byte in pickle opcodes
_DTYPES = {  # by torch's numbers
    **{1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64"},
    **{6: "float16", 7: "float32", 8: "float64", 10: "complex64", 11: "complex128"},
    **{12: "bool", 13: "bfloat16", 28: "uint16", 34: "uint32", 35: "uint64"},
}
_STRIDED = 7


def read(
    entries: dict[bytes, memoryview], budget: Budget, read_inner: Callable[[memoryview], Any]
) -> Any:
    """Read the weights by their names in the state dict; None for any other archive.

    Args:
      entries: Contents of the zip archive by name.
      budget: Charged for the arrays.
      read_inner: Reads a file inside this one.

    Raises:
      Refused: If the archive is damaged or holds several networks.
    """
    configs = [name for name in entries if _CONFIG.fullmatch(name)]
    state_dicts = [name for name in entries if _STATE_DICT.fullmatch(name)]
    if len(configs) + len(state_dicts) > 1:
        raise Refused("holds several exported networks; export one at a time")
    if state_dicts:
        return read_inner(entries[state_dicts[0]])
    if not configs:
        return None
    folder = configs[0].rpartition(b"/")[0] + b"/"
    arrays = {}
    for name, entry in _config(entries[configs[0]], budget).items():
        match entry:
            case {"path_name": str(title), "use_pickle": bool(pickled), "tensor_meta": meta}:
                content = entries.get(folder + title.encode("utf-8", "replace"))
            case _:
                raise Refused("has damaged notes on its weights")
        if content is None:
            raise Refused(f"has no weights {legible(name)}")
        arrays[name] = read_inner(content) if pickled else _array(content, meta, budget)
    activations = of_one_kind(_activations(entries, budget))
    return Inert("__torch__.ExportedProgram", arrays | activations)


def _activations(entries: dict[bytes, memoryview], budget: Budget) -> list[Inert]:
    """List the activations in the program's graph; none if the graph is malformed."""
    programs = [entry for name, entry in entries.items() if _PROGRAM.fullmatch(name)]
    if len(programs) != 1 or len(programs[0]) > _MAX_CONFIG:
        return []
    budget.step(int(len(programs[0]) * _STEPS_PER_BYTE))
    try:
        nodes = json.loads(bytes(programs[0]))["graph_module"]["graph"]["nodes"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return []
    activations = []
    for node in nodes if isinstance(nodes, list) else ():
        match node:
            case {"target": str(target), "inputs": [*inputs]}:
                operation = re.fullmatch(r"torch\.ops\.aten\.(\w+?)_?\.default", target)
                if operation and operation[1] in ACTIVATIONS:
                    title, _ = ACTIVATIONS[operation[1]]
                    activations.append(Inert(title, _floats(inputs)))
    return activations


def _floats(inputs: list) -> dict[str, float]:
    """Return the numbers among the arguments of a node, such as ``negative_slope``."""
    floats = {}
    for argument in inputs:
        match argument:
            case {"name": str(name), "arg": {"as_float": float(value)}}:
                floats[name] = value
    return floats


def _config(content: memoryview, budget: Budget) -> dict[str, Any]:
    if len(content) > _MAX_CONFIG:
        raise Refused(f"has notes on its weights of more than {_MAX_CONFIG >> 20} MiB")
    budget.step(int(len(content) * _STEPS_PER_BYTE))
    try:
        notes = json.loads(bytes(content))
    except (ValueError, RecursionError) as error:
        raise Refused("has damaged notes on its weights") from error
    config = notes.get("config") if isinstance(notes, dict) else None
    if not isinstance(config, dict):
        raise Refused("has damaged notes on its weights")
    return config


def _array(content: memoryview, meta: Any, budget: Budget) -> Any:
    match meta:
        case {
            "dtype": int(number),
            "sizes": [*sizes],
            "strides": [*strides],
            "storage_offset": {"as_int": int(offset)},
            "layout": int(layout),
        } if number in _DTYPES and layout == _STRIDED:
            view = (offset, _whole(sizes), _whole(strides))
            dtype = _DTYPES[number]
            return tensor(budget, Storage(dtype, content, len(content)), dtype, view)
    raise Refused("has weights of an unsupported layout or dtype")


def _whole(numbers: list) -> tuple:
    return tuple([n.get("as_int") if isinstance(n, dict) else None for n in numbers])

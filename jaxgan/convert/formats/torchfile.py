"""A reader of PyTorch checkpoints that needs no PyTorch and runs nothing in them.

It reads four containers: the zip of ``torch.save``, the stream that came before it,
TorchScript archives, and the pickles of NVlabs' StyleGAN repositories. A file can use only
the names in ``_objects``, each of which stands for a function of this package or an inert
object. ``safetensors`` files are read through the package of that name.

Damage never goes unseen in a zip, whose checksums are verified. The other containers have no
checksums, so a changed number in a storage is read as it stands.

Arrays are read-only. They may be views of the file's bytes, of one another, and of fewer
bytes than their shape (expanded tensors). Copy an array before changing it.
"""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.convert.formats import _pickle, _zip
from jaxgan.convert.formats._arrays import DTYPES, Storage, align, itemsize, tensor
from jaxgan.convert.formats._objects import Inert, Objects
from jaxgan.convert.formats._pickle import Budget, Name, Refused, kind, legible
from jaxgan.errors import InputError

MAX_FILE_BYTES = 2**32 - 1
MAX_UNFOLDING = 8  # bytes in memory for each byte of the file,
FREE_BYTES = 256 * 2**20  # beyond the first so many
MAX_NESTING = 2  # depth of files inside files
MAX_DEPTH = 100  # depth of containers inside containers
MAX_VALUES = 1_000_000  # in the result; shared ones count wherever they appear
MAX_TENSOR_NAME = 256

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the stream container
_STREAM_PROTOCOL = 1001
_SAFETENSORS_KINDS = {"F": "float", "BF": "bfloat", "I": "int", "U": "uint", "C": "complex"}


class CheckpointError(InputError):
    """A checkpoint is damaged or not supported; the message is one line with its path."""


def read(path: str | Path) -> Any:
    """Read a checkpoint.

    Args:
      path: A ``.pth``, ``.pt``, ``.pkl``, ``.tar`` or ``.safetensors`` file. Only the last
        is known by its name, the others by their content.

    Returns:
      Dictionaries, lists, tuples, sets, numbers, texts, numpy arrays and ``Inert``
      objects, nested at most ``MAX_DEPTH`` deep. Tensors and parameters are read-only
      arrays, bfloat16 as float32; sizes are tuples; devices and dtypes are texts.

    Raises:
      CheckpointError: If there is no such file, or it is damaged, beyond a limit, or holds
        anything else.
    """
    try:
        data = content(Path(path))
        budget = Budget(_pickle.MAX_STEPS, MAX_UNFOLDING * len(data) + FREE_BYTES)
        if Path(path).suffix.lower() == ".safetensors":
            return _safetensors(data, budget)
        value = _container(data, budget, 0)
        for _, leaf in _leaves(value, _inside):
            if isinstance(leaf, Name | Storage):
                raise Refused(f"holds a bare {kind(leaf)}")
        return value
    except Refused as error:
        raise CheckpointError(f"{path} {error}") from error
    except Exception as error:  # no known damage gets here
        raise CheckpointError(f"{path} is damaged ({type(error).__name__})") from error


def tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read all arrays of a checkpoint by name, in the order of the file.

    Names are keys, indices and attributes joined by dots. Those of a module, of TorchScript
    or of NVlabs, are the names of its state dict. The name of the tensor is ``""`` in a file
    that is one tensor.

    Args:
      path: Path of ``read``.

    Raises:
      CheckpointError: As for ``read``, and if two arrays have one name.
    """
    return tensors_of(read(path), path)


def tensors_of(value: Any, path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays of a result of ``read``, as ``tensors`` does."""
    arrays = {}
    for names, leaf in _leaves(value, _inside_module):
        if not isinstance(leaf, np.ndarray):
            continue
        if sum(map(len, names)) + len(names) > MAX_TENSOR_NAME:
            limit = f"{MAX_TENSOR_NAME} characters"
            raise CheckpointError(f"{path} has a tensor with a name of more than {limit}")
        name = ".".join(names)
        if name in arrays:
            raise CheckpointError(f"{path} has two tensors named {legible(name)}")
        arrays[name] = leaf
    return arrays


def content(path: Path) -> bytes:
    """Read the bytes of a file.

    Raises:
      Refused: If it cannot be read or is too large.
    """
    try:
        if not path.is_file():
            raise Refused("is not a file" if path.exists() else "does not exist")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Refused(f"is larger than the limit of {MAX_FILE_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror or error}") from error


def _safetensors(data: bytes, budget: Budget) -> dict[str, np.ndarray]:
    try:
        from safetensors import deserialize  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Refused("needs a package that is not there: pip install safetensors") from error
    try:
        entries = deserialize(data)
    except Exception as error:
        raise Refused("is not a readable safetensors file") from error
    arrays = {}
    for name, entry in entries:
        letters = entry["dtype"].rstrip("0123456789")
        bits = entry["dtype"][len(letters) :]
        dtype = "bool" if letters == "BOOL" else _SAFETENSORS_KINDS.get(letters, "") + bits
        if dtype not in DTYPES:
            raise Refused(f"has a tensor of {legible(entry['dtype'])}, which is not read here")
        storage = Storage(dtype, memoryview(bytes(entry["data"])), len(entry["data"]))
        count = math.prod(entry["shape"])
        arrays[name] = tensor(budget, storage, dtype, (0, (count,), (1,))).reshape(
            entry["shape"]
        )
    return arrays


def _container(data: bytes, budget: Budget, nesting: int) -> Any:
    if nesting > MAX_NESTING:
        raise Refused(f"has files inside files, more than {MAX_NESTING} deep")
    objects = Objects(budget, partial(_container, budget=budget, nesting=nesting + 1))
    if data.startswith(b"PK\3\4"):
        return _read_zip(data, objects)
    if not data.startswith(b"\x80"):
        raise Refused(_foreign(data))
    value, end = _load(data, 0, objects)
    if type(value) is int and value == _MAGIC:
        return _read_stream(data, end, objects)
    if end != len(data):
        raise Refused("has bytes after the end of its pickle")
    return value


def _foreign(data: bytes) -> str:
    """Describe a file that is not a checkpoint."""
    if not data:
        return "is empty"
    if data[257:262] == b"ustar":
        return "is a tar archive, as only the first versions of PyTorch wrote them"
    if data[:64].lstrip().startswith(b"<"):
        return "is a web page, not a checkpoint"
    return f"is no PyTorch checkpoint: it starts with {ascii(data[:8])[1:]}"


def _load(data: bytes, start: int, objects: Objects) -> tuple[Any, int]:
    value, end = _pickle.load(data, start, objects.budget, objects)
    if objects.unfilled:
        raise Refused("has a damaged pickle: an array without content")
    return value, end


def _read_zip(data: bytes, objects: Objects) -> Any:
    entries = _zip.read(data, objects.budget)
    root = next(iter(entries)).split(b"/")[0] + b"/"
    if root + b"data.pkl" not in entries or not all(n.startswith(root) for n in entries):
        raise Refused("is a zip archive, but not with one folder that holds a data.pkl")
    order = bytes(entries.get(root + b"byteorder", b"little"))
    if order != b"little":
        raise Refused(f"has byte order {ascii(order[:16])[1:]}; little is read")
    folder = root + b"data/"
    objects.stored = {
        name[len(folder) :].decode("utf-8", "replace"): align(content)
        for name, content in entries.items()
        if name.startswith(folder)
    }
    pickled = bytes(entries[root + b"data.pkl"])
    value, end = _load(pickled, 0, objects)
    if end != len(pickled):
        raise Refused("has bytes after the end of its pickle")
    return value


def _read_stream(data: bytes, start: int, objects: Objects) -> Any:
    """Read a stream: protocol, machine, objects, keys of the storages, storages.

    Only the objects tell the dtype of a storage, so they are read twice: for the dtypes,
    and again with the storages.
    """
    protocol, start = _load(data, start, objects)
    machine, start = _load(data, start, objects)
    if type(protocol) is not int or protocol != _STREAM_PROTOCOL or type(machine) is not dict:
        raise Refused(f"is a PyTorch stream of another version than {_STREAM_PROTOCOL}")
    if machine.get("little_endian") is not True:
        raise Refused("does not say that its byte order is little")
    first = Objects(objects.budget, objects.nested, {}, declares=True)
    _, end = _load(data, start, first)
    keys, end = _load(data, end, objects)
    declared = first.declared
    if type(keys) is not list or len(keys) != len(declared):
        raise Refused("has another number of storages than its tensors need")
    objects.stored = {}
    for name in keys:
        if type(name) is not str or name not in declared or name in objects.stored:
            raise Refused("has other storages than its tensors need")
        dtype, count = declared[name]
        begin = end + 8
        end = begin + count * itemsize(dtype)
        if end > len(data):
            raise Refused("is cut short inside a storage")
        if int.from_bytes(data[begin - 8 : begin], "little") != count:
            raise Refused(f"has a storage {legible(name)} of another size than it says")
        objects.stored[name] = align(memoryview(data)[begin:end])
    if end != len(data):
        raise Refused("has bytes after its last storage")
    return _load(data, start, objects)[0]


def _leaves(root: Any, inside: Any) -> Iterator[tuple[list[str], Any]]:
    """Yield each value that is no container, depth first, with the names that lead to it.

    The list of names is a single one, which changes from leaf to leaf.
    """
    names, levels = [], [iter([("", root)])]
    values = 0
    while levels:
        step = next(levels[-1], None)
        del names[max(len(levels) - 2, 0) :]
        if step is None:
            levels.pop()
            continue
        values += 1
        if values > MAX_VALUES:
            raise Refused(f"unfolds to more than {MAX_VALUES} values")
        name, value = step
        if len(levels) > 1:
            names.append(name)
        items = inside(value)
        if items is None:
            yield names, value
        elif len(levels) > MAX_DEPTH:
            raise Refused(f"has containers more than {MAX_DEPTH} deep, or inside themselves")
        else:
            levels.append(((str(name), item) for name, item in items))


def _inside(value: Any) -> Any:
    """Return pairs of name and value in a container; None if the value is none."""
    if isinstance(value, Inert):
        return ("state", value.state), ("meta", value.meta)
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else None


def _inside_module(value: Any) -> Any:
    """Return the same, but the attributes of an object, and the state dict of a module."""
    match value:
        case Inert(state={"_parameters": dict(), "_buffers": dict(), "_modules": dict()}):
            parts = (value.state[part] for part in ("_parameters", "_buffers", "_modules"))
            return (item for part in parts for item in part.items())
        case Inert(state=dict()):
            return value.state.items()
        case Inert():
            return (("state", value.state),)
    return _inside(value)

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
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.convert.formats import _pickle, _walk, _zip
from jaxgan.convert.formats._arrays import DTYPES, Storage, align, itemsize, tensor
from jaxgan.convert.formats._bounds import MAX_STEPS, Budget, Refused
from jaxgan.convert.formats._inert import Inert, legible
from jaxgan.convert.formats._objects import Objects
from jaxgan.errors import InputError

__all__ = ["CheckpointError", "Inert", "content", "read", "tensors", "tensors_of"]

MAX_FILE_BYTES = 2**32 - 1
MAX_UNFOLDING = 8  # bytes in memory for each byte of the file,
FREE_BYTES = 256 * 2**20  # beyond the first so many
MAX_NESTING = 2  # depth of files inside files

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the stream container
_STREAM_PROTOCOL = 1001
_OLD_PICKLE = re.compile(rb"[]}(]|c[\w.]+\r?\n[\w.]+\r?\n")  # without its protocol
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
        budget = Budget(MAX_STEPS, MAX_UNFOLDING * len(data) + FREE_BYTES)
        if Path(path).suffix.lower() == ".safetensors":
            return _safetensors(data, budget)
        return _container(data, budget, 0)
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
    try:
        for place, leaf in _walk.leaves(value):
            if not isinstance(leaf, np.ndarray) or leaf.dtype.kind not in "biufc":
                continue
            name = _walk.name_of(place)
            if arrays.setdefault(name, leaf) is not leaf:
                raise Refused(f"has two tensors named {legible(name)}")
    except Refused as error:
        raise CheckpointError(f"{path} {error}") from error
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
    if data.startswith(b"\x80"):
        return _read_pickles(data, objects)
    if not _OLD_PICKLE.match(data):
        raise Refused(_foreign(data))
    try:
        return _read_pickles(data, objects)
    except Refused as error:
        raise Refused(f"{_foreign(data)}; as a pickle it {error}") from error


def _read_pickles(data: bytes, objects: Objects) -> Any:
    """Read a pickle, or several as a tuple, or a stream, which begins with one."""
    value, end = _load(data, 0, objects)
    if type(value) is int and value == _MAGIC:
        return _read_stream(data, end, objects)
    values = [value]
    while end != len(data):
        if data[end : end + 1] != data[:1]:
            raise Refused("has bytes after the end of its pickle")
        value, end = _load(data, end, objects)
        values.append(value)
    return values[0] if len(values) == 1 else tuple(values)


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

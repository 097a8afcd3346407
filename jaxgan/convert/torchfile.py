"""PyTorch checkpoints, read without PyTorch and without running anything they hold.

Four containers: the zip of ``torch.save``, the stream that came before it, TorchScript
archives, and the pickles of NVlabs' StyleGAN repositories. A file can only name what is
listed below, and each name stands for a function of this module or an inert object.
``safetensors`` files are read through the package of that name.

Arrays are read-only; they may be views of the file's bytes, of one another, and of
fewer bytes than their shape (expanded tensors). Copy what is to be changed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.convert import _pickle, _zip
from jaxgan.convert._objects import DTYPES, Inert, Objects, Storage, itemsize
from jaxgan.convert._pickle import Budget, Name, Refused, kind, shown
from jaxgan.errors import InputError

MAX_FILE_BYTES = 2**32 - 1
MAX_UNFOLDING = 8  # bytes that come of a file, for each byte that it has,
FREE_BYTES = 256 * 2**20  # beyond the first so many
MAX_NESTING = 2  # of files inside files
MAX_DEPTH = 100  # of containers inside containers
MAX_VALUES = 1_000_000  # of the result, shared ones counted where they appear
MAX_TENSOR_NAME = 512

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the stream container
_LEGACY_PROTOCOL = 1001


class CheckpointError(InputError):
    """A checkpoint is damaged or holds what is not read here; one line, with its path."""


def read(path: str | Path) -> Any:
    """What a checkpoint holds.

    Args:
      path: Of a ``.pth``, ``.pt``, ``.pkl``, ``.tar`` or ``.safetensors`` file. Only the
        last is told by its name, the others by their content.

    Returns:
      Dictionaries, lists, tuples, sets, numbers, texts, numpy arrays and ``Inert``
      objects, nested at most ``MAX_DEPTH`` deep. Tensors and parameters are read-only
      arrays, bfloat16 as float32; sizes are tuples; devices and dtypes are texts.

    Raises:
      CheckpointError: If there is no such file, it is damaged, beyond a limit, or holds
        anything but the above.
    """
    try:
        data = _content(Path(path))
        if Path(path).suffix.lower() == ".safetensors":
            return _safetensors(data)
        budget = Budget(_pickle.MAX_STEPS, MAX_UNFOLDING * len(data) + FREE_BYTES)
        value = _container(data, budget, 0)
        for _, leaf in _leaves(value):
            if isinstance(leaf, Name | _Storage):
                raise Refused(f"holds {kind(leaf)} itself, not something made of it")
        return value
    except Refused as error:
        raise CheckpointError(f"{path} {error}") from error
    except Exception as error:  # no damage that is known of gets here
        raise CheckpointError(f"{path} is damaged ({type(error).__name__})") from error


def tensors(path: str | Path) -> dict[str, np.ndarray]:
    """All arrays of a checkpoint by name, in the order of the file.

    Names are keys, indices and attributes joined by dots; those of a module, be it of
    TorchScript or of NVlabs, are the names of its state dict. A file that is one tensor
    gives it the name ``""``.

    Args:
      path: As for ``read``.

    Raises:
      CheckpointError: As for ``read``, and if two arrays have one name.
    """
    found = {}
    for names, leaf in _leaves(read(path)):
        if not isinstance(leaf, np.ndarray):
            continue
        if sum(map(len, names)) + len(names) > MAX_TENSOR_NAME:
            raise CheckpointError(
                f"{path} has a tensor with a name of more than {MAX_TENSOR_NAME} characters"
            )
        name = ".".join(names)
        if name in found:
            raise CheckpointError(f"{path} has two tensors named {shown(name)}")
        found[name] = leaf
    return found


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Refused("is not a file" if path.exists() else "does not exist")
        with path.open("rb") as file:
            data = file.read(min(path.stat().st_size, MAX_FILE_BYTES) + 1)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise Refused(f"is larger than the limit of {MAX_FILE_BYTES >> 20} MiB")
    return data


def _safetensors(data: bytes) -> dict[str, np.ndarray]:
    try:
        from safetensors.numpy import load  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Refused("needs the package safetensors: pip install safetensors") from error
    try:
        arrays = load(data)
    except Exception as error:  # it has classes of its own, and KeyError
        raise Refused("is not a readable safetensors file") from error
    for name, array in arrays.items():
        if array.dtype.name == "bfloat16":
            arrays[name] = array.astype(np.float32)
        elif array.dtype not in _DTYPES.values():
            raise Refused(f"has a tensor of {array.dtype}, which is not read here")
        arrays[name].flags.writeable = False
    return arrays


def _container(data: bytes, budget: Budget, nesting: int) -> Any:
    if nesting > MAX_NESTING:
        raise Refused(f"has files inside files, more than {MAX_NESTING} deep")
    if data.startswith(b"PK\3\4"):
        return _read_zip(data, budget, nesting)
    if data[257:262] == b"ustar":
        raise Refused("is a tar archive: an image data set, or of PyTorch before 0.2")
    if not data.startswith(b"\x80"):
        what = "a web page" if data[:64].lstrip().startswith(b"<") else "no PyTorch checkpoint"
        raise Refused(
            f"is {what}; it starts with {ascii(data[:8])[1:]}" if data else "is empty"
        )
    reader = _Reader(budget, nesting, None)
    value, end = _load(data, 0, reader)
    if type(value) is int and value == _MAGIC:
        return _read_legacy(data, end, budget, nesting)
    if end != len(data):
        raise Refused("has bytes after the end of its pickle")
    return value


def _load(data: bytes, start: int, reader: "_Reader") -> tuple[Any, int]:
    value, end = _pickle.load(data, start, reader.budget, reader)
    if reader.unfilled:
        raise Refused("has a damaged pickle: an array without content")
    return value, end


def _read_zip(data: bytes, budget: Budget, nesting: int) -> Any:
    entries = _zip.read(data, budget)
    root = next(iter(entries)).split(b"/")[0] + b"/"
    if not all(name.startswith(root) for name in entries):
        raise Refused("is a zip archive without one common folder: no PyTorch checkpoint")
    if root + b"data.pkl" not in entries:
        raise Refused("is a zip archive without data.pkl: no PyTorch checkpoint")
    order = bytes(entries.get(root + b"byteorder", b"little"))
    if order != b"little":
        raise Refused(f"has byte order {ascii(order[:16])[1:]}; little is read")
    folder = root + b"data/"
    stored = {
        name[len(folder) :].decode("utf-8", "replace"): content
        for name, content in entries.items()
        if name.startswith(folder)
    }
    pickled = bytes(entries[root + b"data.pkl"])
    value, end = _load(pickled, 0, _Reader(budget, nesting, stored))
    if end != len(pickled):
        raise Refused("has bytes after the end of its pickle")
    return value


def _read_legacy(data: bytes, start: int, budget: Budget, nesting: int) -> Any:
    """A stream: protocol, machine, objects, keys of the storages, storages.

    Only the objects say of what dtype a storage is, so they are read twice: to learn
    that, and once the storages are there.
    """
    plain = _Reader(budget, nesting, None)
    protocol, start = _load(data, start, plain)
    machine, start = _load(data, start, plain)
    if type(protocol) is not int or protocol != _LEGACY_PROTOCOL or type(machine) is not dict:
        raise Refused("is a PyTorch stream of another version than 1001")
    if machine.get("little_endian") is not True:
        raise Refused("has byte order big; little is read")
    first = _Reader(budget, nesting, {}, declares=True)
    _, end = _load(data, start, first)
    keys, end = _load(data, end, plain)
    declared = first.declared
    if type(keys) is not list or {k for k in keys if type(k) is str} != declared.keys():
        raise Refused("has other storages than its tensors need")
    if len(keys) != len(declared):
        raise Refused("lists a storage twice")
    stored = {}
    for name in keys:
        dtype, count = declared[name]
        begin = end + 8
        end = begin + count * _itemsize(dtype)
        if end > len(data):
            raise Refused("is cut short inside a storage")
        if int.from_bytes(data[begin - 8 : begin], "little") != count:
            raise Refused(f"has a storage {shown(name)} of another size than it says")
        stored[name] = memoryview(data)[begin:end]
    if end != len(data):
        raise Refused("has bytes after its last storage")
    return _load(data, start, _Reader(budget, nesting, stored))[0]


def _leaves(root: Any) -> Iterator[tuple[list[str], Any]]:
    """Whatever is no container, depth first, with the names that lead to it.

    The list of names is one that changes from leaf to leaf.
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
        inside = _inside(value)
        if inside is None:
            yield names, value
        elif len(levels) > MAX_DEPTH:
            raise Refused(f"has containers more than {MAX_DEPTH} deep, or inside themselves")
        else:
            levels.append(inside)


def _inside(value: Any) -> Iterator[tuple[str, Any]] | None:
    """Names and values of what is in a container; None if it is none."""
    if isinstance(value, Inert):
        return _attributes(value.state)
    if isinstance(value, dict):
        return ((str(name), item) for name, item in value.items())
    if isinstance(value, list | tuple):
        return ((str(index), item) for index, item in enumerate(value))
    return None


def _attributes(state: Any) -> Iterator[tuple[str, Any]] | None:
    """Those of an object; of a module only what is in its state dict."""
    match state:
        case {"_parameters": dict(own), "_buffers": dict(buffers), "_modules": dict(inner)}:
            parts = (own, buffers, inner)
            return ((str(name), item) for part in parts for name, item in part.items())
    return _inside(state) or iter([("", state)])

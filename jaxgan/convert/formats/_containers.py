"""Read the containers of checkpoints, also nested; they are recognised by their content."""

import re
import zlib
from functools import partial
from typing import Any

import numpy as np

from jaxgan.convert.formats import (
    _bundle,
    _export,
    _foreign,
    _pickle,
    _safetensors,
    _tar,
    _torchscript,
    _walk,
    _zip,
)
from jaxgan.convert.formats._arrays import itemsize
from jaxgan.convert.formats._bounds import Budget, Refused
from jaxgan.convert.formats._inert import legible
from jaxgan.convert.formats._objects import Objects

MAX_NESTING = 3  # largest depth of files inside files

_HEAD = 600  # leading bytes that identify the kind of a file
_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the stream container
_STREAM_PROTOCOL = 1001
_OLD_PICKLE = re.compile(
    rb"[]}(]|c[\w.]+\r?\n[\w.]+\r?\n"
)  # pickles that do not start with their protocol
_FIRST_TAR = {"sys_info", "pickle", "storages", "tensors"}


def read(data: memoryview, budget: Budget, suffix: str = "", nesting: int = 0) -> Any:
    """Read a file of any container.

    Args:
      data: Bytes of the file.
      budget: Charged for the content.
      suffix: Suffix of the file's name, in lower case.
      nesting: Number of files around it.

    Raises:
      Refused: If the file is not a checkpoint, is damaged, or exceeds a limit.
    """
    if nesting > MAX_NESTING:
        raise Refused(f"has files inside files, more than {MAX_NESTING} deep")
    read_inner = partial(read, budget=budget, nesting=nesting + 1)
    objects = Objects(budget, read_inner)
    head = bytes(data[:_HEAD])
    if head.startswith(b"PK\3\4"):
        return _read_zip(data, objects)
    if head.startswith(b"\x1f\x8b"):
        return read_inner(_inflate(data, budget))
    if _tar.is_tar(head):
        return _read_tar(data, objects)
    if suffix == ".safetensors" or _safetensors.is_safetensors(head, len(data)):
        return _safetensors.read(data, budget)
    if head.startswith(b"\x80"):
        return _read_pickles(data, objects)
    sentence = _foreign.describe(head, bytes(data[-8:]), suffix)
    if not _OLD_PICKLE.match(head):
        raise Refused(sentence)
    try:
        return _read_pickles(data, objects)
    except Refused as error:
        raise Refused(f"{sentence}; as a pickle it {error}") from error


def _inflate(data: memoryview, budget: Budget) -> memoryview:
    inflater = zlib.decompressobj(31)
    try:
        content = inflater.decompress(data, max(budget.bytes, 1))
    except zlib.error as error:
        raise Refused("is a damaged gzip file") from error
    if not inflater.eof:
        del content  # otherwise the traceback of the error keeps it alive
        budget.take(budget.bytes + 1 if inflater.unconsumed_tail else 0)
        raise Refused("is cut short inside its gzip file")
    if inflater.unused_data:
        raise Refused("has bytes after its gzip file")
    budget.take(len(content))
    return memoryview(content)


def _read_tar(data: memoryview, objects: Objects) -> Any:
    files = _tar.read(data, objects.budget)
    if {name.split("/")[0] for name in files} >= _FIRST_TAR:
        raise Refused(
            "is a tar archive of the first versions of PyTorch, which is not supported; "
            "load and save it again with PyTorch 1 or 2"
        )
    name = _bundle.only(files)
    if name is None:
        raise Refused("is a tar archive without a checkpoint")
    return objects.read_inner(files[name])


def _read_pickles(data: memoryview, objects: Objects) -> Any:
    """Read a pickle, several pickles as a tuple, or an old stream, which begins with one."""
    value, end = _load(data, 0, objects)
    if type(value) is int and value == _MAGIC:
        return _read_stream(data, end, objects)
    values = [value]
    while end != len(data):
        if data[end] != data[0]:
            raise Refused("has bytes after the end of its pickle")
        value, end = _load(data, end, objects)
        values.append(value)
    return values[0] if len(values) == 1 else tuple(values)


def _load(data: memoryview, start: int, objects: Objects) -> tuple[Any, int]:
    value, end = _pickle.load(data, start, objects.budget, objects)
    if objects.pending:
        raise Refused("has a damaged pickle: an array without content")
    return value, end


# The code of modules outside torch.
_OWN_CODE = rb".*/code/__torch__(?!/torch/).*\.py"


def _read_zip(data: memoryview, objects: Objects) -> Any:
    entries = {
        name: content
        for name, content in _zip.read(data, objects.budget).items()
        if not name.startswith(b"__MACOSX/")
    }
    root = next(iter(entries), b"").split(b"/")[0] + b"/"
    if root + b"data.pkl" in entries and all(name.startswith(root) for name in entries):
        return _read_torch(entries, root, objects)
    weights = _export.read(entries, objects.budget, objects.read_inner)
    if weights is not None:
        return weights
    names = {name.decode("utf-8", "replace"): name for name in entries}
    name = _bundle.only(name for name in names if not name.endswith("/data.pkl"))
    if name is not None:
        return objects.read_inner(entries[names[name]])
    if names and all(name.endswith(".npy") for name in names):
        raise Refused("is an archive of numpy arrays; such a run of jaxgan ends in .npz")
    if any(name.endswith(".h5") for name in names):
        raise Refused("is a Keras model, which is not supported")
    raise Refused("is a zip archive, but not with one folder that holds a data.pkl")


def _read_torch(entries: dict[bytes, memoryview], root: bytes, objects: Objects) -> Any:
    """Read what ``torch.save`` or TorchScript wrote to one folder of a zip archive."""
    order = bytes(entries.get(root + b"byteorder", b"little"))
    if order != b"little":
        raise Refused(f"has byte order {ascii(order[:16])[1:]}; only little is supported")
    value = _read_entry(entries, root, b"data", objects)
    if root + b"constants.pkl" not in entries:
        return value
    if any(isinstance(leaf, np.ndarray) for _, leaf in _walk.leaves(value)):
        own = [entries[name] for name in entries if re.fullmatch(_OWN_CODE, name)]
        _torchscript.add_activations(value, b"\n".join(own), objects.budget)
        return value
    constants = _read_entry(
        entries, root, b"constants", Objects(objects.budget, objects.read_inner)
    )
    code = [entries[name] for name in entries if re.fullmatch(rb".*/code/.*\.py", name)]
    return _torchscript.name_constants(constants, b"\n".join(code), objects.budget)


def _read_entry(
    entries: dict[bytes, memoryview], root: bytes, part: bytes, objects: Objects
) -> Any:
    """Read a pickle whose storages are in a folder of the same name."""
    folder = root + part + b"/"
    objects.storages = {
        name[len(folder) :].decode("utf-8", "replace"): content
        for name, content in entries.items()
        if name.startswith(folder)
    }
    program = entries[root + part + b".pkl"]
    value, end = _load(program, 0, objects)
    if end != len(program):
        raise Refused("has bytes after the end of its pickle")
    return value


def _read_stream(data: memoryview, start: int, objects: Objects) -> Any:
    """Read a stream: protocol, machine, objects, keys of the storages, storages.

    Only the objects state the dtype of a storage, so they are read twice: once for the
    dtypes and once with the storages.
    """
    protocol, start = _load(data, start, objects)
    machine, start = _load(data, start, objects)
    if type(protocol) is not int or protocol != _STREAM_PROTOCOL or type(machine) is not dict:
        raise Refused(f"is a PyTorch stream of another version than {_STREAM_PROTOCOL}")
    if machine.get("little_endian") is not True:
        raise Refused("does not say that its byte order is little-endian")
    first = Objects(objects.budget, objects.read_inner, {}, declares=True)
    _, end = _load(data, start, first)
    keys, end = _load(data, end, objects)
    declarations = first.declarations
    if type(keys) is not list or len(keys) != len(declarations):
        raise Refused("has another number of storages than its tensors need")
    objects.storages = {}
    for name in keys:
        if type(name) is not str or name not in declarations or name in objects.storages:
            raise Refused("has other storages than its tensors need")
        dtype, count = declarations[name]
        begin = end + 8
        end = begin + count * itemsize(dtype)
        if end > len(data):
            raise Refused("is cut short inside a storage")
        if int.from_bytes(data[begin - 8 : begin], "little") != count:
            raise Refused(f"has a storage {legible(name)} of another size than it says")
        objects.storages[name] = data[begin:end]
    if end != len(data):
        raise Refused("has bytes after its last storage")
    return _load(data, start, objects)[0]

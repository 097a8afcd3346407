"""A reader of PyTorch checkpoints that needs no PyTorch and runs nothing in them.

It reads the zip of ``torch.save``, the stream that came before it, TorchScript archives,
frozen ones too, those of ``torch.export``, pickles such as NVlabs', and safetensors; also
one of them in a zip, tar or gzip.

Nothing that a file names is imported or called. Some names, those in ``_objects``, stand for
a function of this package. All others make ``Inert`` objects, which record what the file
says of them, so that the weights beside them can be read.

Damage never goes unseen in a zip, whose checksums are verified. The other containers have no
checksums, nor does a zip that was saved with ``set_crc32_options(False)``, so a changed
number in a storage is read as it stands.

Arrays are read-only. They may be views of the file, which is mapped into memory, of one
another, and of fewer bytes than their shape (expanded tensors), at any address. Copy an array
before changing it, and to keep it when the file may become shorter.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from jaxgan.convert.formats import _bundle, _containers, _walk, mapped
from jaxgan.convert.formats._bounds import MAX_STEPS, Budget, Refused
from jaxgan.convert.formats._inert import Inert, legible
from jaxgan.errors import InputError

__all__ = ["Inert"]

_Bytes = TypeVar("_Bytes", bytes, memoryview)

MAX_FILE_BYTES = 2**32 - 1
MAX_UNFOLDING = 8  # bytes in memory for each byte of the file,
FREE_BYTES = 256 * 2**20  # beyond the first so many


class CheckpointError(InputError):
    """A checkpoint is damaged or not supported; the message is one line with its path."""


def read(path: str | Path) -> Any:
    """Read a checkpoint.

    Args:
      path: A file of any container above. They are told by their content.

    Returns:
      Dictionaries, lists, tuples, sets, numbers, texts, numpy arrays, names and ``Inert``
      objects, which may refer to one another in circles. Tensors and parameters are
      read-only arrays, bfloat16 as float32; sizes are tuples; devices and dtypes are texts;
      keys of dictionaries are texts and numbers. The weights of a frozen archive are a
      dictionary, several pickles in one file a tuple.

    Raises:
      CheckpointError: If there is no such file, or it is damaged, beyond a limit, or holds
        anything else.
    """
    try:
        data = _opened(Path(path), mapped.open_file)
        budget = Budget(MAX_STEPS, MAX_UNFOLDING * len(data) + FREE_BYTES)
        return _containers.read(data, budget, Path(path).suffix.lower())
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
    """Return the arrays of numbers in a result of ``read``, as ``tensors`` does."""
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


def objects_of(value: Any) -> dict[str, str]:
    """Name the class of each object in a result of ``read``, or the function it needs.

    They tell why there is no array of some name: ``torch._utils._rebuild_qtensor``. Those
    with names too long for a tensor are left out.
    """
    objects = {}
    for place, leaf in _walk.leaves(value):
        if isinstance(leaf, Inert):
            with contextlib.suppress(Refused):
                objects[_walk.name_of(place)] = legible(leaf.name)
    return objects


def in_folder(path: str | Path) -> Path | None:
    """Return the only checkpoint in a folder, as Hugging Face's libraries write it.

    Raises:
      CheckpointError: If there are several, or one in several parts.
    """
    try:
        name = _bundle.only(sorted(file.name for file in Path(path).iterdir()))
    except Refused as error:
        raise CheckpointError(f"{path} {error}") from error
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(f"{path} cannot be read: {reason}") from error
    return None if name is None else Path(path) / name


def content(path: Path) -> bytes:
    """Read the bytes of a file.

    Raises:
      Refused: If it cannot be read or is too large.
    """
    return _opened(path, Path.read_bytes)


def _opened(path: Path, read_bytes: Callable[[Path], _Bytes]) -> _Bytes:
    """Apply a function to the path of a file that is not too large.

    Raises:
      Refused: If it cannot be read or is too large.
    """
    try:
        if not path.is_file():
            raise Refused("is not a file" if path.exists() else "does not exist")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Refused(f"is larger than the limit of {MAX_FILE_BYTES >> 20} MiB")
        return read_bytes(path)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror or error}") from error

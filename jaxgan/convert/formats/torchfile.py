"""A reader of PyTorch checkpoints that needs no PyTorch and runs no code from them.

It reads zip archives and older streams of ``torch.save``, TorchScript archives (also frozen
ones), archives of ``torch.export``, pickles such as NVlabs', and safetensors; also one of
these in a zip, tar or gzip.

Nothing that a file names is imported or called. Names in ``_objects`` resolve to functions of
this package. All other names become ``Inert`` objects that record the file's content, so that
the weights beside them can be read.

The checksums of zip archives are verified, so damage does not go unnoticed. Other containers
have no checksums, nor does a zip that was saved with ``set_crc32_options(False)``; a damaged
number in these is read as it is.

Arrays are read-only. They may be unaligned views of the memory-mapped file, of each other, or
of fewer bytes than their shape suggests (expanded tensors). Copy an array to change it, or to
keep it if the file may be truncated.
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
MAX_UNFOLDING = 8  # bytes in memory per byte of the file,
FREE_BYTES = 256 * 2**20  # beyond this number of free bytes


class CheckpointError(InputError):
    """A checkpoint is damaged or not supported; the message is one line with the path."""


def read(path: str | Path) -> Any:
    """Read a checkpoint.

    Args:
      path: A file in any of these containers, which are recognised by their content.

    Returns:
      Dictionaries, lists, tuples, sets, numbers, strings, NumPy arrays, names and ``Inert``
      objects, possibly with circular references. Tensors and parameters are read-only arrays,
      with bfloat16 as float32; sizes are tuples; devices and dtypes are strings; keys of
      dictionaries are strings and numbers. The weights of a frozen archive are a dictionary;
      several pickles in one file are a tuple.

    Raises:
      CheckpointError: If there is no such file, or it is damaged, exceeds a limit, or is not
        a checkpoint.

    Examples:
      ``torchfile.read("model.pth")["g_ema"].keys()``
    """
    try:
        data = _read_with(Path(path), mapped.open_file)
        budget = Budget(MAX_STEPS, MAX_UNFOLDING * len(data) + FREE_BYTES)
        return _containers.read(data, budget, Path(path).suffix.lower())
    except Refused as error:
        raise CheckpointError(f"{path} {error}") from error
    except Exception as error:  # a safeguard: no known damage gets here
        raise CheckpointError(f"{path} is damaged ({type(error).__name__})") from error


def tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read all arrays of a checkpoint by name, in the order of the file.

    A name joins keys, indices and attributes by dots. For a module of TorchScript or NVlabs,
    names are those of its state dict. If the file is a single tensor, its name is ``""``.

    Args:
      path: A file, as for ``read``.

    Raises:
      CheckpointError: As for ``read``, and if two arrays have the same name.

    Examples:
      ``{name: x.shape for name, x in torchfile.tensors("model.pth").items()}``
    """
    return tensors_of(read(path), path)


def tensors_of(value: Any, path: str | Path) -> dict[str, np.ndarray]:
    """Return the numeric arrays in a result of ``read``, named as in ``tensors``."""
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
    """Return the class or function of each inert object in a result of ``read``, by name.

    This explains why an array is missing: ``torch._utils._rebuild_qtensor``. Objects with
    names too long for a tensor are left out.
    """
    objects = {}
    for place, leaf in _walk.leaves(value):
        if isinstance(leaf, Inert):
            with contextlib.suppress(Refused):
                objects[_walk.name_of(place)] = legible(leaf.name)
    return objects


def in_folder(path: str | Path) -> Path | None:
    """Return the only checkpoint in a folder, such as Hugging Face's libraries write.

    Raises:
      CheckpointError: If there are several, or if one is split into parts.
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
    return _read_with(path, Path.read_bytes)


def _read_with(path: Path, read_bytes: Callable[[Path], _Bytes]) -> _Bytes:
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

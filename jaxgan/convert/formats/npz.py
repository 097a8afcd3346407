"""A reader of ``.npz`` archives of NumPy arrays, with limits and without pickles."""

import io
from pathlib import Path

import numpy as np

from jaxgan.convert.formats import _pickle, _zip, torchfile
from jaxgan.errors import InputError

_MAX_HEADER = 65536
_FREE_BYTES = 2**24  # any file may expand to this many


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of an archive by name; they are read-only.

    Raises:
      InputError: If there is no such file, it is damaged, holds objects, or expands to far
        more bytes than it has.
    """
    try:
        data = torchfile.content(Path(path))
        budget = _pickle.Budget(
            _pickle.MAX_STEPS, torchfile.MAX_UNFOLDING * len(data) + _FREE_BYTES
        )
        if not data.startswith(b"PK"):
            raise _pickle.Refused("is not a readable .npz file")
        return {
            name.decode("utf-8", "replace").removesuffix(".npy"): _array(content)
            for name, content in _zip.read(data, budget).items()
        }
    except _pickle.Refused as error:
        raise InputError(f"{path} {error}") from error


def _array(content: memoryview) -> np.ndarray:
    stream = io.BytesIO(content[:_MAX_HEADER])
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        array = np.frombuffer(content[stream.tell() :], dtype)
        return array.reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # NumPy raises many kinds of errors for a bad header
        raise _pickle.Refused("has an entry that is no numpy array of numbers") from error

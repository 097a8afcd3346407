"""Points in .npy and .mat files, read without more memory than their content needs."""

import math
import os
from pathlib import Path

import numpy as np

from jaxgan.data import _mat_files
from jaxgan.errors import InputError

MAX_BYTES = 64 * 2**20  # limit of a file, and of the content of a compressed .mat file
_LEAST_EXTENT = 1e-100
_PIECE = 2**14  # number of points to convert at once


def check(points: np.ndarray, source: str, least: int) -> np.ndarray:
    """Check points and convert them to float64; types of one or two bytes stay as they are.

    Args:
      points: Content of a file.
      source: Name of the file, for messages.
      least: Least number of points.

    Raises:
      InputError: If they are not ``[N, 2]`` finite real numbers, are too few, or all equal.
    """
    if points.dtype.kind not in "fiu":
        raise InputError(f"{source} holds {points.dtype}, not real numbers")
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"{source} has shape {list(points.shape)}; points are [N, 2]")
    if len(points) < least:
        count = f"{len(points)} point{'s' * (len(points) != 1)}"
        raise InputError(f"{source} has {count}; at least {least} needed")
    # Float64 would need up to eight times the memory.
    small = points.dtype.itemsize < 4
    kind = points.dtype.newbyteorder("=") if small else np.dtype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # checked below
        points = points.astype(kind, copy=False)
    pieces = [points[i : i + _PIECE] for i in range(0, len(points), _PIECE)]
    _check_finite(pieces, source)
    if max(np.abs(piece.astype(np.float64)).max() for piece in pieces) > 1e30:
        raise InputError(f"{source} has coordinates beyond 1e30, the limit of float32")
    if all((piece == points[0]).all() for piece in pieces):
        raise InputError(f"{source} has only copies of one point")
    extent = max(float(x) - float(y) for x, y in zip(points.max(0), points.min(0), strict=True))
    if extent < _LEAST_EXTENT:  # its square is not a float64
        raise InputError(f"{source} has points that differ by {extent:.1g} only")
    return points


def _check_finite(pieces: list[np.ndarray], source: str) -> None:
    count, first, start = 0, -1, 0
    for piece in pieces:
        bad = np.flatnonzero(~np.isfinite(piece).all(axis=1))
        if len(bad) and first < 0:
            first = start + int(bad[0])
        count, start = count + len(bad), start + len(piece)
    if count:
        raise InputError(
            f"{source} has {count} points that are not finite, the first in row "
            f"{first} (counted from 0)"
        )


def read_npy(path: Path) -> np.ndarray:
    """Read an array; its size is checked against the file before memory is allocated."""
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            shape, fortran, kind = _HEADERS[version](file)
            if kind.hasobject:
                raise ValueError("objects")
            available = os.fstat(file.fileno()).st_size - file.tell()
            if math.prod(shape) * kind.itemsize > available:
                raise ValueError("cut short")
            flat = np.fromfile(file, kind, math.prod(shape))
        return flat.reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # a damaged header may raise anything
        raise InputError(f"{path} is not a readable .npy file of numbers") from error


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_mat(path: Path, key: str) -> np.ndarray:
    """Read a variable of a MATLAB file, up to version 7.2."""
    names = set()
    try:
        for variable in _mat_files.variables(path.read_bytes(), MAX_BYTES):
            if variable.name == key:
                if variable.kind != "array":
                    raise InputError(
                        f"variable {key!r} of {path} is a {variable.kind}, not real numbers"
                    )
                return variable.read()
            names.add(variable.name)
    except _mat_files.Hdf5 as error:
        raise InputError(
            f"{path} is a MATLAB 7.3 (HDF5) file; save it with -v7 or as .npy"
        ) from error
    except _mat_files.Truncated as error:
        raise InputError(
            f"{path} is truncated or damaged: it ends inside a variable"
        ) from error
    except _mat_files.TooLarge as error:
        raise InputError(
            f"{path} inflates to more than the limit of {MAX_BYTES >> 20} MiB"
        ) from error
    except (InputError, OSError):
        raise
    except Exception as error:  # a damaged file may raise anything
        raise InputError(f"{path} is not a readable .mat file") from error
    have = ", ".join(sorted(names)) or "none"
    raise InputError(f"{path} has no variable {key!r}; it has: {have}")

"""Map files into memory, so that only the pages in use take up memory.

A file must not be truncated while it is mapped.
"""

import mmap
from pathlib import Path

import numpy as np
from numpy.lib.array_utils import byte_bounds

_FEW = 2**16  # bytes; fewer are not worth a system call


def open_file(path: Path) -> memoryview:
    """Map a file, read-only.

    Raises:
      OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def copied(array: np.ndarray) -> np.ndarray:
    """Copy an array of a mapped file and release its pages; return other arrays as they are."""
    if _mapping_of(array) is None:
        return array
    copy = np.array(array)
    forget(array)
    return copy


def forget(array: np.ndarray) -> None:
    """Release the pages of an array in a mapped file; they are read again when needed.

    Other arrays are not affected.
    """
    mapping = _mapping_of(array)
    if array.nbytes < _FEW or mapping is None:
        return
    origin = np.frombuffer(mapping, np.uint8).ctypes.data
    first, end = (address - origin for address in byte_bounds(array))
    first -= first % mmap.PAGESIZE
    if hasattr(mapping, "madvise"):  # not on Windows
        mapping.madvise(mmap.MADV_DONTNEED, first, end - first)


def _mapping_of(array: np.ndarray) -> mmap.mmap | None:
    """Return the mapping that an array is a view of; None if there is none."""
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else base
    return owner if isinstance(owner, mmap.mmap) else None

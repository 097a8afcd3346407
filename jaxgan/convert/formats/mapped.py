"""Files that are mapped into memory, so that only the pages that are in use take some of it.

A file must not become shorter while it is mapped.
"""

import mmap
from pathlib import Path

import numpy as np
from numpy.lib.array_utils import byte_bounds

_FEW = 2**16  # bytes that are not worth a call


def open_file(path: Path) -> memoryview:
    """Map a file, read-only.

    Raises:
      OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def forget(array: np.ndarray) -> None:
    """Let the pages go that an array of a mapped file has read; they are read again at need.

    Other arrays stay as they are.
    """
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    mapping = base.obj if isinstance(base, memoryview) else base
    if array.nbytes < _FEW or not isinstance(mapping, mmap.mmap):
        return
    origin = np.frombuffer(mapping, np.uint8).ctypes.data
    first, end = (address - origin for address in byte_bounds(array))
    first -= first % mmap.PAGESIZE
    if hasattr(mapping, "madvise"):  # not on Windows
        mapping.madvise(mmap.MADV_DONTNEED, first, end - first)

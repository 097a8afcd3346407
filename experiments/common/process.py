"""The process of a command: the dtypes of its numbers, its output, errors of its disk."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

import jax

from jaxgan.runs.progress import say

# Errors of the system that mean that a path cannot be written, and that a user can mend.
UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
}


def close_output() -> None:
    """Write the rest of the output nowhere: its reader is gone, as that of a pipe into head."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def float32() -> Iterator[None]:
    """Turn the 64 bits of JAX off, in all threads; the laboratories compute in float32."""
    wide = jax.config.read("jax_enable_x64")
    if wide:
        say("jax_enable_x64 is turned off: the laboratories compute in float32")
        jax.config.update("jax_enable_x64", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", wide)

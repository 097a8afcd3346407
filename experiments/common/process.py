"""Set up the process of a command: JAX, devices, numbers and output."""

import contextlib
import dataclasses
import errno
import os
import sys
from collections.abc import Iterator

import jax
from jax.sharding import Mesh

from jaxgan import runtime
from jaxgan.errors import InputError
from jaxgan.runs import processes
from jaxgan.runs.progress import say
from jaxgan.training import devices

# System errors that mean that a path cannot be written, which the user can fix.
UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
}


def close_output() -> None:
    """Discard further output after its reader has gone, for instance ``head``."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclasses.dataclass(frozen=True)
class MachineFlags:
    """Flags of laboratories that train on images.

    Attributes:
      stream: Keep the images in host memory and read batches while devices compute. By
        default only if the images take more than half of a device's memory. Needs grain: pip
        install 'jaxgan[data]'.
      coordinator: host:port of process 0, with a free port, if several processes run the same
        command. Under Slurm, Open MPI and Kubernetes leave out coordinator, num_processes and
        process_id.
      num_processes: Number of processes. With 1, a process under a launcher runs on its own.
      process_id: Number of this process, from 0.
    """

    stream: bool | None = None
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None


MOST = 1024  # most devices of a process


def check(count: int | None) -> None:
    """Check the number of devices.

    Raises:
      InputError: If it is not 1 to ``MOST``.
    """
    if count is not None and not 1 <= count <= MOST:
        raise InputError(f"--devices={count}: must be from 1 to {MOST}")


def start(count: int | None, several: MachineFlags | None) -> Mesh | None:
    """Set up JAX; return the mesh of devices if their number is given.

    Args:
      count: Number of devices of each process.
      several: Flags of several processes, if the laboratory supports them.

    Raises:
      InputError: If there are fewer devices, or the processes cannot connect.
    """
    if several:
        processes.join(several.coordinator, several.num_processes, several.process_id)
    runtime.setup(count)
    processes.attend()
    devices.limit(count)
    return None if count is None else devices.make_mesh()


@contextlib.contextmanager
def float32() -> Iterator[None]:
    """Turn off JAX's 64-bit mode in all threads; the laboratories compute in float32."""
    wide = jax.config.read("jax_enable_x64")
    if wide:
        say("jax_enable_x64 is turned off: the laboratories compute in float32")
        jax.config.update("jax_enable_x64", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", wide)

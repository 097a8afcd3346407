"""The process of a command: the dtypes of its numbers, its output, errors of its disk."""

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

# Errors of the system that mean that a path cannot be written, and that a user can mend.
UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
}


def close_output() -> None:
    """Write the rest of the output nowhere: its reader is gone, as that of a pipe into head."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclasses.dataclass(frozen=True)
class MachineFlags:
    """Flags of laboratories that train on images.

    Attributes:
      stream: Leave the images on the host, and read batches while devices compute; by default
        where they take more than half of a device's memory. Needs grain: pip install
        'jaxgan[data]'.
      coordinator: host:port of process 0, a free port there, where several processes run the
        same command. Slurm, Open MPI and Kubernetes need none of these three flags.
      num_processes: Number of processes; 1 under a launcher keeps a process alone.
      process_id: Number of this process, from 0.
    """

    stream: bool | None = None
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None


MOST = 1024  # devices of a process


def check(count: int | None) -> None:
    """Refuse a number of devices that no machine has.

    Raises:
      InputError: If there are none, or too many.
    """
    if count is not None and not 1 <= count <= MOST:
        raise InputError(f"--devices={count}: must be from 1 to {MOST}")


def start(count: int | None, several: MachineFlags | None) -> Mesh | None:
    """Set JAX up; returns the devices, if a number is given.

    Args:
      count: Devices of each process.
      several: The flags of several processes, if the laboratory can be run by several.

    Raises:
      InputError: If there are fewer devices, or the processes do not find one another.
    """
    if several:
        processes.join(several.coordinator, several.num_processes, several.process_id)
    runtime.setup(count)
    processes.attend()
    devices.limit(count)
    return None if count is None else devices.make_mesh()


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

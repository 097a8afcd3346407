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
from jaxgan.training import devices as training_devices

# Errors of the system that mean that a path cannot be written, and that a user can mend.
UNWRITABLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
}


def close_output() -> None:
    """Write the rest of the output nowhere: its reader is gone, as that of a pipe into head."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclasses.dataclass(frozen=True)
class Machine:
    """Flags of what trains images: of several processes each runs the same command.

    Attributes:
      stream: Leave the images on the host, and read batches while devices compute; by default
        where they take more than half of a device's memory. Needs the extra data.
      coordinator: host:port of process 0; a free port there. Slurm, Open MPI and Kubernetes
        need none of these three flags.
      num_processes: Number of processes.
      process_id: Number of this process, from 0.
    """

    stream: bool | None = None
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None


def start(devices: int | None, given: Machine) -> Mesh | None:
    """Set JAX up, with other processes if there are; returns the devices, if a number is given.

    Raises:
      InputError: If there are fewer devices, or the processes do not find one another.
    """
    if devices is not None and devices < 1:
        raise InputError(f"--devices={devices} must be 1 or more")
    processes.join(given.coordinator, given.num_processes, given.process_id)
    runtime.setup(devices)
    processes.attend()
    return None if devices is None else training_devices.first(devices)


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

"""The machine and its file system: devices, cores, memory, cache folder, safe writes."""

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from jaxgan.errors import InputError


def setup(devices: int | None = None) -> None:
    """Configure JAX; call it before creating the first array.

    Compiled programs are cached on disk, so the same program starts faster the next time.
    A CPU counts as one device per core, so that lanes (training runs in one program, see
    ``over_lanes``) run in parallel; in a program of several processes, each CPU counts as
    one device. Settings already made in the environment or in ``jax.config`` stay.

    Args:
      devices: Number of devices that a CPU counts as; by default as above.

    Raises:
      InputError: If JAX has started, with the first array or ``jax.devices()``: the number
        of devices is settled then.

    Examples:
      >>> import jaxgan
      >>> jaxgan.setup()
    """
    import jax

    several = jax.distributed.is_initialized()
    settings = {  # the number of devices first: a refusal changes nothing
        "jax_num_cpu_devices": (-1, devices or (1 if several else cores())),
        "jax_compilation_cache_dir": (None, str(cache_folder("xla"))),
        "jax_persistent_cache_min_compile_time_secs": (1.0, 0),
        "jax_persistent_cache_min_entry_size_bytes": (0, -1),
    }
    for name, (default, value) in settings.items():
        if getattr(jax.config, name) == default:
            try:
                jax.config.update(name, value)
            except RuntimeError as error:
                raise InputError(
                    "jaxgan.setup() must come before the first array or jax.devices()"
                ) from error


# Options of glibc's mallopt (see malloc.h): one arena for all threads; no array gets its own
# mapping; free memory at the end of the heap is not returned.
_KEEPING = {-8: 1, -4: 0, -1: -1}


def keep_memory() -> None:
    """Keep freed memory in the process, where the C library is glibc; call it first.

    By default glibc returns a large array to the system when it is freed, and the next array
    is mapped again page by page. XLA allocates its temporary buffers anew in every call, so
    this takes 6 to 20 % of the time of synthesis. In return, the process keeps the most
    memory that it has needed.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in _KEEPING.items():
            mallopt(option, value)


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_folder(*parts: str) -> Path:
    """Return a path in the user's cache (``~/.cache/jaxgan`` on Linux); it may not exist."""
    return platformdirs.user_cache_path("jaxgan").joinpath(*parts)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file atomically: after a failure, the old content is still there.

    Yields:
      The path of a temporary file in the same folder. At the end it replaces ``path``; if
      the body raises, it is deleted.

    Raises:
      OSError: If ``path`` cannot be written, or the disk is full; the error names ``path``.
    """
    temporary = path.with_name(f"tmp_{os.getpid()}_{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        cause = system_error(error) if isinstance(error, Exception) else None
        if cause and cause.filename in (None, str(temporary)):
            raise OSError(cause.errno, cause.strerror, str(path)) from error
        raise


def system_error(error: BaseException | None) -> OSError | None:
    """Find the operating system's error that a library has wrapped; ``None`` without one."""
    while error and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__ or error.__context__
    return error

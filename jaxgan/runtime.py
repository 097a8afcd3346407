"""The machine under a process: devices, cores, cache folders, whole files."""

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


def setup(devices: int | None = None) -> None:
    """Set JAX up; call it before the first array is made.

    Compiled programs are kept on disk, so that the same program starts faster the next
    time. A CPU counts as one device per core, so that lanes run side by side; in one of
    several processes as one device. What was set before, in the environment or in
    ``jax.config``, stays.

    Args:
      devices: As how many devices a CPU counts instead.

    Examples:
      >>> import jaxgan
      >>> jaxgan.setup()
    """
    import jax

    several = jax.distributed.is_initialized()  # then each process has one, of all its cores
    settings = {
        "jax_compilation_cache_dir": (None, str(cache_folder("xla"))),
        "jax_persistent_cache_min_compile_time_secs": (1.0, 0),
        "jax_persistent_cache_min_entry_size_bytes": (0, -1),
        "jax_num_cpu_devices": (-1, devices or (1 if several else cores())),
    }
    for name, (default, value) in settings.items():
        if getattr(jax.config, name) == default:
            jax.config.update(name, value)


# Options of glibc's mallopt, as in malloc.h: one arena for all threads, no array of its own
# mapping, no return of what is free at the end.
_KEEPING = {-8: 1, -4: 0, -1: -1}


def keep_memory() -> None:
    """Keep freed memory in the process, where the C library is glibc; call it first of all.

    By default large arrays go back to the system when they are freed, and come again page by
    page. A program of XLA does so with its temporary numbers in every call, which takes 6 to
    20 % of the time of synthesis. The process holds on to the most that it has needed.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in _KEEPING.items():
            mallopt(option, value)


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cache_folder(*parts: str) -> Path:
    """A folder of the user's cache, ``~/.cache/jaxgan`` on Linux; it may not exist yet."""
    return platformdirs.user_cache_path("jaxgan").joinpath(*parts)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file so that it is either whole or as it was.

    Yields:
      The path of a temporary file in the same folder. It takes the place of ``path`` at
      the end, or is deleted if the body raises.

    Raises:
      OSError: Names ``path``, if there is no room for it, or it cannot be written.
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
    """The error of the operating system behind an error, which libraries wrap; or ``None``."""
    while error and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__ or error.__context__
    return error

"""Training in several processes, on one host or many.

All processes run the same command and the same code, so they run the compiled programs in
the same order. Only process 0 keeps the files that it writes. The processes connect through
``jax.distributed``. With a single process these functions do nothing.
"""

import contextlib
import hashlib
import io
import os
import shutil
import signal
import socket
import sys
import tarfile
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan.errors import InputError
from jaxgan.runs import progress
from jaxgan.runs.signals import Stopped

SILENCE = 30.0  # seconds without a heartbeat after which a process is reported
_BEAT = 5.0  # seconds between two heartbeats
_LOCAL_FILES = {"lock", "tensorboard", "wandb"}
_GRACE = 3.0  # seconds that process 0 waits at its end, since JAX then ends the others
_PIECE = 2**24  # bytes to send at once
# Variables in which launchers that JAX recognises pass the number of processes.
_LAUNCHERS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
_KUBERNETES = "KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"
_COPY = "jaxgan_process_"  # prefix of the names of temporary copies
_copies: list[str] = []  # temporary folders of this process
_LOSS_WORDS = ("gloo", "nccl", "connection", "coordination", "heartbeat", "peer", "barrier")


def join(
    coordinator: str | None = None, count: int | None = None, number: int | None = None
) -> None:
    """Connect to the other processes, before JAX finds its devices; then call ``attend``.

    Without arguments it connects the processes that Slurm, Open MPI or Kubernetes has
    started. With a count of 1 it does nothing.

    Args:
      coordinator: ``host:port`` of process 0.
      count: Number of processes.
      number: Number of this process, from 0.

    Raises:
      InputError: If an argument is missing or out of range, or the processes do not
        connect.
    """
    if count == 1:
        return
    flags = {"coordinator": coordinator, "num_processes": count, "process_id": number}
    missing = [f"--{name}" for name, value in flags.items() if value is None]
    if len(missing) == 3 and not has_launcher(os.environ):
        return
    if 0 < len(missing) < 3:
        raise InputError(f"several processes need {' and '.join(missing)} too")
    if coordinator is not None and count is not None and number is not None:
        _check(coordinator, count, number)
        progress.say(f"process {number} waits for all {count} processes at {coordinator}")
    # The service would replace the SIGTERM handler of ``deferred_signals``.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        with _ended_by_signals():
            jax.distributed.initialize(coordinator, count, number)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the processes do not find one another: {error}") from error


def _check(coordinator: str, count: int, number: int) -> None:
    """Refuse arguments with which JAX would end the process without a message."""
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdigit() and 0 < int(port) < 2**16):
        raise InputError(f"--coordinator={coordinator} must be HOST:PORT")
    if count < 1:
        raise InputError(f"--num_processes={count} must be 1 or more")
    if not 0 <= number < count:
        raise InputError(f"--process_id={number}: must be from 0 to {count - 1}")
    try:
        if number:
            socket.getaddrinfo(host, port)
            return
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("", int(port)))
    except OSError as error:
        raise InputError(f"--coordinator={coordinator}: {error.strerror or error}") from error


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals end the process, because no handler runs while JAX waits for others."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in handlers:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def attend() -> None:
    """Silence all processes but the first, and start to watch them; call it after ``join``."""
    if not jax.distributed.is_initialized():
        return
    if jax.process_index():  # ``fail`` still writes to the terminal
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    threading.Thread(target=_watch, daemon=True).start()


def has_launcher(environment: Mapping[str, str]) -> bool:
    """Tell whether a launcher that JAX recognises has started several processes."""
    counts = [environment.get(name, "") for name in _LAUNCHERS]
    several = any(count.isdigit() and int(count) > 1 for count in counts)
    return several or all(name in environment for name in _KUBERNETES)


def agree(check: Callable[[], None]) -> None:
    """Call ``check`` in all processes at the same point; if it stops one, it stops all.

    Raises:
      Stopped: If a signal has reached any process.
    """
    if not jax.distributed.is_initialized():  # ``jax.process_count`` would start JAX
        check()
        return
    from jax.experimental import multihost_utils

    number = 0
    try:
        check()
    except Stopped as stop:
        number = stop.code - 128
    numbers = multihost_utils.process_allgather(np.int32(number))
    if numbers.any():
        raise Stopped(int(numbers.max()))


def require_same(text: str) -> None:
    """Check that all processes have the same text, which describes their settings and data.

    Raises:
      InputError: In all processes, if the texts differ.
    """
    if not jax.distributed.is_initialized():
        return
    from jax.experimental import multihost_utils

    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    digests = multihost_utils.process_allgather(digest)
    if (digests != digests[0]).any():
        raise InputError("the processes have different settings or data")


@contextlib.contextmanager
def mirrored(directory: Path, *, fresh: bool = False) -> Iterator[Path]:
    """Give every process but the first a copy of a directory, which is deleted at the end.

    All processes then resume from the same files, whether or not they share a disk.

    Args:
      directory: The directory of process 0, which works in it.
      fresh: Whether to copy nothing, because process 0 will delete the files.
    """
    if not jax.distributed.is_initialized():
        yield directory
        return
    from jax.experimental import multihost_utils

    first = jax.process_index() == 0
    content = _pack(directory) if first and not fresh else b""
    pieces = []
    for number in range(int(multihost_utils.broadcast_one_to_all(-(-len(content) // _PIECE)))):
        piece = content[number * _PIECE : (number + 1) * _PIECE].ljust(_PIECE, b"\0")
        piece = multihost_utils.broadcast_one_to_all(np.frombuffer(piece, np.uint8))
        if not first:
            pieces.append(np.asarray(piece).tobytes())
    if first:
        yield directory
        return
    _clean()
    with tempfile.TemporaryDirectory(prefix=f"{_COPY}{os.getpid()}_") as folder:
        _copies.append(folder)
        copy = Path(folder) / directory.name
        if pieces:
            copy.mkdir()
            with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
                archive.extractall(copy, filter="data")
        yield copy


def _clean() -> None:
    """Delete copies that killed processes have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_COPY}*_*"):
        number = folder.name.removeprefix(_COPY).partition("_")[0]
        if number.isdigit() and not _runs(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:  # of another user
        return True
    return True


def _pack(directory: Path) -> bytes:
    """Pack the files of a directory as a tar, which is empty if there is no directory."""
    if not directory.is_dir():
        return b""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory)
            if path.is_file() and not _LOCAL_FILES.intersection(name.parts):
                archive.add(path, name, recursive=False)
    return file.getvalue()


def connection_lost(error: Exception) -> bool:
    """Tell whether an error of JAX means that another process is gone."""
    text = str(error).lower()
    return jax.distributed.is_initialized() and any(word in text for word in _LOSS_WORDS)


def fail(line: str) -> None:
    """Print a line on the terminal, also in a silenced process."""
    number = jax.process_index() if jax.distributed.is_initialized() else 0
    stream, name = (sys.__stderr__, f"process {number}: ") if number else (sys.stderr, "")
    print(f"{name}{line}", file=stream, flush=True)


def end(code: int) -> int:
    """Return an exit code; with several processes, end this one immediately.

    An ordinary exit would wait for the others, which wait for this one.
    """
    if code and jax.distributed.is_initialized():
        for folder in _copies:
            shutil.rmtree(folder, ignore_errors=True)
        if jax.process_index() == 0:
            time.sleep(_GRACE)
        for stream in (sys.stdout, sys.stderr, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os._exit(code)
    return code


def crash() -> None:
    """Show an unexpected error and end this process, if there are several."""
    if jax.distributed.is_initialized():
        fail(traceback.format_exc())
        end(1)


class Watch:
    """Finds processes that send no heartbeats.

    Args:
      store: Key-value store of all processes, with ``key_value_set`` and
        ``key_value_try_get``, which raises if there is no value.
      own: Number of this process.
      count: Number of processes.
      now: Time in seconds, of any clock.
    """

    def __init__(self, store: Any, own: int, count: int, now: float):
        self._store, self._own, self._beat = store, own, 0
        self._heartbeats: dict[int, tuple[str, float]]
        self._heartbeats = dict.fromkeys(set(range(count)) - {own}, ("", now))
        self._silent: set[int] = set()

    def look(self, now: float) -> list[str]:
        """Send a heartbeat; return lines about processes that fall silent or answer again."""
        self._beat += 1
        name = f"jaxgan/beat/{self._own}"
        self._store.key_value_set(name, str(self._beat), allow_overwrite=True)
        lines = []
        for number, (last, at) in self._heartbeats.items():
            value = self._value(number)
            if value != last:
                self._heartbeats[number] = (value, now)
                if number in self._silent:
                    lines.append(f"process {number} answers again")
                self._silent.discard(number)
            elif now - at > SILENCE and number not in self._silent:
                self._silent.add(number)
                lines.append(
                    f"process {number} has been silent for {SILENCE:.0f} s; the others wait"
                )
        return lines

    def _value(self, number: int) -> str:
        try:
            return self._store.key_value_try_get(f"jaxgan/beat/{number}")
        except Exception as error:  # jaxlib has no public class for it
            if "NOT_FOUND" in str(error):
                return ""
            raise


def _watch() -> None:
    """Report silent processes: process 0 reports the others, and the others process 0.

    Process 0 hosts the store, so calls to the store wait while it is silent.
    """
    from jax._src import distributed  # its key-value store, which has no public name

    own, last_look = jax.process_index(), time.monotonic()
    watch = Watch(distributed.global_state.client, own, jax.process_count(), last_look)

    def look():
        nonlocal last_look
        while True:
            with contextlib.suppress(Exception):  # it tries again later
                lines = watch.look(time.monotonic())
                last_look = time.monotonic()
                for line in lines if own == 0 else []:
                    fail(line)
            time.sleep(_BEAT)

    threading.Thread(target=look, daemon=True).start()
    silent = False
    while own:
        time.sleep(_BEAT)
        if (time.monotonic() - last_look > SILENCE) == silent:
            continue
        silent = not silent
        fail("process 0 has been silent for 30 s" if silent else "process 0 answers again")

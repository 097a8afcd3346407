"""Several processes, on one host or many, that train as one.

Each runs the same command and the same code, so that all reach every compiled program in the
same order; process 0 alone keeps what it writes. Processes find one another through
``jax.distributed``. None of these functions does anything where there is one process.
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

SILENCE = 30.0  # seconds after which a process that gives no sign of life is reported
_BEAT = 5.0  # seconds between two signs of life
_UNCOPIED = {"lock", "tensorboard", "wandb"}
_GRACE = 3.0  # seconds that process 0 stays for others, which JAX ends once it is gone
_PIECE = 2**24  # bytes that are sent at once
# Variables by which a launcher that JAX recognises tells the number of processes.
_LAUNCHERS = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
_KUBERNETES = "KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"
_COPY = "jaxgan_process_"  # begins the names of temporary copies
_copies: list[str] = []  # temporary folders of this process
_LOST = ("gloo", "nccl", "connection", "coordination", "heartbeat", "peer", "barrier")


def join(
    coordinator: str | None = None, count: int | None = None, number: int | None = None
) -> None:
    """Join the other processes; call it before JAX finds its devices, and ``attend`` after.

    Without arguments it joins where Slurm, Open MPI or Kubernetes has started several. A count
    of 1 joins nobody.

    Args:
      coordinator: ``host:port`` of process 0.
      count: Number of processes.
      number: Of this process, from 0.

    Raises:
      InputError: If some of the arguments are missing or out of range, or the others do not
        come.
    """
    if count == 1:
        return
    flags = {"coordinator": coordinator, "num_processes": count, "process_id": number}
    missing = [f"--{name}" for name, value in flags.items() if value is None]
    if len(missing) == 3 and not launched(os.environ):
        return
    if 0 < len(missing) < 3:
        raise InputError(f"several processes need {' and '.join(missing)} too")
    if coordinator is not None and count is not None and number is not None:
        _check(coordinator, count, number)
        progress.say(f"process {number} waits for all {count} processes at {coordinator}")
    # That service would replace the handler of SIGTERM of ``deferred_signals``.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        with _ended_by_signals():
            jax.distributed.initialize(coordinator, count, number)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the processes do not find one another: {error}") from error


def _check(coordinator: str, count: int, number: int) -> None:
    """Refuse what makes JAX end the process without a word."""
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
    """Let signals end the process: no handler runs while JAX waits for the others."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in kept:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def attend() -> None:
    """Silence all processes but the first, and watch the others; call it after ``join``."""
    if not jax.distributed.is_initialized():
        return
    if jax.process_index():  # errors still reach the terminal: ``fail`` writes to it
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    threading.Thread(target=_watch, daemon=True).start()


def launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher that JAX recognises has started several processes."""
    counts = [environment.get(name, "") for name in _LAUNCHERS]
    several = any(count.isdigit() and int(count) > 1 for count in counts)
    return several or all(name in environment for name in _KUBERNETES)


def agree(check: Callable[[], None]) -> None:
    """Call ``check`` in all processes at the same place; where it stops one, it stops all.

    Raises:
      Stopped: If a signal has come to any process.
    """
    if not jax.distributed.is_initialized():  # asking for their number would start JAX
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
    """Refuse processes that are to do different things.

    Raises:
      InputError: In all processes, if their texts differ.
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

    So all go on from the same files, whether or not they share a disk.

    Args:
      directory: Of process 0, which works in it.
      fresh: Copy nothing: process 0 is about to delete it.
    """
    if not jax.distributed.is_initialized():
        yield directory
        return
    from jax.experimental import multihost_utils

    first = jax.process_index() == 0
    packed = _packed(directory) if first and not fresh else b""
    pieces = []
    for number in range(int(multihost_utils.broadcast_one_to_all(-(-len(packed) // _PIECE)))):
        piece = packed[number * _PIECE : (number + 1) * _PIECE].ljust(_PIECE, b"\0")
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
    """Delete the copies of processes that were killed."""
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


def _packed(directory: Path) -> bytes:
    """The files of a directory as a tar; nothing of one that does not exist."""
    if not directory.is_dir():
        return b""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory)
            if path.is_file() and not _UNCOPIED.intersection(name.parts):
                archive.add(path, name, recursive=False)
    return file.getvalue()


def lost(error: Exception) -> bool:
    """Whether an error of JAX says that another process is gone."""
    text = str(error).lower()
    return jax.distributed.is_initialized() and any(word in text for word in _LOST)


def fail(line: str) -> None:
    """Print a line on the terminal, whichever process this is."""
    number = jax.process_index() if jax.distributed.is_initialized() else 0
    stream, name = (sys.__stderr__, f"process {number}: ") if number else (sys.stderr, "")
    print(f"{name}{line}", file=stream, flush=True)


def end(code: int) -> int:
    """Return an exit code; in one of several processes end it at once.

    An ordinary exit would wait for the others, which wait for it.
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
    """End one of several processes after an error that nobody foresaw, and show it."""
    if jax.distributed.is_initialized():
        fail(traceback.format_exc())
        end(1)


class Watch:
    """Tells which processes give no sign of life.

    Args:
      store: Of keys and values that all processes share: ``key_value_set`` and
        ``key_value_try_get``, which raises where there is no value.
      own: Number of this process.
      count: Of processes.
      now: Seconds, of any clock.
    """

    def __init__(self, store: Any, own: int, count: int, now: float):
        self._store, self._own, self._beat = store, own, 0
        self._heard: dict[int, tuple[str, float]]
        self._heard = dict.fromkeys(set(range(count)) - {own}, ("", now))
        self._silent: set[int] = set()

    def look(self, now: float) -> list[str]:
        """Give a sign of life; returns lines on processes that fall silent or answer again."""
        self._beat += 1
        name = f"jaxgan/beat/{self._own}"
        self._store.key_value_set(name, str(self._beat), allow_overwrite=True)
        lines = []
        for number, (last, at) in self._heard.items():
            value = self._value(number)
            if value != last:
                self._heard[number] = (value, now)
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
    """Report silent processes: process 0 the others, and the others process 0.

    Process 0 keeps the store, so that a call to the store waits while it is silent.
    """
    from jax._src import distributed  # its key-value store, which has no public name

    own, looked = jax.process_index(), time.monotonic()
    watch = Watch(distributed.global_state.client, own, jax.process_count(), looked)

    def look():
        nonlocal looked
        while True:
            with contextlib.suppress(Exception):  # it is tried again
                lines = watch.look(time.monotonic())
                looked = time.monotonic()
                for line in lines if own == 0 else []:
                    fail(line)
            time.sleep(_BEAT)

    threading.Thread(target=look, daemon=True).start()
    silent = False
    while own:
        time.sleep(_BEAT)
        if (time.monotonic() - looked > SILENCE) == silent:
            continue
        silent = not silent
        fail("process 0 has been silent for 30 s" if silent else "process 0 answers again")

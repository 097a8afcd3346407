"""Several processes, on one host or many, that train as one.

Each runs the same command and the same code, so that all reach every compiled program in the
same order; process 0 alone keeps what it writes. Processes find one another through
``jax.distributed``. None of these functions does anything where there is one process.
"""

import contextlib
import io
import os
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan.errors import InputError
from jaxgan.runs.signals import Stopped

SILENCE = 30.0  # seconds after which a process that does not answer is named
_BEAT = 5.0  # seconds between two signs of life
_UNCOPIED = {"lock", "tensorboard"}
# Variables with the number of processes, by the launchers that JAX recognises.
_LAUNCHERS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")
_KUBERNETES = "KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"
_LOST = ("gloo", "nccl", "connection", "coordination", "heartbeat", "peer", "barrier")


def join(
    coordinator: str | None = None, count: int | None = None, number: int | None = None
) -> None:
    """Join the other processes; call it before JAX finds its devices, and ``attend`` after.

    Without arguments it joins where Slurm, Open MPI or Kubernetes has started several.

    Args:
      coordinator: ``host:port`` of process 0.
      count: Number of processes.
      number: Of this process, from 0.

    Raises:
      InputError: If some of the arguments are missing or out of range, or the others do not
        come.
    """
    given: dict[str, Any] = {
        "coordinator": coordinator,
        "num_processes": count,
        "process_id": number,
    }
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if len(missing) == 3:
        if not launched(os.environ):
            return
        given = {"coordinator": None}
    elif missing:
        raise InputError(f"several processes need {' and '.join(missing)} too")
    elif count is None or number is None or not 0 <= number < count:
        raise InputError(f"--process_id={number}: must be from 0 to --num_processes less 1")
    elif count == 1:
        return
    # It would take SIGTERM away from ``deferred_signals``, and end no process.
    jax.config.update("jax_enable_preemption_service", False)
    given["coordinator_address"] = given.pop("coordinator")
    try:
        jax.distributed.initialize(**given)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the processes do not find one another: {error}") from error


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
    size = int(multihost_utils.broadcast_one_to_all(np.int64(len(packed))))
    content = np.frombuffer(packed, np.uint8) if first else np.zeros(size, np.uint8)
    content = multihost_utils.broadcast_one_to_all(content)
    if first:
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="jaxgan_") as folder:
        copy = Path(folder) / directory.name
        if size:
            copy.mkdir()
            with tarfile.open(fileobj=io.BytesIO(content.tobytes())) as archive:
                archive.extractall(copy, filter="data")
        yield copy


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
        os._exit(code)
    return code


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
        """Give a sign of life; returns lines on processes that fall silent or answer again.

        Raises:
          Exception: If process 0, which keeps the store, does not answer.
        """
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
                lines.append(f"process {number} is silent for {SILENCE:.0f} s; the others wait")
        return lines

    def _value(self, number: int) -> str:
        try:
            return self._store.key_value_try_get(f"jaxgan/beat/{number}")
        except Exception as error:  # jaxlib has no public class for it
            if "NOT_FOUND" in str(error):
                return ""
            raise


def _watch() -> None:
    from jax._src import distributed  # its key-value store, which has no public name

    store = distributed.global_state.client
    watch = Watch(store, jax.process_index(), jax.process_count(), time.monotonic())
    with contextlib.suppress(Exception):  # process 0 is gone, which ends this one too
        while True:
            for line in watch.look(time.monotonic()):
                fail(line)
            time.sleep(_BEAT)

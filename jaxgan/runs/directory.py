"""The run directory: configuration, metrics, summary and lock."""

import csv
import fcntl
import io
import json
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from jaxgan.errors import InputError
from jaxgan.runs import outputs
from jaxgan.runs.identity import difference, identify, to_json
from jaxgan.runs.progress import say
from jaxgan.runtime import cores, replacing

_LEFTOVER = re.compile(r"tmp_\d+_")  # as runtime.replacing names its files
_FILES = ("metrics.jsonl", "summary.json")
_FOLDERS = ("checkpoints", "frames", "traversal", "tensorboard")
_PACKAGES = ("jaxgan", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class Diverged(Exception):
    """Every lane of a run has a loss that is not finite."""


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically.

    Examples:
      >>> import pathlib, tempfile
      >>> from jaxgan import runs
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "a.txt")
      ...     runs.write_text(path, "text")
      ...     path.read_text()
      'text'
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; ``write_text`` has an example."""
    write_text(path, json.dumps(to_json(value), indent=1) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file atomically; ``None`` and missing values are left empty."""
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write a compressed ``.npz`` file atomically."""
    with replacing(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


class Ways(NamedTuple):
    """Advice at the end of error messages about a directory that holds something else.

    Attributes:
      another: How to choose another directory.
      anew: How to choose another directory or start over.
    """

    another: str = "give another --name or --out"
    anew: str = "--name makes another run, --fresh starts over"


_FLAGS = Ways()


def compare(
    directory: Path,
    settings: Mapping[str, Any],
    *,
    fresh: bool = False,
    ways: Ways = _FLAGS,
) -> None:
    """Check that a directory does not hold another run; nothing is written.

    Args:
      directory: Directory of the run; may be missing.
      settings: Settings of the run.
      fresh: Whether to allow any run, because it will be deleted.
      ways: Advice at the end of the error message.

    Raises:
      InputError: If it holds a run with other settings (see ``identity.difference``), or
        files that are not those of a run.
    """
    config = directory / "config.json"
    try:
        if not os.path.lexists(directory) or all(
            map(_is_startup_leftover, os.listdir(directory))
        ):
            return
        if not config.is_file():  # reading a pipe would wait for a writer
            raise FileNotFoundError(config)
        old = dict(json.loads(config.read_text(encoding="utf-8"))["settings"])
        for name in (*_FILES, *_FOLDERS):
            path = directory / name
            if (
                os.path.lexists(path)
                and not (path.is_file if name in _FILES else path.is_dir)()
            ):
                kind = "file" if name in _FILES else "folder"
                raise InputError(f"{path} is not a {kind}; move it away")
    except PermissionError as error:
        raise InputError(f"cannot read {directory}: {error.strerror}") from error
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{directory} exists and is not a run of jaxgan; {ways.another}"
        ) from error
    words = None if fresh else difference(directory, old, settings)
    if words:
        raise InputError(f"{words}; {ways.anew}")


def _is_startup_leftover(name: str) -> bool:
    """Tell whether a run that is killed at its start can leave this file."""
    return name in ("lock", "config.json.tmp") or bool(_LEFTOVER.match(name))


def _open_lock(path: Path) -> IO[bytes]:
    """Open a lock file, but not through a link, which may lead to a user's file."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    return open(path, "ab", 0, opener=lambda name, mode: os.open(name, mode | flags, 0o666))


class Run:
    """A run directory, locked while open; a context manager.

    Args:
      directory: Created if missing.
      settings: Everything that determines the result. A directory whose run has other
        settings, another random number generator of JAX or another dtype is refused.
      fresh: Whether to delete the files of an earlier run. Other files stay.
      ways: Advice at the end of error messages.
      command: The command that makes the run; by default that of this process.

    Raises:
      InputError: If the directory cannot be written, is in use by another process, or
        holds a run with other settings.

    Examples:
      >>> import pathlib, tempfile
      >>> from jaxgan import runs
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     with runs.Run(pathlib.Path(folder), {"rate": 0.1}) as run:
      ...         run.log([{"epoch": 1, "loss": [0.5]}])
      ...         run.finish({"loss": 0.5})
      ...         run.records(), run.summary()
      ([{'epoch': 1, 'loss': [0.5]}], {'loss': 0.5})
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Any],
        *,
        fresh: bool = False,
        ways: Ways = _FLAGS,
        command: str = "",
    ):
        self.directory = Path(directory)
        self._command = command or shlex.join(sys.orig_argv)
        self.settings = identify(settings)
        compare(self.directory, settings, fresh=fresh, ways=ways)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = _open_lock(self.directory / "lock")
        except OSError as error:
            raise InputError(f"cannot write to {directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise InputError(f"{directory} is in use by another process") from error
        try:
            compare(
                self.directory, settings, fresh=fresh, ways=ways
            )  # again, with the lock held
            for place in ("", "frames/", "traversal/", "cells/*/", "work/*/"):
                for path in self.directory.glob(f"{place}tmp_*"):
                    if _LEFTOVER.match(path.name) and path.is_file():
                        path.unlink()
            if fresh:  # the configuration stays, so an interrupted deletion leaves a run
                outputs.clear(self.directory)
            if fresh or not (self.directory / "config.json").exists():
                self._write_config()
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.directory / "checkpoints"

    def log(self, records: list[dict[str, Any]]) -> None:
        """Append lines to ``metrics.jsonl``."""
        lines = [json.dumps(to_json(record)) + "\n" for record in records]
        try:
            with open(self._metrics, "a", encoding="utf-8") as file:
                file.writelines(lines)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._metrics)) from error

    def records(self) -> list[dict[str, Any]]:
        """Read the lines of ``metrics.jsonl``, up to a damaged or truncated one."""
        records: list[dict[str, Any]] = []
        for line in self._lines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not _follows(record, records):
                break
            records.append(record)
        return records

    def rewind(self, epoch: int) -> None:
        """Delete later epochs from ``metrics.jsonl``; print a line if it is damaged."""
        records = self.records()
        if len(self._lines()) > len(records) + 1:  # a truncated last line is normal
            say(f"{self._metrics}: line {len(records) + 1} is damaged; cut to epoch {epoch}")
        earlier = [record for record in records if record["epoch"] <= epoch]
        write_text(self._metrics, "".join(json.dumps(record) + "\n" for record in earlier))

    def _lines(self) -> list[bytes]:
        """Return the lines of ``metrics.jsonl``, and what follows the last line's end."""
        return self._metrics.read_bytes().split(b"\n") if self._metrics.exists() else []

    def summary(self) -> dict[str, Any] | None:
        """Read ``summary.json``; ``None`` if the run is not complete or the file is damaged."""
        try:
            summary = json.loads((self.directory / "summary.json").read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return summary if isinstance(summary, dict) else None

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``, which marks the run as complete."""
        write_json(self.directory / "summary.json", summary)

    def cores(self) -> int | None:
        """Return the number of cores at the start of the run; ``None`` if unknown."""
        try:
            value = json.loads((self.directory / "config.json").read_text("utf-8")).get("cores")
        except (OSError, ValueError, AttributeError, RecursionError):
            return None
        return value if isinstance(value, int) else None

    @property
    def _metrics(self) -> Path:
        return self.directory / "metrics.jsonl"

    def _write_config(self) -> None:
        config = {
            "settings": self.settings,
            "versions": {name: version(name) for name in _PACKAGES}
            | {"python": platform.python_version()},
            "command": self._command,
            "cores": cores(),
        }
        write_json(self.directory / "config.json", config)


def _follows(record: Any, earlier: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a record is that of the next epoch, with the metrics of the first.

    A later version may have added metrics.
    """
    if not isinstance(record, dict) or record.get("epoch") != len(earlier) + 1:
        return False
    columns = [value for value in record.values() if isinstance(value, list)]
    numbers = all(x is None or isinstance(x, int | float) for value in columns for x in value)
    first = earlier[0] if earlier else record
    return numbers and all(_length(record.get(n)) == _length(x) for n, x in first.items())


def _length(value: Any) -> int | None:
    """Return the number of lanes of a list, -1 for a number, ``None`` for anything else."""
    if isinstance(value, list):
        return len(value)
    return None if value is None else -1

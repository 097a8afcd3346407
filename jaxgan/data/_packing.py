"""Packing of many images: decoding on all cores, and a journal of finished images."""

import contextlib
import fcntl
import json
import logging
import multiprocessing
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

from jaxgan.data._image_sources import Members, Skip
from jaxgan.data._square_images import Deep, Square, decode
from jaxgan.errors import InputError
from jaxgan.runtime import cores, replacing

MANY = 4096  # number of images from which processes are faster than threads
_AT_ONCE = 16  # number of images that a process decodes at once
_SAVE_EVERY = 512  # number of images between two saves of a journal


class Decoder(NamedTuple):
    """Decodes images on all cores.

    Attributes:
      size: Height and width of the results in pixels.
      processes: Whether to use processes for many images.
    """

    size: int
    processes: bool

    def images(
        self, members: Members, white: Mapping[str, float]
    ) -> Iterator[tuple[str, Square | str]]:
        """Yield each name, in order, with its image or the reason why it cannot be read.

        Members of an archive are read here, one after another; files of a folder are read
        where they are decoded. Only a few images are in memory at a time.
        """
        many = self.processes and len(members) >= MANY and cores() > 1
        names, count = list(members), _AT_ONCE if many else 1
        pending: deque[tuple[list[str], Future[list[Square | str]]]] = deque()
        with _processes() if many else ThreadPoolExecutor(cores()) as pool:
            for start in range(0, len(names), count):
                some = names[start : start + count]
                contents = [_content(members[name]) for name in some]
                pending.append((some, pool.submit(_decode_all, contents, self.size, white)))
                last = start + count >= len(names)
                while pending and (last or len(pending) > 2 * cores()):
                    ready, future = pending.popleft()
                    yield from zip(ready, future.result(), strict=True)


def _content(read: Callable[[], bytes | str]) -> bytes | str | Skip:
    try:
        return read()
    except Skip as skip:
        return skip


def _decode_all(
    contents: Sequence[bytes | str | Skip], size: int, white: Mapping[str, float]
) -> list[Square | str]:
    return [
        str(content) if isinstance(content, Skip) else decode(content, size, white)
        for content in contents
    ]


def _processes() -> Executor:
    """Start processes without a fork, which could hang because of JAX's threads."""
    return ProcessPoolExecutor(
        cores(), multiprocessing.get_context("spawn"), initializer=_begin
    )


def _begin() -> None:
    """Initialise a process: it prints nothing, ignores Ctrl-C, and ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        parent = multiprocessing.parent_process()
        assert parent
        parent.join()
        os._exit(1)  # otherwise it would wait forever once its parent is killed

    threading.Thread(target=follow, daemon=True).start()
    warnings.simplefilter("ignore")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


class Journal:
    """A record of the images that are already written; without a path it is not saved.

    Attributes:
      entries: By name of an image: the reason why it cannot be read, its range, or ``None``.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self.entries: dict[str, str | Deep | None] = {}
        self._new: list[tuple[str, str | Deep | None]] = []
        if path is None or not path.exists():
            return
        for line in path.read_text("utf-8").splitlines():
            try:
                entries = json.loads(line)
            except ValueError:  # truncated
                return
            self.entries |= {
                name: Deep(*what) if isinstance(what, list) else what for name, what in entries
            }

    def add(self, name: str, what: str | Deep | None, file: IO[bytes]) -> None:
        """Record an image that is written to the file."""
        self._new.append((name, what))
        if len(self._new) >= _SAVE_EVERY:
            self.flush(file)

    def flush(self, file: IO[bytes]) -> None:
        """Save the records."""
        if self.path is not None and self._new:
            file.flush()  # the images first
            os.fsync(file.fileno())
            with open(self.path, "a", encoding="utf-8") as journal:
                journal.write(json.dumps(self._new) + "\n")
        self._new.clear()

    def close(self) -> None:
        """Delete the journal, because the file no longer matches it."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def open_part(target: Path) -> Iterator[tuple[IO[bytes], Journal]]:
    """Open the file that will become ``target``, with the journal of an earlier attempt.

    After a kill or an interrupt both stay for the next attempt; bad input or a full disk
    deletes them. If another process uses them, it opens a new file without a journal.
    """
    part, notes = target.with_suffix(".part"), target.with_suffix(".journal")
    with open(part, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            with replacing(target) as temporary, open(temporary, "w+b") as file:
                yield file, Journal(None)
            return
        try:
            with open(part, "r+b") as file:
                yield file, Journal(notes)
            os.replace(part, target)
        except (InputError, OSError):
            for path in (part, notes):
                path.unlink(missing_ok=True)
            raise

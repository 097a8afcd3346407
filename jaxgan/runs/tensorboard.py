"""Numbers and pictures for TensorBoard; needs the ``tb`` extra."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxgan.errors import InputError


class Board:
    """Writes a run's records and frames to its ``tensorboard`` folder.

    Args:
      directory: Directory of the run.

    Raises:
      InputError: If tensorboardX is not installed.
    """

    def __init__(self, directory: Path):
        try:
            from tensorboardX import event_file_writer, summary
            from tensorboardX.proto import event_pb2
        except ImportError as error:
            raise InputError(
                "--tensorboard needs the tb extra: pip install 'jaxgan[tb]'"
            ) from error
        # SummaryWriter would hang after its writing thread has failed.
        self._make, self._summary = event_file_writer.EventsWriter, summary
        self._protos: Any = event_pb2
        self._folder = directory / "tensorboard"
        self._writer: Any = None

    def numbers(self, start: int, records: Sequence[dict[str, Any]]) -> None:
        """Add records; they replace what an earlier process wrote after ``start`` epochs."""
        with self._naming_folder():
            if self._writer is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._writer = self._make(str(self._folder / "events"))
                log = self._protos.SessionLog(status=self._protos.SessionLog.START)
                self._add(start + 1, session_log=log)
            for record in records:
                for name, values in record.items():
                    if name not in ("epoch", "step"):
                        for lane, value in enumerate(values):
                            tag = f"{name}/lane_{lane}" if len(values) > 1 else name
                            number = self._summary.scalar(tag, value)
                            self._add(record["epoch"], summary=number)
            self._writer.flush()

    def picture(self, path: Path, epoch: int, name: str) -> None:
        """Add a frame under a name."""
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        picture = self._summary.image(name, pixels, dataformats="HWC")
        with self._naming_folder():
            self._add(epoch, summary=picture)
            self._writer.flush()

    def _add(self, epoch: int, **content: Any) -> None:
        event = self._protos.Event(wall_time=time.time(), step=int(epoch), **content)
        self._writer.write_event(event)

    @contextlib.contextmanager
    def _naming_folder(self) -> Iterator[None]:
        """Name the folder in a disk error."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder)) from error

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):  # a full disk has raised already
                self._writer.close()

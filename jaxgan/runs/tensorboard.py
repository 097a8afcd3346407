"""Numbers and pictures for TensorBoard; needs the ``tb`` extra."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxgan.errors import InputError


class Board:
    """Writes a run's records and frames to its ``tensorboard`` folder.

    Args:
      directory: Of the run.

    Raises:
      InputError: If tensorboardX is not installed.
    """

    def __init__(self, directory: Path):
        try:
            import tensorboardX
        except ImportError as error:
            raise InputError(
                "--tensorboard needs the tb extra: pip install 'jaxgan[tb]'"
            ) from error
        self._make = tensorboardX.SummaryWriter
        self._folder = str(directory / "tensorboard")
        self._writer: Any = None

    def numbers(self, start: int, records: Sequence[dict[str, Any]]) -> None:
        """Add records; what an earlier process wrote after ``start`` is void."""
        if self._writer is None:
            self._writer = self._make(self._folder, purge_step=start + 1)
        for record in records:
            for name, values in record.items():
                if name not in ("epoch", "step"):
                    for lane, value in enumerate(values):
                        tag = f"{name}/lane_{lane}" if len(values) > 1 else name
                        self._writer.add_scalar(tag, value, record["epoch"])

    def picture(self, path: Path, epoch: int, name: str) -> None:
        """Add a frame under a name."""
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._writer.add_image(name, pixels, epoch, dataformats="HWC")

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

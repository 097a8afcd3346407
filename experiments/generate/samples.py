"""Write samples as a folder of PNG files, an .npz file or a grid; resume if interrupted."""

import contextlib
import dataclasses
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from experiments.generate import files, record
from experiments.generate.config import Config
from experiments.generate.record import Check, Output
from experiments.generate.source import Source
from jaxgan.convert import sampling
from jaxgan.errors import InputError
from jaxgan.runs import Run
from jaxgan.runs.directory import write_csv
from jaxgan.runs.progress import progress, say
from jaxgan.runtime import cores

FILES = (".npz", ".png")
_RAW = "samples.raw"  # the samples so far
_GRID_PIXELS = 2**26


@dataclasses.dataclass
class Pace:
    """The speed of drawing samples.

    Attributes:
      count: Number of samples after the first batch, which includes compilation.
      seconds: Time for these samples.
    """

    count: int = 0
    seconds: float = 0.0


def count_of(config: Config, place: Path) -> int:
    """Return the number of samples."""
    usual = 64 if place.suffix == ".png" else 100 if config.kind == "samples" else 1000
    return usual if config.count is None else config.count


def cost(source: Source, place: Path, count: int) -> str:
    """Describe the output, for ``--dry_run``."""
    size = f"{files.bytes_of(source, count) / 2**20:.1f} MiB"
    what = (
        f"{count} samples of {' x '.join(map(str, source.shape))}, {source.batch_size} at once"
    )
    if source.generator is None or place.suffix == ".npz":
        return f"{what}: {size}, and as much again until they are complete"
    if place.suffix == ".png":
        return f"{what}: a picture of {size} at most, and as much until it is complete"
    return f"{what}: a PNG file for each, {size} in all at most"


def require_fit(source: Source, place: Path, count: int) -> None:
    """Check that a grid of samples fits into a picture.

    Raises:
      InputError: If it is too large.
    """
    pixels = count * math.prod(source.shape[:2])
    if place.suffix == ".png" and source.generator and pixels > _GRID_PIXELS:
        most = _GRID_PIXELS // math.prod(source.shape[:2])
        raise InputError(
            f"--count={count}: a grid has room for {most} images of {source.shape[0]} pixels; "
            "--out=FOLDER takes any number"
        )


def compare(place: Path, settings: Mapping[str, Any], *, fresh: bool) -> None:
    """Check that a place holds nothing else, without writing.

    Raises:
      InputError: If it holds something else.
    """
    if place.suffix not in FILES:
        record.compare(place, settings, fresh=fresh)
        return
    if place.is_dir():
        raise InputError(f"{place} is a folder; {record.WAYS.another}")
    if os.path.lexists(place):
        record.require_same(place, files.settings_in(place), settings, fresh=fresh)
    record.compare(_part(place), settings, fresh=fresh)


def make(output: Output, pace: Pace) -> bool:
    """Write samples, or those that are still missing.

    Args:
      output: The output; its place is a folder, an ``.npz`` or a ``.png``.
      pace: Where to record the speed.

    Returns:
      False if the output was complete already.

    Raises:
      InputError: If the place holds something else.
    """
    config, source, place, check = output.config, output.source, output.place, output.check
    compare(place, output.settings, fresh=output.fresh)
    count = count_of(config, place)
    if place.suffix not in FILES:
        with output.run(place) as run:
            return _fill_folder(source, run, count, config, pace, check)
    part = _part(place)
    if not output.fresh and place.exists():
        _remove(part)
        return False
    with output.run(part) as run:
        samples = _fill(source, part / _RAW, count, pace, check)
        about = json.dumps(run.settings)
        if place.suffix == ".npz":
            files.write_npz(place, source, samples, about)
        else:
            files.write_picture(place, source, samples, config, about)
        del samples  # it is a view of a file that is deleted next
    _remove(part)
    return True


def _part(place: Path) -> Path:
    """Return the temporary folder of a file."""
    return place.with_name(place.name + ".part")


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        for name in (_RAW, "config.json", "lock"):
            (part / name).unlink(missing_ok=True)
        part.rmdir()


def _batches(
    source: Source, starts: list[int], count: int, done: int, pace: Pace, check: Check
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield batches of samples, each with the number of its first sample."""
    if starts and done:
        say(f"goes on after {done} of {count} samples")
    began = None
    with progress(done, count, unit="sample") as bar:
        for start, batch in sampling.batches(source.draw, starts, source.batch_size):
            check()
            batch = source.finish(batch[: count - start])
            yield start, batch
            bar.update(min(len(batch), count - bar.n))
            if began is None:
                began = time.monotonic()
            else:
                pace.count, pace.seconds = pace.count + len(batch), time.monotonic() - began


def _fill(source: Source, path: Path, count: int, pace: Pace, check: Check) -> np.ndarray:
    """Append samples to a file until it has all; return them as a memory map.

    An incomplete batch of an interrupted process is cut off, so that batches are the same as
    without interruption.
    """
    row, batch_size = files.bytes_of(source, 1), source.batch_size
    size = path.stat().st_size if path.exists() else 0
    done = count if size == count * row else size // row // batch_size * batch_size
    starts = list(range(done, count, batch_size))
    with open(path, "ab") as file:
        file.truncate(done * row)
        for _, batch in _batches(source, starts, count, done, pace, check):
            try:
                file.write(np.ascontiguousarray(batch).data)
                file.flush()
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error
    return np.memmap(path, source.dtype, "r", shape=(count, *source.shape))


def _fill_folder(
    source: Source, run: Run, count: int, config: Config, pace: Pace, check: Check
) -> bool:
    """Fill a folder as ``make`` does: one PNG per image, or an array and a picture."""
    folder = run.directory
    if source.generator is None:
        paths = [folder / "samples.npz", folder / "samples.png"]
        if run.summary() and all(path.exists() for path in paths):
            return False
        samples = _fill(source, folder / _RAW, count, pace, check)
        about = json.dumps(run.settings)
        files.write_npz(paths[0], source, samples, about)
        files.write_picture(paths[1], source, samples, config, about)
        run.finish({"count": count})
        (folder / _RAW).unlink()
        return True
    names = [f"{number:0{max(6, len(str(count - 1)))}d}.png" for number in range(count)]
    existing = set(os.listdir(folder))
    missing = [number for number, name in enumerate(names) if name not in existing]
    labels = files.label_rows(source, count)
    has_classes = labels is not None and labels.ndim == 1
    if not missing and run.summary() and not (has_classes and "labels.csv" not in existing):
        return False
    size, done = source.batch_size, count - len(missing)
    starts = sorted({number // size * size for number in missing})
    writes: Iterator[None] = iter(())
    with ThreadPoolExecutor(cores()) as pool:
        for start, batch in _batches(source, starts, count, done, pace, check):
            list(writes)  # raises an error of the batch before
            paths = [folder / name for name in names[start : start + len(batch)]]
            writes = pool.map(files.write_png, paths, batch)
        list(writes)
    if labels is not None and labels.ndim == 1:
        rows = [{"file": n, "label": int(x)} for n, x in zip(names, labels, strict=True)]
        write_csv(folder / "labels.csv", rows)
    run.finish({"count": count})
    return True

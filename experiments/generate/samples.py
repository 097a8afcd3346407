"""Samples: a folder of PNG files, an .npz file or a grid; one that is stopped goes on."""

import contextlib
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from experiments.generate import files, record
from experiments.generate.config import Config
from experiments.generate.source import Source
from jaxgan.convert import sampling
from jaxgan.errors import InputError
from jaxgan.runs import Run
from jaxgan.runs.directory import write_csv
from jaxgan.runs.progress import progress, say
from jaxgan.runtime import cores

FILES = (".npz", ".png")
_RAW = "samples.raw"  # the samples so far, one after another
_GRID_PIXELS = 2**26
Check = Callable[[], None]


@dataclasses.dataclass
class Pace:
    """How fast samples are made.

    Attributes:
      count: Samples that were made since the first batch, which waits for compilation.
      seconds: The time that took.
    """

    count: int = 0
    seconds: float = 0.0


def count_of(config: Config, place: Path) -> int:
    """Number of samples."""
    usual = 64 if place.suffix == ".png" else 100 if config.kind == "samples" else 1000
    return usual if config.count is None else config.count


def cost(source: Source, place: Path, count: int) -> str:
    """Say what is written, for ``--dry_run``."""
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
    """Refuse a grid that is too large for a picture.

    Raises:
      InputError: If it is.
    """
    pixels = count * math.prod(source.shape[:2])
    if place.suffix == ".png" and source.generator and pixels > _GRID_PIXELS:
        most = _GRID_PIXELS // math.prod(source.shape[:2])
        raise InputError(
            f"--count={count}: a grid has room for {most} images of {source.shape[0]} pixels; "
            "--out=FOLDER has for all"
        )


def compare(place: Path, settings: Mapping[str, Any], *, fresh: bool) -> None:
    """Refuse a place that holds something else; reads only.

    Raises:
      InputError: If it does.
    """
    if place.suffix not in FILES:
        record.compare(place, settings, fresh=fresh)
        return
    if place.is_dir():
        raise InputError(f"{place} is a folder; {record.WAYS.another}")
    if os.path.lexists(place):
        record.require_same(place, files.settings_in(place), settings, fresh=fresh)
    record.compare(_part(place), settings, fresh=fresh)


def make(
    config: Config,
    source: Source,
    place: Path,
    settings: Mapping[str, Any],
    *,
    fresh: bool,
    pace: Pace,
    check: Check,
) -> bool:
    """Make samples, or those that an earlier start has not made.

    Args:
      config: The settings.
      source: Where samples come from.
      place: A folder, an ``.npz`` or a ``.png``.
      settings: What identifies the output.
      fresh: Start over.
      pace: Gets how fast it was.
      check: Called between batches; raises ``Stopped`` to stop.

    Returns:
      False if all was there.

    Raises:
      InputError: If the place holds something else.
    """
    compare(place, settings, fresh=fresh)
    count = count_of(config, place)
    if place.suffix not in FILES:
        with Run(place, settings, fresh=fresh, ways=record.WAYS) as run:
            return _fill_folder(source, run, count, config, pace, check)
    part = _part(place)
    if not fresh and place.exists():
        _remove(part)
        return False
    with Run(part, settings, fresh=fresh, ways=record.WAYS) as run:
        samples, about = (
            _fill(source, part / _RAW, count, pace, check),
            json.dumps(run.settings),
        )
        if place.suffix == ".npz":
            files.write_npz(place, source, samples, about)
        else:
            files.write_picture(place, source, samples, config, about)
        del samples  # it is mapped from a file that goes
    _remove(part)
    return True


def _part(place: Path) -> Path:
    """The folder in which a file is made."""
    return place.with_name(place.name + ".part")


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        for name in (_RAW, "config.json", "lock"):
            (part / name).unlink(missing_ok=True)
        part.rmdir()


def _batches(
    source: Source, starts: list[int], count: int, done: int, pace: Pace, check: Check
) -> Iterator[tuple[int, np.ndarray]]:
    """Batches of samples, with the number of each one's first sample."""
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
    """Append samples to a file until it has all; returns them, mapped from it.

    What a stopped process has written of a batch is cut off, so that batches are those of one
    that was not stopped.
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
    """Fill a folder, as ``make`` does: a PNG for each image, or an array and a picture."""
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
    listed = labels is not None and labels.ndim == 1
    if not missing and run.summary() and not (listed and "labels.csv" not in existing):
        return False
    size, done = source.batch_size, count - len(missing)
    starts = sorted({number // size * size for number in missing})
    written: Iterator[None] = iter(())
    with ThreadPoolExecutor(cores()) as pool:
        for start, batch in _batches(source, starts, count, done, pace, check):
            list(written)  # raises what went wrong with the batch before
            paths = [folder / name for name in names[start : start + len(batch)]]
            written = pool.map(files.write_png, paths, batch)
        list(written)
    if labels is not None and labels.ndim == 1:
        rows = [{"file": n, "label": int(x)} for n, x in zip(names, labels, strict=True)]
        write_csv(folder / "labels.csv", rows)
    run.finish({"count": count})
    return True

"""Images of a folder or an archive, packed once into one array on disk."""

import hashlib
import io
import json
import os
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from jaxgan.data._image_sources import SUFFIXES, Members, Skip, one_line, open_source
from jaxgan.data._square_images import decode
from jaxgan.errors import InputError
from jaxgan.runtime import cache_folder, cores, replacing

MAX_SIZE = 1024
_VERSION = 1  # version of the files in the cache


class Packed(NamedTuple):
    """Images of a folder or an archive.

    Attributes:
      images: ``[N, size, size, 3]`` uint8, read-only; mapped from the cache where there is one.
      names: N relative names, sorted.
      skipped: ``(name, reason)`` of each unreadable file, sorted and fit to print.
      key: The same for the same content, packed in the same way.
    """

    images: np.ndarray
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    key: str


class _Notes(NamedTuple):
    """``names`` and ``skipped`` of ``Packed``."""

    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]


def pack(
    source: str | os.PathLike, size: int, cache: str | os.PathLike | None = None
) -> Packed:
    """Read all images, cut to centred squares, as one array.

    Colours become RGB, transparency becomes white, and EXIF orientation is applied. The
    array goes to the cache, so that a second start is immediate until a file changes. Names
    with a part that begins with a dot are left out, links to folders are not followed, and
    archives are read in place, never unpacked.

    Args:
      source: A folder, searched in depth, or a ``.tar``, ``.tar.gz``, ``.tgz`` or
        ``.zip`` file, of JPEG, PNG and WebP images.
      size: Height and width of the result in pixels, at most ``MAX_SIZE``.
      cache: A folder, which may be missing; ``~/.cache/jaxgan/images`` by default. If it
        cannot be written, the array is in memory only.

    Raises:
      InputError: If there is no such folder or archive, it is damaged, has no images,
        or fewer than half of them can be read. Files of more than 64 MiB and images of
        more than 4096 x 4096 pixels count as unreadable.
    """
    path = Path(source)
    if not 1 <= size <= MAX_SIZE:
        raise InputError(f"image size is {size}; 1 to {MAX_SIZE} are allowed")
    try:
        stamp, skipped, open_members = open_source(path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot read {one_line(path)}: {reason}") from error
    text = json.dumps([_VERSION, size, stamp, sorted(skipped)])
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    folder = cache_folder("images") if cache is None else Path(cache)
    target = folder / f"images-{key}-{size}.npy"
    packed = _read(target, size, key)
    if packed is not None:
        return packed
    # Filters belong to the process, so they are set here and not by each thread. PIL warns
    # of damaged metadata, which does not matter, and of bombs, which are skipped.
    with warnings.catch_warnings(), open_members() as members:
        warnings.simplefilter("ignore")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            notes_path = target.with_suffix(".json")
            with replacing(notes_path) as notes_file, replacing(target) as array_file:
                with open(array_file, "w+b") as file:
                    notes, _ = _write(file, path, members, skipped, size)
                notes_file.write_text(json.dumps(notes._asdict()), "utf-8")
            packed = _read(target, size, key)
            if packed is not None:
                return packed
        except OSError:  # no room, or no right to write
            pass
        file = io.BytesIO()
        notes, start = _write(file, path, members, skipped, size)
    flat = np.frombuffer(file.getbuffer().toreadonly(), np.uint8, offset=start)
    return Packed(flat.reshape(len(notes.names), size, size, 3), *notes, key)


def _read(path: Path, size: int, key: str) -> Packed | None:
    """Read the array from the cache; None if there is none or it is damaged."""
    try:
        notes = json.loads(path.with_suffix(".json").read_text("utf-8"))
        names = tuple(notes["names"])
        skipped = tuple((name, reason) for name, reason in notes["skipped"])
        images = np.load(path, mmap_mode="r", allow_pickle=False)
        whole = images.shape == (len(names), size, size, 3) and images.dtype == np.uint8
    except Exception:  # a damaged file raises nearly anything
        return None
    return Packed(images, names, skipped, key) if whole else None


def _write(
    file: IO[bytes], source: Path, members: Members, skipped: dict[str, str], size: int
) -> tuple[_Notes, int]:
    """Write the images as an ``.npy`` file; return its notes and where the images begin."""
    total = len(members) + len(skipped)
    if not total:
        raise InputError(f"{one_line(source)} has no {', '.join(SUFFIXES)} files")
    skipped = dict(skipped)
    order = sorted(members)
    row = {name: number for number, name in enumerate(order)}
    step = size * size * 3
    _write_header(file, len(order), size)
    start = file.tell()
    for name, image in _images(members, size):
        if isinstance(image, str):
            skipped[name] = image
        else:
            file.seek(start + row[name] * step)
            file.write(image.data)
    names = tuple(name for name in order if name not in skipped)
    reasons = tuple((one_line(name), reason) for name, reason in sorted(skipped.items()))
    if 2 * len(names) < total:
        raise InputError(
            f"{one_line(source)}: {len(reasons)} of {total} images cannot be read; the first, "
            f"{reasons[0][0]}: {reasons[0][1]}"
        )
    for number, name in enumerate(names):  # close the gaps that the skipped ones left
        if row[name] != number:
            file.seek(start + row[name] * step)
            image = file.read(step)
            file.seek(start + number * step)
            file.write(image)
    file.truncate(start + len(names) * step)
    file.seek(0)
    _write_header(file, len(names), size)
    return _Notes(names, reasons), start


def _write_header(file: IO[bytes], count: int, size: int) -> None:
    # numpy leaves room for the first extent to grow, so that any count takes as much.
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _images(members: Members, size: int) -> Iterator[tuple[str, np.ndarray | str]]:
    """Yield each name with its image, or with the reason why there is none.

    The order is that of the members. Archives are read here, one member after the other,
    and folders in the threads. Only a few images are in memory at a time.
    """
    count = cores()
    pending: deque[tuple[str, Future[np.ndarray | str]]] = deque()
    with ThreadPoolExecutor(count) as pool:
        for name, read in members.items():
            try:
                pending.append((name, pool.submit(decode, read(), size)))
            except Skip as skip:
                yield name, str(skip)
            if len(pending) > 2 * count:
                first, future = pending.popleft()
                yield first, future.result()
        for name, future in pending:
            yield name, future.result()

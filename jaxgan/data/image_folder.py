"""Images of a folder or an archive as one array, which is cached on disk."""

import hashlib
import io
import json
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from jaxgan.data._image_archives import open_archive
from jaxgan.data._image_sources import FORMATS, Listing, Members, open_folder, reads_heif
from jaxgan.data._packing import Decoder, Journal, open_part
from jaxgan.data._square_images import FULL, Deep, white_of
from jaxgan.errors import InputError, one_line
from jaxgan.runtime import cache_folder, replacing

MAX_SIZE = 1024
_VERSION = 3  # version of the files in the cache


class Packed(NamedTuple):
    """Images of a folder or an archive.

    Attributes:
      images: ``[N, size, size, 3]`` uint8, read-only; memory-mapped if it is cached.
      names: N relative names, sorted.
      skipped: ``(name, reason)`` of each image that cannot be read, sorted and printable.
      others: ``(name, reason)`` of each other file, sorted and printable.
      remarks: Lines about changes of the images.
      key: Digest of the names and pixels.
    """

    images: np.ndarray
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    key: str

    @property
    def lines(self) -> tuple[str, ...]:
        """Lines to print: the number of images, and the remarks."""
        count, total = len(self.names), len(self.names) + len(self.skipped)
        files = f"{len(self.others)} other file{'s' * (len(self.others) != 1)}"
        return f"{count} of {total} images" + f"; {files}" * bool(self.others), *self.remarks


def pack(
    source: str | os.PathLike,
    size: int,
    cache: str | os.PathLike | None = None,
    *,
    processes: bool = False,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Packed:
    """Read all images of a folder or an archive as one array of centred squares.

    Images are converted to RGB and rotated by their EXIF orientation; transparent parts
    become white, and an animation gives its first image. If the values of 16-bit files fit
    in 8, 10, 12 or 14 bits, that range becomes black to white, and a remark says so. The
    array is cached, so the next call is immediate unless a file changes; packing that was
    killed resumes if the files are the same. Names with a part that begins with a dot are
    left out, links to folders are not followed, and archives are read without unpacking;
    links in an archive must lead to files in it.

    Args:
      source: A folder, with its subfolders, or a ``.tar``, ``.tar.gz``, ``.tgz`` or ``.zip``
        file, with JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, JPEG 2000 and netpbm images; HEIC
        images, too, if ``pillow-heif`` is installed.
      size: Height and width of the result in pixels, at most ``MAX_SIZE``.
      cache: The cache folder, created if missing; ``~/.cache/jaxgan/images`` by default. If
        it cannot be written, the array is in memory only.
      processes: Whether to decode many images in processes instead of threads, which is 1.5
        times as fast or more. As always with ``multiprocessing``, a script then needs
        ``if __name__ == "__main__":`` around its code.
      tell: Called with the number of images that are done, and the number of all.

    Raises:
      InputError: If there is no such folder or archive, it is damaged, it has no images, or
        fewer than half of them can be read. Files of more than 64 MiB and images of more
        than 4096 x 4096 pixels count as unreadable.

    Examples:
      >>> import numpy as np, pathlib, tempfile
      >>> from jaxgan.data import image_folder
      >>> from PIL import Image
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     pictures = pathlib.Path(folder, "pictures")
      ...     pictures.mkdir()
      ...     Image.fromarray(np.zeros((40, 30, 3), np.uint8)).save(pictures / "a.png")
      ...     image_folder.pack(pictures, size=16, cache=folder).images.shape
      (1, 16, 16, 3)
    """
    path = Path(source)
    if not os.fspath(source):  # Path makes it the current folder
        raise InputError("the path of the images is empty")
    if not 1 <= size <= MAX_SIZE:
        raise InputError(f"image size is {size}; 1 to {MAX_SIZE} are allowed")
    try:
        stamp, open_members = open_folder(path) if os.path.isdir(path) else open_archive(path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot read {one_line(path)}: {reason}") from error
    text = json.dumps([_VERSION, size, reads_heif(), stamp])
    stem = hashlib.sha256(text.encode()).hexdigest()[:32]
    folder = cache_folder("images") if cache is None else Path(cache)
    target = folder / f"images-{stem}-{size}.npy"
    cached = _read(target, size)
    if cached is not None:
        return cached
    decoder = Decoder(size, processes)
    # Warning filters belong to the process, so no thread sets them. PIL warns of damaged
    # metadata, which does not matter, and of decompression bombs, which are skipped.
    with warnings.catch_warnings(), _quiet_pillow(), open_members() as listing:
        warnings.simplefilter("ignore")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with open_part(target) as (file, journal):
                notes, _ = _write(file, path, listing, size, decoder, journal, tell)
                with replacing(target.with_suffix(".json")) as notes_file:
                    notes_file.write_text(json.dumps(notes), "utf-8")
        except OSError:  # a full disk, no permission, or another process has just written it
            pass
        cached = _read(target, size)
        if cached is not None:
            return cached
        file = io.BytesIO()
        notes, start = _write(file, path, listing, size, decoder, Journal(None), tell)
    flat = np.frombuffer(file.getbuffer().toreadonly(), np.uint8, offset=start)
    return _assemble(flat.reshape(len(notes["names"]), size, size, 3), notes)


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Keep Pillow from logging problems of images, which are listed instead."""
    logger = logging.getLogger("PIL")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _assemble(images: np.ndarray, notes: Mapping[str, Any]) -> Packed:
    return Packed(
        images,
        tuple(notes["names"]),
        tuple((name, reason) for name, reason in notes["skipped"]),
        tuple((name, reason) for name, reason in notes["others"]),
        tuple(notes["remarks"]),
        notes["key"],
    )


def _read(path: Path, size: int) -> Packed | None:
    """Read the array from the cache; None if it is missing or damaged."""
    try:
        notes = json.loads(path.with_suffix(".json").read_text("utf-8"))
        cached = _assemble(np.load(path, mmap_mode="r", allow_pickle=False), notes)
        images, shape = cached.images, (len(cached.names), size, size, 3)
        whole = images.shape == shape and images.dtype == np.uint8
    except Exception:  # a damaged file may raise anything
        return None
    return cached if whole else None


def _write(
    file: IO[bytes],
    source: Path,
    listing: Listing,
    size: int,
    decoder: Decoder,
    journal: Journal,
    tell: Callable[[int, int], None],
) -> tuple[dict[str, Any], int]:
    """Write the images as an ``.npy`` file; return notes and the offset of the images."""
    skipped = dict(listing.skipped)
    total = len(listing.members) + len(skipped)
    if not total:
        raise InputError(f"{one_line(source)} has no images; {', '.join(FORMATS)} are read")
    order = sorted(listing.members)
    row = {name: number for number, name in enumerate(order)}
    step = size * size * 3
    _write_header(file, len(order), size)
    start = file.tell()
    deep: dict[str, Deep] = {}

    def note(name: str, what: str | Deep | None) -> None:
        if isinstance(what, str):
            skipped[name] = what
        elif what is not None:
            deep[name] = what

    def put(members: Members, white: Mapping[str, float], journal: Journal) -> None:
        done = len(listing.members) - len(members)
        for number, (name, image) in enumerate(decoder.images(members, white), done + 1):
            tell(number, len(listing.members))
            what = image if isinstance(image, str) else image.deep
            note(name, what)
            if not isinstance(image, str):
                file.seek(start + row[name] * step)
                file.write(image.pixels.tobytes())
            journal.add(name, what, file)
        journal.flush(file)

    for name, what in journal.entries.items():
        note(name, what)
    remaining = {
        name: read for name, read in listing.members.items() if name not in journal.entries
    }
    put(remaining, FULL, journal)
    white = white_of(deep.values())
    if white != FULL:
        rescaled = {name for name, one in deep.items() if white[one.kind] != FULL[one.kind]}
        some = {name: read for name, read in listing.members.items() if name in rescaled}
        put(some, white, Journal(None))
    journal.close()  # because images move from here on
    names = tuple(name for name in order if name not in skipped)
    reasons = _printable(skipped)
    if 2 * len(names) < total:
        raise InputError(
            f"{one_line(source)}: {len(reasons)} of {total} images cannot be read; the first, "
            f"{reasons[0][0]}: {reasons[0][1]}"
        )
    for number, name in enumerate(names):  # close the gaps of skipped images
        if row[name] != number:
            file.seek(start + row[name] * step)
            image = file.read(step)
            file.seek(start + number * step)
            file.write(image)
    file.truncate(start + len(names) * step)
    file.seek(0)
    _write_header(file, len(names), size)
    return {
        "names": names,
        "skipped": reasons,
        "others": _printable(listing.others),
        "remarks": _remarks(deep, white),
        "key": _digest(file, start, names, size),
    }, start


def _printable(reasons: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(one_line(name), reason) for name, reason in sorted(reasons.items())]


def _digest(file: IO[bytes], start: int, names: tuple[str, ...], size: int) -> str:
    """Return a digest of names and pixels that does not depend on paths and times."""
    digest = hashlib.sha256(json.dumps([size, names]).encode())
    file.seek(start)
    while part := file.read(2**20):
        digest.update(part)
    return digest.hexdigest()[:32]


def _remarks(deep: Mapping[str, Deep], white: Mapping[str, float]) -> list[str]:
    """Say how images of more than 8 bits were scaled, and how many are dark as a result."""
    lines = []
    negative = sorted(name for name, one in deep.items() if one.negative)
    if negative:
        lines.append(
            f"{len(negative)} images of more than 8 bits (the first: {one_line(negative[0])}) "
            "hold values below 0, which become black"
        )
    for kind, value in white.items():
        names = sorted(name for name, one in deep.items() if one.kind == kind)
        dark = sum(16 * deep[name].peak < value for name in names)
        if dark:
            brightest = max(names, key=lambda name: deep[name].peak)
            lines.append(
                f"{dark} of {len(names)} images of more than 8 bits are nearly black, because "
                f"{one_line(brightest)} has values up to {deep[brightest].peak:g}"
            )
        if value == FULL[kind] or not names:
            continue
        top = max(deep[name].peak for name in names)
        first = f"{len(names)} images of more than 8 bits (the first: {one_line(names[0])})"
        if kind == "float":
            lines.append(f"{first} hold values up to {top:g}: {value:g} becomes white")
        elif kind == "int":
            lines.append(f"{first} hold values up to {top:g}: {value - 1:g} becomes white")
        else:
            lines.append(
                f"{first} use the lower {8 + math.log2(value):g} of 16 bits per colour: made "
                f"brighter, in {value:g} levels only"
            )
    return lines


def _write_header(file: IO[bytes], count: int, size: int) -> None:
    # numpy pads the header for larger arrays, so its length does not depend on the count.
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)

"""Images of a folder or an archive, packed once into one array on disk."""

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
import tempfile
import warnings
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from jaxgan.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
MAX_PIXELS = 4096 * 4096  # of one image
MAX_BYTES = 64 * 2**20  # of one image file
MAX_SIZE = 1024
_VERSION = 1  # of what is written below; another one packs anew
_TOO_LARGE = "too large: more than 4096 by 4096 pixels"
_TURNS = {  # by the EXIF orientation; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What the images are read from: by relative name, a function that gives the bytes or the
# path of one. In the order in which reading is cheap.
_Members = Mapping[str, Callable[[], bytes | str]]


class Packed(NamedTuple):
    """A folder's images.

    Attributes:
      images: ``[N, size, size, 3]`` uint8, read-only; mapped from the cache where there is one.
      names: N relative names, sorted.
      skipped: ``(name, reason)`` of what could not be read, sorted and fit to print.
      key: Says the same content, packed the same way.
    """

    images: np.ndarray
    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    key: str


class _Skip(Exception):
    """One image cannot be read; the message is the reason."""


def pack(
    source: str | os.PathLike, size: int, cache: str | os.PathLike | None = None
) -> Packed:
    """Read all images, cut to centred squares, as one array.

    Colours become RGB, transparency white, and EXIF orientation is applied. The array is
    kept in the cache, so that a second start is immediate until a file changes. Names
    with a part that begins with a dot are left out, links to folders not followed, and
    archives read in place, never unpacked.

    Args:
      source: A folder, searched in depth, or a ``.tar``, ``.tar.gz``, ``.tgz`` or
        ``.zip`` file, of JPEG, PNG and WebP images.
      size: Height and width of the result in pixels, at most ``MAX_SIZE``.
      cache: A folder, may be missing; ``~/.cache/jaxgan/images`` by default. If it
        cannot be written, nothing is kept.

    Raises:
      InputError: If there is no such folder or archive, it is damaged, has no images,
        or fewer than half of them can be read. Files larger than ``MAX_BYTES`` and
        images of more than ``MAX_PIXELS`` count as those that cannot.
    """
    source = Path(source)
    if not 1 <= size <= MAX_SIZE:
        raise InputError(f"image size is {size}; 1 to {MAX_SIZE} are allowed")
    if cache is None:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        cache = Path(base, "jaxgan", "images")
    try:
        if os.path.isdir(source):
            files, skipped = _list_folder(source)
            content = [(name, *files[name][1:]) for name in sorted(files)]
            paths = {name: partial(str, files[name][0]) for name in sorted(files)}
            members = nullcontext(paths)
        else:
            content = _archive_stamp(source)
            skipped = {}
            members = _archive(source)
    except OSError as error:
        raise InputError(f"cannot read {_line(source)}: {error.strerror or error}") from error
    text = json.dumps([_VERSION, size, content, sorted(skipped)])
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    path = Path(cache, f"images-{key}-{size}.npy")
    kept = _cached(path, size, key)
    if kept is not None:
        return kept
    # Filters are the process's own, so they are set here and not by each thread. PIL
    # warns of damaged metadata, which does not matter, and of bombs, which are skipped.
    with warnings.catch_warnings(), members as opened:
        warnings.simplefilter("ignore")
        try:
            return _pack_to_file(path, source, opened, skipped, size, key)
        except OSError:  # no room, or no right to write
            file = io.BytesIO()
            names, skips, start = _write(file, source, opened, skipped, size)
    flat = np.frombuffer(file.getbuffer().toreadonly(), np.uint8, offset=start)
    return Packed(flat.reshape(len(names), size, size, 3), names, skips, key)


def _line(text: object) -> str:
    """Text on one line that any terminal can show, whatever bytes a name is made of."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )


def _is_image(name: str) -> bool:
    hidden = any(part.startswith(".") for part in name.split("/"))
    return name.lower().endswith(SUFFIXES) and not hidden


def _list_folder(source: Path) -> tuple[dict[str, tuple[str, int, int]], dict[str, str]]:
    """Its image files, ``{name: (path, bytes, time)}``, and what cannot be listed."""
    files: dict[str, tuple[str, int, int]] = {}
    skipped: dict[str, str] = {}

    def skip(error: OSError) -> None:
        name = os.path.relpath(error.filename, source)
        skipped[name] = f"cannot be read: {error.strerror}"

    for folder, folders, names in os.walk(source, onerror=skip):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(folder, source)
        for base in filter(_is_image, names):
            path = os.path.join(folder, base)
            try:
                status = os.stat(path)
            except OSError as error:
                skip(error)
                continue
            if stat.S_ISREG(status.st_mode):
                name = base if inside == "." else f"{inside}/{base}"
                files[name] = path, status.st_size, status.st_mtime_ns
    return files, skipped


def _archive_stamp(source: Path) -> list:
    if not os.path.isfile(source):
        problem = "neither a folder nor a file" if os.path.exists(source) else "no such path"
        raise InputError(f"{problem}: {_line(source)}")
    if not source.name.lower().endswith(ARCHIVES):
        raise InputError(
            f"{_line(source)} is neither a folder nor a {', '.join(ARCHIVES)} archive"
        )
    status = source.stat()
    return [str(source.resolve()), status.st_size, status.st_mtime_ns]


@contextmanager
def _archive(source: Path) -> Iterator[_Members]:
    list_members = _zip_members if source.name.lower().endswith(".zip") else _tar_members
    with ExitStack() as stack:
        with _readable(source):
            file = stack.enter_context(open(source, "rb"))
            members = list_members(file, source)
        yield members


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged archive raises nearly anything
        raise InputError(
            f"{_line(source)} is not a readable archive: {_reason(error)}"
        ) from error


def _member_name(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _zip_members(file: IO[bytes], source: Path) -> _Members:
    archive = zipfile.ZipFile(file)
    members = {}
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where it was not recorded
        name = _member_name(info.filename)
        if kind in (0, stat.S_IFREG) and not info.is_dir() and _is_image(name):
            members[name] = partial(_read_zip, archive, info)
    return members


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & 1:
        raise _Skip("encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Skip(f"compressed by method {info.compress_type}; 0 and 8 are read")
    _check_bytes(info.file_size)
    try:
        with archive.open(info) as file:
            # With a count, or all that is there would be inflated before it is cut.
            return file.read(info.file_size + 1)
    except Exception as error:  # a damaged member raises nearly anything
        raise _Skip(f"damaged: {_reason(error)}") from error


class _Bounded:
    """A file that a damaged header cannot make read any amount at once."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > MAX_BYTES:
            raise tarfile.ReadError(f"a part of {size} bytes")
        return self._file.read(size)


def _tar_members(file: IO[bytes], source: Path) -> _Members:
    zipped = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream: Any = _Bounded(gzip.GzipFile(fileobj=file) if zipped else file)
    archive = tarfile.TarFile(fileobj=stream)
    members, end = {}, -1
    while (member := archive.next()) is not None:
        if archive.offset <= end:
            raise tarfile.ReadError("a member ends before it begins")
        end = archive.offset
        name = _member_name(member.name)
        if member.isreg() and _is_image(name):
            members.pop(name, None)  # a later one replaces it, and takes its own place
            members[name] = partial(_read_tar, archive, member, source)
    # tarfile takes what is no header for the end.
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it is cut short or damaged")
    while zipped and stream.read(2**20):
        pass  # on to the checksum
    return members


def _read_tar(archive: tarfile.TarFile, member: tarfile.TarInfo, source: Path) -> bytes:
    _check_bytes(member.size)
    with _readable(source):
        file = archive.extractfile(member)
        return file.read() if file else b""


def _check_bytes(size: int) -> None:
    if size > MAX_BYTES:
        raise _Skip(f"too large: {size} bytes; at most {MAX_BYTES} are read")


def _cached(path: Path, size: int, key: str) -> Packed | None:
    """What an earlier call kept, or ``None`` if there is nothing or it is damaged."""
    try:
        notes = json.loads(path.with_suffix(".json").read_text("utf-8"))
        names = tuple(notes["names"])
        skipped = tuple((name, reason) for name, reason in notes["skipped"])
        images = np.load(path, mmap_mode="r", allow_pickle=False)
        whole = images.shape == (len(names), size, size, 3) and images.dtype == np.uint8
    except Exception:  # as above
        return None
    return Packed(images, names, skipped, key) if whole else None


def _pack_to_file(
    path: Path, source: Path, members: _Members, skipped: dict[str, str], size: int, key: str
) -> Packed:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="packing-", dir=path.parent) as folder:
        array, notes = Path(folder, "array"), Path(folder, "notes")
        with open(array, "w+b") as file:
            names, skips, _ = _write(file, source, members, skipped, size)
        notes.write_text(json.dumps({"names": names, "skipped": skips}), "utf-8")
        os.replace(array, path)
        os.replace(notes, path.with_suffix(".json"))
    kept = _cached(path, size, key)
    if kept is None:
        raise OSError("what was written cannot be read")
    return kept


def _write(
    file: IO[bytes], source: Path, members: _Members, skipped: dict[str, str], size: int
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...], int]:
    """Write the images as an ``.npy`` file; give names, skipped and where they begin."""
    total = len(members) + len(skipped)
    if not total:
        raise InputError(f"{_line(source)} has no {', '.join(SUFFIXES)} files")
    skipped = dict(skipped)
    order = sorted(members)
    row = {name: number for number, name in enumerate(order)}
    step = size * size * 3
    _write_header(file, len(order), size)
    start = file.tell()
    for name, image in _decoded(members, size):
        if isinstance(image, str):
            skipped[name] = image
        else:
            file.seek(start + row[name] * step)
            file.write(image.data)
    names = tuple(name for name in order if name not in skipped)
    skips = tuple((_line(name), reason) for name, reason in sorted(skipped.items()))
    if 2 * len(names) < total:
        raise InputError(
            f"{_line(source)}: {len(skips)} of {total} images cannot be read; the first, "
            f"{skips[0][0]}: {skips[0][1]}"
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
    return names, skips, start


def _write_header(file: IO[bytes], count: int, size: int) -> None:
    # numpy leaves room for the first extent to grow, so that any count takes as much.
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _decoded(members: _Members, size: int) -> Iterator[tuple[str, np.ndarray | str]]:
    """The images, or the reasons why not, by name in the members' order.

    Archives are read here, one member after the other, and folders in the threads. Only
    a few images are in memory at a time.
    """
    cores = _cores()
    pending: deque[tuple[str, Future[np.ndarray | str]]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        for name, read in members.items():
            try:
                pending.append((name, pool.submit(_decode, read(), size)))
            except _Skip as skip:
                yield name, str(skip)
            if len(pending) > 2 * cores:
                first, future = pending.popleft()
                yield first, future.result()
        for name, future in pending:
            yield name, future.result()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _decode(content: bytes | str, size: int) -> np.ndarray | str:
    """An image ``[size, size, 3]``, or the reason why not."""
    try:
        if isinstance(content, str):
            with open(content, "rb") as file:
                _check_bytes(os.fstat(file.fileno()).st_size)
                content = file.read(MAX_BYTES)
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            return _square(image, size)
    except _Skip as skip:
        return str(skip)
    except UnidentifiedImageError:
        return "not a readable JPEG, PNG or WebP image" if content else "an empty file"
    except Image.DecompressionBombError:
        return _TOO_LARGE
    except Exception as error:  # a damaged image raises nearly anything
        return f"damaged: {_reason(error)}"


def _square(image: Image.Image, size: int) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS:
        raise _Skip(_TOO_LARGE)
    image.draft(None, (2 * size, 2 * size))  # a JPEG file can be decoded at less than full size
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata; the image itself is whole
        turn = None
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = _rgb(image.crop((left, top, left + side, top + side)))
    square = square.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(square if turn is None else square.transpose(turn))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, of which PIL would clip all but the lowest 8
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, colours).convert("RGB")
    return image.convert("RGB")


def _reason(error: Exception) -> str:
    return _line(error)[:100] or type(error).__name__

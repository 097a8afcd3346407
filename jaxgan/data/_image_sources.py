"""Names and bytes of the images in a folder or an archive."""

import importlib.util
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jaxgan.errors import InputError, one_line

# Suffix to Pillow's name of the format. Suffixes only tell which files are images; the
# content decides the format.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".png", ".apng"), "PNG"),
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".dib": "DIB",
    ".gif": "GIF",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".avif", ".avifs"), "AVIF"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    **dict.fromkeys((".jp2", ".j2k", ".jpx"), "JPEG2000"),
}
HEIF = (".heic", ".heif", ".hif")  # Pillow reads these if pillow-heif is installed
UNREAD = (
    *(".svg", ".psd", ".ico", ".icns", ".tga", ".exr", ".hdr", ".jxl", ".eps", ".xcf"),
    *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dcm"),
)
MAX_BYTES = 64 * 2**20  # limit of one image file

# Relative name to a function that returns the bytes or the path of an image, in the order
# that is fastest to read.
Members = Mapping[str, Callable[[], bytes | str]]


class Listing(NamedTuple):
    """The files of a folder or an archive, except hidden ones, each in one of three groups.

    Attributes:
      members: Images.
      skipped: Images that cannot be read, by name, with the reason.
      others: Other files, by name, with the reason why they are left out.
    """

    members: Members
    skipped: dict[str, str]
    others: dict[str, str]


class Source(NamedTuple):
    """A folder or an archive.

    Attributes:
      stamp: JSON value that changes with the content.
      open: Opens the source and lists its files.
    """

    stamp: list
    open: Callable[[], AbstractContextManager[Listing]]


class Skip(Exception):
    """An image cannot be read; the message is the reason."""


def reason_of(error: Exception) -> str:
    """Return the message of an error, short and on one line."""
    return one_line(error)[:100] or type(error).__name__


def read_file(path: str) -> bytes:
    """Read an image file.

    Raises:
      Skip: If it is too large.
      OSError: If it cannot be read.
    """
    with open(path, "rb") as file:
        check_bytes(os.fstat(file.fileno()).st_size)
        return file.read(MAX_BYTES)


def check_bytes(size: int) -> None:
    """Raise ``Skip`` for a file of more than ``MAX_BYTES``."""
    if size > MAX_BYTES:
        raise Skip(f"too large: {size} bytes; at most {MAX_BYTES} are read")


def hidden(name: str) -> bool:
    """Tell whether a part of a relative name begins with a dot."""
    return any(part.startswith(".") for part in name.split("/"))


def reads_heif() -> bool:
    """Tell whether ``pillow-heif`` is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def list_files(
    files: Mapping[str, Callable[[], bytes | str]], problems: Mapping[str, str]
) -> Listing:
    """Tell images from other files by their suffix.

    Args:
      files: Relative name to a function that returns the bytes or the path.
      problems: Relative name to the reason why a file cannot be read.
    """
    members, skipped, others = {}, {}, {}
    heif = reads_heif()
    for name, read in files.items():
        suffix = os.path.splitext(name)[1].lower()
        if suffix in FORMATS or (heif and suffix in HEIF):
            members[name] = read
        elif suffix in HEIF:
            skipped[name] = f"{suffix} needs PyPI's pillow-heif"
        elif suffix in UNREAD:
            skipped[name] = f"{suffix} is a format that is not read"
        else:
            others[name] = "not an image, by its suffix"
    for name, reason in problems.items():
        suffix = os.path.splitext(name)[1].lower()
        image = suffix in FORMATS or suffix in HEIF or suffix in UNREAD
        (skipped if image else others)[name] = reason
    return Listing(members, skipped, others)


def open_folder(path: Path) -> Source:
    """List a folder and its subfolders.

    Raises:
      OSError: If the folder cannot be read.
    """
    files: dict[str, tuple[str, int, int]] = {}  # path, bytes, time
    problems: dict[str, str] = {}

    def skip(error: OSError) -> None:
        name = os.path.relpath(error.filename, path)
        problems[name] = f"cannot be read: {error.strerror}"

    for folder, folders, names in os.walk(path, onerror=skip):
        inside = os.path.relpath(folder, path)
        prefix = "" if inside == "." else f"{inside}/"
        folders[:] = [name for name in folders if not name.startswith(".")]
        for base in folders:
            if os.path.islink(os.path.join(folder, base)):
                problems[prefix + base] = "a link to a folder, which is not followed"
        for base in names:
            if base.startswith("."):
                continue
            place = os.path.join(folder, base)
            try:
                status = os.stat(place)
            except OSError as error:
                skip(error)
                continue
            if stat.S_ISREG(status.st_mode):
                files[prefix + base] = place, status.st_size, status.st_mtime_ns
            else:
                problems[prefix + base] = "not a regular file"
    order = sorted(files)
    listing = list_files({name: partial(str, files[name][0]) for name in order}, problems)
    stamp = [[(name, *files[name][1:]) for name in order], sorted(problems.items())]
    return Source(stamp, partial(nullcontext, listing))


def archive_stamp(path: Path, suffixes: tuple[str, ...]) -> list:
    """Identify an archive by its path, size and time.

    Raises:
      InputError: If there is no such file, or its name is not that of an archive.
      OSError: If it cannot be read.
    """
    if not os.path.isfile(path):
        problem = "neither a folder nor a file" if os.path.exists(path) else "no such path"
        raise InputError(f"{problem}: {one_line(path)}")
    if not path.name.lower().endswith(suffixes):
        raise InputError(
            f"{one_line(path)} is neither a folder nor a {', '.join(suffixes)} archive"
        )
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]

"""Names and bytes of the images in a folder or an archive."""

import gzip
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from jaxgan.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
MAX_BYTES = 64 * 2**20  # of one image file

# Relative name to a function that returns the bytes or the path of an image, in the order in
# which reading is cheap.
Members = Mapping[str, Callable[[], bytes | str]]


class Source(NamedTuple):
    """A folder or an archive.

    Attributes:
      stamp: JSON that changes with the content.
      skipped: Name to the reason why it cannot be listed.
      open: Opens the members.
    """

    stamp: list
    skipped: dict[str, str]
    open: Callable[[], AbstractContextManager[Members]]


class Skip(Exception):
    """One image cannot be read; the message is the reason."""


def one_line(text: object) -> str:
    """Spell a text on one line that any terminal can show, whatever bytes a name has."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )


def reason_of(error: Exception) -> str:
    """Return the message of an error, short and on one line."""
    return one_line(error)[:100] or type(error).__name__


def open_source(path: Path) -> Source:
    """List the images of a folder, or identify an archive.

    Raises:
      InputError: If there is no such folder or archive.
      OSError: If it cannot be looked at.
    """
    if not os.path.isdir(path):
        return Source(_archive_stamp(path), {}, partial(_open_archive, path))
    files, skipped = _list_folder(path)
    names = sorted(files)
    stamp = [(name, *files[name][1:]) for name in names]
    members = {name: partial(str, files[name][0]) for name in names}
    return Source(stamp, skipped, partial(nullcontext, members))


def read_file(path: str) -> bytes:
    """Read an image file.

    Raises:
      Skip: If it is too large.
      OSError: If it cannot be read.
    """
    with open(path, "rb") as file:
        _check_bytes(os.fstat(file.fileno()).st_size)
        return file.read(MAX_BYTES)


def _check_bytes(size: int) -> None:
    if size > MAX_BYTES:
        raise Skip(f"too large: {size} bytes; at most {MAX_BYTES} are read")


def _is_image(name: str) -> bool:
    hidden = any(part.startswith(".") for part in name.split("/"))
    return name.lower().endswith(SUFFIXES) and not hidden


def _list_folder(source: Path) -> tuple[dict[str, tuple[str, int, int]], dict[str, str]]:
    """List image files ``{name: (path, bytes, time)}``, and names that cannot be listed."""
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
        raise InputError(f"{problem}: {one_line(source)}")
    if not source.name.lower().endswith(ARCHIVES):
        raise InputError(
            f"{one_line(source)} is neither a folder nor a {', '.join(ARCHIVES)} archive"
        )
    status = source.stat()
    return [str(source.resolve()), status.st_size, status.st_mtime_ns]


@contextmanager
def _open_archive(source: Path) -> Iterator[Members]:
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
            f"{one_line(source)} is not a readable archive: {reason_of(error)}"
        ) from error


def _member_name(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _zip_members(file: IO[bytes], source: Path) -> Members:
    archive = zipfile.ZipFile(file)
    members = {}
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive does not record it
        name = _member_name(info.filename)
        if kind in (0, stat.S_IFREG) and not info.is_dir() and _is_image(name):
            members[name] = partial(_read_zip, archive, info)
    return members


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & 1:
        raise Skip("encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Skip(f"compressed by method {info.compress_type}; 0 and 8 are read")
    _check_bytes(info.file_size)
    try:
        with archive.open(info) as file:
            # Without a count, everything is inflated before the size is checked.
            return file.read(info.file_size + 1)
    except Exception as error:  # a damaged member raises nearly anything
        raise Skip(f"damaged: {reason_of(error)}") from error


class _Bounded:
    """A file that refuses to read an amount that only a damaged header would ask for."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > MAX_BYTES:
            raise tarfile.ReadError(f"a part of {size} bytes")
        return self._file.read(size)


def _tar_members(file: IO[bytes], source: Path) -> Members:
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
            members.pop(name, None)  # a later one replaces it, in the order too
            members[name] = partial(_read_tar, archive, member, source)
    # tarfile takes anything but a header for the end.
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it is cut short or damaged")
    while zipped and stream.read(2**20):
        pass  # read on to the checksum
    return members


def _read_tar(archive: tarfile.TarFile, member: tarfile.TarInfo, source: Path) -> bytes:
    _check_bytes(member.size)
    with _readable(source):
        file = archive.extractfile(member)
        return file.read() if file else b""

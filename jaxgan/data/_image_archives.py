"""Images in tar and zip archives, read without unpacking.

A link is followed only to another member of the same archive.
"""

import functools
import gzip
import posixpath
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from jaxgan.data import _image_sources
from jaxgan.data._image_sources import (
    Listing,
    Skip,
    Source,
    archive_stamp,
    check_bytes,
    hidden,
    list_files,
    reason_of,
)
from jaxgan.errors import InputError, one_line

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_MAX_LINK = 4096  # longest link in a zip, in bytes
_MAX_CHAIN = 40  # longest chain of links, as in Linux

Reader = Callable[[], bytes | str]


class _Content(NamedTuple):
    """The content of an archive.

    Attributes:
      files: Functions that read the files, by name, in the order of the archive.
      links: Targets of links, by name; ``None`` for a target outside of the archive.
      problems: Reasons why other members cannot be read, by name.
    """

    files: dict[str, Reader]
    links: dict[str, str | None]
    problems: dict[str, str]

    def drop(self, name: str) -> None:
        """Forget a member, because a later one with the same name replaces it."""
        for entries in self:
            entries.pop(name, None)


def open_archive(path: Path) -> Source:
    """Identify an archive.

    Raises:
      InputError: If there is no such archive.
      OSError: If it cannot be read.
    """
    return Source(archive_stamp(path, ARCHIVES), partial(_open, path))


@contextmanager
def _open(source: Path) -> Iterator[Listing]:
    read_content = _zip if source.name.lower().endswith(".zip") else _tar
    with ExitStack() as stack:
        with _readable(source):
            file = stack.enter_context(open(source, "rb"))
            listing = _resolved(read_content(file, source))
        yield listing


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged archive may raise anything
        raise InputError(
            f"{one_line(source)} is not a readable archive: {reason_of(error)}"
        ) from error


def _resolved(content: _Content) -> Listing:
    """Replace each link by its target, to be read directly after the target."""
    leads_to: dict[str, list[str]] = {}
    problems = dict(content.problems)
    for name in content.links:
        target, problem = _follow(name, content)
        if target is None:
            problems[name] = problem
        else:
            leads_to.setdefault(target, []).append(name)
    files: dict[str, Reader] = {}
    for name, read in content.files.items():
        for same in (name, *leads_to.get(name, ())):
            files[same] = read
    visible = {name: read for name, read in files.items() if not hidden(name)}
    return list_files(
        visible, {name: reason for name, reason in problems.items() if not hidden(name)}
    )


def _follow(name: str, content: _Content) -> tuple[str | None, str]:
    """Return the file at the end of a chain of links, or none and the reason."""
    target: str | None = name
    for _ in range(_MAX_CHAIN):
        if target is None or target not in content.links:
            break
        target = content.links[target]
    else:
        return None, f"a link to more than {_MAX_CHAIN} links, or in a circle"
    if target is None:
        return None, "a link that leads out of the archive"
    if target not in content.files:
        return None, f"a link to {one_line(target)[:100]}, no file of the archive"
    return target, ""


def _plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _relative(name: str, link: str) -> str | None:
    """Return the member that a symbolic link leads to; none if it is outside."""
    if link.startswith("/"):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
    return None if target.split("/")[0] == ".." else target


def _zip(file: IO[bytes], source: Path) -> _Content:
    archive = zipfile.ZipFile(file)
    content = _Content({}, {}, {})
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive does not record it
        name = _plain(info.filename)
        if info.is_dir() or kind == stat.S_IFDIR or not name:
            continue
        content.drop(name)
        if kind == stat.S_IFLNK:
            try:
                link = _read_zip(archive, info, _MAX_LINK).decode("utf-8", "surrogateescape")
                content.links[name] = _relative(name, link)
            except Skip as skip:
                content.problems[name] = str(skip)
        elif kind in (0, stat.S_IFREG):
            content.files[name] = partial(_read_zip, archive, info)
        else:
            content.problems[name] = "not a regular file"
    return content


def _read_zip(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int | None = None
) -> bytes:
    if info.flag_bits & 1:
        raise Skip("encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Skip(f"compressed by method {info.compress_type}; 0 and 8 are read")
    if most is not None and info.file_size > most:
        raise Skip(f"a link of {info.file_size} bytes")
    check_bytes(info.file_size)
    try:
        with archive.open(info) as file:
            # Without a limit, everything would be decompressed before the size is checked.
            return file.read(info.file_size + 1)
    except Exception as error:  # a damaged member may raise anything
        raise Skip(f"damaged: {reason_of(error)}") from error


class _BoundedStream:
    """A file that refuses to read amounts which only a damaged header can request."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile):
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > _image_sources.MAX_BYTES:
            raise tarfile.ReadError(f"a part of {size} bytes")
        return self._file.read(size)


def _tar(file: IO[bytes], source: Path) -> _Content:
    zipped = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream: Any = _BoundedStream(gzip.GzipFile(fileobj=file) if zipped else file)
    archive = tarfile.TarFile(fileobj=stream)

    @functools.lru_cache(maxsize=1)  # gzip cannot go back for links
    def read(member: tarfile.TarInfo) -> bytes:
        check_bytes(member.size)
        with _readable(source):
            part = archive.extractfile(member)
            return part.read() if part else b""

    content, end = _Content({}, {}, {}), -1
    while (member := archive.next()) is not None:
        if archive.offset <= end:
            raise tarfile.ReadError("a member ends before it begins")
        end = archive.offset
        _add_tar(content, member, read)
    # tarfile stops at anything that is not a header.
    stream.seek(archive.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it is cut short or damaged")
    while zipped and stream.read(2**20):
        pass  # read on to the checksum
    return content


def _add_tar(
    content: _Content, member: tarfile.TarInfo, read: Callable[[tarfile.TarInfo], bytes]
) -> None:
    name = _plain(member.name)
    if member.isdir() or not name:
        return
    content.drop(name)
    if member.isreg():
        content.files[name] = partial(read, member)
    elif member.islnk():
        content.links[name] = _relative("", member.linkname)
    elif member.issym():
        content.links[name] = _relative(name, member.linkname)
    else:
        content.problems[name] = "not a regular file"

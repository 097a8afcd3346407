"""A strict reader of zip archives, in which every byte belongs to a checked entry.

The standard library's reader accepts odd archives; this one treats them as damaged. Entries
must follow one another without gaps from the first byte to the directory, both headers of an
entry must agree, and contents must match their checksums. If every checksum is 0, the archive
was written without checksums and is read unchecked.
"""

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxgan import runtime
from jaxgan.convert.formats import mapped
from jaxgan.convert.formats._bounds import Budget, Refused

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_WIDE_SIZES = struct.Struct("<2H2Q")  # zip64, after a local header
_WIDE_END = struct.Struct("<4sQ2H2L4Q4sLQL")  # zip64, with its locator
_DESCRIPTORS = (struct.Struct("<4s3L"), struct.Struct("<4sL2Q"))
_ENTRY_STEPS = 10  # pickle opcodes that cost as much as an entry
_STORED, _DEFLATED = 0, 8
_DESCRIBED, _UTF8 = 0x8, 0x800  # the only allowed flags


class _Entry(NamedTuple):
    name: bytes
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int
    offset: int


def read(data: bytes | memoryview, budget: Budget) -> dict[bytes, memoryview]:
    """Read all entries by name; uncompressed ones are views of ``data``.

    Raises:
      Refused: If the archive is damaged, encrypted, compressed by an unknown method, has two
        entries with the same name, or inflates beyond the budget.
    """
    data = memoryview(data)
    start, entries = _directory(data)
    has_checksums = any(entry.crc for entry in entries)
    budget.step(_ENTRY_STEPS * len(entries))
    entries.sort(key=lambda entry: entry.offset)
    if not entries or entries[0].offset:
        raise Refused("has bytes before its first zip entry")
    ends = [entry.offset for entry in entries[1:]] + [start]
    contents = {}
    for entry, end in zip(entries, ends, strict=True):
        if entry.name in contents:
            raise Refused(f"has two zip entries {ascii(entry.name[:80])[1:]}")
        contents[entry.name] = _content(data, entry, end, budget)
    if has_checksums:
        with ThreadPoolExecutor(runtime.cores()) as pool:  # a thread starts for each core
            list(pool.map(_check, entries, contents.values()))
    return contents


def _check(entry: _Entry, content: memoryview) -> None:
    """Compare the content of an entry with its checksum."""
    if zlib.crc32(content) != entry.crc:
        raise Refused(f"has a damaged {_title(entry)}: it does not fit its checksum")
    mapped.forget(np.frombuffer(content, np.uint8))


def _directory(data: memoryview) -> tuple[int, list[_Entry]]:
    """Return where the directory starts, and its entries."""
    last = len(data) - _END.size
    if last < 0 or data[last : last + 4] != b"PK\5\6" or data[-2:] != b"\0\0":
        raise Refused("is cut short, or has bytes after its zip directory")
    _, disk, first, here, count, size, start, _ = _END.unpack_from(data, last)
    end = start + size
    if disk or first or here != count or end not in (last, last - _WIDE_END.size):
        raise Refused("has a damaged zip directory")
    if end != last and _WIDE_END.unpack_from(data, end) != (
        *(b"PK\6\6", 44, *struct.unpack_from("<2H", data, end + 12), 0, 0),
        *(count, count, size, start, b"PK\6\7", 0, end, 1),
    ):
        raise Refused("has a damaged zip directory")
    entries = []
    position = start
    for _ in range(count):
        if position + _CENTRAL.size > end:
            raise Refused("has a damaged zip directory")
        fields = _CENTRAL.unpack_from(data, position)
        signature, _, _, flags, method, _, _, crc, packed_size, size = fields[:10]
        name_size, extra, comment, disk, _, _, offset = fields[10:]
        name = bytes(data[position + _CENTRAL.size :][:name_size])
        position += _CENTRAL.size + name_size + extra + comment
        if signature != b"PK\1\2" or not name or comment or disk:
            raise Refused("has a damaged zip directory")
        entries.append(_Entry(name, flags, method, crc, packed_size, size, offset))
    if position != end:
        raise Refused("has a damaged zip directory")
    return start, entries


def _title(entry: _Entry) -> str:
    return f"zip entry {ascii(entry.name[:80])[1:]}"


def _content(data: memoryview, entry: _Entry, end: int, budget: Budget) -> memoryview:
    """Read the entry that ends at ``end``."""
    title = _title(entry)
    if entry.flags & 1:
        raise Refused(f"has an encrypted {title}")
    if entry.flags & ~(_DESCRIBED | _UTF8) or entry.method not in (_STORED, _DEFLATED):
        raise Refused(f"has a {title} that is compressed by an unsupported method")
    if entry.offset + _LOCAL.size > end:
        raise Refused(f"has a {title} that overlaps another")
    fields = _LOCAL.unpack_from(data, entry.offset)
    signature, _, flags, method, _, _, *sizes, name_size, extra = fields
    begin = entry.offset + _LOCAL.size + name_size + extra
    stop = begin + entry.packed_size
    if sizes[1:] == [2**32 - 1] * 2 and extra == _WIDE_SIZES.size and begin <= end:
        tag, length, *wide = _WIDE_SIZES.unpack_from(data, begin - extra)  # as NumPy writes it
        sizes = [sizes[0], *wide[::-1]] if (tag, length) == (1, 16) else sizes
    expected = [entry.crc, entry.packed_size, entry.size]
    trailer = data[stop:end] if stop <= end <= stop + _DESCRIPTORS[1].size else None
    if entry.flags & _DESCRIBED:
        sound = sizes in ([0, 0, 0], expected) and trailer in [
            form.pack(b"PK\7\10", *expected) for form in _DESCRIPTORS
        ]
    else:
        sound = sizes == expected and trailer == b""
    name = data[entry.offset + _LOCAL.size : begin - extra]
    if (signature, flags, method, name) != (b"PK\3\4", *entry[1:3], entry.name) or not sound:
        raise Refused(f"has a {title} with a damaged header")
    content = data[begin:stop]
    if entry.method == _DEFLATED:
        budget.take(entry.size)
        content = memoryview(_inflate(content, entry.size, title))
    if len(content) != entry.size:
        raise Refused(f"has a {title} of another size than it says")
    return content


def _inflate(content: memoryview, size: int, title: str) -> bytes:
    inflater = zlib.decompressobj(-15)
    try:
        output = inflater.decompress(content, size + 1)
    except zlib.error as error:
        raise Refused(f"has a damaged {title}") from error
    if len(output) != size or not inflater.eof or inflater.unused_data:
        raise Refused(f"has a {title} that does not inflate to its size")
    return output

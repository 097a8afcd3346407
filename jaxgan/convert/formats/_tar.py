"""A reader of tar archives."""

import re

from jaxgan.convert.formats._bounds import Budget, Refused

_BLOCK = 512
_ENTRY_STEPS = 10  # pickle opcodes that cost as much as an entry
_MAX_NAME = 4096
_FILE, _LONG_NAME, _EXTENDED = (b"0", b"\0", b"7"), b"L", b"x"


def is_tar(head: bytes) -> bool:
    """Return whether a file with these first bytes is a tar archive."""
    return head[257:262] == b"ustar"


def read(data: memoryview, budget: Budget) -> dict[str, memoryview]:
    """Read the files by name, as views of ``data``; links and folders are left out.

    Raises:
      Refused: If the archive is truncated or damaged, or has two files with the same name.
    """
    files, position, long_name = {}, 0, None
    while any(block := bytes(data[position : position + _BLOCK])):
        budget.step(_ENTRY_STEPS)
        name, size, kind = _header(block)
        begin = position + _BLOCK
        content = data[begin : begin + size]
        if len(content) != size:
            raise Refused("is cut short inside its tar archive")
        position = begin + -(-size // _BLOCK) * _BLOCK
        if kind in (_LONG_NAME, _EXTENDED):
            long_name = _long_name(kind, bytes(content[: _MAX_NAME * 2])) or long_name
            continue
        name, long_name = long_name or name, None
        if kind in _FILE:
            if name in files:
                raise Refused(f"has two files {ascii(name[:80])} in its tar archive")
            files[name] = content
    return files


def _header(block: bytes) -> tuple[str, int, bytes]:
    """Return name, size and type of an entry."""
    digits = block[124:136].strip(b" \0")
    checksum = block[148:156].strip(b" \0")
    if not is_tar(block) or not re.fullmatch(rb"[0-7]*", digits + checksum):
        raise Refused("has a damaged tar archive")
    if int(checksum or b"0", 8) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise Refused("has a damaged tar archive: an entry does not fit its checksum")
    name, above = block[:100], block[345:500] if block[257:263] == b"ustar\0" else b""
    path = b"/".join(part for part in (above.split(b"\0")[0], name.split(b"\0")[0]) if part)
    return path.decode("utf-8", "replace"), int(digits or b"0", 8), block[156:157]


def _long_name(kind: bytes, content: bytes) -> str | None:
    """Return the long name in an entry, which belongs to the next file."""
    if kind == _EXTENDED:
        match = re.search(rb"(?:^|\n)\d+ path=([^\n]*)\n", content)
        content = match[1] if match else b""
    return content.split(b"\0")[0].decode("utf-8", "replace")[:_MAX_NAME] or None

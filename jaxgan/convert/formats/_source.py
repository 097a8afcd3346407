"""Read the values in a pickle stream: numbers, strings and bytes, within limits."""

import codecs
import re
import struct

from jaxgan.convert.formats._bounds import Refused

MAX_TEXT = 4 * 2**20  # bytes of one string
MAX_NAME = 256  # bytes, of a module or of a class
MAX_INT_BYTES = 32

_LINE_END = re.compile(rb"\n")
_MAX_DIGITS = 80  # most digits of a number on a line
_MANY = 2**16  # bytes


class Source:
    """The bytes of a pickle stream and the current position.

    Attributes:
      data: The bytes.
      position: Index of the next byte.
    """

    def __init__(self, data: memoryview, start: int):
        self.data = data
        self.position = start

    def take(self, count: int) -> bytes:
        """Read ``count`` bytes."""
        end = self.position + count
        if end > len(self.data):
            raise Refused("is cut short inside its pickle")
        content = bytes(self.data[self.position : end])
        self.position = end
        return content

    def take_or_view(self, count: int) -> bytes | memoryview:
        """Read ``count`` bytes; return a view, without a copy, if they are many."""
        if count < _MANY:
            return self.take(count)
        begin = self.position
        if begin + count > len(self.data):
            raise Refused("is cut short inside its pickle")
        self.position += count
        return self.data[begin : self.position]

    def number(self, count: int, signed: bool = False) -> int:
        """Read an integer of ``count`` bytes."""
        return int.from_bytes(self.take(count), "little", signed=signed)

    def long(self, width: int) -> int:
        """Read an integer after its size, which has ``width`` bytes."""
        size = self.number(width)
        if size > MAX_INT_BYTES:
            raise Refused(f"has a whole number of more than {MAX_INT_BYTES} bytes")
        return self.number(size, signed=True)

    def real(self) -> float:
        """Read a float of 8 bytes."""
        return struct.unpack(">d", self.take(8))[0]

    def text(self, width: int) -> str:
        """Read a string after its size, which has ``width`` bytes."""
        size = self.number(width)
        if size > MAX_TEXT:
            raise Refused(f"has a text of more than {MAX_TEXT >> 20} MiB in its pickle")
        return _decode(self.take(size))

    def octets(self, width: int) -> str:
        """Read a Python 2 string, one character per byte, after its size."""
        return self.take(self.number(width)).decode("latin1")

    def line(self, what: str, limit: int) -> bytes:
        """Read a line of at most ``limit`` bytes."""
        end = _LINE_END.search(self.data, self.position, self.position + limit + 1)
        if end is None:
            raise Refused(f"has a {what} of more than {limit} bytes in its pickle")
        content = self.take(end.start() - self.position)
        self.position = end.end()
        return content

    def name_line(self) -> str:
        """Read a name on a line."""
        return _decode(self.line("name", MAX_NAME))

    def number_line(self) -> int:
        """Read an integer on a line; 00 and 01 are booleans."""
        line = self.line("number", _MAX_DIGITS)
        if line in (b"00", b"01"):
            return line == b"01"
        if not re.fullmatch(rb"[+-]?[0-9]+L?", line):
            raise Refused("has a damaged number in its pickle")
        return int(line.removesuffix(b"L"))

    def real_line(self) -> float:
        """Read a float on a line."""
        try:
            return float(self.line("number", _MAX_DIGITS))
        except ValueError as error:
            raise Refused("has a damaged number in its pickle") from error

    def text_line(self) -> str:
        """Read a string on a line."""
        try:
            text = codecs.raw_unicode_escape_decode(self.line("text", MAX_TEXT))[0]
            text.encode()  # refuses unpaired surrogates, which cannot be printed
        except UnicodeError as error:
            raise Refused("has a damaged text in its pickle") from error
        return text

    def octets_line(self) -> str:
        """Read a quoted Python 2 string on a line; each byte is a character."""
        line = self.line("text", len(self.data)).strip()
        escapes = line.replace(rb"\\", b"")
        if (
            not re.fullmatch(rb"'.*'|\".*\"", line, re.DOTALL)
            or len(line) < 2
            or re.search(rb"\\(?![\\'\"nrt]|x[0-9a-fA-F]{2})", escapes)
        ):
            raise Refused("has a damaged text in its pickle")
        try:
            return codecs.escape_decode(line[1:-1])[0].decode("latin1")
        except ValueError as error:
            raise Refused("has a damaged text in its pickle") from error


def _decode(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused("has a text that is not UTF-8 in its pickle") from error

"""An interpreter of the pickle opcodes that checkpoints need, and of no others.

It imports and calls nothing that the file names. A name goes to the reader's ``find``, which
returns a function of its own or refuses. Steps, stack, memo, texts and numbers are bounded
before anything is allocated.
"""

import pickletools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

MAX_STEPS = 1_000_000  # opcodes of a file, with those of the files inside it
MAX_STACK = 500_000
MAX_MEMO = 500_000
MAX_TEXT = 4 * 2**20  # bytes of one string
MAX_NAME = 256  # bytes, of a module or of a class
MAX_INT_BYTES = 32

_CODES = {op.name: ord(op.code) for op in pickletools.opcodes}
_NAMES = {code: name for name, code in _CODES.items()}
_STOP = _CODES["STOP"]


class Refused(Exception):
    """The file is damaged or not allowed; the message is one line without the path."""


@dataclass
class Budget:
    """The cost that reading may still have, however deep files are nested.

    Attributes:
      steps: Pickle opcodes.
      bytes: Bytes in memory: inflated, nested, or in arrays.
    """

    steps: int
    bytes: int

    def take(self, count: int) -> None:
        """Pay for ``count`` bytes before they are allocated."""
        if count > self.bytes:
            raise Refused("unfolds to far more bytes than it has")
        self.bytes -= count

    def step(self, count: int = 1) -> None:
        """Pay for work that takes as long as ``count`` opcodes."""
        self.steps -= count
        if self.steps < 0:
            raise Refused(f"takes more work than {MAX_STEPS} pickle opcodes")


@dataclass(frozen=True, eq=False, slots=True)
class Name:
    """The meaning of a name in a file.

    Attributes:
      text: Module and name, joined by a dot.
      call: Called with the tuple of arguments where the file calls the name; None if it
        must not.
      new: Makes an empty object where the file wants one; None if it must not.
    """

    text: str
    call: Callable[[tuple], Any] | None = None
    new: Callable[[], Any] | None = None


class Reader(Protocol):
    """Resolves the names and objects in a pickle stream, and refuses those it does not know."""

    def find(self, module: str, name: str) -> Any:
        """Resolve a global name."""

    def persistent(self, identity: Any) -> Any:
        """Return an object that is stored outside the stream."""

    def build(self, target: Any, state: Any) -> None:
        """Give an object its state."""


def load(data: bytes, start: int, budget: Budget, reader: Reader) -> tuple[Any, int]:
    """Read the pickle stream at ``start``; return its value and where it ends.

    Raises:
      Refused: If it is cut short, damaged, beyond a bound or not allowed.
    """
    machine = _Machine(data, start, reader)
    while True:
        budget.step()
        code = machine.number(1)
        if code == _STOP:
            break
        step = _STEPS.get(code)
        if step is None:
            name = _NAMES.get(code, f"{code:#04x}")
            raise Refused(f"has the pickle opcode {name}, which no checkpoint needs")
        step(machine)
    value = machine.pop()
    if machine.stack or machine.marks:
        raise Refused("has a damaged pickle: something is left on its stack")
    return value, machine.position


def key(value: Any) -> Any:
    """Return the value if it may be a key of a dictionary or a member of a set.

    Its hash must neither recurse nor collide at an attacker's will.
    """
    if type(value) is int and abs(value) >= 2**60:
        raise Refused("has a whole number beyond 2**60 as a key")
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise Refused(f"has a {kind(value)} as a key; keys are text or numbers")


def kind(value: Any) -> str:
    """Name the kind of a value in a message."""
    return value.text if isinstance(value, Name) else type(value).__name__.lstrip("_")


def legible(text: str) -> str:
    """Spell a text of the file on one line of a message."""
    plain = re.fullmatch(r"[\w.]{1,600}", text, re.ASCII)
    return text if plain else ascii(text[:80])


class _Machine:
    def __init__(self, data: bytes, start: int, reader: Reader):
        self.data = data
        self.position = start
        self.reader = reader
        self.stack = []
        self.marks = []  # heights of the stack
        self.memo = {}

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise Refused("is cut short inside its pickle")
        content = self.data[self.position : end]
        self.position = end
        return content

    def number(self, count: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(count), "little", signed=signed)

    def line(self) -> str:
        end = self.data.find(b"\n", self.position, self.position + MAX_NAME + 1)
        if end < 0:
            raise Refused(f"has a name of more than {MAX_NAME} bytes in its pickle")
        content = self.take(end - self.position)
        self.position = end + 1
        return _text(content)

    def text(self, size: int) -> str:
        if size > MAX_TEXT:
            raise Refused(f"has a text of more than {MAX_TEXT >> 20} MiB in its pickle")
        return _text(self.take(size))

    def push(self, value: Any) -> None:
        if len(self.stack) >= MAX_STACK:
            raise Refused(f"needs a pickle stack of more than {MAX_STACK}")
        self.stack.append(value)

    def top(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Refused("has a damaged pickle: it takes from an empty stack")
        return self.stack[-1]

    def pop(self) -> Any:
        value = self.top()
        self.stack.pop()
        return value

    def last(self, count: int) -> tuple:
        return tuple([self.pop() for _ in range(count)][::-1])

    def since_mark(self) -> list:
        if not self.marks:
            raise Refused("has a damaged pickle: a mark is missing")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def mark(self) -> None:
        if len(self.marks) >= MAX_STACK:
            raise Refused(f"needs a pickle stack of more than {MAX_STACK}")
        self.marks.append(len(self.stack))

    def put(self, index: int) -> None:
        if len(self.memo) >= MAX_MEMO:
            raise Refused(f"has more than {MAX_MEMO} memo entries in its pickle")
        self.memo[index] = self.top()

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise Refused("has a damaged pickle: a memo entry is missing")
        self.push(self.memo[index])

    def protocol(self) -> None:
        version = self.number(1)
        if not 2 <= version <= 5:
            raise Refused(f"has pickle protocol {version}; 2 to 5 are read")

    def long(self) -> None:
        size = self.number(1)
        if size > MAX_INT_BYTES:
            raise Refused(f"has a whole number of more than {MAX_INT_BYTES} bytes")
        self.push(self.number(size, signed=True))

    def target(self, wanted: type) -> Any:
        value = self.top()
        if type(value) is not wanted:
            raise Refused(f"has a damaged pickle: {kind(value)} where {wanted.__name__} is due")
        return value

    def append(self, items: list) -> None:
        self.target(list).extend(items)

    def set_items(self, items: list) -> None:
        if len(items) % 2:
            raise Refused("has a damaged pickle: a key without a value")
        into = self.target(dict)
        for index in range(0, len(items), 2):
            into[key(items[index])] = items[index + 1]

    def add_items(self, items: list) -> None:
        self.target(set).update([key(item) for item in items])

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            raise Refused("has a damaged pickle: a name is not text")
        if max(len(module), len(name)) > MAX_NAME:
            raise Refused(f"has a name of more than {MAX_NAME} bytes in its pickle")
        self.push(self.reader.find(module, name))

    def reduce(self) -> None:
        name, arguments = self.last(2)
        if type(name) is not Name or name.call is None or type(arguments) is not tuple:
            raise Refused(f"calls {kind(name)}, which is not a function here")
        self.push(name.call(arguments))

    def new(self) -> None:
        name, arguments = self.last(2)
        if type(name) is not Name or name.new is None or type(arguments) is not tuple:
            raise Refused(f"makes an object of {kind(name)}, which is not a class here")
        if arguments:
            raise Refused(f"makes an object of {kind(name)} with arguments")
        self.push(name.new())

    def build(self) -> None:
        state = self.pop()
        self.reader.build(self.top(), state)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused("has a text that is not UTF-8 in its pickle") from error


_STEPS: dict[int, Callable[[_Machine], None]] = {
    _CODES[name]: step
    for name, step in {
        "PROTO": _Machine.protocol,
        "FRAME": lambda m: m.take(8),
        "MARK": _Machine.mark,
        "NONE": lambda m: m.push(None),
        "NEWTRUE": lambda m: m.push(True),
        "NEWFALSE": lambda m: m.push(False),
        "BININT": lambda m: m.push(m.number(4, signed=True)),
        "BININT1": lambda m: m.push(m.number(1)),
        "BININT2": lambda m: m.push(m.number(2)),
        "LONG1": _Machine.long,
        "BINFLOAT": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
        "BINSTRING": lambda m: m.push(m.text(m.number(4))),
        "SHORT_BINSTRING": lambda m: m.push(m.text(m.number(1))),
        "BINUNICODE": lambda m: m.push(m.text(m.number(4))),
        "SHORT_BINUNICODE": lambda m: m.push(m.text(m.number(1))),
        "BINBYTES": lambda m: m.push(m.take(m.number(4))),
        "SHORT_BINBYTES": lambda m: m.push(m.take(m.number(1))),
        "EMPTY_TUPLE": lambda m: m.push(()),
        "TUPLE1": lambda m: m.push(m.last(1)),
        "TUPLE2": lambda m: m.push(m.last(2)),
        "TUPLE3": lambda m: m.push(m.last(3)),
        "TUPLE": lambda m: m.push(tuple(m.since_mark())),
        "EMPTY_LIST": lambda m: m.push([]),
        "APPEND": lambda m: m.append([m.pop()]),
        "APPENDS": lambda m: m.append(m.since_mark()),
        "EMPTY_DICT": lambda m: m.push({}),
        "SETITEM": lambda m: m.set_items(list(m.last(2))),
        "SETITEMS": lambda m: m.set_items(m.since_mark()),
        "EMPTY_SET": lambda m: m.push(set()),
        "ADDITEMS": lambda m: m.add_items(m.since_mark()),
        "BINPUT": lambda m: m.put(m.number(1)),
        "LONG_BINPUT": lambda m: m.put(m.number(4)),
        "MEMOIZE": lambda m: m.put(len(m.memo)),
        "BINGET": lambda m: m.get(m.number(1)),
        "LONG_BINGET": lambda m: m.get(m.number(4)),
        "GLOBAL": lambda m: m.name(m.line(), m.line()),
        "STACK_GLOBAL": lambda m: m.name(*m.last(2)),
        "REDUCE": _Machine.reduce,
        "NEWOBJ": _Machine.new,
        "BUILD": _Machine.build,
        "BINPERSID": lambda m: m.push(m.reader.persistent(m.pop())),
    }.items()
}

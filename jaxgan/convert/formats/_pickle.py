"""An interpreter of only those pickle opcodes that checkpoints need.

It never imports or calls anything that the file names. The reader's ``find`` resolves each
name to a function of this package, or else to an inert object. Steps, stack, memo, strings
and numbers have limits, which are checked before anything is allocated.
"""

import pickletools
from collections.abc import Callable
from typing import Any, Protocol

from jaxgan.convert.formats._bounds import MAX_STEPS, Budget, Refused
from jaxgan.convert.formats._inert import Inert, Name, key, kind, legible, text_of
from jaxgan.convert.formats._source import MAX_NAME, MAX_TEXT, Source

__all__ = ["MAX_STEPS", "MAX_TEXT", "Budget", "Refused", "legible", "load"]

MAX_STACK = 500_000
MAX_MEMO = 500_000

_CODES = {op.name: ord(op.code) for op in pickletools.opcodes}
_NAMES = {code: name for name, code in _CODES.items()}
_STOP = _CODES["STOP"]


class Reader(Protocol):
    """Resolves the names and objects in a pickle stream."""

    def find(self, module: str, name: str) -> Any:
        """Resolve a global name."""

    def persistent(self, identity: Any) -> Any:
        """Return an object that is stored outside the stream."""

    def build(self, target: Any, state: Any) -> None:
        """Give an object its state."""


def load(data: memoryview, start: int, budget: Budget, reader: Reader) -> tuple[Any, int]:
    """Read the pickle stream at ``start``; return its value and where it ends.

    Raises:
      Refused: If it is truncated, damaged, not allowed, or exceeds a limit.
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


class _Machine(Source):
    def __init__(self, data: memoryview, start: int, reader: Reader):
        super().__init__(data, start)
        self.reader = reader
        self.stack = []
        self.marks = []  # stack heights
        self.memo = {}

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
        if not 0 <= index < 2**32:  # so that hashes do not collide
            raise Refused("has a damaged pickle: a memo entry has no number")
        self.memo[index] = self.top()

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise Refused("has a damaged pickle: a memo entry is missing")
        self.push(self.memo[index])

    def protocol(self) -> None:
        version = self.number(1)
        if version > 5:
            raise Refused(f"has pickle protocol {version}; 0 to 5 are supported")

    def target(self, expected: type, part: str = "") -> Any:
        """Return the container on top of the stack, or a part of an inert object there."""
        value = self.top()
        if type(value) is Inert and part:
            if getattr(value, part) is None:
                setattr(value, part, expected())
            return getattr(value, part)
        if type(value) is not expected:
            raise Refused(
                f"has a damaged pickle: {kind(value)} where {expected.__name__} is expected"
            )
        return value

    def append(self, items: list) -> None:
        self.target(list, "members").extend(items)

    def set_items(self, items: list) -> None:
        into = self.target(dict, "items")
        into.update(self.entries(items, len(into)))

    def entries(self, items: list, count: int = 0) -> dict:
        """Pair alternating keys and values."""
        if len(items) % 2:
            raise Refused("has a damaged pickle: a key without a value")
        pairs = zip(items[::2], items[1::2], strict=True)
        return {key(name, count + i): value for i, (name, value) in enumerate(pairs)}

    def add_items(self, items: list) -> None:
        if type(self.top()) is Inert:
            self.append(items)
        else:
            self.target(set).update(self.members(items))

    def members(self, items: list) -> list:
        return [key(item, i) for i, item in enumerate(items)]

    def name(self, module: Any, name: Any) -> Any:
        if type(module) is not str or type(name) is not str:
            raise Refused("has a damaged pickle: a name is not text")
        if max(len(module), len(name)) > MAX_NAME:
            raise Refused(f"has a name of more than {MAX_NAME} bytes in its pickle")
        return self.reader.find(module, name)

    def call(self, name: Any, arguments: Any, settings: Any = None) -> None:
        """Push the result of a function of the reader, or an inert object."""
        if type(name) not in (Name, Inert) or type(arguments) is not tuple:
            raise Refused(f"calls {kind(name)}, which is not a function here")
        if settings:
            self.push(Inert(text_of(name), args=(arguments, settings)))
        elif type(name) is Name and name.call is not None:
            self.push(name.call(arguments))
        else:
            self.push(Inert(text_of(name), args=arguments))

    def call_marked(self, *name: Any) -> None:
        """Call a name, or else the one after the mark, with the items after the mark."""
        items = [*name, *self.since_mark()]
        if not items:
            raise Refused("has a damaged pickle: a name is missing")
        self.call(items[0], tuple(items[1:]))

    def discard(self) -> None:
        if self.marks and len(self.stack) == self.marks[-1]:
            self.marks.pop()
        else:
            self.pop()

    def build(self) -> None:
        state = self.pop()
        target = self.top()
        if type(target) is Inert:
            target.state = state
        else:
            self.reader.build(target, state)


_STEPS: dict[int, Callable[[_Machine], Any]] = {
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
        "INT": lambda m: m.push(m.number_line()),
        "LONG": lambda m: m.push(m.number_line()),
        "LONG1": lambda m: m.push(m.long(1)),
        "LONG4": lambda m: m.push(m.long(4)),
        "FLOAT": lambda m: m.push(m.real_line()),
        "BINFLOAT": lambda m: m.push(m.real()),
        "STRING": lambda m: m.push(m.octets_line()),
        "BINSTRING": lambda m: m.push(m.octets(4)),
        "SHORT_BINSTRING": lambda m: m.push(m.octets(1)),
        "UNICODE": lambda m: m.push(m.text_line()),
        "BINUNICODE": lambda m: m.push(m.text(4)),
        "BINUNICODE8": lambda m: m.push(m.text(8)),
        "SHORT_BINUNICODE": lambda m: m.push(m.text(1)),
        "BINBYTES": lambda m: m.push(m.take_or_view(m.number(4))),
        "BINBYTES8": lambda m: m.push(m.take_or_view(m.number(8))),
        "BYTEARRAY8": lambda m: m.push(m.take_or_view(m.number(8))),
        "SHORT_BINBYTES": lambda m: m.push(m.take(m.number(1))),
        "EMPTY_TUPLE": lambda m: m.push(()),
        "TUPLE1": lambda m: m.push(m.last(1)),
        "TUPLE2": lambda m: m.push(m.last(2)),
        "TUPLE3": lambda m: m.push(m.last(3)),
        "TUPLE": lambda m: m.push(tuple(m.since_mark())),
        "EMPTY_LIST": lambda m: m.push([]),
        "LIST": lambda m: m.push(m.since_mark()),
        "APPEND": lambda m: m.append([m.pop()]),
        "APPENDS": lambda m: m.append(m.since_mark()),
        "EMPTY_DICT": lambda m: m.push({}),
        "DICT": lambda m: m.push(m.entries(m.since_mark())),
        "SETITEM": lambda m: m.set_items(list(m.last(2))),
        "SETITEMS": lambda m: m.set_items(m.since_mark()),
        "EMPTY_SET": lambda m: m.push(set()),
        "FROZENSET": lambda m: m.push(set(m.members(m.since_mark()))),
        "ADDITEMS": lambda m: m.add_items(m.since_mark()),
        "POP": _Machine.discard,
        "POP_MARK": _Machine.since_mark,
        "DUP": lambda m: m.push(m.top()),
        "PUT": lambda m: m.put(m.number_line()),
        "BINPUT": lambda m: m.put(m.number(1)),
        "LONG_BINPUT": lambda m: m.put(m.number(4)),
        "MEMOIZE": lambda m: m.put(len(m.memo)),
        "GET": lambda m: m.get(m.number_line()),
        "BINGET": lambda m: m.get(m.number(1)),
        "LONG_BINGET": lambda m: m.get(m.number(4)),
        "GLOBAL": lambda m: m.push(m.name(m.name_line(), m.name_line())),
        "STACK_GLOBAL": lambda m: m.push(m.name(*m.last(2))),
        "REDUCE": lambda m: m.call(*m.last(2)),
        "NEWOBJ": lambda m: m.call(*m.last(2)),
        "NEWOBJ_EX": lambda m: m.call(*m.last(3)),
        "INST": lambda m: m.call_marked(m.name(m.name_line(), m.name_line())),
        "OBJ": _Machine.call_marked,
        "BUILD": _Machine.build,
        "BINPERSID": lambda m: m.push(m.reader.persistent(m.pop())),
    }.items()
}

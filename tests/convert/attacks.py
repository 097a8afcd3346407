"""Files by hand that mean harm, or are damaged, for the tests of whatever reads files."""

import pickle
import struct
import zipfile
from io import BytesIO

# Pickles by hand: an opcode and what follows it.


def text(value):
    value = value.encode()
    return b"X" + struct.pack("<I", len(value)) + value


def raw(value):
    return b"B" + struct.pack("<I", len(value)) + value


def number(value):
    value = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(value)]) + value


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def several(*items):
    return b"(" + b"".join(items) + b"t"


def call(function, *args):
    return function + several(*args) + b"R"


def storage(elements, kind="FloatStorage", key="0"):
    place = text("storage") + name("torch", kind) + text(key) + text("cpu")
    return several(place, number(elements)) + b"Q"


def tensor(size, stride, offset=0, elements=4, kind="FloatStorage", key="0"):
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        *(storage(elements, kind, key), number(offset)),
        *(several(*map(number, size)), several(*map(number, stride))),
        *(b"\x89", call(name("collections", "OrderedDict"))),
    )


def zipped(value, storages=((b"0", bytes(16)),), **more):
    """A zip container as Python's own zipfile writes it."""
    entries = {"data.pkl": b"\x80\x02" + value + b"."}
    entries |= {f"data/{key.decode()}": content for key, content in storages} | more
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for entry, content in entries.items():
            archive.writestr(f"root/{entry}", content)
    return file.getvalue()


def stream(value, storages=((b"0", bytes(16)),), width=4):
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    head = b"".join(pickle.dumps(part, 2) for part in parts)
    keys = pickle.dumps([key.decode() for key, _ in storages], 2)
    tail = b"".join(struct.pack("<q", len(c) // width) + c for _, c in storages)
    return head + b"\x80\x02" + value + b"." + keys + tail


def alone(value):
    return b"\x80\x04" + value + b"."


CONTAINERS = {
    "zip": zipped,
    "stream": lambda value: stream(value, ()),
    "pickle": alone,
    "pickle of protocol 0": lambda value: b"(" + value + b"l.",
}


# Files that would run something.


def run(module, attribute, *args):
    return lambda canary: call(name(module, attribute), *[a(canary) for a in args])


def attack_of(title, canary):
    parts = ATTACKS[title](canary)
    return parts if isinstance(parts, bytes) else b"".join(parts)


def shell(canary):
    return text(f"touch {canary}")


def code(canary):
    return text(f"open({str(canary)!r}, 'w').close()")


def imported(canary):
    return call(name("builtins", "__import__"), text("os"))


ATTACKS = {  # each makes the canary under Python's own pickle
    "os.system": run("os", "system", shell),
    "posix.system": run("posix", "system", shell),
    "eval": run("builtins", "eval", code),
    "exec": run("builtins", "exec", code),
    "getattr chain": lambda c: call(
        call(name("builtins", "getattr"), imported(c), text("system")), shell(c)
    ),
    "runpy": run("runpy", "_run_code", code, lambda c: b"}"),
    "mkdir": run("os", "mkdir", lambda c: text(str(c))),
    "pathlib": lambda c: call(
        name("pathlib", "Path.touch"), call(name("pathlib", "Path"), text(str(c)))
    ),
    "INST": lambda c: b"(" + shell(c) + b"ios\nsystem\n",
    "OBJ": lambda c: (
        *(b"(", name("subprocess", "Popen"), b"](", text("touch"), text(str(c)), b"eo"),
    ),
    "STACK_GLOBAL": lambda c: (text("os"), text("system"), b"\x93", several(shell(c)), b"R"),
    "memo": lambda c: (  # the harmless name in slot 1 makes way for another
        *(b"(", name("collections", "OrderedDict"), b"q\1", text("os"), b"q\2"),
        *(text("system"), b"q\3h\2h\3\x93q\1h\1", several(shell(c)), b"Rt"),
    ),
    "behind a harmless value": lambda c: (b"}", text("w"), run("os", "system", shell)(c), b"s"),
    "BUILD": lambda c: (  # an allowed object that gets its own __setstate__
        *(name("argparse", "Namespace"), b")\x81}", text("__setstate__")),
        *(name("os", "system"), b"sb", shell(c), b"b"),
    ),
    "NEWOBJ": lambda c: (
        *(name("functools", "partial"), several(name("os", "system"), shell(c)), b"\x81)R"),
    ),
    "NEWOBJ_EX": lambda c: (
        *(name("functools", "partial"), several(name("os", "system"), shell(c)), b"}\x92)R"),
    ),
    "partial": lambda c: call(
        call(name("functools", "partial"), name("os", "system"), shell(c))
    ),
    "map": lambda c: call(
        name("builtins", "list"),
        call(name("builtins", "map"), name("os", "system"), several(shell(c))),
    ),
}


# Sizes that are not what they seem.

HUGE = 2**62
VIEWS = [  # tensors that a file of 16 bytes does not hold, and what is said of them
    (tensor([HUGE], [1]), "beyond the end"),
    (tensor([2**31] * 4, [1] * 4), "beyond the end"),
    (tensor([2**64], [0]), "unfolds to far more bytes"),
    (tensor([2**20] * 12, [0] * 12), "unfolds to far more bytes"),
    (tensor([0, HUGE, HUGE], [0, 0, 0]), "unfolds to far more bytes"),
    (tensor([2], [HUGE]), "beyond the end"),
    (tensor([2], [2**64 - 1]), "beyond the end"),
    (tensor([5], [1]), "beyond the end"),
    (tensor([4], [1], offset=1), "beyond the end"),
    (tensor([], [], offset=4), "beyond the end"),
    (tensor([2, 2], [3, 1]), "beyond the end"),
    (tensor([2], [1], offset=HUGE), "beyond the end"),
    (tensor([2], [1], offset=-1), "damaged layout"),
    (tensor([2], [-1], offset=3), "not a number from 0"),
    (tensor([-2], [1]), "not a number from 0"),
    (tensor([2, 2], [1]), "damaged layout"),
    (tensor([1] * 17, [1] * 17), "17 dimensions"),
    (tensor([1], [1], elements=HUGE), "no storage 0 of"),
    (tensor([1], [1], elements=-1), "where there is none"),
    (tensor([1], [1], elements=5), "no storage 0 of 20 bytes"),
    (tensor([1], [1], key="../../x"), "no storage '../../x' of"),
    (
        several(tensor([1], [1]), tensor([1], [1], elements=2, kind="LongStorage")),
        "in two ways",
    ),
    (several(*[tensor([2**26], [0])] * 2), "unfolds to far more bytes"),
]


def change(content, entry, offset, value):
    """Overwrite bytes in the directory's header of an entry."""
    at = content.index(b"PK\1\2")
    while content[at + 46 : at + 46 + len(entry)] != entry:
        at = content.index(b"PK\1\2", at + 1)
    return content[: at + offset] + value + content[at + offset + len(value) :]


def bomb(size, declared=None):
    """A zip file whose storage inflates to many zeros, and what size it says that it has."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("root/data.pkl", b"\x80\x02N.")
        archive.writestr("root/data/0", bytes(size))
    content = file.getvalue()
    return content if declared is None else declare(content, declared)


def declare(content, size):
    """Change the size that the storage of a bomb says it has."""
    packed = struct.pack("<L", size)
    local = content.index(b"root/data/0") - 30
    content = content[: local + 22] + packed + content[local + 26 :]
    return change(content, b"root/data/0", 24, packed)


def mutated(content, rng):
    """The content with one kind of damage."""
    size = len(content) or 1
    at, other, length = (int(n) for n in rng.integers(0, [size, size, 40]))
    match int(rng.integers(6)):
        case 0:  # a bit
            change = bytes([b ^ 1 << int(rng.integers(8)) for b in content[at : at + 1]])
        case 1:  # the file's end is missing
            return content[:at]
        case 2:  # a part of the file in another place
            change = content[other : other + length]
        case 3:  # a byte
            change = bytes([int(rng.integers(256))])
        case 4:  # more bytes
            return content[:at] + content[other : other + length] + content[at:]
        case _:  # fewer
            return content[:at] + content[at + length :]
    return content[:at] + change + content[at + len(change) :]

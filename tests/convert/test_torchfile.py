"""The committed files hold what ``EXPECTED`` says; torch, where it is there, is the oracle."""

import json
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from jaxgan.convert.formats import _pickle, torchfile
from jaxgan.convert.formats._arrays import Storage
from jaxgan.convert.formats._inert import Name
from jaxgan.convert.formats.torchfile import CheckpointError, Inert
from jaxgan.errors import InputError
from tests.convert.attacks import (
    ATTACKS,
    CONTAINERS,
    HUGE,
    VIEWS,
    alone,
    attack_of,
    bomb,
    call,
    change,
    declare,
    mutated,
    name,
    number,
    raw,
    several,
    storage,
    stream,
    tensor,
    text,
    zipped,
)

FILES = Path(__file__).parents[1] / "data" / "checkpoints"
NAMES = ("zip.pth", "stream.pth", "nvlabs.pkl", "script.pt")
GRID = np.arange(24, dtype=np.float32).reshape(4, 6)
SAVED = {
    "model.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "model.bias": np.arange(2),
    "view": GRID[1:3, ::2],
    "turned": GRID.T,
    "brain": np.array([0.5, -3], np.float32),
    "mask": np.array([True, False]),
    "wide": np.ones((3, 2), np.float32),
    "list.0": np.array(7, np.uint8),
    "list.1.0": np.array(8.0),
    "empty": np.empty((0, 3), np.float32),
}
EXPECTED = {
    "zip.pth": SAVED,
    "stream.pth": SAVED,
    "nvlabs.pkl": {
        "G_ema.mapping.w_avg": np.arange(2, dtype=np.float16),
        "G_ema.mapping.fc0.weight": SAVED["model.weight"],
        "table": np.arange(4, dtype=np.int32).reshape(2, 2),
    },
    "script.pt": {
        "scale": np.arange(2, dtype=np.float32),
        "linear.weight": SAVED["model.weight"],
        "linear.bias": np.arange(2, dtype=np.float32),
    },
}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for title, array in expected.items():
        assert found[title].dtype == array.dtype, title
        assert found[title].shape == array.shape, title
        np.testing.assert_array_equal(found[title], array, err_msg=title)
        assert not found[title].flags.writeable


def outcome(path):
    """The tensors, or the one exception."""
    try:
        found = torchfile.tensors(path)
    except CheckpointError as error:
        found = error
    if isinstance(found, CheckpointError):
        # Every refusal is a deliberate one: the last resort of ``read`` is not needed.
        assert isinstance(found.__cause__, _pickle.Refused | None), repr(found.__cause__)
        assert str(found).startswith(str(path))
        assert str(found).isprintable()  # so that it is one line, whatever the file says
        assert len(str(found)) < 1000
    return found


PLAIN = (type(None), bool, int, float, complex, str, bytes, memoryview, np.ndarray)


def parts_of(root):
    """All objects inside a result."""
    parts, left = {}, [root]
    while left:
        value = left.pop()
        if id(value) in parts:
            continue
        parts[id(value)] = value
        if isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            left += value
        elif isinstance(value, Inert):
            left += [value.state, value.meta, value.args, value.items, value.members]
    return list(parts.values())


def inert(path):
    """What is read from a file; nothing is imported for it, and nothing in it is alive."""
    before = set(sys.modules)
    content = torchfile.read(path)
    assert set(sys.modules) == before
    for part in parts_of(content):
        known = (*PLAIN, dict, list, tuple, set, Inert, Name, Storage)
        assert type(part) in known or isinstance(part, np.generic), type(part)
        if type(part) is Name and part.call is not None:
            assert part.call.func.__module__.startswith("jaxgan.")
    outcome(path)
    return content


def refusal(path):
    """The one line with which a file is refused."""
    error = outcome(path)
    assert isinstance(error, CheckpointError)
    return str(error)


# What is read


@pytest.mark.parametrize("title", NAMES)
def test_files_of_every_container(title):
    assert_same(torchfile.tensors(FILES / title), EXPECTED[title])


@pytest.mark.parametrize("title", ["zip.pth", "stream.pth"])
def test_what_is_no_tensor(title):
    content = torchfile.read(FILES / title)
    assert content["step"] == 3
    assert content["shape"] == (2, 3)
    assert content["device"] == "cpu"
    assert content["dtype"] == "torch.float16"
    assert content["args"].name == "argparse.Namespace"
    assert content["args"].state == {"size": 4, "name": "a"}
    assert type(content["model"]) is dict
    assert np.shares_memory(content["view"], content["turned"])


def test_an_nvlabs_object_is_inert():
    content = torchfile.read(FILES / "nvlabs.pkl")
    mapping = content["G_ema"].state["_modules"]["mapping"]
    assert (content["G"], mapping.name) == (None, "MappingNetwork")
    assert mapping.meta["module_src"] == "raise SystemExit\n"
    assert mapping.state["_init_kwargs"] == {"num_layers": 1}
    assert mapping.state["_modules"]["fc0"].state["gain"] == 0.5


def test_a_torchscript_object_is_inert():
    module = torchfile.read(FILES / "script.pt")
    assert module.name == "__torch__.Tiny"
    assert (module.state["sizes"], module.state["names"]) == ([1, 2], {"a": 1})
    assert isinstance(module.state["linear"], Inert)


def oracle(value, names=()):
    """What torch loaded, flat."""
    if hasattr(value, "detach"):
        brain = str(value.dtype) == "torch.bfloat16"
        yield ".".join(names), (value.float() if brain else value).detach().numpy()
    elif isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from oracle(item, (*names, str(key)))


@pytest.mark.parametrize("title", ["zip.pth", "stream.pth", "script.pt"])
@pytest.mark.filterwarnings("ignore")  # torch's own, of TorchScript
def test_the_files_as_torch_reads_them(title):
    torch = pytest.importorskip("torch")
    if title == "script.pt":
        content = torch.jit.load(FILES / title).state_dict()
    else:
        content = torch.load(FILES / title, weights_only=False)
    assert_same(torchfile.tensors(FILES / title), dict(oracle(content)))


DTYPES = (
    *("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8"),
    *("uint16", "uint32", "uint64", "bool", "complex64", "complex128"),
)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_to_torch(tmp_path, dtype, new):
    torch = pytest.importorskip("torch")
    key = torch.Generator().manual_seed(0)
    base = (torch.randn(5, 7, 3, generator=key) * 50).clamp(0, 120)  # half of them 0
    base = (base * (1 + 2j) if "complex" in dtype else base).to(getattr(torch, dtype))
    content = {
        "base": base,
        "layers": [base[2], {"deep": (base[:, 1:6:2], base.permute(2, 0, 1))}],
        "tail": base.flatten()[31:],
        "wide": base[:1, :, :1].expand(4, 7, 6),
        "scalar": base[1, 1, 1],
        "none": base[:, :0],
        "windows": base.as_strided((10, 4), (2, 1), 3),  # overlapping
        "parameter": torch.nn.Parameter(base.clone(), requires_grad=False),
        "other": None,
    }
    path = tmp_path / "file.pth"
    torch.save(content, path, _use_new_zipfile_serialization=new)
    found = torchfile.tensors(path)
    assert_same(found, dict(oracle(content)))
    if dtype != "bfloat16":
        assert np.shares_memory(found["base"], found["tail"])


def test_special_values_of_bfloat16(tmp_path):
    torch = pytest.importorskip("torch")
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.int16)
    torch.save(bits.view(torch.bfloat16), tmp_path / "file.pt")
    found = torchfile.tensors(tmp_path / "file.pt")[""]
    expected = bits.view(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(found.view(np.uint32) >> 16, np.arange(2**16))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


@pytest.mark.parametrize("new", [True, False], ids=["zip", "stream"])
def test_a_training_checkpoint(tmp_path, new):
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    content = {"g": model.state_dict(), "optim": optimizer.state_dict()}
    torch.save(content, tmp_path / "file.pt", _use_new_zipfile_serialization=new)
    found = torchfile.tensors(tmp_path / "file.pt")
    assert_same(found, dict(oracle(content)))
    assert "optim.state.0.exp_avg" in found


@pytest.mark.filterwarnings("ignore")  # torch's own, of formats that it gives up
@pytest.mark.parametrize(
    ("make", "title"),
    [
        (lambda torch: torch.ones(2).to_sparse(), "torch._utils._rebuild_sparse_tensor"),
        (
            lambda torch: torch.ones(2, device="meta"),
            "torch._utils._rebuild_meta_tensor_no_storage",
        ),
        (lambda torch: torch.ones(2).to(torch.float8_e5m2), "torch._utils._rebuild_tensor_v3"),
        (lambda torch: torch.tensor([1j]).conj(), "torch._utils._rebuild_tensor_v2"),
        (lambda torch: torch.tensor([1j]).conj().imag, "torch._utils._rebuild_tensor_v2"),
        (
            lambda torch: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
            "torch._utils._rebuild_qtensor",
        ),
        (lambda torch: Path("a"), "pathlib.PosixPath"),
        (lambda torch: torch.Generator(), "torch._C.Generator"),
    ],
)
def test_what_is_no_array(make, title, tmp_path):
    torch = pytest.importorskip("torch")
    content = {"made": make(torch), "weight": torch.ones(2)}
    torch.save(content, tmp_path / "file.pt")
    assert inert(tmp_path / "file.pt")["made"].name == title
    found = torchfile.tensors(tmp_path / "file.pt")
    np.testing.assert_array_equal(found["weight"], np.ones(2))
    assert "made" not in found


def test_a_view_of_a_storage_in_an_old_stream(file):
    place = text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu")
    part = several(text("view"), number(1), number(2))
    value = call(
        name("torch._utils", "_rebuild_tensor"),
        *(several(place, number(4), part) + b"Q", number(0)),
        *(several(number(2)), several(number(1))),
    )
    content = np.arange(4, dtype=np.float32).tobytes()
    found = torchfile.tensors(file(stream(value, [(b"0", content)])))
    assert_same(found, {"": np.array([1, 2], np.float32)})
    beyond = value.replace(part, several(text("view"), number(3), number(2)))
    assert "beyond the end" in refusal(file(stream(beyond, [(b"0", content)])))


def test_a_checkpoint_that_was_zipped_again(file):
    original = zipfile.ZipFile(FILES / "zip.pth")
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in original.namelist():
            archive.writestr(entry, original.read(entry))
    assert_same(torchfile.tensors(file(packed.getvalue())), SAVED)


def test_numpy_values_of_old_pickles(file):
    value = {"table": np.arange(3.0), "scalar": np.float32(2), "set": {1}, "none": np.empty(0)}
    for protocol in (2, 3, 4):
        content = torchfile.read(file(pickle.dumps(value, protocol)))
        np.testing.assert_array_equal(content["table"], value["table"])
        assert (content["scalar"], content["set"]) == (2, {1})
        assert content["none"].size == 0


def safetensors_file(arrays):
    """The format by hand: the size of a JSON header, the header, the bytes."""
    header, content = {}, b""
    for title, (dtype, shape, data) in arrays.items():
        span = [len(content), len(content) + len(data)]
        header[title] = {"dtype": dtype, "shape": shape, "data_offsets": span}
        content += data
    header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + content


TABLE = np.arange(6, dtype=np.float32).reshape(2, 3)
SAFE = {
    "a": ("F32", [2, 3], TABLE.tobytes()),
    "b": ("I64", [2], np.arange(2).tobytes()),
    "c": ("BOOL", [2, 1], b"\1\0"),
    "d": ("BF16", [], b"\0\x3f"),
    "e": ("F16", [0], b""),
}


def test_safetensors(file):
    expected = {
        "a": TABLE,
        "b": np.arange(2),
        "c": np.array([[True], [False]]),
        "d": np.array(0.5, np.float32),
        "e": np.empty(0, np.float16),
    }
    for title in ("file.safetensors", "file.bin"):
        assert_same(torchfile.tensors(file(safetensors_file(SAFE), title)), expected)


def test_safetensors_as_the_package_writes_them(tmp_path):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    arrays = {"w": TABLE.astype(np.float16), "n": np.array([[7]], np.int8), "x": TABLE.T.copy()}
    save_file(arrays, tmp_path / "file.safetensors", metadata={"format": "pt"})
    found = torchfile.tensors(tmp_path / "file.safetensors")
    assert_same(dict(sorted(found.items())), dict(sorted(arrays.items())))


def header_of(**entry):
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **entry}})
    return struct.pack("<Q", len(header)) + header.encode() + bytes(4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "header is damaged"),
        (safetensors_file(SAFE)[:-1], "cut short, or has gaps"),
        (safetensors_file(SAFE) + b"\0", "cut short, or has gaps"),
        (header_of(data_offsets=[0, 2**62]), "cut short, or has gaps"),
        (header_of(data_offsets=[-4, 0]), "cut short, or has gaps"),
        (header_of(data_offsets=[4, 0]), "cut short, or has gaps"),
        (header_of(data_offsets=[2, 4], dtype="F16"), "cut short, or has gaps"),
        (header_of(data_offsets=["0", 4]), "is not described"),
        (header_of(shape=None), "is not described"),
        (header_of(shape=[2]), "beyond the end"),
        (header_of(shape=[0]), "of shape [0] with 4 bytes"),
        (header_of(shape=[2**62]), "beyond the end"),
        (header_of(shape=[0, 2**62]), "unfolds to far more bytes"),
        (header_of(shape=["1"]), "not a number from 0"),
        (header_of(shape=[1] * 17), "17 dimensions"),
        (header_of(dtype="F8_E5M2"), "a tensor of F8_E5M2, which"),
        (header_of(dtype="I99"), "a tensor of I99, which"),
        (struct.pack("<Q", 2**63) + b"{}", "header is damaged"),
        (struct.pack("<Q", 9) + b"{" * 9, "header is damaged"),
        (struct.pack("<Q", 2) + b"[]", "header is damaged"),
        (struct.pack("<Q", 10**5) + b"[" * 10**5, "header is damaged"),
    ],
    ids=lambda x: x if isinstance(x, str) else "file",
)
def test_damaged_safetensors(content, message, file):
    assert message in refusal(file(content, "file.safetensors"))


# What does nothing: files that would run something


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_do_not_run(attack, container, file, tmp_path):
    canary = tmp_path / "canary"
    value = attack_of(attack, canary)
    inert(file(CONTAINERS[container](value)))
    assert not canary.exists()


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_attacks(attack, tmp_path):
    canary = tmp_path / "canary"
    process = pickle.loads(alone(attack_of(attack, canary)))
    if hasattr(process, "wait"):
        process.wait()
    assert canary.exists()


HARMFUL = """
    __builtin__.eval builtins.__import__ builtins.compile builtins.getattr builtins.globals
    builtins.setattr code.interact codecs.open collections.OrderedDict.fromkeys
    ctypes.CDLL dill._dill._create_function functools.reduce
    importlib.import_module joblib.load marshal.loads numpy.load
    numpy.testing._private.utils.runstring operator.attrgetter os.popen pickle.loads
    pip.main pty.spawn shutil.rmtree socket.create_connection subprocess.check_call
    sys.modules timeit.timeit torch.QInt8Storage torch.__builtins__
    torch._utils._import_dotted_name torch._utils._rebuild_qtensor
    torch._utils._rebuild_sparse_tensor torch.hub.load torch.hub.load_state_dict_from_url
    torch.jit._pickle.eval torch.jit._script.script torch.jit._serialization.load torch.load
    torch.nn.modules.linear.Linear torch.ops.load_library
    torch.storage._load_from_bytes.__globals__ torch_utils.persistence._src_to_module
    types.CodeType types.FunctionType webbrowser.open
"""


@pytest.mark.parametrize("harmful", HARMFUL.split())
def test_harmful_names_are_inert(harmful, file):
    for split in (harmful.rpartition(".")[::2], harmful.split(".", 1)):
        for value in (name(*split), text(split[0]) + text(split[1]) + b"\x93"):
            found = inert(file(alone(value)))
            assert (type(found), found.text, found.call) == (Name, harmful, None)
            found = inert(file(alone(call(value, text("x")))))
            assert (type(found), found.name, found.args) == (Inert, harmful, ("x",))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (call(text("os.system"), text("x")), "calls str, which is not"),
        (call(number(1), text("x")), "calls int, which is not"),
        (name("os", "system") + text("x") + b"R", "calls os.system, which is not"),
        (name("os\u2028", "system") + text("x") + b"R", r"calls 'os\u2028.system', which"),
        (name("collections", "OrderedDict") + b"}b", "sets the state of a collections.Ordered"),
        (name("os", "system") + b"}b", "sets the state of a os.system"),
        (b"\x82\x01", "opcode EXT1,"),
        (b"\x83\x01\x00", "opcode EXT2,"),
        (b"\x84\x01\x00\x00\x00", "opcode EXT4,"),
        (b"Pos.system\n", "opcode PERSID,"),
        (b"\xff", "opcode 0xff,"),
        (text("x") + b"Q", "not a storage"),
        (several(text("module"), text("x")) + b"Q", "not a storage"),
        (storage(4), "a storage of torch.FloatStorage where there is none"),
        (name("a" * 300, "b"), "a name of more than 256 bytes"),
    ],
)
def test_other_uses_of_names(value, message, file):
    assert message in refusal(file(alone(value)))


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_pickle_inside_a_pickle_is_no_way_around(container, file, tmp_path):
    canary = tmp_path / "canary"
    value = alone(attack_of("os.system", canary))
    loads = name("torch.storage", "_load_from_bytes")
    for depth in range(1, 6):
        value = call(loads, raw(value))
        path = file(CONTAINERS[container](value))
        if depth <= 3:
            inert(path)
        else:
            assert "more than 3 deep" in refusal(path)
        value = alone(value)
    assert not canary.exists()


def test_the_source_of_an_nvlabs_object_never_runs(file, tmp_path):
    canary = tmp_path / "canary"
    source = f"open({str(canary)!r}, 'w')"
    for extra in ({}, {"type": "class"}, {"hook": 1}):
        meta = {"module_src": source, "class_name": "G", "state": {"w": 1}, **extra}
        make = name("torch_utils.persistence", "_reconstruct_persistent_obj")
        items = pickle.dumps(meta, 2)[2:-1]
        content = torchfile.read(file(alone(call(make, items))))
        assert content.meta["module_src"] == source
        assert content.state == {"w": 1}
    assert not canary.exists()


def test_reading_imports_nothing():
    script = """
import sys
from jaxgan.convert.formats import torchfile
before = set(sys.modules)
for path in sys.argv[1:]:
    torchfile.tensors(path)
sys.exit(str(sorted(set(sys.modules) - before) or "torch" in sys.modules or ""))
"""
    command = [sys.executable, "-c", script, *[str(FILES / title) for title in NAMES]]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stderr.strip() == ""


# What is refused: sizes

F4 = call(name("numpy", "dtype"), text("f4"))
UNFILLED = call(
    name("numpy.core.multiarray", "_reconstruct"),
    *(name("numpy", "ndarray"), several(number(0)), raw(b"b")),
)
FLOOD = 1_100_000
DEEP = 100_000  # Python's own functions go 1,000 deep, C's some 10,000


def memos(count):
    return b"".join(b"r" + struct.pack("<I", i) for i in range(count))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        *VIEWS,
        (b"X\xff\xff\xff\xff", "text of more than 4 MiB"),
        (b"B\xff\xff\xff\xff", "cut short"),
        (b"\x8a\xff" + bytes(255), "number of more than 32 bytes"),
        (b"j\xff\xff\xff\xff", "memo entry is missing"),
        (lambda: b"]" + b"N" * FLOOD, "stack of more than"),
        (lambda: b"(" * FLOOD, "stack of more than"),
        (lambda: b"]" + b"Na" * FLOOD, "more work than 1000000 pickle opcodes"),
        (lambda: b"}" + memos(FLOOD), "500000 memo"),
        (lambda: b"]" * DEEP + b"a" * (DEEP - 1), "more than 100 deep"),
        (lambda: b")" + b"\x85" * DEEP, "more than 100 deep"),
        (b"]q\0h\0a", "inside themselves"),
        (name("__torch__", "A") + b")\x81q\0}" + text("a") + b"h\0sb", "inside themselves"),
        (several(b"]q\0", *[b"](" + b"h\0" * 9 + b"eq\0"] * 40), "more than 1000000 values"),
        (b"\x80\x09N", "protocol 9"),
        (b"NN", "left on its stack"),
        (b"0", "empty stack"),
        (b"\x85", "empty stack"),
        (b"(\x85t", "empty stack"),
        (b"t", "mark is missing"),
        (b"}(Nu", "key without a value"),
        (b"N(NNu", "NoneType where dict is expected"),
        (b"X\1\0\0\0\xff", "not UTF-8"),
        (b"X\3\0\0\0\xed\xa0\x80", "not UTF-8"),  # half of a surrogate pair
        (call(name("torch", "Size"), b"](" + number(-1) + b"e"), "not a number from 0"),
        (
            call(name("_codecs", "encode"), text("\u0100"), text("latin1")),
            "a text that is not of bytes",
        ),
        (text("__torch__") + text("x" * 300) + b"\x93", "a name of more than 256 bytes"),
        (UNFILLED, "an array without content"),
        (
            UNFILLED + several(number(1), several(number(HUGE)), F4, b"\x89", raw(b"")) + b"b",
            "shape",
        ),
    ],
)
def test_bounds(value, message, file):
    value = value() if callable(value) else value
    assert message in refusal(file(zipped(value)))


KEYS = {  # keys of other kinds turn into text
    "tuple": (several(number(1), text("a")), "(1, a)"),
    "deep tuple": (b")" + b"\x85" * 5000, "tuple 0"),
    "wide tuple": (b"(" + b"N" * 1000 + b"t", "tuple 0"),
    "long tuple": (several(text("a" * 99)), "tuple 0"),
    "large number": (number(2**61), str(2**61)),
    "tensor": (tensor([4], [1]), "ndarray 0"),
    "list": (b"]", "list 0"),
    "bytes": (raw(b"w\xff"), "w\xff"),
    "object": (call(name("os", "system"), text("x")), "os.system 0"),
    "name": (name("os", "system"), "os.system"),
}


@pytest.mark.parametrize("key", KEYS)
def test_keys(key, file):
    pickled, expected = KEYS[key]
    for value in (
        b"}" + pickled + b"Ns",
        b"}(" + pickled + b"Nu",
        b"(" + pickled + b"Nd",
        call(name("collections", "OrderedDict"), several(several(pickled, b"N"))),
    ):
        assert list(inert(file(zipped(value)))) == [expected]
    for value in (b"\x8f(" + pickled + b"\x90", b"(" + pickled + b"\x91"):
        assert inert(file(zipped(value))) == {expected}


def test_keys_without_a_spelling_are_distinct(file):
    value = b"}(" + b"](K\1e" + tensor([4], [1]) + b"]" + tensor([4], [1]) + b"u"
    assert list(torchfile.tensors(file(zipped(value)))) == ["list 0", "list 1"]


@pytest.mark.parametrize(
    ("value", "title"),
    [
        (tensor([1], [1], kind="QInt8Storage"), "torch._utils._rebuild_tensor_v2"),
        (call(name("numpy", "dtype"), text("O8")), "numpy.dtype"),
        (
            call(name("numpy", "dtype"), text("f4")) + several(number(3), text(">")) + b"b",
            "numpy.dtype",
        ),
        (call(name("_codecs", "encode"), text("x"), tensor([2], [1])), "_codecs.encode"),
        (
            call(name("torch._utils", "_rebuild_tensor"), *[b"N"] * 3, tensor([2], [1])),
            "torch._utils._rebuild_tensor",
        ),
        (
            call(
                name("torch._utils", "_rebuild_tensor_v2"),
                *(storage(4), number(0), b"))NN", tensor([2], [1])),
            ),
            "torch._utils._rebuild_tensor_v2",
        ),
        (
            call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray")),
            "numpy.core.multiarray._reconstruct",
        ),
        (
            call(name("numpy.core.multiarray", "scalar"), F4, raw(b"abc")),
            "numpy.core.multiarray.scalar",
        ),
        (call(name("torch", "FloatStorage"), text("x")), "torch.FloatStorage"),
        (name("collections", "OrderedDict") + b")}" + text("x") + b"Ns\x92", ""),
    ],
)
def test_calls_that_are_not_known_are_inert(value, title, file):
    assert inert(file(zipped(value))).name == (title or "collections.OrderedDict")


def repeated(function, argument, count=300_000):
    """A tuple of many results of one call; both parts are in the memo."""
    once = function + b"q\1" + argument + b"q\2"
    return b"(" + once + b"h\1h\2R" * count + b"t"


ONES = several(*[number(1)] * 16)
LOADS = name("torch.storage", "_load_from_bytes")


def many():
    return zipped(storage(4), [(b"0", bytes(16)), *((b"%d" % i, b"") for i in range(1, 5000))])


FLOODS = {
    "lists": lambda: b"](" + b"]" * 480_000 + b"e",
    "sets": lambda: b"](" + b"\x8f" * 480_000 + b"e",
    "tuples": lambda: b")" + b"\x85" * 900_000,
    "objects": lambda: (
        name("__torch__", "A") + b"q\1)\x81" + b"h\1)\x81" * 190_000 + b"b" * 190_000
    ),
    "keys": lambda: b"}(" + b"".join(number(n << 43) + b"N" for n in range(120_000)) + b"u",
    "arrays": lambda: repeated(
        name("torch._utils", "_rebuild_tensor"), several(storage(4), number(0), ONES, ONES)
    ),
    "texts": lambda: text("\U0001f600" + "a" * 4_000_000) * 20,
    "bytes": lambda: repeated(
        name("_codecs", "encode"), several(text("x" * 2_000_000), text("latin1")), 1000
    ),
    "copies": lambda: repeated(name("torch", "Size"), b"](" + b"K\1" * 100_000 + b"e\x85"),
    "arguments": lambda: repeated(
        name("torch._utils", "_rebuild_tensor"),
        several(storage(4), number(0), ONES, ONES, b"N" * 300_000),
    ),
    "devices": lambda: repeated(
        name("torch", "device"), several(text("x" * 2_000_000), number(1))
    ),
    "files": lambda: repeated(
        LOADS, several(raw(alone(storage(4)[:0] + text("x" * 10**6)))), 2000
    ),
    "entries": lambda: repeated(LOADS, several(raw(many())), 2000),
    "names": lambda: (
        b"}" + text("k" * 250) + b"](" + tensor([1], [1]) + b"q\1" + b"h\1" * 490_000 + b"es"
    ),
    "names and calls": lambda: (
        b"](" + name("os", "system") + b"q\1)R" + b"h\1)R" * 190_000 + b"e"
    ),
    "distinct names": lambda: (
        b"](" + b"".join(name(f"{i:0250}", "n" * 250) for i in range(100_000)) + b"e"
    ),
    "shared arguments": lambda: (
        name("os", "system")
        + b"q\1"
        + b"("
        + b"N" * 300_000
        + b"tq\2R"
        + b"]("
        + b"h\1h\2R" * 200_000
    ),
    "settings": lambda: (
        b"]("
        + name("os", "system")
        + b"q\1)q\2}(K\1K\1uq\3\x92"
        + b"h\1h\2h\3\x92" * 170_000
        + b"e"
    ),
    "shared states": lambda: (
        b"]("
        + name("os", "system")
        + b"q\1)R}("
        + b"".join(number(i) + b"N" for i in range(9**5))
        + b"uq\2b"
        + b"h\1)Rh\2b" * 100_000
        + b"e"
    ),
    "a graph of objects": lambda: (
        b"]q\0(" + name("os", "system") + b"q\1" + b"h\1)Rh\0b" * 150_000 + b"e"
    ),
    "keys of objects": lambda: (
        b"}(" + name("m" * 250, "n" * 250) + b")Rq\1N" + b"h\1N" * 240_000 + b"u"
    ),
    "keys of tuples": lambda: (
        b"}(" + b"".join(several(text(f"{i:060}")) + b"N" for i in range(150_000)) + b"u"
    ),
    "numbers of one hash": lambda: (
        b"}(" + b"".join(b"I%d\n" % (i * (2**61 - 1)) + b"N" for i in range(240_000)) + b"u"
    ),
    "memo of one hash": lambda: (
        b"N" + b"".join(b"p%d\n" % (i * (2**61 - 1)) for i in range(300_000))
    ),
    "texts of Python 2": lambda: (
        b"](" + (b"T" + struct.pack("<I", 2_000_000) + b"\xff" * 2_000_000) * 20 + b"e"
    ),
    "encoded texts of Python 2": lambda: repeated(
        name("_codecs", "encode"),
        several(b"T" + struct.pack("<I", 2_000_000) + b"\xff" * 2_000_000, text("latin1")),
        1000,
    ),
    "big-endian arrays": lambda: repeated(
        name("numpy._core.numeric", "_frombuffer"),
        several(
            *(raw(bytes(2_000_000)), call(name("numpy", "dtype"), text(">f4"))),
            *(several(number(500_000)), text("C")),
        ),
        1000,
    ),
    "brains": lambda: tensor([2**26], [0], 0, 8, "BFloat16Storage"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads kilobytes of Linux")
@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(name, marks=pytest.mark.slow)
        if name
        in (
            *("lists", "sets", "tuples", "entries", "objects", "names", "names and calls"),
            *("distinct names", "shared arguments", "settings", "shared states"),
            *("a graph of objects", "keys of objects", "keys of tuples", "numbers of one hash"),
        )
        else name
        for name in FLOODS
    ],
)
def test_floods_stay_small(flood, file):
    """What a small file can make of itself takes less than 1 GB."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome(file(zipped(FLOODS[flood]())))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1e6


def test_an_expanded_tensor_takes_no_memory(file):
    found = torchfile.tensors(file(zipped(tensor([2**12, 2**13], [0, 0]))))[""]
    assert found.shape == (2**12, 2**13)
    assert found.strides == (0, 0)
    assert found.base is not None


def test_names_of_tensors(file):
    one, inner = tensor([1], [1]), b"}" + text("b") + tensor([1], [1]) + b"s"
    content = b"}" + text("a.b") + one + b"s" + text("c") + inner + b"s"
    assert list(torchfile.tensors(file(zipped(content)))) == ["a.b", "c.b"]
    content = b"}" + text("a.b") + one + b"s" + text("a") + inner + b"s"
    assert "two tensors named a.b" in refusal(file(zipped(content)))
    content = b"}" + text("n" * 300) + one + b"s"
    assert "a name of more than 256 characters" in refusal(file(zipped(content)))


@pytest.mark.parametrize("byte", [2, 255])
def test_truth_values_are_0_or_1(byte, file):
    content = zipped(tensor([1], [1], 0, 1, "BoolStorage"), [(b"0", bytes([byte]))])
    assert "truth values" in refusal(file(content))


def test_streams_that_do_not_fit(file):
    value = tensor([4], [1])
    good = stream(value)
    assert_same(torchfile.tensors(file(good)), {"": np.zeros(4, np.float32)})
    for content, message in [
        (good + b"\0", "bytes after its last storage"),
        (good[:-1], "cut short inside a storage"),
        (good[:-17], "cut short inside a storage"),
        (stream(value, [(b"0", bytes(12))]), "cut short inside a storage"),
        (stream(value, [(b"0", bytes(20))]), "another size"),
        (stream(value, [(b"1", bytes(16))]), "other storages"),
        (stream(value, [(b"0", bytes(16))] * 2), "another number of storages"),
        (stream(value, []), "another number of storages"),
        (good.replace(b"\xe9\3", b"\xea\3", 1), "another version than 1001"),
        (good.replace(b"\x88s", b"\x89s", 1), "byte order"),
    ]:
        assert message in refusal(file(content)), message


# What is refused: zip archives


def test_zip_bombs(file):
    content = bomb(300 * 2**20)
    assert len(content) < 2**20
    assert "unfolds to far more bytes" in refusal(file(content))
    assert "does not inflate to its size" in refusal(file(declare(content, 100)))
    assert "does not inflate to its size" in refusal(file(bomb(100, 101)))


def test_paths_of_entries_mean_nothing(file, tmp_path):
    content = zipped(tensor([4], [1]), **{"../../x": b"a", "/etc/x": b"b", "..\\x": b"c"})
    before = sorted(tmp_path.rglob("*"))
    path = file(content)
    assert_same(torchfile.tensors(path), {"": np.zeros(4, np.float32)})
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])


def entries(**more):
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for title, content in more.items():
            archive.writestr(title.replace("_", "/", 1), content)
    return file.getvalue()


GOOD = zipped(tensor([4], [1]))
PICKLE = b"\x80\x02N."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD + b"\0", "bytes after its zip directory"),
        (GOOD + GOOD, "damaged zip directory"),
        (b"PK\3\4" + GOOD, "damaged zip directory|before its first"),
        (GOOD[:-2] + b"\1\0x", "bytes after its zip directory"),
        (GOOD[:-30], "cut short"),
        (GOOD[:40], "cut short"),
        (GOOD.replace(b"root/data/0", b"root/data/1", 1), "damaged header"),
        (GOOD.replace(b"root/data/0", b"root/data.pkl"[:11]), "no storage 0 of"),
        (change(GOOD, b"root/data/0", 8, b"\1"), "an encrypted zip entry 'root/data/0'"),
        (change(GOOD, b"root/data/0", 8, b"\x20"), "compressed by an unsupported"),
        (change(GOOD, b"root/data/0", 10, b"\x0c"), "compressed by an unsupported"),
        (change(GOOD, b"root/data/0", 10, b"\x08"), "damaged header"),
        (change(GOOD, b"root/data/0", 20, b"\x0f"), "damaged header"),
        (change(GOOD, b"root/data/0", 24, b"\xff\xff\xff\x7f"), "damaged header"),
        (change(GOOD, b"root/data/0", 42, bytes(4)), "overlaps|damaged header"),
        (change(GOOD, b"root/data/0", 42, b"\xff\xff\xff\xff"), "overlaps|damaged header"),
        (change(GOOD, b"root/data/0", 16, b"\0\0"), "damaged header"),
        (entries(root_x=b"", other_data=b"", root_data=PICKLE), "not with one folder"),
        (entries(**{"root_data.pkl": PICKLE, "other_x": b""}), "not with one folder"),
        (entries(root_x=b"1"), "not with one folder that holds a data.pkl"),
        (zipped(b"N", byteorder=b"big"), "has byte order 'big'; only little is supported"),
        (zipped(b"N", byteorder=b"x" * 99), "has byte order 'xxxxxxxxxxxxxxxx'"),
        (entries(**{"root_data.pkl": PICKLE + b"N"}), "bytes after the end of its pickle"),
        (b"PK\5\6" + bytes(18), "not a PyTorch checkpoint"),
        (b"PK\3\4" + bytes(100), "cut short"),
        (b"", "is empty"),
        (b"\x80", "cut short"),
        (b"\n <!DOCTYPE html><html>", "is a web page"),
        (b"\x01\x02\x03\x04", r"not a PyTorch checkpoint: it starts with '\\x01"),
        (bytes(257) + b"ustar" + bytes(250), "damaged tar archive"),
        (alone(b"N") + b"N", "bytes after the end of its pickle"),
    ],
    ids=lambda x: x if isinstance(x, str) else "file",  # a zip file holds the time
)
def test_damaged_containers(content, message, file):
    assert re.search(message, refusal(file(content)))


def test_two_entries_of_one_name(file):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = entries(**{"root_data.pkl": PICKLE, "root/data.pkl": PICKLE})
    assert "two zip entries 'root/data.pkl'" in refusal(file(content))


def test_files_that_are_none(tmp_path, monkeypatch, file):
    assert "does not exist" in refusal(tmp_path / "none.pth")
    assert "is not a file" in refusal(tmp_path)
    monkeypatch.setattr(torchfile, "MAX_FILE_BYTES", 2**20)
    assert "larger than the limit of 1 MiB" in refusal(file(bytes(2**20 + 1)))
    assert issubclass(CheckpointError, InputError)


# Damage


def sealed(content, rng):
    """A zip container with a damaged pickle, but checksums that fit."""
    archive = zipfile.ZipFile(BytesIO(content))
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as damaged:
        for entry in archive.namelist():
            inside = archive.read(entry)
            damaged.writestr(entry, mutated(inside, rng) if entry.endswith(".pkl") else inside)
    return packed.getvalue()


@pytest.mark.parametrize("count", [100, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("title", "damage"),
    [*((title, mutated) for title in NAMES), ("zip.pth", sealed), ("script.pt", sealed)],
)
def test_damage_raises_the_one_exception(title, damage, count, file):
    content = (FILES / title).read_bytes()
    rng = np.random.default_rng(count)  # others for each count
    outcomes = [outcome(file(damage(content, rng))) for _ in range(count)]
    assert sum(isinstance(found, CheckpointError) for found in outcomes) > 0.3 * count


def harmless(content):
    """Bytes of a zip container that say nothing of the tensors.

    Versions, times and attributes in the headers, what pads the local ones, and the
    versions in the last record of a zip64.
    """
    found = set()
    archive = zipfile.ZipFile(BytesIO(content))
    at = archive.start_dir
    for entry in archive.infolist():
        local = entry.header_offset
        name_size, extra = struct.unpack_from("<2H", content, local + 26)
        padding = local + 30 + name_size
        found.update([local + 4, local + 5, *range(local + 10, local + 14)])
        found.update(range(padding, padding + extra))
        found.update(
            [*range(at + 4, at + 8), *range(at + 12, at + 16), *range(at + 36, at + 42)]
        )
        at += 46 + name_size
    return found | set(range(at + 12, at + 16))


@pytest.mark.parametrize("others", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("title", ["zip.pth", "script.pt"])
def test_no_flipped_bit_of_a_zip_goes_unseen(title, others, file):
    """In every fifth byte; in all others."""
    content = (FILES / title).read_bytes()
    bits = np.random.default_rng(0).integers(0, 8, len(content))
    unseen, places = set(), [at for at in range(len(content)) if (at % 5 > 0) == others]
    for at in places:
        change = bytes([content[at] ^ 1 << int(bits[at])])
        found = outcome(file(content[:at] + change + content[at + 1 :]))
        if not isinstance(found, CheckpointError):
            unseen.add(at)
            assert_same(found, EXPECTED[title])
    assert unseen == harmless(content) & set(places)


@pytest.mark.parametrize("title", NAMES)
def test_a_file_cut_short_anywhere_is_refused(title, file):
    content = (FILES / title).read_bytes()
    for size in range(0, len(content), 7):
        refusal(file(content[:size]))

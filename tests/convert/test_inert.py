"""What stands beside the weights in a file does nothing, whatever it is."""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import pickle
import re
import struct
import sys
import types
import uuid
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats._inert import Inert, Name
from tests.convert.attacks import alone, call, name, number, several, tensor, text, zipped

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Config(dict):
    """A dictionary of attributes, as configurations are."""

    def __getattr__(self, title):
        """Return an entry."""
        if title not in self:
            raise AttributeError(title)
        return self[title]


class Ordered(collections.OrderedDict):
    """A dictionary of its own class."""


class Layers(list):
    """A list of its own class."""


class Slots:
    """An object without a dictionary."""

    __slots__ = ("weight",)


class Loss:
    """An object with a history, and with any attributes."""

    def __init__(self, *history: Any, **attributes: Any):
        self.history = history
        self.set(**attributes)

    def set(self, **attributes: Any):
        """Set attributes."""
        vars(self).update(attributes)


@dataclasses.dataclass
class Options:
    """Settings."""

    size: int = 4
    path: PurePosixPath = PurePosixPath("a")  # noqa: RUF009


class Mode(enum.Enum):
    """A choice."""

    TRAIN = "train"


Pair = collections.namedtuple("Pair", ["weight", "bias"])


class Refusing:
    """An object that nobody may make."""

    def __reduce__(self):
        """Name a function that fails."""
        return forbidden, (WEIGHT,), {"state": 1}, iter([1]), iter([("a", 2)])


def forbidden(*args: Any, **settings: Any):
    """Fail."""
    raise AssertionError


BESIDE = {
    "path": PurePosixPath("/a/b"),
    "date": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "counter": collections.Counter("aab"),
    "partial": functools.partial(forbidden, 1, key=2),
    "tuple keys": {(0, 1): "a", ("b", None): "c", (0, (1, 2)): "d"},
    "odd keys": {b"k": 1, 2**200: 2, Mode.TRAIN: 3, frozenset([1]): 4, Loss: 5},
    "namespace": argparse.Namespace(size=4, path=PurePosixPath("a")),
    "simple namespace": types.SimpleNamespace(a=1),
    "dataclass": Options(),
    "enum": Mode.TRAIN,
    "deque": collections.deque([1, 2], 3),
    "config": Config(a=Config(b=1)),
    "function": forbidden,
    "class": Loss,
    "object": Loss(1, 2.5, "x"),
    "nobody": Refusing(),
    "exception": ValueError("a", 1),
    "pattern": re.compile("a+"),
    "decimal": decimal.Decimal("1.5"),
    "uuid": uuid.UUID(int=1),
    "range": range(3),
    "slice": slice(1, 2),
    "complex": 1 + 2j,
    "bytes": b"\0\xff" * 300,
    "bytearray": bytearray(b"\0\xff" * 300),
    "sets": [{1, "a"}, frozenset([2, None]), set()],
    "numbers": [0, -1, 255, 65536, -(2**40), 2**70, 1.5, float("inf"), True, False, None],
    "texts": ["", "a\nb", "ü\\n", "\U0001f600", "x" * 300, "'\""],
    "random state": np.random.RandomState(0),
    "random generator": np.random.default_rng(0),
    "objects in an array": np.array([{"a": 1}, None], object),
    "texts in an array": np.array(["a", "bc"]),
    "bytes in an array": np.array([b"a", b"bc"]),
    "records": np.zeros(2, [("a", "f4"), ("b", "i4")]),
    "dates in an array": np.array(["2020-01-01"], "M8[D]"),
    "masked array": np.ma.array([1.0, 2.0], mask=[True, False]),
    "dtype": np.dtype("f4"),
    "number of numpy": np.float64(1.5),
    "text of numpy": np.str_("a"),
}


def read(path):
    """What is read, and the arrays in it; nothing is imported."""
    before = set(sys.modules)
    value = torchfile.read(path)
    arrays = torchfile.tensors_of(value, path)
    assert set(sys.modules) == before
    return value, arrays


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("beside", BESIDE)
def test_what_stands_beside_weights(beside, protocol, file):
    content = {"first": WEIGHT, "beside": BESIDE[beside], "last": WEIGHT.T}
    _, arrays = read(file(pickle.dumps(content, protocol)))
    np.testing.assert_array_equal(arrays["first"], WEIGHT)
    np.testing.assert_array_equal(arrays["last"], WEIGHT.T)
    numbers = {"random state", "random generator", "nobody"}
    more = {title for title in arrays if title.startswith("beside")}
    assert bool(more) == (beside in numbers), more


PLAIN = ["tuple keys", "sets", "numbers", "texts", "counter"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("beside", PLAIN)
def test_plain_values(beside, protocol, file):
    value, _ = read(file(pickle.dumps(BESIDE[beside], protocol)))
    expected = BESIDE[beside]
    if beside == "tuple keys":
        assert list(value) == ["(0, 1)", "(b, None)", "tuple 2"]
    else:
        assert value == expected
        assert beside == "sets" or list(map(type, value)) == list(map(type, expected))


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS if p != 1])
def test_objects_record_what_the_file_says(protocol, file):
    value, _ = read(file(pickle.dumps([Loss(1, "x"), Options(), Mode.TRAIN], protocol)))
    loss, options, mode = value
    assert loss.name == f"{__name__}.Loss"
    assert loss.state == {"history": (1, "x")}
    assert options.state["size"] == 4
    assert options.state["path"].name == "pathlib.PurePosixPath"
    assert (mode.name, mode.args) == (f"{__name__}.Mode", ("train",))


def test_a_function_that_nobody_may_call(file):
    value, _ = read(file(pickle.dumps(Refusing(), 4)))
    assert value.name == f"{__name__}.forbidden"
    np.testing.assert_array_equal(value.args[0], WEIGHT)
    assert (value.state, value.members, value.items) == ({"state": 1}, [1], {"a": 2})


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("make", "title"),
    [
        (lambda w: collections.defaultdict(list, weight=w), "weight"),
        (lambda w: {"g": collections.OrderedDict(weight=w)}, "g.weight"),
        (lambda w: {"g": Ordered(weight=w)}, "g.weight"),
        (lambda w: {"g": Config(weight=w)}, "g.weight"),
        (lambda w: Config(g=Config(weight=w)), "g.weight"),
        (lambda w: {"g": Layers([w])}, "g.members.0"),
        (lambda w: {"g": collections.deque([w])}, "g.members.0"),
        (lambda w: {"g": argparse.Namespace(weight=w)}, "g.weight"),
        (lambda w: {"g": types.SimpleNamespace(net={"weight": w})}, "g.net.weight"),
        (lambda w: {"g": Loss({"weight": w})}, "g.history.0.weight"),
        (lambda w: {"g": functools.partial(forbidden, weight=w)}, "g.state.2.weight"),
        (lambda w: {("g", 0): w}, "(g, 0)"),
        (lambda w: {Mode.TRAIN: w}, None),
        (lambda w: {"g": Pair(w, None)}, "g.args.0"),
    ],
)
def test_weights_inside(make, title, protocol, file):
    _, arrays = read(file(pickle.dumps(make(WEIGHT), protocol)))
    assert len(arrays) == 1
    found = next(iter(arrays))
    if title is None or protocol < 2:  # the first protocols make some objects in other ways
        assert found
    else:
        assert found == title
    np.testing.assert_array_equal(arrays[found], WEIGHT)


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", "<f2", "?", "<c8", "|u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numpy(dtype, order, file):
    array = np.asarray(WEIGHT.astype(dtype), order=order)
    for protocol in PROTOCOLS:
        value, _ = read(file(pickle.dumps([array, array[0, 1], array[:, :0]], protocol)))
        for found, expected in zip(value, [array, array[0, 1], array[:, :0]], strict=True):
            assert found.dtype == array.dtype.newbyteorder("<")
            np.testing.assert_array_equal(found, expected)
        assert value[0].flags.f_contiguous == (order == "F")


# Pickles of Python 2, which has texts of bytes


def old(content):
    return b"T" + struct.pack("<I", len(content)) + content


def spelled(content):
    return b"S" + repr(content)[1:].encode() + b"\n"


@pytest.mark.parametrize("form", [old, spelled])
@pytest.mark.parametrize("raw", [b"\xc3\xa9\xc3\xa9", b"\xff\x00\\\n", b"'\"ab", b"abcd"])
def test_arrays_of_python_2(form, raw, file):
    dtype = call(name("numpy", "dtype"), form(b"u1"), number(0), number(1))
    dtype += (
        several(number(3), form(b"|"), *[b"N"] * 3, number(-1), number(-1), number(0)) + b"b"
    )
    array = call(
        name("numpy.core.multiarray", "_reconstruct"),
        *(name("numpy", "ndarray"), several(number(0)), form(b"b")),
    )
    array += several(number(1), several(number(4)), dtype, b"I00\n", form(raw)) + b"b"
    content = b"(" + form(b"weight") + array + b"d"
    for pickled in (b"\x80\2" + content + b".", content + b"."):
        _, arrays = read(file(pickled))
        np.testing.assert_array_equal(arrays["weight"], np.frombuffer(raw, np.uint8))


def test_texts_of_python_2(file):
    value, _ = read(file(b"\x80\2]" + old(b"\xc3\xa9") + b"a" + spelled(b"a\n\t\\'\"") + b"a."))
    assert value == ["Ã©", "a\n\t\\'\""]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"S'a", "a text of more than"),
        (b"S'a\n.", "damaged text"),
        (b"Sa\n.", "damaged text"),
        (b"S'\n.", "damaged text"),
        (b"S'a\"\n.", "damaged text"),
        (rb"S'\d'" + b"\n.", "damaged text"),
        (rb"S'\x4'" + b"\n.", "damaged text"),
        (rb"S'a\'" + b"\n.", "damaged text"),
        (rb"V\ud800" + b"\n.", "damaged text"),
        (rb"V\u12" + b"\n.", "damaged text"),
        (b"I1x\n.", "damaged number"),
        (b"I\n.", "damaged number"),
        (b"I1_0\n.", "damaged number"),
        (b"F1x\n.", "damaged number"),
        (b"L" + b"1" * 90 + b"L\n.", "a number of more than 80 bytes"),
        (b"Np-1\n.", "a memo entry has no number"),
        (b"Np4294967296\n.", "a memo entry has no number"),
        (b"g7\n.", "a memo entry is missing"),
        (b"(o.", "a name is missing"),
        (b"\x8b\xff\0\0\0" + bytes(255) + b".", "a whole number of more than 32 bytes"),
        (b"\x8d" + b"\xff" * 8 + b".", "a text of more than 4 MiB"),
        (b"\x8e" + b"\xff" * 8 + b".", "cut short"),
        (b"\x96" + b"\xff" * 8 + b".", "cut short"),
        (b"\x97.", "opcode NEXT_BUFFER"),
    ],
)
def test_damaged_values(content, message, file):
    with pytest.raises(torchfile.CheckpointError, match=re.escape(message)):
        torchfile.read(file(b"\x80\2" + content))


def test_the_value_of_every_opcode(file):
    """The same value by the opcodes of all protocols, and by those that only others write."""
    items = [
        (b"I01\n", True),
        (b"I-7\n", -7),
        (b"L9999999999999999999999L\n", 9999999999999999999999),
        (b"\x8b\2\0\0\0\1\1", 257),
        (b"F1.5\n", 1.5),
        (b"U\1\xe9", "é"),
        (b"V\\u0161\n", "š"),
        (b"\x8d\2" + bytes(7) + b"\xc5\xa1", "š"),
        (b"\x8e\1" + bytes(7) + b"\xff", b"\xff"),
        (b"\x96\1" + bytes(7) + b"\xff", b"\xff"),
        (b"(I1\nI2\nl", [1, 2]),
        (b"(I1\nI2\nd", {1: 2}),
        (b"(I1\nt", (1,)),
        (b"(I1\n\x91", {1}),
        (b"I1\n2\x86", (1, 1)),
        (b"I1\nI2\n0", 1),
        (b"I1\n(I2\n1", 1),
        (b"I1\n(I2\n00", 1),
        (b"I1\np9\n0g9\n", 1),
    ]
    value, _ = read(file(b"\x80\2(" + b"".join(code for code, _ in items) + b"t."))
    assert value == tuple(expected for _, expected in items)


# Objects that refer to one another


def trainer():
    """Objects in circles, such as those of trainers."""
    owner = Loss(model={"weight": WEIGHT})
    callbacks = [Loss(owner) for _ in range(30)]
    for callback in callbacks:
        callback.set(others=callbacks, itself=callback)
    owner.set(callbacks=callbacks)
    return owner


def entangled():
    """Objects that share what is below them, in 2**60 ways."""
    below = Loss()
    for _ in range(60):
        below = Loss(below, [below, below])
    return below


@pytest.mark.parametrize("make", [trainer, entangled])
def test_objects_in_circles(make, file):
    content = {"before": make(), "g": {"weight": WEIGHT}, "after": make()}
    _, arrays = read(file(pickle.dumps(content, 4)))
    np.testing.assert_array_equal(arrays["g.weight"], WEIGHT)
    assert len(arrays) == (3 if make is trainer else 1)


def test_a_long_chain_of_objects(file):
    make = call(name("a", "Node"))
    links = b"".join(b"}" + text("next") + make for _ in range(3000)) + b"N" + b"sb" * 3000
    content = (
        b"}(" + text("chain") + make + links[:-1] * 0 + text("g") + tensor([4], [1]) + b"u"
    )
    assert list(read(file(zipped(content)))[1]) == ["g"]


def test_containers_inside_themselves_are_still_refused(file):
    content: dict = {"g": {"weight": WEIGHT}}
    content["g"]["again"] = content
    with pytest.raises(torchfile.CheckpointError, match="inside themselves"):
        torchfile.tensors(file(pickle.dumps(content, 4)))


# Networks of TensorFlow


def networks(protocol, monkeypatch, join):
    """A file of (G, D, Gs) as NVlabs' code for TensorFlow writes it."""
    module = types.ModuleType("dnnlib.tflib.network")
    kind = type("Network", (), {"__module__": module.__name__})
    monkeypatch.setattr(module, "Network", kind, raising=False)
    for parent in ("dnnlib", "dnnlib.tflib"):
        monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def network(title, components, variables):
        made = kind()
        vars(made).update(version=4, name=title, static_kwargs={"resolution": 4})
        vars(made).update(components=components, variables=variables)
        vars(made).update(build_module_src="raise SystemExit", build_func_name="build")
        return made

    mapping = network("G_mapping", {}, [("Dense0/weight", WEIGHT), ("Dense0/bias", WEIGHT[0])])
    g = network("G", {"mapping": mapping}, [("lod", np.float32(0)), ("dlatent_avg", WEIGHT[1])])
    d = network("D", {}, [])
    if join:
        return pickle.dumps((g, d, g), protocol)
    return b"".join(pickle.dumps(part, protocol) for part in (g, d, g))


@pytest.mark.parametrize("join", [True, False], ids=["tuple", "several pickles"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_networks_of_tensorflow(protocol, join, file, monkeypatch):
    path = file(networks(protocol, monkeypatch, join))
    (g, d, gs), _ = read(path)
    assert g is gs if join else g is not gs
    for network in (g, d, gs):
        assert isinstance(network, Inert)
        assert network.name == "dnnlib.tflib.network.Network"
        assert network.state["version"] == 4
    assert gs.state["static_kwargs"] == {"resolution": 4}
    variables = dict(gs.state["components"]["mapping"].state["variables"])
    np.testing.assert_array_equal(variables["Dense0/weight"], WEIGHT)
    np.testing.assert_array_equal(dict(gs.state["variables"])["dlatent_avg"], WEIGHT[1])


# What torch saves


def whole(torch):
    """A network with all that a network may hold."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.utils.spectral_norm(torch.nn.Conv2d(2, 3, 3)),
        torch.nn.BatchNorm2d(3),
        torch.nn.ReLU(),
        torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2, bias=False)}),
        torch.nn.ParameterList([torch.nn.Parameter(torch.ones(2))]),
        torch.nn.LSTM(2, 2),
    )
    network.register_buffer("hidden", torch.ones(3), persistent=False)
    network.register_forward_hook(hook)
    network.register_parameter("none", None)
    network.loss, network.path = torch.nn.MSELoss(), PurePosixPath("a")
    network.device = torch.device("cuda:1")
    return network


def hook(*args):
    """Do nothing."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("new", [True, False], ids=["zip", "stream"])
@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "plain"])
def test_whole_networks(new, parallel, tmp_path):
    torch = pytest.importorskip("torch")
    network = whole(torch)
    network = torch.nn.DataParallel(network) if parallel else network
    torch.save(network, tmp_path / "file.pth", _use_new_zipfile_serialization=new)
    _, arrays = read(tmp_path / "file.pth")
    expected = {title: array.numpy() for title, array in network.state_dict().items()}
    assert list(arrays) == list(expected)
    for title, array in expected.items():
        np.testing.assert_array_equal(arrays[title], array, err_msg=title)


class Special:
    """Stands for torch's classes where there is no torch."""


@pytest.mark.parametrize("new", [True, False], ids=["zip", "stream"])
def test_what_torch_saves_beside_weights(new, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    special = type("Special", (torch.nn.Parameter,), {"__module__": __name__})
    monkeypatch.setattr(sys.modules[__name__], "Special", special)
    weight = torch.arange(6.0)
    optimizer = torch.optim.Adam([torch.nn.Parameter(weight.clone())])
    optimizer.param_groups[0]["params"][0].sum().backward()
    optimizer.step()
    content = {
        "optimizer": optimizer,
        "loss": torch.nn.BCELoss(),
        "generator": torch.Generator(),
        "by tensor": {weight: 1, torch.nn.Parameter(weight): 2},
        "by size": {torch.Size([1, 2]): weight, torch.float16: weight},
        "special": special(weight),
        "parameter": torch.nn.Parameter(weight),
        "layout": torch.strided,
        "function": torch.nn.functional.relu,
        "last": weight,
    }
    torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=new)
    value, arrays = read(tmp_path / "file.pth")
    assert list(value) == list(content)
    for title in ("by size.(1, 2)", "by size.torch.float16", "special", "parameter", "last"):
        np.testing.assert_array_equal(arrays[title], weight.numpy(), err_msg=title)
    assert list(value["by tensor"].values()) == [1, 2]


def test_names_that_are_values(file):
    value, arrays = read(file(alone(several(name("os", "system"), name("torch", "load")))))
    assert [type(part) for part in value] == [Name, Name]
    assert [part.text for part in value] == ["os.system", "torch.load"]
    assert not arrays


# The cases of others

BESIDE_CASES = ("datetime", "defaultdict", "function", "partial", "posixpath")


@pytest.mark.parametrize("case", BESIDE_CASES)
def test_cases_of_weights_beside_other_things(case, shared):
    _, arrays = read(shared(f"cases/beside/beside_{case}.pt"))
    assert len(arrays) == 81
    assert all(array.dtype == np.float32 for array in arrays.values())


def test_the_case_of_a_whole_network(shared):
    value, arrays = read(shared("cases/dcgan/whole_sequential.pth"))
    assert value.name == "torch.nn.modules.container.Sequential"
    assert len(arrays) == 25


def test_the_case_of_tensorflow(shared):
    (g, _, gs), _ = read(shared("cases/tensorflow/tf_stylegan2.pkl"))
    assert g.state["static_kwargs"]["resolution"] == 32
    assert list(gs.state["components"]) == ["mapping", "synthesis"]
    assert all(
        isinstance(array, np.ndarray)
        for part in gs.state["components"].values()
        for _, array in part.state["variables"]
    )

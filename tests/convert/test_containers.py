"""Checkpoints inside archives and folders, frozen and exported networks, foreign files."""

import gzip
import io
import json
import pickle
import struct
import sys
import tarfile
import zipfile
from collections import defaultdict
from pathlib import PurePath

import numpy as np
import pytest

from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats._bounds import Refused
from jaxgan.convert.formats.torchfile import CheckpointError
from tests.convert.attacks import (
    CONTAINERS,
    alone,
    attack_of,
    bomb,
    call,
    change,
    mutated,
    name,
    number,
    several,
    storage,
    stream,
    tensor,
    text,
    zipped,
)

ONES = np.ones(4, np.float32)
STORED = ONES.tobytes()
STATE = b"}" + text("weight") + tensor([4], [1]) + b"s"
CHECKPOINT = zipped(STATE, [(b"0", STORED)])


def refusal(path, read=torchfile.tensors):
    """The one line with which a file is refused."""
    with pytest.raises(CheckpointError) as error:
        read(path)
    line = str(error.value)
    assert line.startswith(str(path))
    assert line.isprintable()
    return line


def assert_read(path):
    found = torchfile.tensors(path)
    assert list(found) == ["weight"]
    np.testing.assert_array_equal(found["weight"], ONES)


def zip_of(entries, method=zipfile.ZIP_STORED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for title, content in entries.items():
            archive.writestr(title, content)
    return packed.getvalue()


def tar_of(entries, form=tarfile.PAX_FORMAT):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for title, content in entries.items():
            entry = tarfile.TarInfo(title)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


BESIDE = {"README.md": b"weights", "config.json": b"{}", "__MACOSX/._g.pt": b"x", "a/": b""}
LONG = "folder/" * 20 + "g" * 90 + ".pt"


@pytest.mark.parametrize(
    "content",
    [
        zip_of({"g.pt": CHECKPOINT}),
        zip_of({"a/g.pt": CHECKPOINT, **BESIDE}, zipfile.ZIP_DEFLATED),
        zip_of({"g.pkl": stream(STATE, [(b"0", STORED)])}),
        zip_of({"training_args.bin": b"x", "pytorch_model.bin": CHECKPOINT}),
        tar_of({"g.pt": CHECKPOINT, "README": b""}),
        gzip.compress(tar_of({"g.pth": CHECKPOINT})),
        tar_of({LONG: CHECKPOINT}),
        tar_of({LONG: CHECKPOINT}, form=tarfile.GNU_FORMAT),
        tar_of({"a/b/g.pt": CHECKPOINT}, form=tarfile.USTAR_FORMAT),
        gzip.compress(CHECKPOINT),
        gzip.compress(zip_of({"g.pt": CHECKPOINT})),
    ],
    ids=lambda _: "file",
)
def test_one_checkpoint_in_an_archive(content, file):
    assert_read(file(content))


GZIPPED = gzip.compress(CHECKPOINT)
TARRED = tar_of({"g.pt": CHECKPOINT})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            zip_of({"a.pt": CHECKPOINT, "b.pth": b""}),
            "holds 2 checkpoints: a.pt, b.pth;",
        ),
        (
            zip_of({f"{i}.pt": b"" for i in range(5)}),
            "5 checkpoints: 0.pt, 1.pt, 2.pt, ...",
        ),
        (zip_of({"model.safetensors.index.json": b"{}"}), "holds a model in several files"),
        (zip_of({"a.npy": b"", "b.npy": b""}), "an archive of numpy arrays"),
        (zip_of({"model.weights.h5": b"", "config.json": b""}), "a Keras model"),
        (zip_of({"__MACOSX/x": b""}), "not with one folder that holds a data.pkl"),
        (tar_of({"README": b""}), "a tar archive without a checkpoint"),
        (tar_of({"a.pt": b"", "b.pt": b""}), "holds 2 checkpoints"),
        (tar_of({"a.pt": b"", "./a.pt": b""}), "holds 2 checkpoints"),
        (TARRED[:1200], "cut short inside its tar archive"),
        (TARRED.replace(b"g.pt", b"h.pt", 1), "does not fit its checksum"),
        (TARRED.replace(b"ustar", b"usxar"), "is not a PyTorch checkpoint|is a text"),
        (GZIPPED[:-1], "cut short inside its gzip file"),
        (GZIPPED + b"\0", "bytes after its gzip file"),
        (GZIPPED[:30] + b"\0\1\2\3" + GZIPPED[34:], "a damaged gzip file"),
        (GZIPPED[:-6] + bytes(6), "a damaged gzip file"),  # its checksum
        (gzip.compress(bytes(2 * 2**20)), "unfolds to far more bytes"),
        (gzip.compress(gzip.compress(bytes(2 * 2**20))), "unfolds to far more bytes"),
        (gzip.compress(bomb(2 * 2**20)), "unfolds to far more bytes"),
        (zip_of({"a.zip": zip_of({"a.zip": GZIPPED})}), "weight"),
        (zip_of({"a.zip": zip_of({"a.zip": zip_of({"a.zip": GZIPPED})})}), "more than 3 deep"),
    ],
    ids=lambda x: x if isinstance(x, str) else "file",
)
def test_archives_that_are_refused(content, message, file, monkeypatch):
    monkeypatch.setattr(torchfile, "FREE_BYTES", 2**20)
    if message == "weight":  # the deepest that is read
        assert_read(file(content))
    else:
        line = refusal(file(content))
        assert any(part in line for part in message.split("|")), line


def test_the_tar_of_the_first_versions(file):
    parts = dict.fromkeys(("sys_info", "pickle", "tensors", "storages"), b"\x80\2N.")
    line = refusal(file(tar_of(parts)))
    assert "a tar archive of the first versions of PyTorch" in line
    assert "save it again" in line


@pytest.mark.parametrize("container", CONTAINERS)
def test_attacks_inside_archives_do_not_run(container, file, tmp_path):
    canary = tmp_path / "canary"
    content = CONTAINERS[container](attack_of("os.system", canary))
    for packed in (
        zip_of({"g.pt": content}),
        tar_of({"g.pt": content}),
        gzip.compress(content),
        zip_of({"serialized_state_dict.pt": content}),
        zip_of({"root/data/weights/model.pt": content}),
    ):
        torchfile.tensors(file(packed))
    assert not canary.exists()


# Zips without checksums


def unchecked(content):
    """The same zip archive with every checksum 0, as ``set_crc32_options(False)`` makes it."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    for entry in archive.infolist():
        content = change(content, entry.filename.encode(), 16, bytes(4))
        at = entry.header_offset + 14
        content = content[:at] + bytes(4) + content[at + 4 :]
    return content


def test_a_zip_without_checksums(file):
    content = unchecked(CHECKPOINT)
    assert_read(file(content))
    changed = content.replace(STORED, bytes(16))
    assert not torchfile.tensors(file(changed))["weight"].any()
    assert "fit its checksum" in refusal(file(CHECKPOINT.replace(STORED, bytes(16))))


def test_one_checksum_of_0_is_wrong(file):
    at = CHECKPOINT.index(b"root/data/0") - 16
    content = CHECKPOINT[:at] + bytes(4) + CHECKPOINT[at + 4 :]
    content = change(content, b"root/data/0", 16, bytes(4))
    assert "fit its checksum" in refusal(file(content))


# Frozen TorchScript

CODE = """class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net, z: Tensor) -> Tensor:
    input = torch.conv_transpose2d(z, CONSTANTS.c0)
    _1 = torch.format("got (4 {}D \\"input", torch.dim(input))
    input0 = torch.relu(torch.batch_norm(input, CONSTANTS.c1, CONSTANTS.c2, CONSTANTS.c2,
        CONSTANTS.c1, False, 0.1, 1e-05, True))
    _2 = torch._convolution(input0, CONSTANTS.c3, None, [2, 2], [1, 1], [1, 1], True)
    return torch.tanh(torch.add(_2, CONSTANTS.c4))
"""


def frozen(code=CODE, constants=None):
    """An archive of ``torch.jit.freeze``: all weights are constants of its code."""
    parts = [
        tensor([1, 4, 1, 1], [4, 1, 1, 1]),
        tensor([4], [1], key="1"),
        tensor([4], [1], key="2"),
        tensor([4, 1, 1, 1], [1, 1, 1, 1], key="3"),
        tensor([4], [1], key="4"),
        number(7),
    ]
    pickled = several(*parts) if constants is None else constants
    more = {f"constants/{i}": (i * ONES).tobytes() for i in range(5)}
    more |= {"constants.pkl": b"\x80\2" + pickled + b".", "code/__torch__.py": code.encode()}
    return zipped(name("__torch__", "Net") + b")\x81}b", [], **more)


def test_frozen_torchscript(file):
    found = torchfile.tensors(file(frozen()))
    expected = {
        "0.weight": (0, (1, 4, 1, 1)),
        "1.weight": (1, (4,)),
        "1.bias": (2, (4,)),
        "1.running_mean": (2, (4,)),
        "1.running_var": (1, (4,)),
        "3.weight": (3, (4, 1, 1, 1)),  # behind a ReLU
        "constants.4": (4, (4,)),
    }
    assert list(found) == list(expected)
    for title, (value, shape) in expected.items():
        np.testing.assert_array_equal(found[title], np.full(shape, value), err_msg=title)


@pytest.mark.parametrize(
    "code", ["", "raise SystemExit", "torch.conv2d(" * 9000 + "CONSTANTS.c" + "9" * 99, '"(']
)
def test_code_that_says_nothing(code, file):
    found = torchfile.tensors(file(frozen(code)))
    assert list(found) == [f"constants.{i}" for i in range(5)]


@pytest.mark.slow
def test_code_that_floods(file):
    code = "torch.linear(z, CONSTANTS.c0)" * 300_000
    assert "unsupported constants" in refusal(file(frozen(code)))
    assert "pickle opcodes" in refusal(file(frozen("(" * 2_000_000)))
    assert "unsupported constants" in refusal(file(frozen(constants=b"N")))


@pytest.mark.filterwarnings("ignore")  # torch's own, of TorchScript
@pytest.mark.parametrize("kind", ["script", "trace"])
def test_frozen_as_torch_writes_it(kind, tmp_path):
    torch = pytest.importorskip("torch")
    network = small_network(torch)
    if kind == "script":
        made = torch.jit.script(network)
    else:
        made = torch.jit.trace(network, torch.ones(1, 3, 1, 1))
    torch.jit.save(torch.jit.freeze(made), tmp_path / "file.pt")
    found = torchfile.tensors(tmp_path / "file.pt")
    state = network.state_dict()
    del state["1.num_batches_tracked"]
    assert list(found) == list(state)
    for title, array in state.items():
        np.testing.assert_array_equal(found[title], array.numpy())


def small_network(torch):
    network = torch.nn.Sequential(
        torch.nn.ConvTranspose2d(3, 2, 4, 1, 0, bias=False),
        torch.nn.BatchNorm2d(2),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(2, 2, 4, 2, 1, bias=False),
        torch.nn.Tanh(),
    )
    torch.manual_seed(0)
    for array in network.state_dict().values():
        if array.is_floating_point():
            array.copy_(torch.rand(array.shape))
    return network.eval()


# Archives of torch.export


def note(title, **changes):
    meta = {
        "dtype": 7,
        "sizes": [{"as_int": 2}, {"as_int": 2}],
        "strides": [{"as_int": 1}, {"as_int": 2}],
        "storage_offset": {"as_int": 0},
        "layout": 7,
    }
    return {"path_name": title, "use_pickle": False, "tensor_meta": meta | changes}


def exported(config, more=None):
    entries = {
        "g/data/weights/weight_0": np.arange(4, dtype=np.float32).tobytes(),
        "g/data/weights/weight_1": CHECKPOINT,
        "g/data/weights/model_weights_config.json": json.dumps({"config": config}),
        "g/data/sample_inputs/model.pt": CHECKPOINT,
        "g/models/model.json": "{}",
        "g/archive_format": "pt2",
    }
    return zip_of(entries | (more or {}))


def test_an_exported_network(file):
    one = note("weight_1") | {"use_pickle": True}
    found = torchfile.tensors(file(exported({"a.weight": note("weight_0"), "a.sub": one})))
    assert list(found) == ["a.weight", "a.sub.weight"]
    np.testing.assert_array_equal(found["a.weight"], [[0, 2], [1, 3]])
    assert not found["a.weight"].flags.writeable


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"a": note("weight_2")}, "has no weights a"),
        ({"a": note("../weight_0")}, "has no weights a"),
        ({"a": note("weight_0", dtype=29)}, "an unsupported layout or dtype"),
        ({"a": note("weight_0", layout=1)}, "an unsupported layout or dtype"),
        ({"a": note("weight_0", sizes=[{"as_int": 2}])}, "a damaged layout"),
        ({"a": note("weight_0", sizes=[{"as_int": 3}] * 2)}, "beyond the end"),
        ({"a": note("weight_0", sizes=[{"as_expr": 3}] * 2)}, "not a number from 0"),
        ({"a": note("weight_0", storage_offset={"as_int": -1})}, "a damaged layout"),
        ({"a": note("weight_0", strides=[1, 2])}, "not a number from 0"),
        ({"a": None}, "damaged notes"),
        ([], "damaged notes"),
    ],
)
def test_damaged_exports(config, message, file):
    assert message in refusal(file(exported(config)))


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"1" * 5000, b"\xff", b"[]"])
def test_damaged_notes_of_exports(content, file):
    path = "g/data/weights/model_weights_config.json"
    assert "damaged notes" in refusal(file(exported({}, {path: content})))
    assert "more than 4 MiB" in refusal(file(exported({}, {path: bytes(2**22 + 1)})))


@pytest.mark.parametrize(
    "title",
    ["serialized_state_dict.pt", "serialized_state_dict.json", "g/data/weights/model.pt"],
)
def test_older_exports(title, file):
    beside = {"serialized_exported_program.json": b"{}", "serialized_constants.pt": CHECKPOINT}
    assert_read(file(zip_of({title: CHECKPOINT, **beside})))


def test_two_exported_networks(file):
    path = "g/data/weights/other_weights_config.json"
    assert "several exported networks" in refusal(file(exported({}, {path: b"{}"})))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_an_export_as_torch_writes_it(tmp_path):
    torch = pytest.importorskip("torch")
    network = small_network(torch)
    torch.export.save(
        torch.export.export(network, (torch.ones(1, 3, 1, 1),)), tmp_path / "file.pt2"
    )
    found = torchfile.tensors(tmp_path / "file.pt2")
    state = {title: array.numpy() for title, array in network.state_dict().items()}
    assert set(found) == set(state)
    for title, array in state.items():
        np.testing.assert_array_equal(found[title], array)


# Damage

OBJECTS = {"g": {"weight": ONES}, "path": PurePath("a"), ("a", 1): defaultdict(list, a=[1])}
DAMAGED = {
    "frozen": frozen(),
    "exported": exported({"a": note("weight_0"), "b": note("weight_1") | {"use_pickle": True}}),
    "tar": TARRED,
    "gzip": GZIPPED,
    "zip in a zip": zip_of({"g.pt": CHECKPOINT}, zipfile.ZIP_DEFLATED),
    "unchecked zip": unchecked(CHECKPOINT),
    **{f"protocol {protocol}": pickle.dumps(OBJECTS, protocol) for protocol in range(6)},
}


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("title", DAMAGED)
def test_damage_raises_the_one_exception(title, count, file):
    assert torchfile.tensors(file(DAMAGED[title]))
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(count):
        error = None
        try:
            torchfile.tensors(file(mutated(DAMAGED[title], rng)))
        except CheckpointError as raised:
            error = raised
            refused += 1
        if error is not None:
            # Every refusal is a deliberate one: the last resort of ``read`` is not needed.
            assert isinstance(error.__cause__, Refused), repr(error.__cause__)
            assert str(error).isprintable()
    assert refused > 0.1 * count


@pytest.mark.skipif(sys.platform != "linux", reason="reads kilobytes of Linux")
@pytest.mark.slow
def test_bombs_stay_small(file):
    resource = pytest.importorskip("resource")
    bombed = gzip.compress(bytes(2**30), 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in (bombed, gzip.compress(bombed), tar_of({"a.gz": bombed})):
        assert "unfolds to far more bytes" in refusal(file(content))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1e6


# Folders


@pytest.mark.parametrize(
    ("titles", "expected"),
    [
        (["config.json", "model.safetensors", "optimizer.pt"], "model.safetensors"),
        (["config.json", "pytorch_model.bin", "training_args.bin"], "pytorch_model.bin"),
        (["diffusion_pytorch_model.bin", "x.pt"], "diffusion_pytorch_model.bin"),
        (["README.md", "generator.pth", ".hidden.pt"], "generator.pth"),
        (["README.md"], None),
        ([], None),
    ],
)
def test_folders(titles, expected, tmp_path):
    for title in titles:
        (tmp_path / title).touch()
    found = torchfile.in_folder(tmp_path)
    assert found == (None if expected is None else tmp_path / expected)


@pytest.mark.parametrize(
    ("titles", "message"),
    [
        (["a.pt", "b.pt"], "holds 2 checkpoints: a.pt, b.pt"),
        (
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors"],
            "holds a model in several files (model.safetensors.index.json)",
        ),
    ],
)
def test_folders_that_are_refused(titles, message, tmp_path):
    for title in titles:
        (tmp_path / title).touch()
    assert message in refusal(tmp_path, torchfile.in_folder)
    assert "cannot be read" in refusal(tmp_path / "none", torchfile.in_folder)


# Foreign files

FOREIGN = {
    "onnx": (b"\x08\x08\x12\x07pytorch\x1a\x052.3.0", "an ONNX model"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "an HDF5 file, as Keras writes them"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(90), "a TensorFlow Lite model"),
    "gguf": (b"GGUF\3\0\0\0" + bytes(90), "a GGUF file"),
    "xz": (b"\xfd7zXZ\0\0\4" + bytes(90), "xz -d"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(90), "zstd -d"),
    "bzip2": (b"BZh91AY&SY" + bytes(90), "bzip2 -d"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(90), "a 7z archive: unpack it"),
    "rar": (b"Rar!\x1a\7\1\0" + bytes(90), "a RAR archive: unpack it"),
    "SavedModel": (
        b"\x08\x01\x12\x90\x10\x0a\x0e" + bytes(90),
        "a TensorFlow graph or SavedModel",
    ),
    "TensorFlow index": (
        bytes(90) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb",
        "the index of a TensorFlow checkpoint",
    ),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "a pointer of Git LFS, not the file itself: fetch that with 'git lfs pull'",
    ),
    "web page": (b"\n <!DOCTYPE html><html><title>Google Drive</title>", "is a web page"),
    "answer in XML": (
        b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>",
        "is a web page",
    ),
    "answer in JSON": (
        b'{"error": "Entry not found"}\n',
        "is a JSON text, not a checkpoint; if it was downloaded, it is an answer of the "
        'server: \'{"error": "Entry not found"}\'',
    ),
    "npy": (b"\x93NUMPY\1\0v\0" + bytes(90), "a numpy array"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(90), "a PNG image"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(90), "a JPEG image"),
    "text": (b"Not Found\n", "is a text, not a checkpoint: 'Not Found'"),
    "text in brackets": (b"(the weights are elsewhere)", "is a text, not a checkpoint"),
    "list": (b"[1, 2, 3]\n", "is a text, not a checkpoint"),
    "msgpack": (b"\x81\xa6params\x82\xa6Dense0" + bytes(9), "a msgpack file, as Flax writes"),
    "bytes": (bytes(range(1, 99)), r"not a PyTorch checkpoint: it starts with '\x01\x02"),
    "nothing": (b"", "is empty"),
}


@pytest.mark.parametrize("title", FOREIGN)
def test_foreign_files(title, file):
    content, sentence = FOREIGN[title]
    line = refusal(file(content))
    assert sentence in line
    assert len(line) < 400


def test_foreign_files_by_name(file):
    assert "an ONNX model" in refusal(file(b"\x0a\x03abc", "net.onnx"))
    assert "a TensorFlow graph" in refusal(file(b"\x0a\x03abc", "net.pb"))
    assert "in a numpy" not in refusal(file(struct.pack("<Q", 9) + b"x", "net.bin"))


def test_a_storage_of_another_class_is_no_array(file):
    value = several(storage(4, "QInt8Storage"), tensor([4], [1]))
    assert list(torchfile.tensors(file(zipped(value)))) == ["1"]
    line = refusal(file(stream(value)))
    assert "asks for a storage of torch.QInt8Storage where there is none" in line


def test_objects_are_named(file):
    made = call(name("torch._utils", "_rebuild_qtensor"), storage(4, "QInt8Storage"))
    state = b"}(" + text("main.0.weight") + made + text("step") + number(3) + b"u"
    content = torchfile.read(file(zipped(state)))
    found = torchfile.objects_of(content)
    assert found["main.0.weight"] == "torch._utils._rebuild_qtensor"
    assert torchfile.objects_of(torchfile.read(file(alone(b"N")))) == {}

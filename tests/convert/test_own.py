import io
import json
import struct
import sys
import zipfile

import jax
import numpy as np
import pytest

from jaxgan import convert
from jaxgan.convert import own
from jaxgan.errors import InputError
from jaxgan.networks.pairs import PAIRS
from tests.convert.attacks import alone, attack_of
from tests.generators import line_of
from tests.quick import normal, variables

SETTINGS = {
    "format": 2,
    "model": "report_dcgan",
    "size": 32,
    "width": 2,
    "channels": 3,
    "norm": "batch",
    "latent_dim": 5,
}


def network_of(settings):
    names = ("size", "width", "channels", "norm")
    return PAIRS[settings["model"]].generator(*(settings[name] for name in names))


def made(seed=0, **changes):
    """Settings, and variables of a network with those: random, its statistics too."""
    settings = SETTINGS | changes
    z = np.zeros((1, settings["latent_dim"]), np.float32)
    shapes = jax.eval_shape(network_of(settings).init, jax.random.key(0), z)
    rng = np.random.default_rng(seed)

    def drawn(path, leaf):
        positive = path[-1].key in ("var", "scale")
        numbers = rng.uniform(0.5, 2, leaf.shape) if positive else rng.normal(size=leaf.shape)
        return (numbers / max(1, np.sqrt(leaf.size / 100))).astype(np.float32)

    return settings, jax.tree_util.tree_map_with_path(drawn, shapes)


SMALL = {"model": "report_dense", "size": 28, "channels": 1}


@pytest.mark.parametrize(
    "changes",
    [
        SMALL | {"width": 8, "latent_dim": 20},
        SMALL | {"model": "report_conv", "latent_dim": 3},
        {"latent_dim": 3},
        {"channels": 1, "norm": "layer"},
        pytest.param({"size": 64, "norm": "none"}, marks=pytest.mark.slow),
    ],
    ids=lambda changes: " ".join(map(str, changes.values())),
)
def test_what_is_written_is_read(changes, tmp_path):
    settings, variables = made(**changes)
    own.save(tmp_path / "generator.npz", settings, variables)
    assert [path.name for path in tmp_path.iterdir()] == ["generator.npz"]
    generator = convert.load(tmp_path)
    jax.tree.map(np.testing.assert_array_equal, generator.params, variables)
    size, dim = settings["size"], settings["latent_dim"]
    assert (generator.resolution, generator.latent_dim, generator.num_layers) == (size, dim, 0)
    assert generator.flavour == f"jaxgan {settings['model']}"
    z = normal(3, dim)
    expected = jax.jit(network_of(settings).apply)(variables, z)
    images = generator.images(generator.codes(z))
    assert images.shape == (3, size, size, 3)
    # Float32, in an order of sums that is the compiler's: some 1e-5 of values up to 1.
    np.testing.assert_allclose(images, np.broadcast_to(expected, images.shape), atol=5e-5)
    assert np.std(images) > 0.01


def test_a_generator_that_takes_labels_has_them_behind_its_latents(tmp_path):
    form = {name: (SETTINGS | SMALL)[name] for name in ("size", "width", "channels", "norm")}
    network = PAIRS["dcgan"].generator(**form, classes=3)
    z, labels = normal(4, 5), np.array([0, 2, 1, 2])
    weights = variables(network, z, labels)
    settings = SETTINGS | SMALL | {"model": "dcgan", "classes": 3}
    own.save(tmp_path / "generator.npz", settings, weights)
    generator = convert.load(tmp_path)
    assert (generator.num_labels, generator.z_dim, generator.latent_dim) == (3, 5, 8)
    codes = np.concatenate([z, np.eye(3, dtype=np.float32)[labels]], axis=1)
    np.testing.assert_array_equal(generator.with_labels(labels).codes(z), codes)
    (style,) = generator.styles
    assert not style.weight[:, 5:].any()

    @jax.jit
    def both(weights):
        return network.apply(weights, z, labels), generator.synthesise(weights, codes)

    expected, images = both(weights)
    np.testing.assert_allclose(images, expected, atol=1e-5)
    assert np.std(images) > 0.01


@pytest.mark.parametrize(
    "changes",
    [
        # The first layer has 8 units, 7 x 7 x 2 = 98, or 4 x 4 x 8 = 128.
        *(SMALL | {"width": 8, "latent_dim": dim} for dim in (1, 8, 20)),
        *(SMALL | {"model": "report_conv", "latent_dim": dim} for dim in (3, 98, 120)),
        *({"latent_dim": dim} for dim in (3, 4, 140)),  # 4 is the side of a kernel
        SMALL | {"model": "dcgan"},
        SMALL | {"model": "sngan"},
    ],
    ids=lambda changes: " ".join(map(str, changes.values())),
)
def test_the_style_makes_of_latents_what_the_first_layer_does(changes, tmp_path):
    """Without the layer's bias."""
    settings, variables = made(**changes)
    own.save(tmp_path / "generator.npz", settings, variables)
    (style,) = convert.load(tmp_path).styles
    assert (style.layer, style.to_rgb) == (0, False)
    name = "ConvTranspose_0" if settings["model"].endswith("dcgan") else "Dense_0"
    z = normal(3, settings["latent_dim"])

    @jax.jit
    def first_layer(variables, z):  # the compiler drops the others
        _, seen = network_of(settings).apply(
            variables, z, train=False, capture_intermediates=True, mutable=["intermediates"]
        )
        return seen["intermediates"][name]["__call__"][0]

    outputs = np.asarray(first_layer(variables, z)).reshape(len(z), -1)
    expected = outputs - variables["params"][name].get("bias", 0)
    np.testing.assert_allclose(z @ style.weight.T, expected, rtol=1e-4, atol=1e-4)


def test_a_file_and_its_folder_are_one(tmp_path):
    folder = tmp_path / "run.1"
    folder.mkdir()
    own.save(folder / "generator.npz", *made())
    (folder / "config.json").write_text("no matter what")
    prints = {convert.load(path).fingerprint for path in (folder, folder / "generator.npz")}
    other = folder / "other.npz"
    other.write_bytes((folder / "generator.npz").read_bytes())
    assert prints == {convert.load(str(other)).fingerprint}
    own.save(folder / "generator.npz", *made(seed=1))  # in place of the first
    assert convert.load(folder).fingerprint not in prints


def test_any_other_zip_of_the_same_arrays_is_read(tmp_path):
    settings, variables = made()
    own.save(tmp_path / "generator.npz", settings, variables)
    with np.load(tmp_path / "generator.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert json.loads(arrays["settings"].tobytes()) == settings
    for name, write in (("deflated", np.savez_compressed), ("stored", np.savez)):
        stored = {n: np.asfortranarray(a) for n, a in arrays.items()}
        write(tmp_path / f"{name}.npz", **stored)
        found = convert.load(tmp_path / f"{name}.npz")
        jax.tree.map(np.testing.assert_array_equal, found.params, variables)


def test_files_of_older_versions_are_of_the_reports_networks(tmp_path):
    settings, variables = made()
    own.save(tmp_path / "generator.npz", settings, variables)
    with np.load(tmp_path / "generator.npz") as file:
        arrays = dict(file)
    old = {n: x for n, x in settings.items() if n != "format"} | {"model": "dcgan"}
    arrays["settings"] = np.frombuffer(json.dumps(old).encode(), np.uint8)
    np.savez(tmp_path / "generator.npz", **arrays)
    found = convert.load(tmp_path)
    assert found.flavour == "jaxgan report_dcgan"
    jax.tree.map(np.testing.assert_array_equal, found.params, variables)


# Files that are damaged, or of something else.


def npy(dtype, shape, content):
    """An array by hand, whatever its header says."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + content


def archive(how=zipfile.ZIP_STORED, **entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as packed:
        for name, content in entries.items():
            packed.writestr(f"{name}.npy", content)
    return file.getvalue()


def with_settings(settings):
    text = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
    return archive(settings=npy("|u1", (len(text),), text))


def without(name):
    return {key: value for key, value in SETTINGS.items() if key != name}


def refusal(path, content):
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        convert.load(path)
    line = line_of(error)
    assert len(line) < 1000
    return line


FOREIGN = "is not a generator that jaxgan wrote"
NO_ARRAY = "has an entry that is no numpy array of numbers"
DAMAGES = {
    "nothing": (b"", "is not a readable .npz file"),
    "a text": (b"no zip archive at all, but a line of text", "is not a readable .npz file"),
    "an array alone": (npy("<f4", (2,), bytes(8)), "is not a readable .npz file"),
    "no entries": (archive(), "has bytes before its first zip entry"),
    "no settings": (archive(other=npy("<f4", (2,), bytes(8))), FOREIGN),
    "a bomb": (
        lambda: archive(zipfile.ZIP_DEFLATED, settings=bytes(2**28)),
        "unfolds to far more bytes",
    ),
    "no array inside": (archive(settings=b"{}"), NO_ARRAY),
    "a newer header": (archive(settings=b"\x93NUMPY\3\0" + bytes(80)), NO_ARRAY),
    "no header": (archive(settings=b"\x93NUMPY\1\0\xff\xff" + b"(" * 60_000), NO_ARRAY),
    "code as header": (
        archive(settings=npy("<f4", (2,), b"").replace(b"(2,)", b"1/0 ")),
        NO_ARRAY,
    ),
    "objects": (archive(settings=npy("|O", (1,), alone(b"N"))), NO_ARRAY),
    "objects in records": (archive(settings=npy([("a", "|O")], (1,), bytes(8))), NO_ARRAY),
    "more than there is": (archive(settings=npy("<f4", (9,), bytes(8))), NO_ARRAY),
    "less than there is": (archive(settings=npy("<f4", (1,), bytes(8))), NO_ARRAY),
    "a huge shape": (archive(settings=npy("<f4", (2**40,), bytes(8))), NO_ARRAY),
    "a huge shape of none": (archive(settings=npy("<f4", (2**62, 2**62, 0), b"")), NO_ARRAY),
    "a negative shape": (archive(settings=npy("<f4", (-1, -2), bytes(8))), NO_ARRAY),
    "many dimensions": (archive(settings=npy("<f4", (1,) * 70, bytes(4))), NO_ARRAY),
    "no bytes each": (archive(settings=npy("|V0", (3,), b"")), NO_ARRAY),
    "arrays in arrays": (archive(settings=npy(("<f4", (3,)), (2,), bytes(24))), NO_ARRAY),
    "a number for settings": (
        archive(settings=npy("<i8", (), struct.pack("<q", 2**31))),
        FOREIGN,
    ),
    "a huge number": (archive(settings=npy("<i8", (), struct.pack("<q", 2**62))), FOREIGN),
    "deep settings": (with_settings(b"[" * 100_000), FOREIGN),
    "long numbers": (with_settings(b"1" * 100_000), FOREIGN),
    "settings that are no text": (with_settings(b"\xff\xfe{"), FOREIGN),
    "a list": (with_settings([SETTINGS]), FOREIGN),
    **{f"without {name}": (with_settings(without(name)), FOREIGN) for name in SETTINGS},
    "model": (with_settings(SETTINGS | {"model": "vgg"}), FOREIGN),
    "old model": (with_settings(SETTINGS | {"model": "conv"}), FOREIGN),
    "later format": (with_settings(SETTINGS | {"format": 3}), FOREIGN),
    "model that is a list": (with_settings(SETTINGS | {"model": ["report_dcgan"]}), FOREIGN),
    "norm": (with_settings(SETTINGS | {"norm": "group"}), FOREIGN),
    "text for a number": (with_settings(SETTINGS | {"width": "2"}), FOREIGN),
    "truth for a number": (with_settings(SETTINGS | {"width": True}), FOREIGN),
    "half a channel": (with_settings(SETTINGS | {"channels": 1.5}), FOREIGN),
    "two channels": (with_settings(SETTINGS | {"channels": 2}), FOREIGN),
    "no width": (with_settings(SETTINGS | {"width": 0}), FOREIGN),
    "negative width": (with_settings(SETTINGS | {"width": -1}), FOREIGN),
    "huge width": (with_settings(SETTINGS | {"width": 10**9}), FOREIGN),
    "huge latents": (with_settings(SETTINGS | {"latent_dim": 2**40}), FOREIGN),
    "size": (with_settings(SETTINGS | {"size": 48}), "makes images of 32, 64, 128 pixels"),
    "size of another": (
        with_settings(SETTINGS | SMALL | {"size": 64}),
        "says 1 channels of 64 pixels, and its report_dense makes others",
    ),
    "half of a width": (
        with_settings(SETTINGS | SMALL | {"model": "report_conv", "width": 1}),
        "has layers without channels",
    ),
    "large, but no arrays": (
        with_settings(SETTINGS | {"size": 128, "width": 1024, "latent_dim": 65536}),
        "looks like a jaxgan report_dcgan, but it lacks ",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_one_line_and_little_memory(damage, tmp_path):
    resource = pytest.importorskip("resource")
    content, words = DAMAGES[damage]
    content = content() if callable(content) else content
    path = tmp_path / "generator.npz"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = refusal(path, content)
    assert words in line
    if words != "makes images of 32, 64, 128 pixels":
        assert line.startswith(str(path))
    if sys.platform == "linux":  # kilobytes; the interpreter itself takes a few MB
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300e3


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "generator.npz"
    own.save(path, *made())
    return path.read_bytes()


def test_a_file_cut_short_anywhere_is_refused(good, tmp_path):
    for size in range(0, len(good), max(1, len(good) // 100)):
        refusal(tmp_path / "generator.npz", good[:size])


def test_no_flipped_bit_changes_a_number_unseen(good, tmp_path):
    path = tmp_path / "generator.npz"
    _, variables = made()
    rng = np.random.default_rng(0)
    refused = 0
    for at in rng.integers(0, len(good), 200):
        changed = bytes([good[at] ^ 1 << int(rng.integers(8))])
        path.write_bytes(good[:at] + changed + good[at + 1 :])
        try:
            params = convert.load(path).params
        except InputError:
            refused += 1
            continue
        # A time or an attribute in a header.
        jax.tree.map(np.testing.assert_array_equal, params, variables)
    assert refused > 100


def rewritten(path, good, change):
    with np.load(io.BytesIO(good)) as file:
        arrays = dict(file)
    np.savez(path, **change(arrays))
    return path.read_bytes()


@pytest.mark.parametrize("others", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_array_must_be_there_and_fit(others, good, tmp_path):
    """Every fifth array; all others."""
    path = tmp_path / "generator.npz"
    with np.load(io.BytesIO(good)) as file:
        names = [name for name in file.files if name != "settings"]
    assert len(names) == 16
    for name in [name for i, name in enumerate(names) if (i % 5 > 0) == others]:

        def lacks(arrays, name=name):
            return {n: a for n, a in arrays.items() if n != name}

        def misshapen(arrays, name=name):
            return arrays | {name: arrays[name][..., None]}

        def infinite(arrays, name=name):
            return arrays | {name: np.full_like(arrays[name], np.inf)}

        def integers(arrays, name=name):
            return arrays | {name: arrays[name].astype(int)}

        assert f"it lacks {name}" in refusal(path, rewritten(path, good, lacks))
        for change, words in (
            (misshapen, "has shape ["),
            (infinite, "is not finite"),
            (integers, "is int64, not floating point"),
        ):
            assert f"its {name} {words}" in refusal(path, rewritten(path, good, change))


def test_arrays_that_the_network_lacks_are_named(good, tmp_path):
    path = tmp_path / "generator.npz"

    def more(arrays):
        return arrays | {"params.more": np.ones(2, np.float32), "b\nc": np.ones(1)}

    line = refusal(path, rewritten(path, good, more))
    assert "it has params.more and 1 more, which that network lacks" in line

    def odd(arrays):
        return arrays | {"b\nc": np.ones(1)}

    assert r"it has 'b\nc'" in refusal(path, rewritten(path, good, odd))


@pytest.mark.parametrize("attack", ["os.system", "eval", "BUILD", "NEWOBJ"])
def test_objects_are_never_unpickled(attack, good, tmp_path):
    canary = tmp_path / "canary"
    content = npy("|O", (1,), alone(attack_of(attack, canary)))
    path = tmp_path / "generator.npz"
    assert NO_ARRAY in refusal(path, archive(settings=content))
    with zipfile.ZipFile(io.BytesIO(good)) as packed:
        entries = {name.removesuffix(".npy"): packed.read(name) for name in packed.namelist()}
    entries["params.BatchNorm_0.bias"] = content
    path = tmp_path / "generator.npz"
    assert NO_ARRAY in refusal(path, archive(**entries))
    assert not canary.exists()


def test_files_that_are_not_there(tmp_path):
    for path, words in (
        (tmp_path, "is a folder without a generator.npz and without a checkpoint: give a"),
        (tmp_path / "none.npz", "none.npz does not exist"),
    ):
        with pytest.raises(InputError) as error:
            convert.load(path)
        assert words in line_of(error)
    (tmp_path / "generator.npz").mkdir()
    with pytest.raises(InputError) as error:
        convert.load(tmp_path)
    assert "generator.npz is not a file" in line_of(error)

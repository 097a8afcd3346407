"""MobileStyleGAN against its formulas, and the real one against OpenVINO."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.convert import zoo
from jaxgan.convert.flavours.mobilestylegan import NETWORKS
from jaxgan.errors import InputError
from tests.convert.openvino_files import DIM, WIDTHS, arrays_of, write
from tests.generators import line_of, normal

GOLDEN = Path(__file__).parents[1] / "data" / "mobilestylegan.npz"
LAYERS = 8


# The network as the paper and its exported files have it, channels first, in float64.


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def encoded(arrays, z):
    x = z / np.sqrt(np.square(z).mean(axis=1, keepdims=True) + 1e-8)
    for i in range(3):
        x = x @ arrays[f"mapping.{i}.weight"].T + arrays[f"mapping.{i}.bias"]
        x = 2**0.5 * leaky(x)
    return x


def styled(arrays, name, x, code):
    scale = code @ arrays[f"{name}.modulation.weight"].T + arrays[f"{name}.modulation.bias"]
    scale = scale * arrays.get(f"{name}.modulation.scale", np.ones(1)).item()
    return x * scale[:, :, None, None]


def convolved(x, weight):
    """3x3 with zeros around, ``[O, I, 3, 3]``."""
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    high, wide = x.shape[2] - 2, x.shape[3] - 2
    return sum(
        np.einsum("nihw,oi->nohw", x[:, :, a : a + high, b : b + wide], weight[:, :, a, b])
        for a in range(3)
        for b in range(3)
    )


def layer(arrays, name, x, code):
    x = styled(arrays, f"{name}.conv", x, code)
    taps = arrays.get(f"{name}.conv.weight_dw")
    weight = arrays[f"{name}.weight"]
    if taps is None:
        x = convolved(x, weight)
    else:
        own = np.einsum("cd,cij->cdij", np.eye(len(taps)), taps[:, 0, 0])
        x = np.einsum("nihw,oi->nohw", convolved(x, own), weight[:, :, 0, 0])
    return leaky(x + arrays[f"{name}.noise"] + arrays[f"{name}.bias"])


def enlarged(x):
    """Inverse Haar transform: a quarter of the channels are means, the others threes."""
    n, channels, high, wide = x.shape
    count = channels // 4
    low, rest = x[:, :count], x[:, count:].reshape(n, count, 3, high, wide)
    plus, minus = np.array([1, 1]) / 2**0.5, np.array([1, -1]) / 2**0.5
    return sum(
        np.kron(band, np.outer(down, across))
        for band, down, across in (
            (low, plus, plus),
            (rest[:, :, 0], minus, plus),
            (rest[:, :, 1], plus, minus),
            (rest[:, :, 2], minus, minus),
        )
    )


def made(arrays, codes):
    x = np.repeat(arrays["m.input.input"], len(codes), axis=0)
    x = layer(arrays, "m.conv1", x, codes[:, 0])
    for b in range(len(WIDTHS) - 1):
        name = f"m.layers.{b}"
        x = enlarged(styled(arrays, f"{name}.up", x, codes[:, 3 * b + 1]))
        x = layer(arrays, f"{name}.conv1", x, codes[:, 3 * b + 2])
        x = layer(arrays, f"{name}.conv2", x, codes[:, 3 * b + 3])
    name = f"m.layers.{len(WIDTHS) - 2}.to_img"
    x = styled(arrays, f"{name}.conv", x, codes[:, -1])
    x = np.einsum("nihw,oi->nohw", x, arrays[f"{name}.conv.weight"][:, :, 0, 0])
    return enlarged(x + arrays[f"{name}.bias"]).transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def arrays():
    return arrays_of()


@pytest.fixture(scope="module")
def generator(arrays, tmp_path_factory):
    return convert.load(write(tmp_path_factory.mktemp("networks"), arrays))


def test_codes_and_images_are_those_of_the_formulas(arrays, generator):
    z, codes = normal(3, DIM), normal(3, LAYERS, DIM, seed=1)
    assert (generator.resolution, generator.num_layers, generator.latent_dim) == (32, 8, DIM)
    expected = np.repeat(encoded(arrays, z)[:, None], LAYERS, axis=1)
    np.testing.assert_allclose(generator.codes(z), expected, rtol=1e-4, atol=1e-5)
    expected = made(arrays, codes.astype(np.float64))
    scale = np.abs(expected).max()
    # float32 through a dozen products.
    np.testing.assert_allclose(generator.images(codes), expected, atol=2e-6 * scale)


def test_every_code_enters_by_its_own_matrix(arrays, generator):
    weights = [name for name in arrays if name.endswith("modulation.weight")]
    assert [style.name for style in generator.styles] == weights
    assert [style.layer for style in generator.styles] == list(range(LAYERS))
    assert [style.to_rgb for style in generator.styles] == [False] * 7 + [True]
    for style in generator.styles:
        np.testing.assert_array_equal(style.weight, arrays[style.name])
    codes = normal(1, LAYERS, DIM)
    still = np.asarray(generator.images(codes))
    for i in range(LAYERS):
        moved = codes.copy()
        moved[:, i] += 0.1
        assert np.abs(np.asarray(generator.images(moved)) - still).max() > 1e-4


def test_a_folder_a_file_and_a_wheel_are_one(arrays, generator, tmp_path):
    folder = write(tmp_path / "networks", arrays)
    wheel = tmp_path / "networks-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"networks/data/{file.name}")
        archive.writestr("networks/__init__.py", "raise SystemExit")
    for path in (folder, folder / "MappingNetwork.xml", wheel):
        assert convert.load(path).fingerprint == generator.fingerprint


def test_directions_are_those_of_the_matrices(generator):
    found = sefa.directions(generator, "1-3", k=2, normalisation="none")
    rows = np.concatenate([generator.styles[i].weight for i in (1, 2, 3)]).astype(np.float64)
    np.testing.assert_allclose(
        found.values, np.linalg.svd(rows, compute_uv=False)[:2] ** 2, rtol=1e-10
    )


@pytest.mark.parametrize("name", [f"{n}.{kind}" for n in NETWORKS for kind in ("xml", "bin")])
def test_a_missing_file_is_named(arrays, tmp_path, name):
    folder = write(tmp_path / "networks", arrays)
    (folder / name).unlink()
    with pytest.raises(InputError) as error:
        convert.load(folder / f"{NETWORKS[0]}.xml")
    assert name in line_of(error)


def renamed(old, new):
    return lambda arrays: {name.replace(old, new): array for name, array in arrays.items()}


def without(name):
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


def changed(name, change):
    return lambda arrays: arrays | {name: change(arrays[name])}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("m.input.input"), "lacks m.input.input"),
        (without("m.layers.0.conv1.conv.weight_dw"), "lacks m.layers.0.conv1.conv.weight_dw"),
        (renamed("layers.1", "layers.3"), "lacks m.layers.1.up.modulation.weight"),
        (renamed("layers.1.up", "layers.1.down"), "has 0 Const before 'm.layers.1.down"),
        (changed("m.input.input", lambda x: x[:, :6]), "m.conv1"),
        (changed("m.layers.1.conv2.noise", lambda x: x[:, :, :8]), "[1, 1, 16, 16]"),
        (changed("m.layers.1.to_img.conv.weight", lambda x: x[:3]), "[12, 8, 1, 1]"),
        (changed("m.conv1.bias", lambda x: x * np.inf), "m.conv1.bias is not finite"),
        (changed("mapping.1.weight", lambda x: x[:, :3]), "mapping.1.weight has shape [6, 3]"),
        (
            lambda arrays: arrays | {"m.extra.x": np.ones(3)},
            "it has m.extra.x, which that network lacks",
        ),
    ],
)
def test_other_networks_are_refused(arrays, tmp_path, change, words):
    with pytest.raises(InputError) as error:
        convert.load(write(tmp_path / "networks", change(arrays)))
    assert words in line_of(error)


def test_channels_that_do_not_part_in_four_are_refused(tmp_path):
    arrays = arrays_of(widths=(8, 10, 8))
    with pytest.raises(InputError) as error:
        convert.load(write(tmp_path / "networks", arrays))
    assert "cannot part 10 channels in four" in line_of(error)


@pytest.fixture(scope="module")
def real():
    """The generator of faces, where it has been downloaded."""
    folder = zoo.cache() / "mobilestylegan-ffhq"
    if not (folder / "SynthesisNetwork.bin").exists():
        pytest.skip("needs mobilestylegan-ffhq: python -m experiments.sefa downloads it")
    return convert.load("mobilestylegan-ffhq")


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def test_the_real_one_makes_what_openvino_made(real):
    """OpenVINO 2026.4 in float32: codes, means of 64x64 pixels, and some pixels themselves."""
    golden = np.load(GOLDEN)
    for i in range(0, 8, 4):
        codes = np.asarray(real.codes(golden["z"][i : i + 4]))
        assert relative(codes[:, 5], golden["codes"][i : i + 4]) < 1e-4
        images = np.asarray(real.images(codes))
        means = images.reshape(4, 16, 64, 16, 64, 3).mean(axis=(2, 4))
        assert relative(means, golden["means"][i : i + 4]) < 1e-4
        pixels = images[:, 500:516, 380:396]
        assert relative(pixels, golden["pixels"][i : i + 4]) < 1e-4


OPENVINO = """
import sys, numpy, openvino
folder, z, out = sys.argv[1:]
core, exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
mapping, synthesis = (
    core.compile_model(core.read_model(f"{folder}/{name}.xml"), "CPU", exact)
    for name in ("MappingNetwork", "SynthesisNetwork")
)
codes = [mapping(one[None])[0] for one in numpy.load(z)]
numpy.savez(out, codes=codes, images=[synthesis(code)[0][0] for code in codes])
"""


def test_the_real_one_equals_openvino(real, tmp_path):
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("needs openvino")
    z, out = normal(8, 512, seed=5), tmp_path / "out.npz"
    np.save(tmp_path / "z.npy", z)
    # In a process of its own: openvino forks when it is imported.
    folder = zoo.cache() / "mobilestylegan-ffhq"
    command = [sys.executable, "-c", OPENVINO, folder, tmp_path / "z.npy", out]
    subprocess.run(command, check=True, capture_output=True)
    expected = np.load(out)
    codes = np.asarray(real.codes(z))
    assert relative(codes[:, :1], expected["codes"]) < 1e-4
    for code, wanted in zip(codes, expected["images"], strict=True):
        image = np.asarray(real.images(code[None]))[0]
        assert relative(image.transpose(2, 0, 1), wanted) < 1e-4

"""MobileStyleGAN against its formulas and its own code, and the real one against OpenVINO."""

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.convert import zoo
from jaxgan.convert.flavours import mobilestylegan_ckpt
from jaxgan.convert.flavours.mobilestylegan import NETWORKS
from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.errors import InputError
from tests.convert.openvino_files import DIM, WIDTHS, arrays_of, write
from tests.generators import line_of, normal

DATA = Path(__file__).parents[1] / "data"
GOLDEN = DATA / "mobilestylegan.npz"
FILES = DATA / "checkpoints"
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
        own = np.einsum("cd,cij->cdij", np.eye(len(taps)), taps[:, 0])
        x = np.einsum("nihw,oi->nohw", convolved(x, own), weight[:, :, 0, 0])
    return leaky(x + arrays[f"{name}.noise"] + arrays[f"{name}.bias"])


def enlarged(x, tap):
    """Inverse Haar transform: a quarter of the channels are means, the others threes."""
    n, channels, high, wide = x.shape
    count = channels // 4
    low, rest = x[:, :count], x[:, count:].reshape(n, count, 3, high, wide)
    plus, minus = tap * np.array([1, 1]), tap * np.array([1, -1])
    return sum(
        np.kron(band, np.outer(down, across))
        for band, down, across in (
            (low, plus, plus),
            (rest[:, :, 0], minus, plus),
            (rest[:, :, 1], plus, minus),
            (rest[:, :, 2], minus, minus),
        )
    )


def made(arrays, codes, tap=0.5**0.5):
    x = np.repeat(arrays["input.input"], len(codes), axis=0)
    x = layer(arrays, "conv1", x, codes[:, 0])
    for b in range(len(WIDTHS) - 1):
        name = f"layers.{b}"
        x = enlarged(styled(arrays, f"{name}.up", x, codes[:, 3 * b + 1]), tap)
        x = layer(arrays, f"{name}.conv1", x, codes[:, 3 * b + 2])
        x = layer(arrays, f"{name}.conv2", x, codes[:, 3 * b + 3])
    name = f"layers.{len(WIDTHS) - 2}.to_img"
    x = styled(arrays, f"{name}.conv", x, codes[:, -1])
    x = np.einsum("nihw,oi->nohw", x, arrays[f"{name}.conv.weight"][:, :, 0, 0])
    return enlarged(x + arrays[f"{name}.bias"], tap).transpose(0, 2, 3, 1)


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
    for path in (folder, *folder.iterdir(), wheel):
        assert convert.load(path).fingerprint == generator.fingerprint


def test_files_of_other_names_are_found(arrays, generator, tmp_path):
    folder = write(tmp_path / "networks", arrays, ("one", "two"))
    for path in (folder, folder / "one.xml", folder / "two.xml"):
        assert convert.load(path).fingerprint == generator.fingerprint
    write(folder, arrays_of(seed=1), ("three", "four"))
    with pytest.raises(InputError) as error:
        convert.load(folder)
    assert "one mapping network" in line_of(error)
    assert "not one, three" in line_of(error)
    with pytest.raises(InputError) as error:
        convert.load(folder / "one.xml")
    assert "one synthesis network" in line_of(error)
    write(folder, arrays)
    assert convert.load(folder).fingerprint == generator.fingerprint


def off(found, expected):
    """The largest error, by the largest number of what is expected."""
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


def test_half_precision(arrays, tmp_path):
    half = convert.load(write(tmp_path / "networks", arrays, ("a", "b"), half=True))
    z, codes = normal(3, DIM), normal(3, LAYERS, DIM, seed=1)
    assert off(half.codes(z)[:, 0], encoded(arrays, z)) < 5e-3
    assert off(half.images(codes), made(arrays, codes.astype(np.float64))) < 5e-3
    rounded = {name: array.astype(np.float16).astype(float) for name, array in arrays.items()}
    assert off(half.codes(z)[:, 0], encoded(rounded, z)) < 2e-6
    expected = made(rounded, codes.astype(np.float64), float(np.float16(0.5**0.5)))
    assert off(half.images(codes), expected) < 2e-6


def test_latents_of_another_length(arrays, tmp_path):
    short = changed("mapping.0.weight", lambda x: x[:, :4])(arrays)
    generator = convert.load(write(tmp_path / "networks", short))
    assert (generator.z_dim, generator.latent_dim) == (4, DIM)
    z = normal(3, 4)
    assert off(generator.codes(z)[:, 0], encoded(short, z)) < 1e-5


@pytest.fixture(scope="module")
def small():
    """What bes-dev/MobileStyleGAN.pytorch (a9776ff) makes of the network in ``FILES``.

    Mean code, and images of all codes and of the first one truncated by half.
    """
    return np.load(FILES / "mobilestylegan_small.npz")


@pytest.mark.parametrize(
    ("file", "tolerance"),
    [("mobilestylegan_openvino.whl", 2e-5), ("mobilestylegan_half.whl", 5e-3)],
)
def test_networks_that_openvino_saved(small, file, tolerance):
    """OpenVINO 2026.4 adds noise and bias up, and so on; the files have other names."""
    generator = convert.load(FILES / file)
    codes = generator.codes(small["z"])
    assert off(codes[:, 3], small["codes"]) < tolerance
    assert off(generator.images(codes), small["images"]) < tolerance


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
    missing = {"SynthesisNetwork.xml": "needs one synthesis network"}.get(name, name)
    assert missing in line_of(error)


def without(name):
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


def changed(name, change):
    return lambda arrays: arrays | {name: change(arrays[name])}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("layers.0.conv1.conv.weight_dw"), "not Style, GroupConvolution, Convolution"),
        (without("layers.0.conv1.bias"), "has shape [1, 1, 1, 1], not [1, 12, 1, 1]"),
        (without("conv1.conv.modulation.bias"), "which no MobileStyleGAN has there"),
        (without("layers.1.up.modulation.weight"), "has Multiply, which no"),
        (changed("input.input", lambda x: x[:, :6]), "conv1"),
        (changed("layers.1.conv2.noise", lambda x: x[:, :, :8]), "[1, 1, 16, 16]"),
        (changed("layers.1.to_img.conv.weight", lambda x: x[:3]), "[12, 8, 1, 1]"),
        (changed("conv1.bias", lambda x: x * np.inf), "conv1.bias is not finite"),
        (changed("mapping.1.weight", lambda x: x[:, :3]), "mapping.1.weight has shape [6, 3]"),
    ],
)
def test_other_networks_are_refused(arrays, tmp_path, change, words):
    with pytest.raises(InputError) as error:
        convert.load(write(tmp_path / "networks", change(arrays)))
    assert words in line_of(error)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('type="PReLU"', 'type="Tanh"', "has Tanh, which no MobileStyleGAN has there"),
        ('type="Result"', 'type="Other"', "has 0 outputs, not one"),
        ('type="MatMul"', 'type="Mul"', "which is missing"),
        ('from-layer="32"', 'from-layer="2"', "lacks mapping.0.weight"),  # to the result
        # The first layer reads its own activation.
        ('from-layer="2" from-port="0" to-layer="4"', 'from-layer="10" to-layer="4"', "circle"),
    ],
)
def test_other_operations_are_refused(arrays, tmp_path, old, new, words):
    folder = write(tmp_path / "networks", arrays)
    file = folder / "MappingNetwork.xml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(InputError) as error:
        convert.load(folder)
    assert words in line_of(error)


def test_channels_that_do_not_part_in_four_are_refused(tmp_path):
    arrays = arrays_of(widths=(8, 10, 8))
    with pytest.raises(InputError) as error:
        convert.load(write(tmp_path / "networks", arrays))
    assert "cannot part 10 channels in four" in line_of(error)


@pytest.fixture(scope="module")
def tensors():
    """The arrays of a distiller that Lightning saved."""
    return torchfile.tensors(FILES / "mobilestylegan.ckpt")


def find(tensors, **options):
    return mobilestylegan_ckpt.find(Checkpoint("file", None, tensors, **options))


def test_its_checkpoint(small):
    generator = convert.load(FILES / "mobilestylegan.ckpt")
    assert generator.flavour == "MobileStyleGAN"
    assert "student" in generator.origin
    codes = generator.codes(small["z"])
    assert off(codes[:, 3], small["codes"]) < 2e-5
    assert off(generator.images(codes), small["images"]) < 2e-5
    truncated = generator.codes(small["z"][:1], truncation=0.5)
    assert off(generator.images(truncated), small["truncated"]) < 2e-5
    exported = convert.load(FILES / "mobilestylegan_openvino.whl")
    assert generator.fingerprint == exported.fingerprint


def test_parts_of_a_checkpoint(tensors):
    whole = find(tensors)
    parts = {
        name.removeprefix("state_dict.").replace("mapping_net.", "m.module."): array
        for name, array in tensors.items()
        if name.startswith(("state_dict.student", "state_dict.mapping_net"))
    }
    part = find(parts)
    assert part.average is None
    assert part.fingerprint == whole.fingerprint
    z = normal(2, DIM)
    np.testing.assert_array_equal(part.codes(z), whole.codes(z))


def test_noise_that_a_checkpoint_lacks_is_drawn(tensors):
    noises = [name for name in tensors if name.endswith("noise.noise")]
    assert len(noises) == 5
    quiet = {name: array for name, array in tensors.items() if name not in noises}
    generators = [find(quiet) for _ in range(2)]
    assert "drawn from a fixed seed" in generators[0].origin
    assert "drawn" not in find(tensors).origin
    params = [generator.params["synthesis"] for generator in generators]
    for name, layer in (("layer", "conv1"), ("layer_1_1", "layers.1.conv2")):
        noise = np.asarray(params[0][name]["noise"])
        np.testing.assert_array_equal(noise, params[1][name]["noise"])
        strength = abs(tensors[f"state_dict.student.{layer}.noise.weight"].item())
        assert 0.5 * strength < noise.std() < 1.5 * strength


def only(*parts):
    return lambda name: name.startswith(tuple(f"state_dict.{part}" for part in parts))


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (only("student"), "lacks the mapping network"),
        (only("synthesis_net", "mapping_net"), "but not the student"),
        (only("synthesis_net"), "but not the student"),
        (lambda name: "1.conv1.conv.style_inv" not in name, "lacks layers.1.conv1.conv.style"),
        (lambda name: "student.conv1.noise" not in name, "lacks conv1.noise.weight"),
        (lambda name: "student.layers.1.to_img.bias" not in name, "lacks layers.1.to_img.bias"),
        (lambda name: "student.idwt.g0_col" not in name, "lacks idwt.g0_col"),
        (lambda name: "mapping_net.layers.2.bias" not in name, "lacks layers.2.bias"),
    ],
)
def test_a_checkpoint_that_lacks_a_part_says_so(tensors, keep, words):
    kept = {name: array for name, array in tensors.items() if keep(name)}
    assert len(kept) < len(tensors)
    with pytest.raises(InputError) as error:
        find(kept)
    assert words in line_of(error)
    assert "rosinality" not in line_of(error)
    assert "MobileStyleGAN" in line_of(error)


def test_two_mapping_networks(tensors):
    more = {name.replace("mapping_net.", "mapping_ema."): a for name, a in tensors.items()}
    more = {name: 2 * a for name, a in more.items() if "mapping_ema" in name}
    z = normal(2, DIM)
    assert off(find(tensors | more).codes(z), np.asarray(find(tensors).codes(z))) > 0.1
    more = {name.replace("mapping_ema.", "mapping_old."): a for name, a in more.items()}
    with pytest.raises(InputError) as error:
        find(tensors | more)
    assert "several layers.1.weight" in line_of(error)


def test_other_files_are_none():
    assert find({"layers.1.weight": np.ones((3, 3), np.float32)}) is None


@pytest.fixture(scope="module")
def real():
    """The generator of faces, where it has been downloaded."""
    folder = zoo.cache() / "mobilestylegan-ffhq"
    if not (folder / "SynthesisNetwork.bin").exists():
        pytest.skip("needs mobilestylegan-ffhq: python -m experiments.sefa downloads it")
    return convert.load("mobilestylegan-ffhq")


def relative(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.slow
def test_the_real_one_makes_what_openvino_made(real):
    """OpenVINO 2026.4 in float32: codes, means of 64x64 pixels, and some pixels themselves."""
    golden = np.load(GOLDEN)
    codes = np.asarray(real.codes(golden["z"]))
    assert relative(codes[:, 5], golden["codes"]) < 1e-4
    for i in range(8):
        image = np.asarray(real.images(codes[i : i + 1]))[0]
        means = image.reshape(16, 64, 16, 64, 3).mean(axis=(1, 3))
        assert relative(means, golden["means"][i]) < 1e-4
        assert relative(image[500:516, 380:396], golden["pixels"][i]) < 1e-4


OPENVINO = """
import sys, numpy, openvino
folder, saved, z, out = sys.argv[1:]
core, exact = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
names = ("MappingNetwork", "SynthesisNetwork")
networks = [core.read_model(f"{folder}/{name}.xml") for name in names]
results = {}
for kind in ("f32", "f16"):
    for name, network in zip(("m", "s"), networks):
        openvino.save_model(network, f"{saved}/{kind}/{name}.xml", kind == "f16")
    mapping, synthesis = (
        core.compile_model(f"{saved}/{kind}/{name}.xml", "CPU", exact) for name in "ms"
    )
    codes = [mapping(one[None])[0] for one in numpy.load(z)]
    results[f"{kind}.codes"] = codes
    results[f"{kind}.images"] = [synthesis(code)[0][0] for code in codes]
numpy.savez(out, **results)
"""


@pytest.mark.slow
def test_the_real_one_equals_openvino(real, tmp_path):
    """As it was exported and as OpenVINO saves it again, in single and half precision."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("needs openvino")
    z, out = normal(2, 512, seed=5), tmp_path / "out.npz"
    np.save(tmp_path / "z.npy", z)
    # In a process of its own: openvino forks when it is imported.
    folder = zoo.cache() / "mobilestylegan-ffhq"
    command = [sys.executable, "-c", OPENVINO, folder, tmp_path, tmp_path / "z.npy", out]
    subprocess.run(command, check=True, capture_output=True)
    expected = np.load(out)
    saved = {kind: convert.load(tmp_path / kind) for kind in ("f32", "f16")}
    for kind, generator in (("f32", real), *saved.items()):
        codes = np.asarray(generator.codes(z))
        assert relative(codes[:, :1], expected[f"{kind}.codes"]) < 1e-4
        for code, wanted in zip(codes, expected[f"{kind}.images"], strict=True):
            image = np.asarray(generator.images(code[None]))[0]
            assert relative(image.transpose(2, 0, 1), wanted) < 1e-4

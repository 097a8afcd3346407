"""Files are stood in for by their arrays: a whole one is 90 MB."""

import functools
import os
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jaxgan.convert import inception
from jaxgan.convert.formats import torchfile
from jaxgan.errors import InputError
from jaxgan.networks.inception import SIZE, Inception, Unit, extractor

PARTS = {
    "plain": {"weight": "conv.weight", "scale": "bn.weight", "shift": "bn.bias"}
    | {"mean": "bn.running_mean", "var": "bn.running_var"},
    "script": {"weight": "weight", "shift": "beta", "mean": "mean", "var": "var"},
}
# Units whose shapes do not tell them apart, and one of each kind of block.
SAME = {
    "Conv2d_1a_3x3": "conv",
    "Conv2d_4a_3x3": "conv_4",
    "Mixed_5b.branch1x1": "mixed.conv",
    "Mixed_5b.branch3x3dbl_1": "mixed.tower_1.conv",
    "Mixed_5c.branch_pool": "mixed_1.tower_2.conv",
    "Mixed_5d.branch5x5_2": "mixed_2.tower.conv_1",
    "Mixed_6a.branch3x3": "mixed_3.conv",
    "Mixed_6a.branch3x3dbl_3": "mixed_3.tower.conv_2",
    "Mixed_6c.branch7x7_1": "mixed_5.tower.conv",
    "Mixed_6d.branch7x7_1": "mixed_6.tower.conv",
    "Mixed_6e.branch1x1": "mixed_7.conv",
    "Mixed_6e.branch7x7_1": "mixed_7.tower.conv",
    "Mixed_6e.branch7x7_3": "mixed_7.tower.conv_2",
    "Mixed_6e.branch7x7dbl_1": "mixed_7.tower_1.conv",
    "Mixed_6e.branch7x7dbl_2": "mixed_7.tower_1.conv_1",
    "Mixed_6e.branch7x7dbl_4": "mixed_7.tower_1.conv_3",
    "Mixed_6e.branch_pool": "mixed_7.tower_2.conv",
    "Mixed_7a.branch3x3_1": "mixed_8.tower.conv",
    "Mixed_7a.branch7x7x3_1": "mixed_8.tower_1.conv",
    "Mixed_7b.branch3x3_1": "mixed_9.tower_conv",
    "Mixed_7c.branch3x3_2a": "mixed_10.tower_mixed_conv",
    "Mixed_7c.branch3x3_2b": "mixed_10.tower_mixed_conv_1",
    "Mixed_7c.branch3x3dbl_1": "mixed_10.tower_1_conv",
    "Mixed_7c.branch3x3dbl_3a": "mixed_10.tower_1_mixed_conv",
    "Mixed_7c.branch3x3dbl_3b": "mixed_10.tower_1_mixed_conv_1",
    "Mixed_7c.branch_pool": "mixed_10.tower_2_conv",
}


@functools.cache
def shapes():
    image = np.zeros((1, SIZE, SIZE, 3))
    tree = jax.eval_shape(Inception().init, jax.random.key(0), image)["params"]
    return {
        name.removesuffix(".kernel"): leaf.shape
        for name, leaf in traverse_util.flatten_dict(tree, sep=".").items()
        if name.endswith(".kernel")
    }


def content(kind):
    """Arrays like those of a file: unit number n of the network has weights n."""
    arrays = {}
    for number, (unit, (high, wide, inputs, outputs)) in enumerate(shapes().items(), 1):
        name = unit if kind == "plain" else "net.layers." + inception._SCRIPT[unit]
        for part, key in PARTS[kind].items():
            shape = (outputs, inputs, high, wide) if part == "weight" else (outputs,)
            value = {"weight": number, "scale": 1, "shift": 0.5, "mean": 0, "var": 0.999}[part]
            arrays[f"{name}.{key}"] = np.broadcast_to(np.float32(value), shape)
        if kind == "plain":
            arrays[f"{name}.bn.num_batches_tracked"] = np.array(0)
    if kind == "plain":
        arrays |= {"fc.weight": np.zeros((1008, 2048)), "fc.bias": np.zeros(1008)}
    return arrays


@pytest.fixture
def load(monkeypatch):
    def load(arrays):
        monkeypatch.setattr(torchfile, "tensors", lambda path: arrays)
        return inception.load("some/weights.pth")

    return load


def test_every_array_of_a_state_dict_finds_its_place(load):
    params = traverse_util.flatten_dict(load(content("plain")), sep=".")
    assert len(params) == 2 * len(shapes())
    for number, (unit, shape) in enumerate(shapes().items(), 1):
        kernel, bias = params[f"{unit}.kernel"], params[f"{unit}.bias"]
        assert (kernel.shape, bias.shape) == (shape, (1, 1, 1, shape[3]))
        assert (kernel.dtype, bias.dtype) == (np.float32, np.float32)
        np.testing.assert_allclose(kernel, number, rtol=1e-6)
        np.testing.assert_allclose(bias, 0.5, rtol=1e-6)


def test_the_names_of_the_archive_mean_the_same_units(load):
    arrays = content("script")
    assert len(set(arrays)) == 4 * len(shapes())
    numbers = dict.fromkeys(SAME)
    for i, name in enumerate(SAME.values()):
        key = f"net.layers.{name}.weight"
        arrays[key] = np.broadcast_to(np.float32(1000 + i), arrays[key].shape)
    params = traverse_util.flatten_dict(load(arrays), sep=".")
    for i, unit in enumerate(numbers):
        np.testing.assert_allclose(params[f"{unit}.kernel"], 1000 + i, rtol=1e-6)


@pytest.mark.parametrize("prefix", ["", "net."])
def test_the_archive_may_have_its_classifier(load, prefix):
    arrays = {k.replace("net.", prefix, 1): v for k, v in content("script").items()}
    arrays |= {f"{prefix}output.weight": np.zeros((1008, 2048))}
    load(arrays | {f"{prefix}output.bias": np.zeros(1008)})
    load(arrays)
    with pytest.raises(InputError, match=r"output.weight has shape \(1000, 2048\), not \(1008"):
        load(arrays | {f"{prefix}output.weight": np.zeros((1000, 2048))})


@pytest.mark.parametrize("kind", PARTS)
def test_batch_norm_is_folded(load, key, kind):
    """Into numbers that are those of the norm after the convolution."""
    arrays = content(kind)
    draw = np.random.default_rng(0)
    unit = "Conv2d_2b_3x3"
    name = unit if kind == "plain" else "net.layers.conv_2"
    found = {part: f"{name}.{key}" for part, key in PARTS[kind].items()}
    for at in found.values():
        arrays[at] = draw.normal(size=arrays[at].shape).astype(np.float32)
    arrays[found["var"]] = np.square(arrays[found["var"]])
    params = load(arrays)[unit]
    x = jax.random.normal(key, (2, 7, 6, 32))
    weight = arrays[found["weight"]].transpose(2, 3, 1, 0)
    bare = {"kernel": jnp.array(weight), "bias": jnp.full((1, 1, 1, 64), 1e3)}
    module = Unit(64, (3, 3))
    y = module.apply({"params": bare}, x) - 1e3  # far from where the ReLU cuts
    mean, var, shift = (arrays[found[part]] for part in ("mean", "var", "shift"))
    scale = arrays[found["scale"]] if kind == "plain" else 1.0
    normed = (np.array(y) - mean) / np.sqrt(var + 1e-3) * scale + shift
    # The detour by 1,000 rounds to 1e-4, which the norm divides by at least 0.03.
    np.testing.assert_allclose(
        module.apply({"params": params}, x), normed.clip(0), rtol=1e-4, atol=5e-3
    )


def without(*names):
    return lambda arrays: {k: v for k, v in arrays.items() if k not in names}


def with_(name, array):
    return lambda arrays: arrays | {name: array}


LAST = "Mixed_7c.branch_pool"
FOREIGN = {
    "a DCGAN": (lambda _: {"main.0.weight": np.zeros((100, 512, 4, 4))}, "lacks Conv2d_1a_3x3"),
    "nothing": (lambda _: {}, "lacks Conv2d_1a_3x3.conv.weight"),
    "torchvision's": (
        lambda arrays: (
            arrays
            | {"fc.weight": np.zeros((1000, 2048)), "fc.bias": np.zeros(1000)}
            | {"AuxLogits.conv0.conv.weight": np.zeros((128, 768, 1, 1))}
        ),
        r"its fc.weight has shape \(1000, 2048\), not \(1008, 2048\)",
    ),
    "an auxiliary classifier": (
        with_("AuxLogits.fc.weight", np.zeros((1008, 768))),
        "it has AuxLogits.fc.weight, which that network lacks",
    ),
    "no classifier": (without("fc.weight", "fc.bias"), "lacks fc.weight"),
    "no last weight": (without(f"{LAST}.conv.weight"), f"lacks {LAST}.conv.weight"),
    "no variance": (
        without("Mixed_6a.branch3x3.bn.running_var"),
        "lacks Mixed_6a.branch3x3.bn",
    ),
    "two more": (
        lambda arrays: arrays | {"first": np.zeros(1), "second": np.zeros(1)},
        "it has first and 1 more, which",
    ),
    "another shape": (
        with_("Mixed_5b.branch1x1.bn.bias", np.zeros(63)),
        r"its Mixed_5b.branch1x1.bn.bias has shape \(63,\), not \(64,\)",
    ),
    "another rank": (
        with_("Mixed_5b.branch1x1.conv.weight", np.zeros((64, 192))),
        "its Mixed_5b.branch1x1.conv.weight has 2 axes, not 4",
    ),
    "integers": (
        with_("Mixed_5b.branch1x1.bn.bias", np.zeros(64, int)),
        "its Mixed_5b.branch1x1.bn.bias is int64, not floating point",
    ),
    "not a number": (
        with_("Conv2d_2a_3x3.bn.running_mean", np.full(32, np.nan)),
        "its Conv2d_2a_3x3 is not finite",
    ),
    "a negative variance": (
        with_("Conv2d_2a_3x3.bn.running_var", np.full(32, -1.0)),
        "its Conv2d_2a_3x3 is not finite or has a negative variance",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_other_files_are_refused_in_one_line(case, load):
    change, message = FOREIGN[case]
    with pytest.raises(InputError, match=message) as error:
        load(change(content("plain")))
    line = str(error.value)
    assert line.startswith("some/weights.pth is not the Inception-v3 of the FID: ")
    assert line.endswith(
        "; give pt_inception-2015-12-05-6726825d.pth or inception-2015-12-05.pt"
    )
    assert "\n" not in line


def test_a_real_file_of_another_network_is_refused(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch to write a file")
    path = tmp_path / "dcgan.pth"
    torch.save(torch.nn.Sequential(torch.nn.ConvTranspose2d(8, 4, 4)).state_dict(), path)
    with pytest.raises(InputError, match="dcgan.pth is not the Inception-v3 .*Conv2d_1a_3x3"):
        inception.load(path)
    with pytest.raises(InputError, match="nowhere.pth does not exist"):
        inception.load(tmp_path / "nowhere.pth")


@pytest.fixture
def weights():
    path = os.environ.get("JAXGAN_INCEPTION")
    if not path:
        pytest.skip("needs JAXGAN_INCEPTION, the path of the real weights")
    return path


@pytest.mark.slow
def test_real_weights_give_known_features(weights):
    """As torch computed them from the archive."""
    i = np.arange(SIZE)
    row, column = i[:, None], i[None]
    image = np.stack([row * column, row + 2 * column, 3 * row + 0 * column], axis=2) % 256
    found = extractor(inception.load(weights))(image.astype(np.uint8)[None])[0]
    first = [0.9294056, 1.1740241, 0.08975933, 1.4069054, 0.02255002, 0.09165644]
    # A hundred layers round to some 1e-6 of the largest features.
    np.testing.assert_allclose(found[:6], first, atol=5e-5)
    assert found.sum() == pytest.approx(536.19104, rel=1e-5)
    assert np.linalg.norm(found) == pytest.approx(19.515228, rel=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.load:DeprecationWarning")
def test_real_weights_follow_torch(weights):
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    if not zipfile.is_zipfile(weights) or not any(
        name.endswith(".py") for name in zipfile.ZipFile(weights).namelist()
    ):
        pytest.skip("needs the TorchScript archive in JAXGAN_INCEPTION")
    images = np.random.default_rng(0).integers(0, 256, (4, 7, 7, 3), np.uint8)
    images = images.repeat(43, axis=1).repeat(43, axis=2)[:, :SIZE, :SIZE]
    network = torch.jit.load(weights).eval()
    x = (torch.tensor(images).permute(0, 3, 1, 2).float() - 128) / 128
    with torch.inference_mode():
        theirs = network(x).numpy()
    found = extractor(inception.load(weights))(images)
    assert np.linalg.norm(found - theirs) <= 1e-5 * np.linalg.norm(theirs)

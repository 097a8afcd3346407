"""One tiny network of random numbers, written as each flavour writes it."""

import itertools
import re

import chex
import jax
import numpy as np
import pytest

from jaxgan.convert.flavours import basicsr, genforce_stylegan2, nvlabs, rosinality
from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats._objects import Inert
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError
from jaxgan.networks.stylegan2 import Mapping, Synthesis

CHANNELS = (8, 6, 4)  # at 4, 8 and 16 pixels
DIM = 8
DEPTH = 3
LAYERS = 6  # codes of an image
BLUR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32)
# Float32 through a dozen layers: some 1e-6 of the largest value is seen, against float64 and
# against PyTorch. A wrong gain, filter or order gives 1e-3 at the least.
CLOSE = 2e-5


def difference(images, expected):
    """Largest difference of images ``[N, H, W, 3]``, by the largest value."""
    assert images.shape == expected.shape
    return np.abs(np.asarray(images) - expected).max() / np.abs(expected).max()


# The network, as genforce has it: no flavour's, but near to one.


def side(i):
    return 4 * 2 ** ((i + 1) // 2)


def make_network(seed=0, noise=1.0, colours=3, architecture="skip"):
    rng = np.random.default_rng(seed)

    def normal(*shape, scale=1.0):
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    def part(outputs, inputs, size):
        return {
            "weight": normal(outputs, inputs, size, size),
            "bias": normal(outputs, scale=0.3),
            "style": normal(inputs, DIM),
            "style_bias": normal(inputs, scale=0.3),
        }

    layers = []
    for i in range(LAYERS - 1):
        inputs, outputs = CHANNELS[i // 2], CHANNELS[(i + 1) // 2]
        noises = {"noise": normal(side(i), side(i)), "strength": normal(scale=noise)}
        layers.append(part(outputs, inputs, 3) | noises)
    rgbs = [part(colours, c, 1) for c in CHANNELS]
    if architecture != "skip":
        rgbs[:-1] = [None] * (len(CHANNELS) - 1)
    skips = [normal(o, i, 1, 1) for i, o in itertools.pairwise(CHANNELS)]
    return {
        "dense": [(normal(DIM, DIM, scale=100), normal(DIM, scale=30)) for _ in range(DEPTH)],
        "average": normal(DIM),
        "const": normal(CHANNELS[0], 4, 4),
        "layers": layers,
        "rgbs": rgbs,
        "skips": skips if architecture == "resnet" else [],
    }


def as_genforce(network):
    kernel = (BLUR / 16)[None, None]
    arrays = {"truncation.w_avg": network["average"], "synthesis.upsample.kernel": kernel}
    arrays["synthesis.early_layer.const"] = network["const"][None]
    for i, (weight, bias) in enumerate(network["dense"]):
        arrays |= {f"mapping.dense{i}.weight": weight, f"mapping.dense{i}.bias": bias}
    for i, layer in enumerate(network["layers"]):
        arrays |= {
            f"synthesis.layer{i}.weight": layer["weight"],
            f"synthesis.layer{i}.bias": layer["bias"],
            f"synthesis.layer{i}.noise": layer["noise"][None, None],
            f"synthesis.layer{i}.noise_strength": layer["strength"],
            f"synthesis.layer{i}.style.weight": layer["style"],
            f"synthesis.layer{i}.style.bias": layer["style_bias"],
        }
        if i % 2:
            arrays[f"synthesis.layer{i}.filter.kernel"] = kernel
    for b, rgb in enumerate(network["rgbs"]):
        arrays |= {
            f"synthesis.output{b}.weight": rgb["weight"],
            f"synthesis.output{b}.bias": rgb["bias"],
            f"synthesis.output{b}.style.weight": rgb["style"],
            f"synthesis.output{b}.style.bias": rgb["style_bias"],
        }
    return {f"generator_smooth.{name}": array for name, array in arrays.items()}


def flipped(i, layer):
    return layer["weight"][:, :, ::-1, ::-1] if i % 2 else layer["weight"]


def as_rosinality(network):
    arrays = {"input.input": network["const"][None]}
    for i, (weight, bias) in enumerate(network["dense"], 1):
        arrays |= {f"style.{i}.weight": weight, f"style.{i}.bias": bias}
    for i, layer in enumerate(network["layers"]):
        name = f"convs.{i - 1}" if i else "conv1"
        arrays |= {
            f"{name}.conv.weight": flipped(i, layer)[None],
            f"{name}.conv.modulation.weight": layer["style"],
            f"{name}.conv.modulation.bias": layer["style_bias"] + 1,
            f"{name}.noise.weight": layer["strength"].reshape(1),
            f"{name}.activate.bias": layer["bias"],
            f"noises.noise_{i}": layer["noise"][None, None],
        }
        if i % 2:
            arrays[f"{name}.conv.blur.kernel"] = BLUR / 16
    for b, rgb in enumerate(network["rgbs"]):
        name = f"to_rgbs.{b - 1}" if b else "to_rgb1"
        arrays |= {
            f"{name}.conv.weight": rgb["weight"][None],
            f"{name}.conv.modulation.weight": rgb["style"],
            f"{name}.conv.modulation.bias": rgb["style_bias"] + 1,
            f"{name}.bias": rgb["bias"].reshape(1, 3, 1, 1),
        }
        if b:
            arrays[f"{name}.upsample.kernel"] = BLUR / 16
    arrays = {f"g_ema.{name}": array for name, array in arrays.items()}
    return arrays | {"latent_avg": network["average"]}


def as_basicsr(network):
    """The names of BasicSR, which does not store its blurs."""
    new_names = {
        r"^g_ema\.": "params_ema.",
        r"input\.input": "constant_input.weight",
        r"\.(to_rgbs?\d*\.|to_rgbs\.\d\.)conv\.": r".\1modulated_conv.",
        r"\.(conv1|convs\.\d)\.": r".style_\1.",
        r"(style_conv.*)\.conv\.": r"\1.modulated_conv.",
        r"(style_conv.*)\.noise\.weight": r"\1.weight",
        r"\.style\.": ".style_mlp.",
        r"noise_(\d)$": r"noise\1",
    }
    arrays = {}
    for name, array in as_rosinality(network).items():
        for old, new in new_names.items():
            name = re.sub(old, new, name)
        if "kernel" not in name:
            arrays[name] = array
    return arrays


def as_nvlabs(network):
    arrays = {"mapping.w_avg": network["average"], "synthesis.b4.const": network["const"]}
    for i, (weight, bias) in enumerate(network["dense"]):
        arrays |= {f"mapping.fc{i}.weight": weight, f"mapping.fc{i}.bias": bias}
    for i, layer in enumerate(network["layers"]):
        name = f"synthesis.b{side(i)}.conv{1 - i % 2}"
        arrays |= {
            f"{name}.weight": flipped(i, layer),
            f"{name}.bias": layer["bias"],
            f"{name}.noise_const": layer["noise"],
            f"{name}.noise_strength": layer["strength"],
            f"{name}.affine.weight": layer["style"],
            f"{name}.affine.bias": layer["style_bias"] + 1,
            f"{name}.resample_filter": BLUR / 64,
        }
    for b, skip in enumerate(network["skips"], 1):
        name = f"synthesis.b{4 * 2**b}.skip"
        arrays |= {f"{name}.weight": skip, f"{name}.resample_filter": BLUR / 64}
    for b, rgb in enumerate(network["rgbs"]):
        name = f"synthesis.b{4 * 2**b}"
        arrays[f"{name}.resample_filter"] = BLUR / 64
        if rgb is None:
            continue
        arrays |= {
            f"{name}.torgb.weight": rgb["weight"],
            f"{name}.torgb.bias": rgb["bias"],
            f"{name}.torgb.affine.weight": rgb["style"],
            f"{name}.torgb.affine.bias": rgb["style_bias"] + 1,
        }
    return {f"G_ema.{name}": array for name, array in arrays.items()}


FLAVOURS = {
    "genforce": (genforce_stylegan2, as_genforce, "generator_smooth."),
    "rosinality": (rosinality, as_rosinality, "g_ema."),
    "basicsr": (basicsr, as_basicsr, "params_ema."),
    "nvlabs": (nvlabs, as_nvlabs, "G_ema."),
}
AVERAGES = ("generator_smooth.truncation.w_avg", "latent_avg", "G_ema.mapping.w_avg")
every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)


def written(flavour, **changes):
    return FLAVOURS[flavour][1](make_network(**changes))


def find(flavour, arrays, value=None, **settings):
    checkpoint = Checkpoint("file", value, arrays, settings=Settings(settings))
    return FLAVOURS[flavour][0].find(checkpoint)


def module(settings=None, **inside):
    return Inert("Module", {"_modules": inside, **(settings or {})})


def clamped(*bounds):
    """What a pickle of NVlabs holds beside the arrays: layers with these clamps."""
    layers = {f"conv{i}": module({"conv_clamp": c}) for i, c in enumerate(bounds)}
    return {"G_ema": module(synthesis=module(b4=module(**layers)))}


def inside(part, settings):
    """The same, of a layer in a part of the generator with these settings."""
    return {"G_ema": module(**{part: module(layer=module(settings))})}


def dense_with(**settings):
    return {"G_ema": module(mapping=module(fc0=module(settings)))}


# The same computed one example at a time, in float64, with kernels that are modulated,
# zeros between the pixels, and two-dimensional filters.


def activated(x):
    return np.sqrt(2) * np.where(x > 0, x, 0.2 * x)


def mapped(network, z):
    x = z.astype(float) / np.sqrt((z.astype(float) ** 2).mean(axis=1, keepdims=True) + 1e-8)
    return dense(network, x)


def dense(network, x):
    """The layers of the mapping network, of any sizes."""
    for weight, bias in network["dense"]:
        x = activated(x @ weight.T * (0.01 / np.sqrt(weight.shape[1])) + 0.01 * bias)
    return x


def filtered(x, pad, gain):
    x = np.pad(x, [(0, 0), pad, pad])
    high, wide = x.shape[1] - 3, x.shape[2] - 3
    taps = np.ndenumerate(BLUR.astype(float) * (gain / 64))
    return sum(tap * x[:, a : a + high, b : b + wide] for (a, b), tap in taps)


def kernel_of(part, w, demodulate):
    scale = part["style"] @ w / np.sqrt(DIM) + part["style_bias"] + 1
    weight = part["weight"].astype(float) * scale[None, :, None, None]
    weight /= np.sqrt(weight[0].size)
    if demodulate:
        weight /= np.sqrt((weight**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    return weight


def plain(x, kernel):
    _, high, wide = x.shape
    x = np.pad(x, [(0, 0), (1, 1), (1, 1)])
    taps = itertools.product(range(3), range(3))
    return sum(
        np.einsum("oi,ihw->ohw", kernel[:, :, a, b], x[:, a : a + high, b : b + wide])
        for a, b in taps
    )


def enlarged(x, kernel):
    _, high, wide = x.shape
    y = np.zeros((len(kernel), 2 * high + 1, 2 * wide + 1))
    for a, b in itertools.product(range(3), range(3)):
        tap = kernel[:, :, 2 - a, 2 - b]
        y[:, a : a + 2 * high : 2, b : b + 2 * wide : 2] += np.einsum("oi,ihw->ohw", tap, x)
    return filtered(y, (1, 1), 4)


def doubled(image):
    between = np.zeros((len(image), 2 * image.shape[1], 2 * image.shape[2]))
    between[:, ::2, ::2] = image
    return filtered(between, (2, 1), 4)


def painted(network, codes, clamp=np.inf):
    """Image ``[H, W, C]`` of codes ``[L, D]``."""
    x, image = network["const"].astype(float), None
    before = x
    for i, layer in enumerate(network["layers"]):
        before = x if i % 2 else before
        x = (enlarged if i % 2 else plain)(x, kernel_of(layer, codes[i], demodulate=True))
        x = x + layer["noise"][None] * layer["strength"] + layer["bias"][:, None, None]
        x = np.clip(activated(x), -clamp, clamp)
        if i % 2:
            continue
        if i and network["skips"]:
            skip = network["skips"][i // 2 - 1][:, :, 0, 0]
            y = np.einsum("oi,ihw->ohw", skip / np.sqrt(skip.shape[1]), before)
            x = (x + doubled(y)) / np.sqrt(2)
        rgb = network["rgbs"][i // 2]
        if rgb is None:
            continue
        kernel = kernel_of(rgb, codes[i + 1], demodulate=False)[:, :, 0, 0]
        colours = np.einsum("oi,ihw->ohw", kernel, x) + rgb["bias"][:, None, None]
        colours = np.clip(colours, -clamp, clamp)
        image = colours if image is None else doubled(image) + colours
    assert image is not None
    return image.transpose(1, 2, 0)


def latents(count=2):
    return np.random.default_rng(1).standard_normal((count, DIM)).astype(np.float32)


def test_flavours_are_one_network():
    first, *others = (find(flavour, written(flavour)) for flavour in FLAVOURS)
    for other in others:
        assert other.flavour != first.flavour
        assert (other.resolution, other.latent_dim, other.num_layers) == (16, DIM, LAYERS)
        # The same arrays, and the same sums of them: not a bit differs.
        jax.tree.map(np.testing.assert_array_equal, other.params, first.params)
        np.testing.assert_array_equal(other.average, first.average)
        for mine, its in zip(other.styles, first.styles, strict=True):
            assert (mine.layer, mine.to_rgb) == (its.layer, its.to_rgb)
            np.testing.assert_array_equal(mine.weight, its.weight)
        assert other.fingerprint == first.fingerprint
    z = latents()
    images = [p.images(p.codes(z, 0.7)) for p in (first, *others)]
    for other in images[1:]:
        np.testing.assert_array_equal(other, images[0])


def test_parameters_are_those_that_the_network_makes_itself():
    # A module takes no notice of parameters that it does not have.
    found = find("nvlabs", written("nvlabs")).params
    key, codes = jax.random.key(0), np.zeros((1, LAYERS, DIM), np.float32)
    for name, network, x in (
        ("mapping", Mapping(DEPTH), codes[:, 0]),
        ("synthesis", Synthesis(CHANNELS), codes),
    ):
        made = jax.eval_shape(network.init, key, x)["params"]
        chex.assert_trees_all_equal_shapes_and_dtypes(found[name], made)


@pytest.mark.parametrize("truncation", [1.0, 0.5])
def test_images_are_those_of_the_plain_form(truncation):
    network = make_network()
    pretrained = find("genforce", as_genforce(network))
    z = latents()
    w = mapped(network, z)
    codes = np.repeat(w[:, None], LAYERS, axis=1)
    codes[:, :3] = network["average"] + truncation * (codes[:, :3] - network["average"])
    found = pretrained.codes(z, truncation, truncation_layers=3)
    assert difference(found, codes) < CLOSE
    # Every layer another code, so that one which is read in another place is seen.
    codes += np.random.default_rng(2).standard_normal(codes.shape)
    expected = np.stack([painted(network, c) for c in codes])
    assert difference(pretrained.images(codes), expected) < CLOSE


@pytest.mark.parametrize("part", ["bias", "noise", "style", "style_bias", "strength", "weight"])
def test_every_part_of_every_layer_is_used(part):
    network = make_network()
    codes = np.random.default_rng(2).standard_normal((1, LAYERS, DIM)).astype(np.float32)
    parts = network["layers"] + (network["rgbs"] if part not in ("noise", "strength") else [])
    base = find("nvlabs", as_nvlabs(network))
    images = [base.images(codes)]
    for changed in parts:
        kept = changed[part]
        changed[part] = kept + np.float32(1)  # a mere factor would be demodulated
        # Through the same compiled function: only the arrays differ.
        images.append(base._synthesise(find("nvlabs", as_nvlabs(network)).params, codes))
        changed[part] = kept
        assert difference(images[-1], np.asarray(images[0])) > 100 * CLOSE


@pytest.mark.parametrize(
    ("value", "settings"), [(clamped(0.75, 0.75), {}), (None, {"conv_clamp": 0.75})]
)
def test_clamp_bounds_layers_and_colours(value, settings):
    network = make_network()
    codes = np.random.default_rng(2).standard_normal((1, LAYERS, DIM)).astype(np.float32)
    found = find("nvlabs", as_nvlabs(network), value, **settings).images(codes)
    expected = painted(network, codes[0], clamp=0.75)[None]
    assert difference(found, expected) < CLOSE
    free = painted(network, codes[0])[None]
    assert difference(found, free) > 0.1


@pytest.mark.parametrize(
    "value",
    [None, {"G_ema": [1]}, clamped(), clamped(None, None), clamped(256)],
    ids=["no objects", "a list", "no setting", "none", "far"],
)
def test_clamp_is_off_where_there_is_none_or_it_is_far(value):
    arrays = written("nvlabs")
    codes = np.random.default_rng(2).standard_normal((1, LAYERS, DIM)).astype(np.float32)
    network = make_network()
    images = find("nvlabs", arrays, value).images(codes)
    assert difference(images, painted(network, codes[0])[None]) < CLOSE


@every_flavour
def test_styles_go_from_coarse_to_fine(flavour):
    network = make_network()
    styles = find(flavour, written(flavour)).styles
    order = [(0, False), (1, True), (1, False), (2, False), (3, True), (3, False)]
    order += [(4, False), (5, True)]
    assert [(style.layer, style.to_rgb) for style in styles] == order
    for style in styles:
        part = network["rgbs"][style.layer // 2] if style.to_rgb else None
        part = part or network["layers"][style.layer]
        np.testing.assert_array_equal(style.weight, part["style"])
        assert style.weight.dtype == np.float32
        key = FLAVOURS[flavour][2] + style.name
        np.testing.assert_array_equal(written(flavour)[key], style.weight)


@every_flavour
def test_other_flavours_pass_a_file_over(flavour):
    arrays = written(flavour)
    for other in FLAVOURS:
        assert (find(other, arrays) is None) == (other != flavour)


@every_flavour
def test_a_file_without_any_network_is_passed_over(flavour):
    assert find(flavour, {}) is None
    assert find(flavour, {"conv1.weight": np.zeros((3, 3))}) is None


PREFIXES = {
    "genforce": ("generator_smooth.", "generator."),
    "rosinality": ("g_ema.", "g."),
    "basicsr": ("params_ema.", "params."),
    "nvlabs": ("G_ema.", "G."),
}


def renamed(flavour, prefix, seed=0):
    own = FLAVOURS[flavour][2]
    return {
        prefix + n.removeprefix(own): a
        for n, a in written(flavour, seed=seed).items()
        if own in n
    }


@every_flavour
def test_averaged_generator_is_preferred(flavour):
    averaged, running = PREFIXES[flavour]
    both = renamed(flavour, running, seed=1) | renamed(flavour, averaged)
    both |= {"d.convs.0.weight": np.zeros(3), "args.lr": np.zeros(2, np.int64)}
    own = find(flavour, written(flavour)).styles[0].weight
    np.testing.assert_array_equal(find(flavour, both).styles[0].weight, own)


@every_flavour
@pytest.mark.parametrize("prefix", ["", "its own", "state_dict.decoder."])
def test_generator_alone(flavour, prefix):
    prefix = PREFIXES[flavour][1] if prefix == "its own" else prefix
    found = find(flavour, renamed(flavour, prefix))
    np.testing.assert_array_equal(found.styles[0].weight, make_network()["layers"][0]["style"])


@every_flavour
def test_mean_code_may_be_missing_or_one_per_layer(flavour):
    arrays = written(flavour)
    (name,) = [name for name in AVERAGES if name in arrays]
    without = {n: a for n, a in arrays.items() if n != name}
    assert find(flavour, without).average is None
    one = find(flavour, arrays | {name: arrays[name][None]}).average
    np.testing.assert_array_equal(one, arrays[name])
    each = np.arange(LAYERS * DIM, dtype=np.float32)
    for shape in ((LAYERS * DIM,), (LAYERS, DIM)):
        found = find(flavour, arrays | {name: each.reshape(shape)})
        np.testing.assert_array_equal(found.average, each.reshape(LAYERS, DIM))


def error(flavour, arrays, value=None):
    """The line that a file is refused with."""
    with pytest.raises(InputError) as caught:
        find(flavour, arrays, value)
    line = str(caught.value)
    assert re.match("file looks like an? ", line)
    assert "\n" not in line
    return line


def test_an_array_that_is_an_object_is_said():
    arrays = written("rosinality")
    del arrays["g_ema.style.1.weight"]
    value = {"g_ema": {"style.1.weight": Inert("torch._utils._rebuild_qtensor")}}
    line = error("rosinality", arrays, value)
    assert "lacks style.1.weight, which the file has as torch._utils._rebuild_qtensor" in line


def spoiled(array, value):
    array = np.array(array)
    array[(-1,) * array.ndim] = value
    return array


DAMAGES = {
    "missing": lambda array: None,
    "misshapen": lambda array: array[..., None],
    "integers": lambda array: array.astype(np.int32),
    "booleans": lambda array: array.astype(bool),
    "not a number": lambda array: spoiled(array, np.nan),
    "infinite": lambda array: spoiled(array, np.inf),
}


@every_flavour
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_any_array_is_one_line_that_names_it(flavour, damage):
    arrays = written(flavour)
    for name, array in arrays.items():
        damaged = arrays | {name: DAMAGES[damage](array)}
        if damaged[name] is None:
            if name in AVERAGES:
                continue
            del damaged[name]
        line = error(flavour, damaged)
        assert name.removeprefix(FLAVOURS[flavour][2]) in line, (name, line)


@every_flavour
def test_any_axis_of_another_length_is_refused(flavour):
    arrays = written(flavour)
    latents = re.compile(
        r"mapping\.(dense|fc)0\.weight|style\.1\.weight|\.style_mlp\.1\.weight"
    )
    for name, array in arrays.items():
        for axis in range(array.ndim):
            for size in (0, 1, array.shape[axis] + 1):
                if axis == 1 and size and latents.search(name):
                    continue  # latents may have any length
                if size != array.shape[axis]:
                    shape = (*array.shape[:axis], size, *array.shape[axis + 1 :])
                    # Where this is the array that tells a size, others are named.
                    error(flavour, arrays | {name: np.zeros(shape, np.float32)})


@every_flavour
@pytest.mark.parametrize("digits", [9, 5000])
def test_a_layer_of_a_huge_number_is_refused(flavour, digits):
    names = {
        "genforce": "generator_smooth.synthesis.layer{}.weight",
        "rosinality": "g_ema.convs.{}.conv.weight",
        "basicsr": "params_ema.style_convs.{}.weight",
        "nvlabs": "G_ema.mapping.fc{}.weight",
    }
    name = names[flavour].format(digits * "9")
    line = error(flavour, written(flavour) | {name: np.zeros(3, np.float32)})
    assert "resolutions, not of 2 to 11" in line or "lacks mapping.fc3.weight" in line


@every_flavour
@pytest.mark.parametrize("name", ["more.weight", "synthesis.labels", "style", "mapping.bias"])
def test_arrays_that_nothing_takes_are_refused(flavour, name):
    prefix = FLAVOURS[flavour][2]
    assert name in error(flavour, written(flavour) | {prefix + name: np.zeros(3, np.float32)})


@every_flavour
def test_other_blurs_are_refused(flavour):
    arrays = written(flavour)
    blurs = [n for n in arrays if n.endswith(("kernel", "resample_filter"))]
    assert len(blurs) == {"genforce": 3, "rosinality": 4, "basicsr": 0, "nvlabs": 8}[flavour]
    for name in blurs:
        line = error(flavour, arrays | {name: np.ones_like(arrays[name]) / 16})
        assert name.removeprefix(FLAVOURS[flavour][2]) in line


@every_flavour
def test_a_single_resolution_is_refused(flavour):
    four = ("layer0", "output0", "early", "conv1.", "to_rgb1", "input", "noise_0", "noise0")
    four += ("b4.",)
    shared = ("mapping", "style.", "style_mlp.", "upsample.kernel", "w_avg")
    arrays = written(flavour)
    prefix = FLAVOURS[flavour][2]
    few = {
        n: a
        for n, a in arrays.items()
        if any(part in n for part in four)
        or any(n.startswith((prefix + part, f"{prefix}synthesis.{part}")) for part in shared)
    }
    assert 5 < len(few) < len(arrays) / 1.5
    assert "it lacks" in error(flavour, few)


NV = "G_ema."
EMBED = f"{NV}mapping.embed."
LABELS = {f"{EMBED}weight": np.zeros((DIM, 3), np.float32)}
BOTH = LABELS | {f"{EMBED}bias": np.zeros(DIM, np.float32)}
SKIP = {f"{NV}synthesis.b8.skip.weight": np.zeros((6, 8, 1, 1), np.float32)}
ODD = {f"{NV}synthesis.b24.conv0.weight": np.zeros((1, 8, 1, 1), np.float32)}


@pytest.mark.parametrize(
    ("more", "value", "words"),
    [
        (LABELS, None, r"it lacks mapping\.embed\.bias"),
        (BOTH, None, r"its mapping\.fc0\.weight takes 8 inputs of a label and no latent"),
        (SKIP, None, r"it lacks synthesis\.b16\.skip\.weight"),
        (ODD, None, "its 24 pixels are not 4 times a power of 2"),
        ({}, clamped(256, None), "conv_clamp is not one positive number"),
        ({}, clamped(256, 128), "conv_clamp is not one positive number"),
        ({}, clamped(0, 0), "conv_clamp is not one positive number"),
        ({}, clamped("much"), "conv_clamp is not one positive number"),
        ({}, dense_with(activation="swish"), "activation is 'swish'; only lrelu"),
        ({}, inside("synthesis", {"activation": "relu"}), "only lrelu or linear is supported"),
        ({}, dense_with(_init_kwargs={"lr_multiplier": 1}), "multiplier is '1'"),
        ({}, inside("synthesis", {"lr_multiplier": 0.01}), "multiplier is '0.01'; only 1 is"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_networks_of_nvlabs_that_are_not_read(more, value, words):
    line = error("nvlabs", written("nvlabs") | more, value)
    assert re.search(words, line), line


def test_images_of_two_channels_are_refused():
    arrays = as_nvlabs(make_network(colours=2))
    assert "its images have 2 channels; only 1, 3 or 4 are supported" in error("nvlabs", arrays)


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_other_precisions_are_read(kind):
    arrays = {name: array.astype(kind) for name, array in written("nvlabs").items()}
    params = find("nvlabs", arrays).params
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype(np.float32)}


def test_file_of_torch_is_read(tmp_path):
    torch = pytest.importorskip("torch")
    arrays = written("genforce")
    state = {n.removeprefix("generator_smooth."): torch.tensor(a) for n, a in arrays.items()}
    path = tmp_path / "network.pth"
    torch.save({"generator_smooth": state}, path)
    checkpoint = Checkpoint(str(path), torchfile.read(path), torchfile.tensors(path))
    found = genforce_stylegan2.find(checkpoint)
    assert found is not None
    jax.tree.map(np.testing.assert_array_equal, found.params, find("genforce", arrays).params)


def opened(golden, name, flavour):
    path, expected = golden(name)
    checkpoint = Checkpoint(str(path), torchfile.read(path), torchfile.tensors(path))
    found = FLAVOURS[flavour][0].find(checkpoint)
    assert found is not None
    for key in expected:
        if "image" in key:
            expected[key] = expected[key].transpose(0, 2, 3, 1)
    return found, expected


def test_golden_of_genforce(golden):
    found, expected = opened(golden, "genforce_stylegan2_32", "genforce")
    z = expected["z"]
    plain = found.images(found.codes(z))
    assert difference(plain, expected["image_no_truncation"]) < CLOSE
    codes = found.codes(z, float(expected["psi"]), int(expected["trunc_layers"]))
    assert difference(codes, expected["wp"]) < CLOSE
    assert difference(found.images(codes), expected["image"]) < CLOSE
    moved = np.array(codes)
    moved[:, expected["layers"]] += expected["distance"] * expected["directions"][0]
    assert difference(found.images(moved), expected["moved_image"]) < CLOSE


def test_golden_of_rosinality(golden):
    found, expected = opened(golden, "rosinality_stylegan2_32", "rosinality")
    z = expected["z"]
    np.testing.assert_array_equal(found.average, expected["latent_avg"])
    assert difference(found.images(found.codes(z)), expected["image"]) < CLOSE
    truncated = found.codes(z, float(expected["psi"]))
    assert difference(found.images(truncated), expected["image_truncated"]) < CLOSE


def test_golden_of_nvlabs(golden):
    found, expected = opened(golden, "nvlabs_stylegan2_ada_32", "nvlabs")
    z = expected["z"]
    assert difference(found.images(found.codes(z)), expected["image"]) < CLOSE
    codes = found.codes(z, float(expected["psi"]), int(expected["trunc_layers"]))
    assert difference(found.images(codes), expected["image_truncated"]) < CLOSE
    moved = np.array(codes)
    step = expected["distance"] * expected["directions"][int(expected["moved_direction"])]
    moved[:, expected["moved_layers"]] += step
    assert difference(found.images(moved), expected["moved_image"]) < CLOSE

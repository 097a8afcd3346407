import json
import math
import re
from typing import Any

import chex
import jax
import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.convert.flavours import genforce_pggan, genforce_stylegan
from jaxgan.convert.formats import torchfile
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError
from jaxgan.networks.pggan import Generator
from jaxgan.networks.stylegan import Mapping, Synthesis

LATENT, CHANNELS, DEPTH = 8, (8, 6, 4), 3
FINE = (4, 4, 4, 2, 2, 2)  # up to 128 pixels, where StyleGAN fuses the upsampling
LAYERS = 2 * len(CHANNELS)
PREFIXES = ("generator_smooth.", "generator.")

# Rounding of float32 through up to 12 layers whose norms divide; 7e-6 was seen.
TOLERANCE = 2e-5


def pggan_arrays(channels=CHANNELS, fused=False, latent=LATENT, colours=3):
    """A random state dict of genforce's PGGAN."""
    draw = np.random.default_rng(0).standard_normal
    arrays = {"lod": np.zeros(())}
    before = latent
    for i, c in enumerate(np.repeat(channels, 2)):
        shape = (before, c) if fused and i and i % 2 == 0 else (c, before)
        arrays[f"layer{i}.weight"] = draw((*shape, *((3, 3) if i else (4, 4))))
        arrays[f"layer{i}.bias"] = 0.3 * draw(c)
        before = c
    for i, c in enumerate(channels):
        arrays[f"output{i}.weight"] = draw((colours, c, 1, 1))
        arrays[f"output{i}.bias"] = 0.3 * draw(colours)
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def stylegan_arrays(channels=CHANNELS, depth=DEPTH, latent=LATENT, colours=3):
    """A random state dict of genforce's StyleGAN."""
    draw = np.random.default_rng(0).standard_normal
    arrays = {"synthesis.lod": np.zeros(()), "truncation.w_avg": draw(latent)}
    for i in range(depth):
        arrays[f"mapping.dense{i}.weight"] = 100 * draw((latent, latent))
        arrays[f"mapping.dense{i}.bias"] = 30 * draw(latent)
    before = channels[0]
    for i, c in enumerate(np.repeat(channels, 2)):
        name, size = f"synthesis.layer{i}", 4 * 2 ** (i // 2)
        if i == 0:
            arrays[f"{name}.const"] = draw((1, c, 4, 4))
        else:
            arrays[f"{name}.weight"] = draw((c, before, 3, 3))
        if i and i % 2 == 0:
            kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
            arrays[f"{name}.blur.kernel"] = np.tile(kernel, (c, 1, 1, 1))
        arrays[f"{name}.bias"] = 0.3 * draw(c)
        arrays[f"{name}.apply_noise.weight"] = 0.3 * draw(c)
        arrays[f"{name}.apply_noise.noise"] = draw((1, 1, size, size))
        arrays[f"{name}.style.weight"] = draw((2 * c, latent))
        arrays[f"{name}.style.bias"] = 0.3 * draw(2 * c)
        before = c
    for i, c in enumerate(channels):
        arrays[f"synthesis.output{i}.weight"] = draw((colours, c, 1, 1))
        arrays[f"synthesis.output{i}.bias"] = 0.3 * draw(colours)
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


PGGAN, STYLEGAN = pggan_arrays(), stylegan_arrays()
NETWORKS = {
    "pggan": (genforce_pggan.find, PGGAN),
    "stylegan": (genforce_stylegan.find, STYLEGAN),
}
EVERY = [(network, name) for network, (_, arrays) in NETWORKS.items() for name in arrays]


def open_with(find, arrays, prefix="", **settings) -> Any:
    arrays = {prefix + name: array for name, array in arrays.items()}
    return find(Checkpoint("some.pth", arrays, arrays, settings=Settings(settings)))


def relative(images, expected):
    """Largest difference of images [N, H, W, C] from [N, C, H, W], over the largest value."""
    images = np.asarray(images).transpose(0, 3, 1, 2)
    return np.abs(images - expected).max() / np.abs(expected).max()


# The twins: what the papers say, one step after the other, in float64 and NCHW.


def convolve(x, w) -> Any:
    k = w.shape[2]
    size = x.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    return sum(
        np.einsum("oi,nihw->nohw", w[:, :, a, b], x[:, :, a : a + size, b : b + size])
        for a in range(k)
        for b in range(k)
    )


def double(x):
    return x.repeat(2, axis=2).repeat(2, axis=3)


def fused(x, w):
    """Transposed convolution of stride 2 and padding 1 by four shifted copies of w."""
    n, _, size, _ = x.shape
    wide = np.zeros((*w.shape[:2], 4, 4))
    for a, b in np.ndindex(2, 2):
        wide[:, :, a : a + 3, b : b + 3] += w
    y = np.zeros((n, len(w), 2 * size + 2, 2 * size + 2))
    for a, b in np.ndindex(4, 4):
        rows, columns = (slice(t, t + 2 * size, 2) for t in (a, b))
        y[:, :, rows, columns] += np.einsum("oi,nihw->nohw", wide[:, :, a, b], x)
    return y[:, :, 1:-1, 1:-1]


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def pixel_norm(x):
    return x / np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)


def to_rgb(x, arrays, name):
    w, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
    return convolve(x, w / math.sqrt(w.shape[1])) + bias[:, None, None]


def pggan_twin(arrays, z, is_fused=False):
    arrays = {name: array.astype(float) for name, array in arrays.items()}
    x = pixel_norm(z.astype(float))
    for i in range(LAYERS):
        w, x = arrays[f"layer{i}.weight"], pixel_norm(x)
        if i == 0:
            # What a pixel with three zeros around it gives: the kernel, mirrored.
            x = np.einsum("ni,oihw->nohw", x, w[:, :, ::-1, ::-1])
            x = x * math.sqrt(2 / (16 * w.shape[1]))
        elif i % 2 == 0 and is_fused:
            x = fused(x, w.swapaxes(0, 1) * math.sqrt(2 / (9 * w.shape[0])))
        else:
            x = convolve(x if i % 2 else double(x), w * math.sqrt(2 / (9 * w.shape[1])))
        x = leaky(x + arrays[f"layer{i}.bias"][:, None, None])
    return to_rgb(pixel_norm(x), arrays, f"output{LAYERS // 2 - 1}")


def mapping_twin(arrays, z, depth=DEPTH):
    x = pixel_norm(z.astype(float))
    for i in range(depth):
        w, bias = (
            arrays[f"mapping.dense{i}.{part}"].astype(float) for part in ("weight", "bias")
        )
        x = leaky(x @ w.T * math.sqrt(2 / w.shape[1]) * 0.01 + bias * 0.01)
    return x


def synthesis_twin(arrays, codes, fused_from=128):
    arrays = {name: array.astype(float) for name, array in arrays.items()}
    x = arrays["synthesis.layer0.const"].repeat(len(codes), axis=0)
    layers = codes.shape[1]
    for i in range(layers):
        at = {
            name.removeprefix(f"synthesis.layer{i}."): array
            for name, array in arrays.items()
            if name.startswith(f"synthesis.layer{i}.")
        }
        if i:
            w = at["weight"] * math.sqrt(2 / at["weight"][0].size)
            if i % 2:
                x = convolve(x, w)
            else:
                is_fused = 2 * x.shape[2] >= fused_from
                x = fused(x, w) if is_fused else convolve(double(x), w)
                c = x.shape[1]
                x = convolve(x.reshape(-1, 1, *x.shape[2:]), at["blur.kernel"][:1])
                x = x.reshape(len(codes), c, *x.shape[2:])
        x = x + at["apply_noise.noise"] * at["apply_noise.weight"][:, None, None]
        x = leaky(x + at["bias"][:, None, None])
        x = x - x.mean(axis=(2, 3), keepdims=True)
        x = x / np.sqrt((x**2).mean(axis=(2, 3), keepdims=True) + 1e-8)
        style = (
            codes[:, i] @ at["style.weight"].T / math.sqrt(codes.shape[2]) + at["style.bias"]
        )
        scale, shift = np.split(style[:, :, None, None], 2, axis=1)
        x = x * (scale + 1) + shift
    return to_rgb(x, arrays, f"synthesis.output{layers // 2 - 1}")


@pytest.fixture
def latents():
    return np.random.default_rng(1).standard_normal((3, LATENT)).astype(np.float32)


@pytest.mark.parametrize(
    ("channels", "is_fused"),
    [((8, 6, 4), False), ((8, 6, 4), True), ((6, 6, 4), True), ((6, 6, 6), False)],
)
def test_pggan_equals_its_twin(channels, is_fused, latents):
    arrays = pggan_arrays(channels, is_fused)
    model = open_with(genforce_pggan.find, arrays)
    assert (model.resolution, model.latent_dim, model.num_layers) == (16, LATENT, 0)
    assert relative(model.images(latents), pggan_twin(arrays, latents, is_fused)) < TOLERANCE
    codes = model.codes(latents)
    np.testing.assert_allclose(codes, pixel_norm(latents), rtol=1e-6)  # a sum of 8, rounded
    assert relative(model.images(codes), pggan_twin(arrays, latents, is_fused)) < TOLERANCE


@pytest.mark.parametrize("channels", [CHANNELS, pytest.param(FINE, marks=pytest.mark.slow)])
def test_stylegan_equals_its_twin(channels, latents):
    arrays = stylegan_arrays(channels)
    model = open_with(genforce_stylegan.find, arrays)
    layers = 2 * len(channels)
    assert (model.resolution, model.latent_dim, model.num_layers) == (
        2 ** (len(channels) + 1),
        LATENT,
        layers,
    )
    w = mapping_twin(arrays, latents)
    codes = model.codes(latents)
    # Rounding of float32 through three layers, of numbers around one.
    np.testing.assert_allclose(codes, w[:, None].repeat(layers, axis=1), atol=2e-6)
    assert relative(model.images(codes), synthesis_twin(arrays, np.asarray(codes))) < TOLERANCE


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_depth_of_the_mapping_is_told(depth, latents):
    arrays = stylegan_arrays(depth=depth)
    model = open_with(genforce_stylegan.find, arrays)
    # Rounding of float32 through five layers, of numbers around one.
    np.testing.assert_allclose(
        model.codes(latents)[:, 0], mapping_twin(arrays, latents, depth), atol=5e-6
    )


@pytest.mark.parametrize("per_layer", [False, True])
def test_truncation_moves_to_the_average(per_layer, latents):
    arrays = stylegan_arrays()
    shape = (LAYERS, LATENT) if per_layer else (LATENT,)
    mean = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    model = open_with(genforce_stylegan.find, arrays | {"truncation.w_avg": mean.ravel()})
    np.testing.assert_array_equal(model.average, mean)
    codes = np.asarray(model.codes(latents))
    truncated = model.codes(latents, 0.7, 4)
    # One product and one sum of numbers around one, in float32.
    np.testing.assert_allclose(
        truncated,
        np.concatenate([(mean + 0.7 * (codes - mean))[:, :4], codes[:, 4:]], axis=1),
        atol=1e-6,
    )
    assert np.abs(np.asarray(model.images(truncated) - model.images(codes))).max() > 1e-2


def test_parameters_are_those_that_the_networks_have(key):
    pggan = open_with(genforce_pggan.find, PGGAN)
    z, codes = np.zeros((1, LATENT)), np.zeros((1, LAYERS, LATENT))
    expected = jax.eval_shape(Generator(CHANNELS).init, key, z)["params"]
    chex.assert_trees_all_equal_shapes_and_dtypes(pggan.params, expected)
    stylegan = open_with(genforce_stylegan.find, STYLEGAN)
    expected = {
        "mapping": jax.eval_shape(Mapping(DEPTH).init, key, z)["params"],
        "synthesis": jax.eval_shape(Synthesis(CHANNELS).init, key, codes)["params"],
    }
    chex.assert_trees_all_equal_shapes_and_dtypes(stylegan.params, expected)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_array_matters(network, latents):
    """But for those that only networks which still grow have use for."""
    find, arrays = NETWORKS[network]
    unused = re.compile(r"lod|blur|w_avg|output[01]")
    model = open_with(find, arrays)
    layers = max(model.num_layers, 1)

    @jax.jit
    def run(params):
        codes = model.encode(params, latents)
        wide = codes if network == "pggan" else codes[:, None].repeat(layers, axis=1)
        return model.synthesise(params, wide)

    images = run(model.params)
    draw = np.random.default_rng(3).standard_normal
    for name, array in arrays.items():
        if "lod" in name or "blur" in name:
            continue
        noise = np.abs(array).max() * draw(array.shape).astype(np.float32)
        changed = run(open_with(find, arrays | {name: array + noise}).params)
        distance = float(np.abs(changed - images).max())
        if unused.search(name):
            assert distance == 0, name
        else:
            assert distance > 1e-3, name


def test_styles_are_the_stored_matrices():
    model = open_with(genforce_stylegan.find, STYLEGAN, "generator_smooth.")
    assert [style.layer for style in model.styles] == list(range(LAYERS))
    for style, features in zip(model.styles, np.repeat(CHANNELS, 2), strict=True):
        assert style.name == f"synthesis.layer{style.layer}.style.weight"
        assert style.weight.shape == (2 * features, LATENT)
        assert not style.to_rgb
        np.testing.assert_array_equal(style.weight, STYLEGAN[style.name])


def test_the_style_of_pggan_has_a_row_for_each_unit():
    (style,) = open_with(genforce_pggan.find, PGGAN).styles
    assert (style.name, style.layer, style.to_rgb) == ("layer0.weight", 0, False)
    assert style.weight.shape == (16 * CHANNELS[0], LATENT)
    for c, y, x in [(0, 0, 0), (0, 0, 1), (1, 2, 3), (7, 3, 0)]:
        row = style.weight[16 * c + 4 * y + x]
        np.testing.assert_array_equal(row, PGGAN["layer0.weight"][c, :, y, x])


@pytest.mark.parametrize("start", ["", "models.", "models.module."])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_averaged_generator_is_taken(network, start):
    find, arrays = NETWORKS[network]
    both = {f"{start}generator.{name}": 0 * array for name, array in arrays.items()}
    both |= {f"{start}generator_smooth.{name}": array for name, array in arrays.items()}
    model: Any = find(Checkpoint("some.pth", both, both))
    assert all(style.weight.any() for style in model.styles)
    assert "generator_smooth, averaged over training; the file also holds" in model.origin


@pytest.mark.parametrize("network", NETWORKS)
def test_a_damaged_generator_is_not_passed_over(network):
    find, arrays = NETWORKS[network]
    both = {f"{p}{name}": x for p in PREFIXES for name, x in arrays.items()}
    for name in arrays:
        damaged = {key: x for key, x in both.items() if key != f"generator_smooth.{name}"}
        if (network, name) == ("pggan", "lod"):  # its only buffer, which is not averaged
            model: Any = find(Checkpoint("some.pth", damaged, damaged))
            assert model.origin.endswith("; its buffers are those of generator")
            continue
        with pytest.raises(InputError, match=rf"lacks {re.escape(name)}$"):
            find(Checkpoint("some.pth", damaged, damaged))


def test_other_networks_are_left_to_others():
    one = np.ones(1, np.float32)
    foreign = {"synthesis.early_layer.const": one, "synthesis.layer0.weight": one}
    foreign |= {"synthesis.output0.weight": one, "synthesis.output1.weight": one}
    for arrays in ({}, foreign, {"layer0.weight": one, "output0.weight": one}):
        assert open_with(genforce_pggan.find, arrays) is None
        assert open_with(genforce_stylegan.find, arrays) is None
    for prefix in PREFIXES:
        assert open_with(genforce_pggan.find, STYLEGAN, prefix) is None
        assert open_with(genforce_stylegan.find, PGGAN, prefix) is None


def damaged(array, damage):
    if damage == "shape":
        return array[None, None]
    if damage == "dtype":
        return array.astype(np.int32)
    array = array.copy()
    array.flat[-1] = np.nan
    return array


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("missing", "but it lacks {}$"),
        ("shape", r"but its {} has shape \[1"),
        ("dtype", "but its {} is int32, not floating point$"),
        ("nan", "but its {} is not finite$"),
    ],
)
@pytest.mark.parametrize(("network", "name"), EVERY)
def test_a_damaged_array_is_named(network, name, damage, why):
    find, arrays = NETWORKS[network]
    changed: Any = {key: array for key, array in arrays.items() if key != name}
    if damage != "missing":
        changed[name] = damaged(arrays[name], damage)
    with pytest.raises(InputError, match=why.format(re.escape(name))) as caught:
        open_with(find, changed)
    assert str(caught.value).startswith("some.pth looks like a genforce ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("network", "name"), EVERY)
def test_a_wrong_size_is_refused(network, name):
    find, arrays = NETWORKS[network]
    array = arrays[name]
    # Latents have any length.
    axes = {"layer0.weight": (0, 2, 3), "mapping.dense0.weight": (0,)}.get(name)
    axes = range(array.ndim) if axes is None else axes
    for axis in axes:
        longer = arrays | {name: np.concatenate([array, array], axis)}
        with pytest.raises(InputError, match="has shape"):
            open_with(find, longer)


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("pggan", "layer6.extra"),
        ("pggan", "extra"),
        ("pggan", "layer2.blur.kernel"),
        ("stylegan", "synthesis.layer0.weight"),
        ("stylegan", "synthesis.layer1.blur.kernel"),
        ("stylegan", "mapping.extra"),
        ("stylegan", "extra"),
    ],
)
def test_an_array_too_many_is_refused(network, name):
    find, arrays = NETWORKS[network]
    why = "lacks layer6.bias" if name == "layer6.extra" else f"it has {name}, which"
    with pytest.raises(InputError, match=re.escape(why)):
        open_with(find, arrays | {name: np.ones(2, np.float32)})


@pytest.mark.parametrize(
    ("network", "name", "array", "why"),
    [
        ("pggan", "lod", np.float32(2), "its lod is 2; networks that still grow"),
        (
            "stylegan",
            "synthesis.lod",
            np.float32(0.5),
            "its synthesis.lod is 0.5; networks that",
        ),
        (
            "pggan",
            "layer0.weight",
            np.ones((8, 522, 4, 4), np.float32),
            "has 522 inputs, more than the 512 of a latent: where it is conditional, say how "
            "many are labels with the setting label_size",
        ),
        (
            "stylegan",
            "mapping.label_weight",
            np.ones((3, 8), np.float32),
            "mapping.dense0.weight takes 8 inputs of a label and no latent",
        ),
        ("pggan", "output9.weight", np.ones((3, 4, 1, 1), np.float32), "of 10 resolutions"),
        ("pggan", f"layer{10**60}.bias", np.ones(1, np.float32), "not of 2 to 9"),
        (
            "stylegan",
            f"mapping.dense{10**9}.bias",
            np.ones(1, np.float32),
            "lacks mapping.dense3",
        ),
        (
            "stylegan",
            "synthesis.layer2.blur.kernel",
            np.full((6, 1, 3, 3), 1 / 9, np.float32),
            "is not the outer product",
        ),
    ],
)
def test_what_is_not_supported_is_said(network, name, array, why):
    find, arrays = NETWORKS[network]
    with pytest.raises(InputError, match=re.escape(why)):
        open_with(find, arrays | {name: np.asarray(array)})


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("pggan", "layer0.bias"),
        ("pggan", "layer4.bias"),
        ("stylegan", "synthesis.layer2.bias"),
    ],
)
def test_an_empty_array_is_refused(network, name):
    """Others take their sizes from it."""
    find, arrays = NETWORKS[network]
    with pytest.raises(InputError, match=f"its {name} is empty"):
        open_with(find, arrays | {name: arrays[name][:0]})


def test_a_latent_has_to_have_numbers():
    with pytest.raises(InputError, match=r"its layer0\.weight is empty"):
        open_with(genforce_pggan.find, pggan_arrays(latent=0))


def test_four_pixels_are_too_few():
    with pytest.raises(InputError, match="of 1 resolutions, not of 2 to 9"):
        open_with(genforce_pggan.find, pggan_arrays((4,)))
    with pytest.raises(InputError, match="of 1 resolutions, not of 2 to 9"):
        open_with(genforce_stylegan.find, stylegan_arrays((4,)))


@pytest.mark.parametrize("blocks", [2, 9])
def test_resolutions_from_8_to_1024(blocks):
    size = 2 ** (blocks + 1)
    for find, arrays in (
        (genforce_pggan.find, pggan_arrays((2,) * blocks)),
        (genforce_stylegan.find, stylegan_arrays((2,) * blocks)),
    ):
        model = open_with(find, arrays)
        assert model.resolution == size
        codes = np.zeros([d or 1 for d in model.code_shape], np.float32)
        images = jax.eval_shape(model.synthesise, model.params, codes)
        assert images.shape == (1, size, size, 3)


# Labels, and latents of another length than codes.

LABELS = np.array([[0, 1, 0], [1, 0, 0], [0.5, 0, 2]], np.float32)


def test_pggan_takes_labels_behind_latents(latents):
    arrays = pggan_arrays(latent=LATENT + 3)
    model = open_with(genforce_pggan.find, arrays, label_size=3)
    assert (model.z_dim, model.num_labels, model.latent_dim) == (LATENT, 3, LATENT + 3)
    codes = model.with_labels(LABELS).codes(latents)
    expected = np.concatenate([pixel_norm(latents), LABELS], axis=1)
    np.testing.assert_allclose(codes, expected, rtol=1e-6)  # a sum of 8, rounded
    assert relative(model.images(codes), pggan_twin(arrays, expected)) < TOLERANCE


def test_no_direction_of_pggan_changes_a_label():
    arrays = pggan_arrays(latent=LATENT + 3)
    model = open_with(genforce_pggan.find, arrays, label_size=3)
    found = sefa.directions(model, k=LATENT, like="genforce").vectors
    rows = arrays["layer0.weight"][:, :LATENT].transpose(0, 2, 3, 1).reshape(-1, LATENT)
    rows = rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(rows.T @ rows)
    assert not found[:, LATENT:].any()
    cosines = np.abs((found[:, :LATENT] * vectors.T[::-1]).sum(axis=1))
    assert (cosines > 1 - 1e-6).all()


@pytest.mark.parametrize("labels", [0, 3])
def test_lengths_of_latents_and_labels_of_stylegan(labels, latents):
    z = latents[:, :5]
    draw = np.random.default_rng(4).standard_normal
    arrays = stylegan_arrays() | {
        "mapping.dense0.weight": 100 * draw((6, 5 + (4 if labels else 0))),
        "mapping.dense0.bias": 30 * draw(6),
        "mapping.dense1.weight": 100 * draw((6, 6)),
        "mapping.dense1.bias": 30 * draw(6),
        "mapping.dense2.weight": 100 * draw((LATENT, 6)),
    }
    inputs = z
    if labels:
        arrays["mapping.label_weight"] = draw((labels, 4))
        inputs = np.concatenate([z, LABELS @ arrays["mapping.label_weight"]], axis=1)
    model = open_with(genforce_stylegan.find, arrays)
    assert (model.z_dim, model.latent_dim, model.num_labels) == (5, LATENT, labels)
    codes = (model.with_labels(LABELS) if labels else model).codes(z)
    # Rounding of float32 through three layers, of numbers around one.
    np.testing.assert_allclose(codes[:, 1], mapping_twin(arrays, inputs), atol=2e-6)


def test_a_code_of_stylegan_for_each_layer(latents):
    draw = np.random.default_rng(4).standard_normal
    arrays = stylegan_arrays() | {
        "mapping.dense2.weight": 100 * draw((LAYERS * LATENT, LATENT)),
        "mapping.dense2.bias": 30 * draw(LAYERS * LATENT),
    }
    codes = open_with(genforce_stylegan.find, arrays).codes(latents)
    expected = mapping_twin(arrays, latents).reshape(3, LAYERS, LATENT)
    np.testing.assert_allclose(codes, expected, atol=2e-6)  # as above


# Settings that a file does not show.


def test_settings_of_pggan(latents):
    """A tanh, fused kernels of equal widths, and an image of one channel."""
    arrays = pggan_arrays((6, 6, 6), colours=1)
    model = open_with(genforce_pggan.find, arrays, final_tanh=True, fused_scale=True)
    images = jax.jit(model.synthesise)(model.params, latents)
    assert relative(images, np.tanh(pggan_twin(arrays, latents, is_fused=True))) < TOLERANCE


def test_settings_of_stylegan():
    arrays = stylegan_arrays(colours=4)
    model = open_with(genforce_stylegan.find, arrays, final_tanh=True, fused_scale=True)
    codes = np.random.default_rng(5).standard_normal((1, LAYERS, LATENT)).astype(np.float32)
    images = jax.jit(model.synthesise)(model.params, codes)
    assert relative(images, np.tanh(synthesis_twin(arrays, codes, fused_from=0))) < TOLERANCE


@pytest.mark.parametrize("network", NETWORKS)
def test_weights_may_hold_their_gain(network):
    find, arrays = NETWORKS[network]
    scaled = dict(arrays)
    for name, array in arrays.items():
        if name.endswith("weight") and array.ndim > 1:
            activated = not re.search("output|style", name)
            scaled[name] = array * math.sqrt((2 if activated else 1) / array[0].size)
    found, plain = open_with(find, scaled, use_wscale=False), open_with(find, arrays)
    chex.assert_trees_all_close(found.params, plain.params, rtol=1e-6)  # products, rounded


@pytest.mark.parametrize("value", ["auto", False])
def test_fused_scale_of_small_images_is_off(value):
    plain = open_with(genforce_stylegan.find, STYLEGAN)
    found = open_with(genforce_stylegan.find, STYLEGAN, fused_scale=value)
    jax.tree.map(np.testing.assert_array_equal, found.params, plain.params)


@pytest.mark.parametrize(
    ("network", "settings", "why"),
    [
        ("pggan", {"label_size": 8}, "its layer0.weight has 8 inputs, and not 8 labels"),
        ("pggan", {"label_size": -1}, "its layer0.weight has 8 inputs, and not -1 labels"),
        ("pggan", {"fused_scale": True}, "its layer2.weight has shape [6, 8, 3, 3]"),
        ("stylegan", {"fused_scale": "on"}, "fused_scale=on must be auto, true or false"),
        ("stylegan", {"fused_scale": 2}, "fused_scale=2 must be auto, true or false"),
    ],
)
def test_settings_that_do_not_fit(network, settings, why):
    find, arrays = NETWORKS[network]
    with pytest.raises(InputError, match=re.escape(why)):
        open_with(find, arrays, **settings)


def test_images_of_two_channels_are_refused():
    for find, arrays in (
        (genforce_pggan.find, pggan_arrays(colours=2)),
        (genforce_stylegan.find, stylegan_arrays(colours=2)),
    ):
        with pytest.raises(InputError, match="2 channels; only 1, 3 or 4 are supported"):
            open_with(find, arrays)


@pytest.mark.parametrize(
    ("arrays", "first"), [(PGGAN, "layer0.bias"), (STYLEGAN, "synthesis.layer0.bias")]
)
def test_a_generator_does_not_change_with_its_file(arrays, first, tmp_path):
    header, data = {}, b""
    for name in (first, *(name for name in arrays if name != first)):
        offsets = [len(data), len(data) + arrays[name].nbytes]
        shape = list(arrays[name].shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
        data += arrays[name].tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)  # JAX shares memory that is so aligned
    path = tmp_path / "generator.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    generator = convert.load(path)
    before = jax.tree.map(np.array, generator.params)
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    chex.assert_trees_all_equal(generator.params, before)


# Images of genforce's own code, by random weights.


@pytest.fixture
def reference(golden) -> Any:
    """Opens a generator; loads what genforce's code makes of it."""

    def load(name, find):
        path, expected = golden(f"genforce_{name}")
        return find(
            Checkpoint(str(path), torchfile.read(path), torchfile.tensors(path))
        ), expected

    return load


def step(expected):
    return (expected["distance"] * expected["directions"][0]).astype(np.float32)


def test_pggan_gives_the_images_of_genforce(reference):
    model, expected = reference("pggan_32", genforce_pggan.find)
    codes = model.codes(expected["z"])
    np.testing.assert_allclose(codes, expected["codes"], rtol=1e-6)  # a sum of 64, rounded
    for images, wanted in (
        (model.images(codes), expected["image_from_z"]),
        (model.images(expected["codes"]), expected["image"]),
        (model.images(expected["codes"] + step(expected)), expected["moved_image"]),
    ):
        assert relative(images, wanted) < TOLERANCE


@pytest.mark.parametrize("size", [32, pytest.param(128, marks=pytest.mark.slow)])
def test_stylegan_gives_the_images_of_genforce(size, reference):
    model, expected = reference(f"stylegan_{size}", genforce_stylegan.find)
    psi, layers = float(expected["psi"]), int(expected["trunc_layers"])
    plain = model.codes(expected["z"])
    # Rounding of float32 through four layers, of numbers up to one.
    np.testing.assert_allclose(plain[:, 0], expected["w"], atol=2e-6)
    codes = model.truncate(plain, psi, layers)
    np.testing.assert_allclose(codes, expected["wp"], atol=2e-6)
    np.testing.assert_array_equal(codes, model.codes(expected["z"], psi, layers))
    moved = expected["wp"].copy()
    moved[:, expected["layers"]] += step(expected)
    for images, wanted in (
        (model.images(plain), expected["image_no_truncation"]),
        (model.images(codes), expected["image"]),
        (model.images(expected["wp"]), expected["image"]),
        (model.images(moved), expected["moved_image"]),
    ):
        assert relative(images, wanted) < TOLERANCE

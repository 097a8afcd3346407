import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from jax import lax

from jaxgan.networks.stylegan2 import (
    ARCHITECTURES,
    Layer,
    Mapping,
    Synthesis,
    ToRGB,
    _enlarge_image,
    tap_squares,
)
from tests.quick import normal, variables

LAYOUT = ("NHWC", "HWIO", "NHWC")
# Sums of some hundred products in float32, in another order than the reference's.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def random_like(module, *inputs):
    """Parameters of a module, all of them random, ``squares`` those of its kernels."""
    flat = traverse_util.flatten_dict(variables(module, *inputs, scale=1.0)["params"])
    for name in flat:
        if name[-1] == "squares":
            kernel = flat[*name[:-1], "kernel"]
            flat[name] = tap_squares(kernel, kernel.shape[2:] != flat[name].shape)
    return {"params": traverse_util.unflatten_dict(flat)}


X, CODE = normal(2, 6, 6, 5), normal(2, 7, seed=1)


def styled(params, code):
    return code @ params["style"]["kernel"] + params["style"]["bias"][None]


@pytest.mark.parametrize("up", [False, True])
def test_layer_is_a_convolution_whose_kernel_each_example_modulates(up):
    layer = Layer(4, up)
    weights = random_like(layer, X, CODE)
    params = weights["params"]

    def reference(x, style):
        kernel = params["kernel"]
        if up:
            kernel = kernel[::-1, ::-1].swapaxes(2, 3)
        kernel = kernel * style[None, None, :, None]
        kernel = kernel * lax.rsqrt(jnp.square(kernel).sum((0, 1, 2), keepdims=True) + 1e-8)
        if not up:
            return lax.conv_general_dilated(
                x[None], kernel, (1, 1), "SAME", dimension_numbers=LAYOUT
            )[0]
        y = lax.conv_general_dilated(
            x[None], kernel, (1, 1), [(2, 2)] * 2, (2, 2), dimension_numbers=LAYOUT
        )
        taps = jnp.array([1.0, 3.0, 3.0, 1.0]) / 4
        blur = taps[:, None] * taps[None]
        blur = jnp.broadcast_to(blur[:, :, None, None], (4, 4, 1, 4))
        return lax.conv_general_dilated(
            y, blur, (1, 1), [(1, 1)] * 2, dimension_numbers=LAYOUT, feature_group_count=4
        )[0]

    convolved, images = jax.jit(
        lambda style: (jax.vmap(reference)(X, style), layer.apply(weights, X, CODE))
    )(styled(params, CODE))
    y = np.asarray(convolved) + params["noise"] + params["bias"]
    expected = np.sqrt(2) * np.where(y > 0, y, 0.2 * y)
    assert images.shape == ((2, 12, 12, 4) if up else (2, 6, 6, 4))
    np.testing.assert_allclose(images, expected, **CLOSE)


def test_demodulation_undoes_the_size_of_a_style():
    layer = Layer(4)
    params = random_like(layer, X, CODE)["params"]
    larger = params | {"style": jax.tree.map(lambda a: 50 * a, params["style"])}
    apply = jax.jit(lambda params: layer.apply({"params": params}, X, CODE))
    np.testing.assert_allclose(apply(larger), apply(params), **CLOSE)


def test_to_rgb_is_linear_in_the_code():
    module = ToRGB()
    weights = random_like(module, X, CODE)
    params = weights["params"]
    kernels = styled(params, CODE)[:, :, None] * params["kernel"][None]
    expected = np.einsum("nhwc,nco->nhwo", X, kernels) + params["bias"]
    images = jax.jit(module.apply)(weights, X, CODE)
    np.testing.assert_allclose(images, expected, **CLOSE)


@pytest.mark.parametrize(
    "module", [Layer(4), Layer(4, True), ToRGB()], ids=lambda m: str(m)[:5]
)
def test_clamp_bounds_what_comes_out(module):
    modules = module, module.clone(clamp=0.5)
    weights = random_like(module, X, CODE)
    free, clamped = jax.jit(lambda weights: [m.apply(weights, X, CODE) for m in modules])(
        weights
    )
    assert np.abs(free).max() > 0.5
    np.testing.assert_array_equal(clamped, np.clip(free, -0.5, 0.5))


def test_mapping_takes_a_direction_of_latents_not_their_length():
    z = normal(3, 8)
    mapping = Mapping(4)
    weights = random_like(mapping, z)
    apply = jax.jit(mapping.apply)
    w = apply(weights, z)
    assert w.shape == (3, 8)
    assert len(weights["params"]) == 4
    np.testing.assert_allclose(apply(weights, 7 * z), w, **CLOSE)
    assert not np.allclose(apply(weights, -z), w)


@pytest.mark.parametrize("joint", [False, True])
def test_labels_stand_beside_latents(joint):
    z, labels = normal(2, 8), normal(2, 3, seed=1)
    mapping = Mapping(2, features=6, hidden=5, embedding=4, joint=joint)
    weights = random_like(mapping, z, labels)
    kernels = {name: layer["kernel"].shape for name, layer in weights["params"].items()}
    assert kernels == {"embed": (3, 4), "dense_0": (12, 5), "dense_1": (5, 6)}
    apply = jax.jit(mapping.apply)
    w = apply(weights, z, labels)
    assert w.shape == (2, 6)
    assert not np.allclose(apply(weights, z, labels[::-1]), w)
    # Only a latent that is normalised alone has no length.
    assert np.allclose(apply(weights, 7 * z, labels), w, **CLOSE) != joint


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_architectures(architecture, key):
    codes = jax.ShapeDtypeStruct((2, 6, 8), jnp.float32)
    network = Synthesis((8, 6, 4), colours=4, architecture=architecture)
    images, weights = jax.eval_shape(network.init_with_output, key, codes)
    assert images.shape == (2, 16, 16, 4)
    params = weights["params"]
    assert [f"to_rgb_{b}" in params for b in range(3)] == [architecture == "skip"] * 2 + [True]
    skips = {name: params[name].shape for name in params if name.startswith("skip")}
    assert skips == ({"skip_1": (8, 6), "skip_2": (6, 4)} if architecture == "resnet" else {})


@pytest.mark.slow
def test_initial_weights_keep_unit_size(key):
    # Equalised learning rates are there for this; the bounds are loose, for one draw.
    z = normal(64, 128)
    modules = Mapping(1), Synthesis((32,)), Layer(16, up=True)

    @jax.jit
    def outputs(key):
        w, _ = modules[0].init_with_output(key, z)
        images, _ = modules[1].init_with_output(key, jnp.repeat(w[:8, None], 2, axis=1))
        larger, _ = modules[2].init_with_output(key, normal(8, 4, 4, 32), w[:8])
        return w, images, larger

    assert all(0.5 < np.std(y) < 2 for y in outputs(key))


@pytest.mark.parametrize("side", [4, 6])
def test_images_are_enlarged_as_with_zeros_between_pixels(side):
    x = normal(2, side, side, 3)
    taps = np.array([1, 3, 3, 1]) / 4
    rows = np.zeros((2 * side, side))
    for pixel in range(side):
        for tap, value in enumerate(taps):
            row = 2 * pixel + tap - 1
            if 0 <= row < 2 * side:
                rows[row, pixel] = value
    expected = np.einsum("ah,nhwc,bw->nabc", rows, x, rows)
    np.testing.assert_allclose(jax.jit(_enlarge_image)(x), expected, **CLOSE)


@pytest.mark.parametrize(
    ("channels", "side"),
    [((8, 4), 8), ((512,) * 5 + (256, 128, 64, 32), 1024), ((512,) * 4 + (256,), 64)],
)
def test_shapes(key, channels, side):
    layers = 2 * len(channels)
    codes = jax.ShapeDtypeStruct((2, layers, 16), jnp.float32)
    network = Synthesis(channels)
    images, weights = jax.eval_shape(network.init_with_output, key, codes)
    assert images.shape == (2, side, side, 3)
    assert len(weights["params"]) == 1 + (layers - 1) + layers // 2


def test_every_code_matters_and_the_last_only_to_colours():
    network = Synthesis((8, 4))
    code = normal(4, 8)
    weights = random_like(network, code[None])
    moves = [(layer, distance) for layer in range(4) for distance in (1.0, 2.0)]
    codes = np.stack([code] * (1 + len(moves)))
    for moved, (layer, distance) in zip(codes[1:], moves, strict=True):
        moved[layer] += distance
    base, *images = np.asarray(jax.jit(network.apply)(weights, codes))
    change = {move: image - base for move, image in zip(moves, images, strict=True)}
    for layer in range(4):
        assert np.abs(change[layer, 1.0]).max() > 1e-3, layer
    # A conversion to colours is linear in its code; a layer is not. The slack is for
    # differences of float32 images of this size.
    slack = 1e-4 * np.abs(base).max()
    np.testing.assert_allclose(change[3, 2.0], 2 * change[3, 1.0], atol=slack)
    assert not np.allclose(change[2, 2.0], 2 * change[2, 1.0], atol=slack)


def test_examples_share_kernels(key):
    network = Synthesis((8, 6, 4))
    codes = np.zeros((3, 6, 8), np.float32)
    weights = jax.eval_shape(network.init, key, codes)
    text = str(jax.make_jaxpr(network.apply)(weights, codes))
    groups = re.findall(r"(?:feature|batch)_group_count=(\d+)", text)
    assert groups
    assert set(groups) == {"1"}


def test_batch_does_not_mix_examples():
    network = Synthesis((8, 4))
    codes = normal(3, 4, 8)
    weights = random_like(network, codes)
    together, alone = jax.jit(
        lambda weights: (network.apply(weights, codes)[1:2], network.apply(weights, codes[1:2]))
    )(weights)
    # A convolution of another batch size may sum in another order.
    np.testing.assert_allclose(together, alone, atol=1e-5 * np.abs(together).max())

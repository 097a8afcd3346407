import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from jax import lax

from jaxgan.networks.stylegan2 import (
    Layer,
    Mapping,
    Synthesis,
    ToRGB,
    _enlarge_image,
    tap_squares,
)

LAYOUT = ("NHWC", "HWIO", "NHWC")
# Sums of some hundred products in float32, in another order than the reference's.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def random_like(key, module, *inputs):
    """Parameters of a module, all of them random, ``squares`` those of its kernels."""
    shapes = jax.eval_shape(module.init, key, *inputs)["params"]
    flat = traverse_util.flatten_dict(shapes)
    rng = np.random.default_rng(0)
    flat = {name: rng.standard_normal(x.shape, np.float32) for name, x in flat.items()}
    for name in flat:
        if name[-1] == "squares":
            kernel = flat[*name[:-1], "kernel"]
            flat[name] = tap_squares(kernel, kernel.shape[2:] != flat[name].shape)
    return {"params": traverse_util.unflatten_dict(flat)}


def inputs(key, features=5):
    one, other = jax.random.split(key)
    return jax.random.normal(one, (2, 6, 6, features)), jax.random.normal(other, (2, 7))


def styled(params, code):
    return code @ params["style"]["kernel"] + params["style"]["bias"][None]


@pytest.mark.parametrize("up", [False, True])
def test_layer_is_a_convolution_whose_kernel_each_example_modulates(key, maybe_jit, up):
    x, code = inputs(key)
    layer = Layer(4, up)
    variables = random_like(key, layer, x, code)
    params = variables["params"]

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

    y = jax.jit(jax.vmap(reference))(x, styled(params, code)) + params["noise"] + params["bias"]
    expected = np.sqrt(2) * np.where(y > 0, y, 0.2 * y)
    found = maybe_jit(layer.apply)(variables, x, code)
    assert found.shape == ((2, 12, 12, 4) if up else (2, 6, 6, 4))
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_demodulation_undoes_the_size_of_a_style(key):
    x, code = inputs(key)
    layer = Layer(4)
    params = random_like(key, layer, x, code)["params"]
    larger = params | {"style": jax.tree.map(lambda a: 50 * a, params["style"])}
    found = layer.apply({"params": larger}, x, code)
    np.testing.assert_allclose(found, layer.apply({"params": params}, x, code), **CLOSE)


def test_to_rgb_is_linear_in_the_code(key):
    x, code = inputs(key)
    module = ToRGB()
    variables = random_like(key, module, x, code)
    params = variables["params"]
    kernels = styled(params, code)[:, :, None] * params["kernel"][None]
    expected = jnp.einsum("nhwc,nco->nhwo", x, kernels) + params["bias"]
    np.testing.assert_allclose(module.apply(variables, x, code), expected, **CLOSE)


@pytest.mark.parametrize(
    "module", [Layer(4), Layer(4, True), ToRGB()], ids=lambda m: str(m)[:5]
)
def test_clamp_bounds_what_comes_out(key, module):
    x, code = inputs(key)
    variables = random_like(key, module, x, code)
    free = module.apply(variables, x, code)
    clamped = module.clone(clamp=0.5).apply(variables, x, code)
    assert jnp.abs(free).max() > 0.5
    np.testing.assert_array_equal(clamped, np.clip(free, -0.5, 0.5))


def test_mapping_takes_a_direction_of_latents_not_their_length(key):
    z = jax.random.normal(key, (3, 8))
    mapping = Mapping(4)
    variables = random_like(key, mapping, z)
    apply = jax.jit(mapping.apply)
    w = apply(variables, z)
    assert w.shape == (3, 8)
    assert len(variables["params"]) == 4
    np.testing.assert_allclose(apply(variables, 7 * z), w, **CLOSE)
    assert not np.allclose(apply(variables, -z), w)


def test_initial_mapping_and_synthesis_keep_unit_size(key):
    # Equalised learning rates are there for this; the bounds are loose, for one draw.
    z = jax.random.normal(key, (64, 128))
    w, _ = jax.jit(Mapping(3).init_with_output)(key, z)
    assert 0.5 < jnp.std(w) < 2
    codes = jnp.repeat(w[:2, None], 4, axis=1)
    images, _ = jax.jit(Synthesis((32, 16)).init_with_output)(key, codes)
    assert 0.3 < jnp.std(images) < 6


@pytest.mark.parametrize("side", [4, 6])
def test_images_are_enlarged_as_with_zeros_between_pixels(key, side):
    x = jax.random.normal(key, (2, side, side, 3))
    taps = np.array([1, 3, 3, 1]) / 4
    rows = np.zeros((2 * side, side))
    for pixel in range(side):
        for tap, value in enumerate(taps):
            row = 2 * pixel + tap - 1
            if 0 <= row < 2 * side:
                rows[row, pixel] = value
    expected = np.einsum("ah,nhwc,bw->nabc", rows, x, rows)
    np.testing.assert_allclose(_enlarge_image(x), expected, **CLOSE)


@pytest.mark.parametrize(
    ("channels", "side"),
    [((8, 4), 8), ((512,) * 5 + (256, 128, 64, 32), 1024), ((512,) * 4 + (256,), 64)],
)
def test_shapes(key, channels, side):
    layers = 2 * len(channels)
    codes = jax.ShapeDtypeStruct((2, layers, 16), jnp.float32)
    network = Synthesis(channels)
    variables = jax.eval_shape(network.init, key, codes)
    images = jax.eval_shape(network.apply, variables, codes)
    assert images.shape == (2, side, side, 3)
    assert len(variables["params"]) == 1 + (layers - 1) + layers // 2


def test_every_code_matters_and_the_last_only_to_colours(key):
    network = Synthesis((8, 4))
    code = jax.random.normal(key, (4, 8))
    variables = random_like(key, network, code[None])
    moves = [(layer, distance) for layer in range(4) for distance in (1.0, 2.0)]
    moved = [code.at[layer].add(distance) for layer, distance in moves]
    base, *images = jax.jit(network.apply)(variables, jnp.stack([code, *moved]))
    change = {move: image - base for move, image in zip(moves, images, strict=True)}
    for layer in range(4):
        assert jnp.abs(change[layer, 1.0]).max() > 1e-3, layer
    # A conversion to colours is linear in its code; a layer is not. The slack is for
    # differences of float32 images of this size.
    slack = 1e-4 * float(jnp.abs(base).max())
    np.testing.assert_allclose(change[3, 2.0], 2 * change[3, 1.0], atol=slack)
    assert not np.allclose(change[2, 2.0], 2 * change[2, 1.0], atol=slack)


def test_examples_share_kernels(key):
    network = Synthesis((8, 6, 4))
    codes = jnp.zeros((3, 6, 8))
    variables = jax.eval_shape(network.init, key, codes)
    text = str(jax.make_jaxpr(network.apply)(variables, codes))
    groups = re.findall(r"(?:feature|batch)_group_count=(\d+)", text)
    assert groups
    assert set(groups) == {"1"}


def test_batch_does_not_mix_examples(key):
    network = Synthesis((8, 4))
    codes = jax.random.normal(key, (3, 4, 8))
    apply = jax.jit(network.apply)
    variables = random_like(key, network, codes)
    together = apply(variables, codes)[1:2]
    # A convolution of another batch size may sum in another order.
    slack = 1e-5 * float(jnp.abs(together).max())
    np.testing.assert_allclose(together, apply(variables, codes[1:2]), atol=slack)

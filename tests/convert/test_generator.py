import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.convert.generator import MEAN_LATENTS
from jaxgan.errors import InputError
from tests.convert.test_stylegan2_flavours import find, written
from tests.generators import DIM, LAYERS, SIDE, line_of, linear, normal

# Sums of a few float32 products of numbers around one, in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def encoded(generator, z):
    params = generator.params
    return z.astype(float) @ params["encode"] + params["shift"]


def painted(generator, codes, channels=3):
    pixels = np.einsum("nld,ldp->np", np.float64(codes), generator.params["paint"])
    return pixels.reshape(-1, SIDE, SIDE, channels)


def test_codes_are_what_latents_encode_to_in_every_layer():
    generator, z = linear(), normal(5, DIM)
    codes = generator.codes(z)
    assert codes.shape == (5, LAYERS, DIM)
    assert codes.dtype == np.float32
    for layer in range(LAYERS):
        np.testing.assert_allclose(codes[:, layer], encoded(generator, z), **CLOSE)
    assert generator.code_shape == (None, LAYERS, DIM)


@pytest.mark.parametrize("psi", [1.0, 0.3])
def test_codes_without_layers_are_never_truncated(psi):
    generator, z = linear(layers=0), normal(5, DIM)
    assert generator.code_shape == (None, DIM)
    codes = generator.codes(z, psi, truncation_layers=1)
    np.testing.assert_allclose(codes, encoded(generator, z), **CLOSE)
    np.testing.assert_array_equal(generator.truncate(codes, psi), codes)


@pytest.mark.parametrize("shape", [(DIM,), (LAYERS, DIM)], ids=["one mean", "one per layer"])
@pytest.mark.parametrize("psi", [0.7, 0.0, -1.0, 1.5])
@pytest.mark.parametrize("first", [None, 1, 3, 99])
def test_truncation_keeps_a_share_of_the_way_from_the_mean(shape, psi, first):
    mean = normal(*shape, seed=7)
    generator, z = linear(average=mean), normal(3, DIM)
    expected = np.repeat(encoded(generator, z)[:, None], LAYERS, axis=1)
    wide = np.broadcast_to(mean, (LAYERS, DIM))
    for layer in range(LAYERS if first is None else min(first, LAYERS)):
        expected[:, layer] = wide[layer] + psi * (expected[:, layer] - wide[layer])
    found = generator.codes(z, truncation=psi, truncation_layers=first)
    np.testing.assert_allclose(found, expected, **CLOSE)
    np.testing.assert_array_equal(generator.truncate(generator.codes(z), psi, first), found)


@pytest.mark.parametrize(("psi", "first"), [(1.0, None), (1.0, 2), (0.5, 0), (0.5, -1)])
def test_no_truncation_changes_no_bit(psi, first):
    generator, z = linear(), normal(3, DIM)
    codes = generator.codes(z)
    np.testing.assert_array_equal(generator.codes(z, psi, first), codes)
    np.testing.assert_array_equal(generator.truncate(codes, psi, first), codes)
    assert "mean_code" not in vars(generator)  # nor is what nobody needs worked out


def test_mean_code_stands_in_for_an_average_that_is_missing():
    generator = linear()
    mean, z = generator.mean_code, normal(3, DIM)
    assert mean.shape == (DIM,)
    # Latents have mean 0, so codes have mean ``shift``; four standard errors.
    spread = np.linalg.norm(generator.params["encode"], axis=0) / np.sqrt(MEAN_LATENTS)
    assert (np.abs(mean - generator.params["shift"][0]) < 4 * spread).all()
    np.testing.assert_array_equal(linear().mean_code, mean)
    codes = np.broadcast_to(np.asarray(mean), (3, LAYERS, DIM))
    np.testing.assert_allclose(generator.codes(z, 0.0), codes, **CLOSE)
    stored = linear(average=np.asarray(mean))
    np.testing.assert_array_equal(stored.codes(z, 0.6), generator.codes(z, 0.6))


def test_the_spread_of_codes_is_that_within_a_layer():
    """Layers whose codes lie far apart, but are spread alike."""
    one = linear()

    def encode(params, z):
        return one.encode(params, z)[:, None] + 100 * jnp.arange(LAYERS)[None, :, None]

    apart = dataclasses.replace(one, encode=encode)
    # Rounding of float32 at 300 beside codes around 1.
    np.testing.assert_allclose(apart.code_covariance, one.code_covariance, atol=1e-3)


@pytest.mark.parametrize("layers", [LAYERS, 0])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_have_three_channels(layers, channels, maybe_jit):
    generator = linear(layers, channels)
    codes = normal(2, LAYERS, DIM) if layers else normal(2, DIM)
    images = maybe_jit(generator.images)(codes)
    assert images.shape == (2, SIDE, SIDE, 3)
    assert images.dtype == np.float32
    wide = codes if layers else codes[:, None]
    expected = painted(generator, wide, channels)
    np.testing.assert_allclose(images, np.broadcast_to(expected, images.shape), **CLOSE)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_images_of_known_codes_inside_another_program(kind):
    generator, codes = linear(), kind(normal(2, LAYERS, DIM))
    doubled = jax.jit(lambda factor: factor * generator.images(codes))(2.0)
    np.testing.assert_allclose(doubled, 2 * generator.images(codes), **CLOSE)
    shape = jax.eval_shape(lambda: generator.images(codes)).shape
    assert shape == (2, SIDE, SIDE, 3)


def test_derivatives_of_images():
    generator, codes = linear(), jnp.asarray(normal(2, LAYERS, DIM))

    def total(codes):
        return generator.images(codes).sum()

    slope = jax.grad(total)(codes)
    assert np.abs(slope).max() > 0
    np.testing.assert_allclose(slope, jax.jit(jax.grad(total))(codes), **CLOSE)


def test_images_are_those_of_full_float32(device):
    """Where JAX's default for products on a card is ten bits."""
    network = find("genforce", written("genforce"))
    z = normal(2, network.z_dim)
    codes = np.asarray(network.codes(z))
    for function, x in ((network.codes, z), (network.images, codes)):
        text = jax.jit(function).lower(x).as_text()
        products = re.findall(r"stablehlo\.(?:dot_general|convolution).*", text)
        assert products
        assert all("HIGHEST" in line for line in products)

    def images(place):
        with jax.default_device(place):
            return np.asarray(dataclasses.replace(network).images(codes))

    own, expected = images(device), images(jax.devices("cpu")[0])
    # Relative to the largest: pixels are sums of hundreds of products, through seven layers.
    assert np.abs(own - expected).max() < 1e-4 * np.abs(expected).max()


def test_images_are_not_clipped():
    images = linear(scale=100).images(normal(1, LAYERS, DIM))
    assert np.abs(images).max() > 10


def test_codes_inside_a_compiled_function():
    generator, z = linear(), normal(2, DIM)
    codes = jax.jit(lambda z: generator.codes(z, 0.5, 2))(z)
    np.testing.assert_allclose(codes, generator.codes(z, 0.5, 2), **CLOSE)


def with_a(value, *shape):
    array = normal(*shape)
    array.flat[-1] = value
    return array


@pytest.mark.parametrize(
    ("method", "layers", "array", "words"),
    [
        ("codes", LAYERS, normal(DIM), r"latents have shape \[6\]; linear has \[N, 6\]"),
        ("codes", LAYERS, normal(2, DIM + 1), r"shape \[2, 7\]; linear has \[N, 6\]"),
        ("codes", LAYERS, normal(2, LAYERS, DIM), r"linear has \[N, 6\]"),
        ("codes", 0, normal(2, 1), r"linear has \[N, 6\]"),
        ("codes", LAYERS, 1.0, r"latents have shape \[\]"),
        ("codes", LAYERS, with_a(np.nan, 2, DIM), "latents are not all finite"),
        ("codes", 0, with_a(np.inf, 2, DIM), "latents are not all finite"),
        ("images", LAYERS, normal(2, DIM), r"codes have shape \[2, 6\]; .* \[N, 4, 6\]"),
        ("images", LAYERS, normal(2, LAYERS + 1, DIM), r"linear has \[N, 4, 6\]"),
        ("images", LAYERS, normal(2, DIM, LAYERS), r"linear has \[N, 4, 6\]"),
        ("images", 0, normal(2, LAYERS, DIM), r"linear has \[N, 6\]"),
        ("images", LAYERS, with_a(np.nan, 2, LAYERS, DIM), "codes are not all finite"),
        ("images", 0, with_a(-np.inf, 2, DIM), "codes are not all finite"),
        ("truncate", LAYERS, normal(2, DIM), r"linear has \[N, 4, 6\]"),
        ("truncate", LAYERS, with_a(np.nan, 2, LAYERS, DIM), "codes are not all finite"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(method, layers, array, words):
    with pytest.raises(InputError) as error:
        getattr(linear(layers), method)(array)
    assert re.search(words, line_of(error))


@pytest.mark.parametrize("psi", [np.nan, np.inf])
def test_truncation_must_be_finite(psi):
    with pytest.raises(InputError) as error:
        linear().codes(normal(2, DIM), truncation=psi)
    assert "must be a finite number" in line_of(error)


def restyled(generator, change):
    """The generator with its second style changed."""
    first, second, *others = generator.styles
    return dataclasses.replace(generator, styles=(first, change(second), *others))


def nudged(style):
    weight = style.weight.copy()
    weight[0, 0] = np.nextafter(weight[0, 0], np.float32(9))
    return style._replace(weight=weight)


@pytest.mark.parametrize(
    "change",
    [
        nudged,
        lambda style: style._replace(layer=style.layer + 1),
        lambda style: style._replace(to_rgb=True),
        lambda style: style._replace(weight=style.weight.reshape(2 * len(style.weight), -1)),
        lambda style: style._replace(weight=style.weight[::-1]),
    ],
    ids=["a bit", "layer", "colours", "shape", "order of rows"],
)
def test_fingerprint_tells_any_other_style(change):
    generator = linear()
    assert restyled(generator, change).fingerprint != generator.fingerprint


def test_fingerprint_is_of_the_styles_alone():
    generator = linear()
    assert re.fullmatch("[0-9a-f]{16}", generator.fingerprint)
    renamed = restyled(generator, lambda style: style._replace(name="another"))
    other = dataclasses.replace(renamed, flavour="other", params={}, average=normal(DIM))
    turned = restyled(other, lambda style: style._replace(weight=np.asfortranarray(style[2])))
    assert turned.fingerprint == generator.fingerprint
    fewer = dataclasses.replace(generator, styles=generator.styles[1:])
    swapped = dataclasses.replace(generator, styles=generator.styles[::-1])
    assert len({generator.fingerprint, fewer.fingerprint, swapped.fingerprint}) == 3

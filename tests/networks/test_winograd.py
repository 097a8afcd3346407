import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.convert.generator import image_functions
from jaxgan.networks import winograd
from jaxgan.networks.convolution import Geometry, correlate, spread
from jaxgan.networks.layers import Conv, ConvTranspose
from jaxgan.networks.pggan import Generator
from tests.quick import normal, variables

SHAPES = [(1, 4, 4, 3), (2, 9, 6, 5), (3, 1, 2, 4), (1, 33, 17, 2)]
TILES = [1, 4, 10_000]  # in a strip: many strips, some, one


def error(x, y):
    return np.abs(np.asarray(x) - y).max() / np.abs(y).max()


@pytest.fixture(params=TILES)
def strips(request, monkeypatch):
    monkeypatch.setattr(winograd, "_TILES", request.param)


@pytest.fixture
def small_layers_too(monkeypatch):
    monkeypatch.setattr(winograd, "_CHANNELS", 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_same_is_the_convolution(strips, shape):
    x, w = normal(*shape), normal(3, 3, shape[3], 6)
    plain = correlate(x, w, Geometry(shape[1:3], 3, 1, 1))
    assert error(winograd.same(x, winograd._transform(w, winograd._SAME)), plain) < 5e-6


@pytest.mark.parametrize("shape", SHAPES)
def test_double_is_the_transposed_convolution(strips, shape):
    x, w = normal(*shape), normal(4, 4, 6, shape[3])
    plain = spread(x, w, Geometry((2 * shape[1], 2 * shape[2]), 4, 2, 1))
    kernel = winograd._transform(winograd._by_place(jnp.asarray(w)), winograd._DOUBLE)
    assert error(winograd.double(x, kernel), plain) < 5e-6


def test_an_error_is_small_beside_exact_sums():
    """With 512 channels, where sums are long; errors of a plain convolution are 5e-7."""
    x, w = normal(1, 16, 16, 512), normal(3, 3, 512, 16)
    around = np.pad(x.astype(float), [(0, 0), (1, 1), (1, 1), (0, 0)])
    exact = sum(
        around[:, i : i + 16, j : j + 16] @ w[i, j].astype(float)
        for i in range(3)
        for j in range(3)
    )
    assert error(winograd.same(x, winograd._transform(w, winograd._SAME)), exact) < 5e-6


@pytest.mark.parametrize(
    ("layer", "places"),
    [(Conv(6, 3, padding=1), 36), (ConvTranspose(6, 4, stride=2, padding=1), 16)],
)
def test_a_layer_keeps_its_transformed_kernel(small_layers_too, layer, places):
    x = normal(2, 8, 8, 4)
    params = {"params": variables(layer, x)["params"]}
    plain = layer.apply(params, x)
    _, kept = layer.apply(params, x, mutable=[winograd.KERNELS])
    assert kept[winograd.KERNELS]["kernel"].shape[0] == places
    assert error(layer.apply(params | kept, x), plain) < 5e-6
    assert layer.apply(params | kept, x.astype(jnp.bfloat16)).dtype == jnp.bfloat16
    # What is kept is what is used.
    zero = jax.tree.map(jnp.zeros_like, kept)
    assert not np.any(layer.apply(params | zero, x))


@pytest.mark.parametrize(
    "layer",
    [
        Conv(6, 1),
        Conv(6, 3, stride=2, padding=1),
        Conv(6, 5, padding=2),
        ConvTranspose(6, 4),
        ConvTranspose(6, 3, stride=2, padding=1),
    ],
)
def test_other_layers_keep_none(small_layers_too, layer):
    x = normal(2, 8, 8, 4)
    params = {"params": variables(layer, x)["params"]}
    assert not layer.apply(params, x, mutable=[winograd.KERNELS])[1]


def test_small_layers_and_initialisation_keep_none():
    layer = Conv(winograd._CHANNELS, 3, padding=1)
    wide, narrow = normal(1, 8, 8, winograd._CHANNELS), normal(1, 8, 8, 4)
    tiny = normal(1, 4, 4, winograd._CHANNELS)
    assert jax.eval_shape(layer.init, jax.random.key(0), wide).keys() == {"params"}
    for x, count in ((wide, 1), (narrow, 0), (tiny, 0)):
        params = {"params": variables(layer, x)["params"]}
        kept = layer.apply(params, x, mutable=[winograd.KERNELS])[1]
        assert len(jax.tree.leaves(kept)) == count


def test_images_and_their_derivatives_are_those_without_it(small_layers_too):
    network, codes = Generator((4, 4, 4)), normal(2, 8)
    params = variables(network, codes)["params"]
    synthesise, prepare = image_functions(network, part=None)
    prepared = params | prepare(params, codes[:1])
    assert set(prepared) - set(params) == {winograd.KERNELS}

    def both(params):
        return jax.vjp(lambda codes: synthesise(params, codes), codes)

    (plain, plain_back), (images, back) = both(params), both(prepared)
    chex.assert_trees_all_close(images, plain, rtol=1e-4, atol=1e-5)
    (slope,), (plain_slope,) = back(images), plain_back(images)
    assert error(slope, np.asarray(plain_slope)) < 1e-4

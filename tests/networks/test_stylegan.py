from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import stylegan

LATENT, CHANNELS = 8, (8, 6, 4)


@pytest.fixture
def synthesis(key):
    """The network as a function, parameters far from zero, and codes."""
    network = stylegan.Synthesis(CHANNELS)
    codes = jax.random.normal(key, (3, 2 * len(CHANNELS), LATENT))
    shapes = jax.eval_shape(network.init, key, codes)["params"]
    draw = np.random.default_rng(0).standard_normal
    params = jax.tree.map(lambda x: jnp.asarray(draw(x.shape), jnp.float32), shapes)
    run = jax.jit(lambda p, c: network.apply({"params": p}, c))
    return run, params, codes


def distance(a, b):
    return float(jnp.abs(a - b).max())


@pytest.mark.parametrize("blocks", [2, 3, 9])
def test_shapes(blocks, key):
    network, codes = stylegan.Synthesis((4,) * blocks), jnp.zeros((3, 2 * blocks, LATENT))
    images, variables = jax.eval_shape(network.init_with_output, key, codes)
    size = 2 ** (blocks + 1)
    chex.assert_shape(images, (3, size, size, 3))
    last = variables["params"][f"epilogue_{2 * blocks - 1}"]
    chex.assert_shape([last["noise"], last["strength"]], [(size, size), (4,)])


@pytest.mark.parametrize("depth", [1, 8])
def test_mapping(depth, key):
    z = jax.random.normal(key, (3, LATENT))
    mapping = stylegan.Mapping(depth)
    codes, params = mapping.init_with_output(key, z)
    chex.assert_shape(codes, (3, LATENT))
    assert len(params["params"]) == depth
    # Of a latent only the direction counts. Rounding of float32 through eight layers.
    chex.assert_trees_all_close(mapping.apply(params, 5 * z), codes, atol=1e-6)
    assert distance(mapping.apply(params, -z), codes) > 0.01


def test_blur_is_that_of_the_paper():
    image = jnp.zeros((1, 5, 6, 2)).at[0, 2, 3, 0].set(16.0).at[0, 0, 0, 1].set(16.0)
    expected = np.zeros((5, 6, 2))
    expected[1:4, 2:5, 0] = np.outer([1, 2, 1], [1, 2, 1])
    expected[:2, :2, 1] = np.outer([2, 1], [2, 1])
    np.testing.assert_array_equal(stylegan.blur(image)[0], expected)  # powers of two: exact


def test_a_style_sets_mean_and_deviation(key):
    """Closed form: the instance norm leaves only what the style says."""
    epilogue = stylegan.Epilogue()
    x = 3 + 2 * jax.random.normal(key, (2, 8, 8, 4))
    code = jax.random.normal(key, (2, LATENT))
    params: Any = epilogue.init(key, x, code)["params"]
    images: Any = epilogue.apply({"params": params}, x, code)
    style = code @ params["style"]["kernel"] + params["style"]["bias"][None]
    # Rounding of float32 in sums of 64 numbers.
    np.testing.assert_allclose(images.mean(axis=(1, 2)), style[:, 4:], atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(1, 2)), jnp.abs(style[:, :4]), atol=1e-5)


@pytest.mark.parametrize("name", ["noise", "strength", "bias"])
def test_noise_and_bias_matter_in_every_layer(name, synthesis):
    run, params, codes = synthesis
    images = run(params, codes)
    for i in range(2 * len(CHANNELS)):
        layer = params[f"epilogue_{i}"]
        without = params | {f"epilogue_{i}": layer | {name: jnp.zeros_like(layer[name])}}
        assert distance(run(without, codes), images) > 1e-3


@pytest.mark.parametrize("half", ["scale", "shift"])
def test_each_half_of_a_style_matters_in_every_layer(half, synthesis):
    run, params, codes = synthesis
    images = run(params, codes)
    for i in range(2 * len(CHANNELS)):
        style = params[f"epilogue_{i}"]["style"]
        features = len(style["bias"]) // 2
        units = slice(features) if half == "scale" else slice(features, None)
        kernel = style["kernel"].at[:, units].set(0)
        layer = params[f"epilogue_{i}"] | {"style": style | {"kernel": kernel}}
        changed = run(params | {f"epilogue_{i}": layer}, codes)
        assert distance(changed, images) > 1e-3


def test_each_layer_has_a_code_of_its_own(synthesis):
    run, params, codes = synthesis
    images = run(params, codes)
    for i in range(codes.shape[1]):
        moved = run(params, codes.at[0, i].add(1.0))
        assert distance(moved[0], images[0]) > 1e-3
        np.testing.assert_array_equal(moved[1:], images[1:])  # examples do not mix


def test_one_image_of_many_is_that_image(synthesis):
    run, params, codes = synthesis
    images = run(params, codes)
    alone = run(params, codes[1:2])
    # The same sums, perhaps in another order for another batch.
    np.testing.assert_allclose(alone[0], images[1], atol=2e-5)

from typing import Any

import chex
import jax
import numpy as np
import pytest

from jaxgan.networks import stylegan
from tests.quick import normal, variables

LATENT, CHANNELS = 8, (8, 6, 4)


@pytest.fixture(scope="module")
def synthesis():
    """The network as a function, parameters far from zero, and codes."""
    network = stylegan.Synthesis(CHANNELS)
    codes = normal(3, 2 * len(CHANNELS), LATENT)
    params = variables(network, codes, scale=1.0)["params"]
    run = jax.jit(lambda p, c: network.apply({"params": p}, c))
    return lambda p, c: np.asarray(run(p, c)), params, codes


def distance(a, b):
    return float(np.abs(a - b).max())


@pytest.mark.parametrize("blocks", [2, 3, 9])
def test_shapes(blocks, key):
    network, codes = stylegan.Synthesis((4,) * blocks), np.zeros((3, 2 * blocks, LATENT))
    images, variables = jax.eval_shape(network.init_with_output, key, codes)
    size = 2 ** (blocks + 1)
    chex.assert_shape(images, (3, size, size, 3))
    last = variables["params"][f"epilogue_{2 * blocks - 1}"]
    chex.assert_shape([last["noise"], last["strength"]], [(size, size), (4,)])


@pytest.mark.parametrize("depth", [1, 8])
def test_mapping(depth):
    z = normal(3, LATENT)
    mapping = stylegan.Mapping(depth)
    weights = variables(mapping, z)
    apply = jax.jit(mapping.apply)
    codes = apply(weights, z)
    chex.assert_shape(codes, (3, LATENT))
    assert len(weights["params"]) == depth
    # Of a latent only the direction counts. Rounding of float32 through eight layers, whose
    # sums are as large as the largest number.
    atol = 1e-6 * np.abs(codes).max()
    chex.assert_trees_all_close(apply(weights, 5 * z), codes, rtol=1e-6, atol=atol)
    assert distance(apply(weights, -z), codes) > 0.01


def test_blur_is_that_of_the_paper():
    image, expected = np.zeros((1, 5, 6, 2), np.float32), np.zeros((5, 6, 2))
    image[0, 2, 3, 0] = image[0, 0, 0, 1] = 16
    expected[1:4, 2:5, 0] = np.outer([1, 2, 1], [1, 2, 1])
    expected[:2, :2, 1] = np.outer([2, 1], [2, 1])
    # powers of two: exact
    np.testing.assert_array_equal(jax.jit(stylegan.blur)(image)[0], expected)


def test_a_style_sets_mean_and_deviation():
    """Closed form: the instance norm leaves only what the style says."""
    epilogue = stylegan.Epilogue()
    x, code = 3 + 2 * normal(2, 8, 8, 4), normal(2, LATENT, seed=1)
    params: Any = variables(epilogue, x, code)["params"]
    for name in ("noise", "bias"):  # as at the start of training
        params[name] = np.zeros_like(params[name])
    images = np.asarray(jax.jit(epilogue.apply)({"params": params}, x, code))
    style = code @ params["style"]["kernel"] + params["style"]["bias"][None]
    # Rounding of float32 in sums of 64 numbers.
    np.testing.assert_allclose(images.mean(axis=(1, 2)), style[:, 4:], atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(1, 2)), np.abs(style[:, :4]), atol=1e-5)


@pytest.mark.parametrize("name", ["noise", "strength", "bias"])
def test_noise_and_bias_matter_in_every_layer(name, synthesis):
    run, params, codes = synthesis
    images = run(params, codes)
    for i in range(2 * len(CHANNELS)):
        layer = params[f"epilogue_{i}"]
        without = params | {f"epilogue_{i}": layer | {name: np.zeros_like(layer[name])}}
        assert distance(run(without, codes), images) > 1e-3


@pytest.mark.parametrize("half", ["scale", "shift"])
def test_each_half_of_a_style_matters_in_every_layer(half, synthesis):
    run, params, codes = synthesis
    images = run(params, codes)
    for i in range(2 * len(CHANNELS)):
        style = params[f"epilogue_{i}"]["style"]
        features = len(style["bias"]) // 2
        units = slice(features) if half == "scale" else slice(features, None)
        kernel = style["kernel"].copy()
        kernel[:, units] = 0
        layer = params[f"epilogue_{i}"] | {"style": style | {"kernel": kernel}}
        changed = run(params | {f"epilogue_{i}": layer}, codes)
        assert distance(changed, images) > 1e-3


def test_each_layer_has_a_code_of_its_own(synthesis):
    run, params, codes = synthesis
    images = run(params, codes)
    for i in range(codes.shape[1]):
        moved_codes = codes.copy()
        moved_codes[0, i] += 1
        moved = run(params, moved_codes)
        assert distance(moved[0], images[0]) > 1e-3
        np.testing.assert_array_equal(moved[1:], images[1:])  # examples do not mix


def test_one_image_of_many_is_that_image(synthesis):
    run, params, codes = synthesis
    images = run(params, codes)
    alone = run(params, codes[1:2])
    # The same sums, perhaps in another order for another batch: some 1e-6 of the largest.
    np.testing.assert_allclose(alone[0], images[1], atol=1e-5 * np.abs(images).max())

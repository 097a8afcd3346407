import chex
import jax
import numpy as np
import pytest

from jaxgan.networks import pggan
from tests.quick import normal, variables

LATENT, CHANNELS = 8, (8, 6, 4)


@pytest.fixture(scope="module")
def latents():
    return normal(3, LATENT)


@pytest.mark.parametrize("blocks", [2, 3, 9])
def test_shapes(blocks, latents, key):
    generator = pggan.Generator((4,) * blocks)
    images, _ = jax.eval_shape(generator.init_with_output, key, latents)
    chex.assert_shape(images, (3, 2 ** (blocks + 1), 2 ** (blocks + 1), 3))


def test_pixel_norm_divides_by_the_root_mean_square(latents):
    x = 100 * latents[:, None]
    expected = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True))
    # Rounding of float32, times the 8 terms of a sum.
    np.testing.assert_allclose(jax.jit(pggan.pixel_norm)(x), expected, rtol=1e-6)
    assert not pggan.pixel_norm(np.zeros((1, 4), np.float32)).any()


@pytest.fixture(scope="module")
def generator(latents):
    """The network as a function, and parameters: normal kernels, no biases."""
    network = pggan.Generator(CHANNELS)
    params = {
        name: np.zeros_like(x) if name.startswith("bias") else x
        for name, x in variables(network, latents, scale=1.0)["params"].items()
    }
    run = jax.jit(lambda p, z: network.apply({"params": p}, z))
    return lambda p, z: np.asarray(run(p, z)), params


def test_only_the_direction_of_a_latent_counts(generator, latents):
    run, params = generator
    images = run(params, latents)
    # Rounding of float32 through seven layers, seen to be 1e-6.
    chex.assert_trees_all_close(run(params, 3 * latents), images, atol=2e-5)
    assert float(np.abs(run(params, -latents) - images).max()) > 0.1


def test_each_layer_normalises_its_input(generator, latents):
    run, params = generator
    images = run(params, latents)
    for name in (f"conv_{i}" for i in range(2 * len(CHANNELS))):
        louder = params | {name: jax.tree.map(lambda x: 4 * x, params[name])}
        # Biases are zero, so that the next norm takes a gain away. Tolerance as above.
        chex.assert_trees_all_close(run(louder, latents), images, atol=2e-5)


def test_biases_matter_in_every_layer(generator, latents):
    run, params = generator
    images = run(params, latents)
    for name in (f"bias_{i}" for i in range(2 * len(CHANNELS))):
        bias = params[name].copy()
        bias[..., 0] += 1
        changed = run(params | {name: bias}, latents)
        assert float(np.abs(changed - images).max()) > 1e-3

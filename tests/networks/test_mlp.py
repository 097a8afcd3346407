import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import mlp


def test_networks_have_the_layers_of_report_b(key):
    generator = mlp.Generator((256, 64)).init(key, jnp.zeros((1, 5)))["params"]
    critic = mlp.Critic((256, 64)).init(key, jnp.zeros((1, 2)))["params"]
    shapes = [
        [params[name]["kernel"].shape for name in sorted(params)]
        for params in (generator, critic)
    ]
    # the short side first
    assert shapes == [[(5, 256), (64, 256), (2, 64)], [(2, 256), (64, 256), (1, 64)]]


@pytest.mark.parametrize("width", [3, 4, 5])
def test_dense_is_an_affine_map_whatever_its_layout(width, key):
    x = jax.random.normal(key, (7, 4))
    layer = mlp.Dense(width)
    variables = layer.init(key, x)
    kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
    kernel = kernel.T if width < 4 else kernel
    expected = np.asarray(x) @ np.asarray(kernel) + np.asarray(bias)
    np.testing.assert_allclose(layer.apply(variables, x), expected, rtol=1e-5, atol=1e-6)


def test_scores_are_one_number_per_example_without_a_bound(key):
    critic = mlp.Critic((16,))
    variables = critic.init(key, jnp.zeros((1, 2)))
    scores = critic.apply(variables, 1e4 * jax.random.normal(key, (7, 2)))
    assert scores.shape == (7,)
    assert jnp.abs(scores).max() > 10


@pytest.mark.parametrize("part", ["kernel", "bias"])
def test_initial_weights_are_distributed_as_torch_does(part, key):
    params = mlp.Critic((4096,)).init(key, jnp.zeros((1, 25)))["params"]
    x = np.asarray(params["Dense_0"][part]).ravel()
    bound = 1 / 5  # 1 / sqrt(25)
    assert np.abs(x).max() <= bound
    # a uniform variable has deviation bound / sqrt(3); 4096 draws give it to 2 %
    assert x.std() == pytest.approx(bound / 3**0.5, rel=0.04)

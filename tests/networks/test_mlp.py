import functools

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


PRODUCTS = {
    mlp._nn: (lambda x, w: x @ w, (7, "inputs"), ("inputs", 5)),
    mlp._nt: (lambda g, w: g @ w.T, (7, 5), ("inputs", 5)),
    mlp._tn: (lambda x, g: x.T @ g, (7, "inputs"), (7, 5)),
}


@pytest.mark.parametrize("inputs", [1, 2, 4, 5, 64, 65])  # on both sides of the changes of form
@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.__name__)
def test_products_and_their_derivatives_are_those_of_plain_ones(product, inputs, key):
    plain, *shapes = PRODUCTS[product]
    keys = jax.random.split(key, 2)
    args = [
        jax.random.normal(k, [inputs if size == "inputs" else size for size in shape])
        for k, shape in zip(keys, shapes, strict=True)
    ]

    def penalty(product):
        def inner(*args):
            return jnp.tanh(product(*args)).sum()

        def function(*args):
            slopes = jax.grad(inner, argnums=(0, 1))(*args)
            return sum((slope**2).sum() for slope in slopes)

        return function

    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
    close(product(*args), plain(*args))
    for function in (lambda f: lambda *a: jnp.sin(f(*a)).sum(), penalty):
        mine = jax.grad(function(product), argnums=(0, 1))(*args)
        theirs = jax.grad(function(plain), argnums=(0, 1))(*args)
        jax.tree.map(close, mine, theirs)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the forms for a CPU")
def test_thin_and_narrow_products_have_forms_of_their_own():
    def jaxpr(product, *shapes):
        return str(jax.make_jaxpr(product)(*(jnp.zeros(shape) for shape in shapes)))

    dot, copy = "dot_general", "optimization_barrier"
    assert dot not in jaxpr(mlp._nn.fun, (7, 4), (4, 9))
    assert dot in jaxpr(mlp._nn.fun, (7, 5), (5, 9))
    assert copy in jaxpr(mlp._tn.fun, (7, 64), (7, 99))
    assert copy not in jaxpr(mlp._tn.fun, (7, 65), (7, 99))


def test_other_platforms_compute_the_same(key, monkeypatch):
    x = jax.random.normal(key, (7, 2))
    critic = mlp.Critic((8,))
    variables = critic.init(key, x)

    def gradient():
        return jax.grad(lambda variables: critic.apply(variables, x).sum())(variables)

    here = gradient()
    monkeypatch.setattr(mlp, "on_cpu", lambda: False)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), here, gradient())


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

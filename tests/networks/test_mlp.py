import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import mlp
from tests.quick import normal, variables


def test_networks_have_the_layers_of_report_b(key):
    shapes = [
        [params[name]["kernel"].shape for name in sorted(params)]
        for params in (
            jax.eval_shape(network.init, key, np.zeros((1, inputs)))["params"]
            for network, inputs in ((mlp.Generator((256, 64)), 5), (mlp.Critic((256, 64)), 2))
        )
    ]
    # the short side first
    assert shapes == [[(5, 256), (64, 256), (2, 64)], [(2, 256), (64, 256), (1, 64)]]


@pytest.mark.parametrize("width", [3, 4, 5])
def test_dense_is_an_affine_map_whatever_its_layout(width):
    x, layer = normal(7, 4), mlp.Dense(width)
    weights = variables(layer, x)
    kernel, bias = weights["params"]["kernel"], weights["params"]["bias"]
    kernel = kernel.T if width < 4 else kernel
    y = jax.jit(layer.apply)(weights, x)
    np.testing.assert_allclose(y, x @ kernel + bias, rtol=1e-5, atol=1e-6)


PRODUCTS = {
    mlp._nn: (lambda x, w: x @ w, (7, "inputs"), ("inputs", 5)),
    mlp._nt: (lambda g, w: g @ w.T, (7, 5), ("inputs", 5)),
    mlp._tn: (lambda x, g: x.T @ g, (7, "inputs"), (7, 5)),
}


# on both sides of the changes of form
@pytest.mark.parametrize(
    "inputs", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2)), 4, 5, 64, 65]
)
def test_products_and_their_derivatives_are_those_of_plain_ones(inputs):
    def penalty(product):
        def inner(*args):
            return jnp.tanh(product(*args)).sum()

        def function(*args):
            slopes = jax.grad(inner, argnums=(0, 1))(*args)
            return sum((slope**2).sum() for slope in slopes)

        return function

    def derivatives(product, args):
        first = jax.grad(lambda *args: jnp.sin(product(*args)).sum(), argnums=(0, 1))
        second = jax.grad(penalty(product), argnums=(0, 1))
        return product(*args), first(*args), second(*args)

    args = {
        product: [
            normal(*(inputs if size == "inputs" else size for size in shape), seed=seed)
            for seed, shape in enumerate(shapes)
        ]
        for product, (_, *shapes) in PRODUCTS.items()
    }
    products = [(product, plain) for product, (plain, *_) in PRODUCTS.items()]
    computed = jax.jit(
        lambda args: [
            [derivatives(form, args[i]) for form in pair] for i, pair in enumerate(products)
        ]
    )(list(args.values()))
    for ours, expected in computed:
        jax.tree.map(
            # float32, of sums of up to 65 products
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
            ours,
            expected,
        )


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the forms for a CPU")
def test_thin_and_narrow_layers_have_forms_of_their_own(key):
    def apply(inputs):
        layer, x = mlp.Dense(99), np.zeros((7, inputs), np.float32)
        return lambda params: layer.apply(params, x), jax.eval_shape(layer.init, key, x)

    def forward(inputs):
        function, params = apply(inputs)
        return str(jax.make_jaxpr(function)(params))

    def backward(inputs):
        function, params = apply(inputs)
        return str(jax.make_jaxpr(jax.grad(lambda params: function(params).sum()))(params))

    dot, copy = "dot_general", "optimization_barrier"
    assert dot not in forward(4)
    assert dot in forward(5)
    assert copy in backward(64)
    assert copy not in backward(65)


def test_other_platforms_compute_the_same(monkeypatch):
    x, critic = normal(7, 2), mlp.Critic((8,))
    weights = variables(critic, x)

    def gradient():
        # JAX remembers what a function with a derivative of its own was traced to.
        jax.clear_caches()
        loss = jax.grad(lambda weights: critic.apply(weights, x).sum())
        return "optimization_barrier" in str(jax.make_jaxpr(loss)(weights)), jax.jit(loss)(
            weights
        )

    ours, here = gradient()
    with monkeypatch.context() as patch:
        patch.setattr(mlp, "on_cpu", lambda: False)
        others, there = gradient()
    jax.clear_caches()
    assert ours == (jax.default_backend() == "cpu")
    assert not others
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), here, there)


def test_scores_are_one_number_per_example_without_a_bound():
    x, critic = 1e4 * normal(7, 2), mlp.Critic((16,))
    scores = jax.jit(critic.apply)(variables(critic, x), x)
    assert scores.shape == (7,)
    assert np.abs(scores).max() > 10


def test_initial_weights_are_distributed_as_torch_does(key):
    params = jax.jit(mlp.Dense(4096).init)(key, np.zeros((1, 25), np.float32))["params"]
    for part in ("kernel", "bias"):
        x = np.asarray(params[part]).ravel()
        bound = 1 / 5  # 1 / sqrt(25)
        assert np.abs(x).max() <= bound
        # a uniform variable has deviation bound / sqrt(3); 4096 draws give it to 2 %
        assert x.std() == pytest.approx(bound / 3**0.5, rel=0.04)

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import layers
from jaxgan.networks.layers import BatchNorm, Conv, ConvTranspose
from tests.networks.test_convolution import CASES, arrays, close


@pytest.mark.parametrize("reason", ["platform", "version", "XLA_FLAGS"])
def test_there_may_be_no_compiler_options(reason, monkeypatch):
    if reason == "platform":
        monkeypatch.setattr(layers, "on_cpu", lambda: False)
    elif reason == "version":
        monkeypatch.setattr(layers, "_OPTION", "xla_cpu_no_such_option")
    else:
        monkeypatch.setenv("XLA_FLAGS", f"--{layers._OPTION}=")
    assert layers.compiler_options() == {}


@pytest.mark.parametrize("on_cpu", [True, False])
def test_batch_means_are_exact_enough(on_cpu, monkeypatch):
    monkeypatch.setattr(layers, "on_cpu", lambda: on_cpu)
    x = np.random.default_rng(0).normal(3, 1, (64, 32, 32, 5)).astype(np.float32)
    compiled = jax.jit(layers._channel_means).lower(x).compile()
    expected = x.mean((0, 1, 2), np.float64, keepdims=True)
    np.testing.assert_allclose(compiled(x), expected, rtol=1e-5)
    assert (" dot(" in compiled.as_text() or "ynn_fusion" in compiled.as_text()) or not on_cpu


@pytest.mark.parametrize("case", ["dcgan", "fashion", "fashion, remainder", "whole image"])
def test_modules_follow_torch(case):
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    geometry, inputs, outputs = CASES[case]
    x, w, g = arrays(geometry, inputs, outputs)
    options = {"stride": geometry.stride, "padding": geometry.padding}
    conv = Conv(outputs, geometry.kernel, **options, use_bias=True)
    transposed = ConvTranspose(inputs, geometry.kernel, **options)

    @jax.jit
    def both(w, bias, x, g):
        weights = {"params": {"kernel": w, "bias": bias}}
        return conv.apply(weights, x), transposed.apply({"params": {"kernel": w}}, g)

    bias = np.linspace(-1, 1, outputs, dtype=np.float32)
    mine, mine_transposed = both(w, bias.reshape(1, 1, 1, -1), x, g)
    for module, image, names in ((conv, x, {"kernel", "bias"}), (transposed, g, {"kernel"})):
        params = jax.eval_shape(module.init, jax.random.key(0), image)["params"]
        assert set(params) == names
        assert params["kernel"].shape == w.shape

    def tensor(x):
        return torch.tensor(x).permute(0, 3, 1, 2)

    weight = torch.tensor(w).permute(3, 2, 0, 1)
    expected = torch.nn.functional.conv2d(tensor(x), weight, torch.tensor(bias), **options)
    close(mine, expected.permute(0, 2, 3, 1))
    expected = torch.nn.functional.conv_transpose2d(tensor(g), weight, **options)
    close(mine_transposed, expected.permute(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float64])
@pytest.mark.parametrize("shape", [(6, 4), (6, 2, 3, 4)])
@pytest.mark.parametrize("classes", [0, 2])
def test_derivatives_of_batch_norm_are_those_of_its_formula(classes, shape, dtype, key):
    with jax.enable_x64(dtype == jnp.float64):
        compare_derivatives(classes, shape, dtype, key)


def compare_derivatives(classes, shape, dtype, key):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(1, 2, (2, *shape)), dtype)  # of two lanes
    labels = np.arange(6) % 2 if classes else None
    module = BatchNorm(classes=classes, epsilon=0.5)
    params = module.init(key, x[0], True, labels)["params"]
    params = jax.tree.map(lambda p: p + rng.normal(size=p.shape).astype(np.float32), params)

    def layer(params, x):
        variables = module.init(key, x, True, labels) | {"params": params}
        return module.apply(variables, x, True, labels, mutable=["batch_stats"])[0]

    def formula(params, x):
        y, axes = x.astype(jnp.promote_types(x.dtype, jnp.float32)), tuple(range(x.ndim - 1))
        mean, var = (of(y, axes, keepdims=True) for of in (jnp.mean, jnp.var))
        scale, bias = params["scale"], params["bias"]
        if classes:
            broad = (6, *[1] * (x.ndim - 2), 4)
            scale, bias = (p[labels].reshape(broad) for p in (scale, bias))
        return ((y - mean) / jnp.sqrt(var + module.epsilon) * scale + bias).astype(x.dtype)

    def derivatives(f):
        first = jax.grad(lambda *args: jnp.sin(f(*args)).sum(), argnums=(0, 1))

        def of_slope(*args):
            return sum(jnp.sin(g).sum() for g in jax.tree.leaves(first(*args)))

        second = jax.grad(of_slope, argnums=(0, 1))
        both = jax.vmap(lambda *args: (first(*args), second(*args)), in_axes=(None, 0))
        return jax.jit(both)(params, x)

    with jax.default_matmul_precision("highest"):
        mine, expected = derivatives(layer), derivatives(formula)
    chex.assert_trees_all_equal_shapes_and_dtypes(mine, expected)
    # In float32 sums differ in order; in bfloat16 every result is rounded to 8 bits.
    bound = {jnp.float32: 2e-4, jnp.bfloat16: 0.1, jnp.float64: 1e-9}[dtype]
    chex.assert_trees_all_close(mine, expected, rtol=bound, atol=bound)


def test_batch_norm_follows_torch(key):
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    module, twin = BatchNorm(), torch.nn.BatchNorm2d(3)
    x = np.random.default_rng(0).normal(2, 3, (4, 5, 6, 3)).astype(np.float32)
    variables = jax.jit(lambda x: module.init(key, x, True))(x)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)  # init sees no data
    params = {
        "scale": np.asarray(variables["params"]["scale"]) + 1,
        "bias": np.asarray(variables["params"]["bias"]) - 1,
    }
    variables = variables | {"params": params}
    twin.weight.data += 1
    twin.bias.data -= 1
    train = jax.jit(
        lambda variables, x: module.apply(variables, x, True, mutable=["batch_stats"])
    )
    for count in range(3):
        batch = x * (1 + count)
        y, moved = train(variables, batch)
        variables = variables | moved
        expected = twin(torch.tensor(batch).permute(0, 3, 1, 2))
        close(y, expected.detach().permute(0, 2, 3, 1))
    stats = jax.tree.map(np.ravel, variables["batch_stats"])
    close(stats["mean"], twin.running_mean)
    np.testing.assert_allclose(stats["var"], twin.running_var, rtol=1e-5)
    twin.eval()
    expected = twin(torch.tensor(x).permute(0, 3, 1, 2)).detach()
    evaluated = jax.jit(lambda variables, x: module.apply(variables, x, False))(variables, x)
    close(evaluated, expected.permute(0, 2, 3, 1))

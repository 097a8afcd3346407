import jax
import numpy as np
import pytest

from jaxgan.networks.upsampler import ACTIVATIONS, Layer, Upsampler, Window
from tests.networks.torch_layers import run_layers

STACK = (
    Layer("transposed", 6, 3),
    Layer("scale", side=3),
    Layer("relu"),
    Layer("transposed", 5, 4, Window(2, 1)),
    Layer("instance", value=0.1),
    Layer("leaky_relu", value=0.3),
    Layer("transposed", 6, 5, Window(2, 2, 1)),
    Layer("scale"),
    Layer("prelu"),
    Layer("enlarge", window=Window(2)),
    Layer("conv", 5, 3, Window(1, 1)),
    Layer("elu", value=0.5),
    Layer("transposed", 3, 1, Window(1, 2)),
    Layer("tanh"),
)


def test_layers_are_those_of_torch(key):
    torch = pytest.importorskip("torch")
    network = Upsampler(STACK)
    z = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
    shapes = jax.eval_shape(network.init, key, z)["params"]
    rng = np.random.default_rng(1)
    params = jax.tree.map(lambda s: rng.uniform(-1, 1, s.shape).astype(np.float32), shapes)
    expected = run_layers(torch, STACK, params, z)
    images = np.asarray(jax.jit(network.apply)({"params": params}, z))
    size = 1
    for layer in STACK:
        size = layer.size(size)
    assert images.shape == expected.shape == (2, size, size, 3)
    assert expected.std() > 0.1
    assert abs(images - expected).max() < 2e-5


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_are_those_of_torch(kind):
    torch = pytest.importorskip("torch")
    function = getattr(torch.nn.functional, kind)
    x = np.linspace(-30, 30, 101, dtype=np.float32)
    value = (0.3,) if kind in ("elu", "leaky_relu") else ()
    expected = function(torch.tensor(x), *value).numpy()
    np.testing.assert_allclose(ACTIVATIONS[kind](x, 0.3), expected, rtol=1e-5, atol=1e-6)

"""Operations of JAX as ONNX, against what JAX computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.errors import InputError
from jaxgan.export import onnx_program
from jaxgan.export.sampler import symbolic

pytest.importorskip("onnx", reason="needs the onnx extra")
ort = pytest.importorskip("onnxruntime", reason="needs the onnx extra")
RNG = np.random.default_rng(0)
WEIGHTS = RNG.standard_normal((3, 3, 4, 5)).astype(np.float32)
LAYOUT = ("NHWC", "HWIO", "NHWC")


def convolve(x, w=WEIGHTS, strides=(1, 1), padding=((1, 1), (0, 2)), **options):
    return lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=LAYOUT, **options)


def transposed(x, padding):
    """As a network on an accelerator has it: the transpose of a convolution of stride 2."""
    size = (x.shape[0], 2 * 6 + 1 - padding, 2 * 6 + 1 - padding, 4)
    like = jax.ShapeDtypeStruct(size, x.dtype)
    around = ((padding, padding),) * 2
    (y,) = jax.linear_transpose(lambda y: convolve(y, WEIGHTS, (2, 2), around), like)(x)
    return y


FUNCTIONS = {
    "conv": convolve,
    "strides": lambda x: convolve(x, strides=(2, 1)),
    "dilation": lambda x: convolve(x, padding=((2, 2), (2, 2)), rhs_dilation=(2, 2)),
    "groups": lambda x: convolve(x, WEIGHTS[:, :, :1, :4], feature_group_count=4),
    "zeros between": lambda x: convolve(x, padding=((2, 1), (1, 2)), lhs_dilation=(2, 2)),
    "more zeros": lambda x: convolve(x, padding=((2, 3), (2, 3)), lhs_dilation=(2, 2)),
    "matrix": lambda x: jnp.tanh(x) @ WEIGHTS[0, 0],
    "batched": lambda x: jnp.einsum("nhwc,nhwd->nhcd", x, x * 2),
    "norm": lambda x: (
        (x - x.mean((1, 2), keepdims=True)) * lax.rsqrt(jnp.square(x).sum(3) + 1)[..., None]
    ),
    "slices": lambda x: lax.slice_in_dim(x, 1, 6, 2, axis=1) + lax.rev(x, (1, 2))[:, :3],
    "one": lambda x: x[:, 2] + x[:, :, 1],
    "pad": lambda x: lax.pad(x, jnp.float32(0), ((0, 0, 0), (-1, 2, 0), (1, -2, 0), (0, 0, 0))),
    "stack": lambda x: jnp.stack([x, 2 * x], axis=2).reshape(-1, 12, 6, 4),
    "where": lambda x: jnp.where(x > 0.1, x, jnp.clip(0.2 * x, -0.1, 0.1)),
    "activations": lambda x: jax.nn.gelu(x, approximate=False) + jax.nn.silu(x) + jax.nn.elu(x),
    "classes": lambda x: jax.nn.one_hot(x[:, 0, 0].argmax(1), 4) @ WEIGHTS[0, 0],
    "split": lambda x: sum(jnp.split(x, 2, axis=3)) ** 3,
    "broadcast": lambda x: jnp.broadcast_to(x[:, :, :1], (x.shape[0], 6, 6, 4)).max(axis=2),
    "constant": lambda x: jnp.broadcast_to(jnp.arange(3.0), (x.shape[0], 3)),
    "transposed": lambda x: transposed(jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, 1))), 0),
}


def run(function, x):
    like = jax.ShapeDtypeStruct((symbolic(), *x.shape[1:]), np.float32)
    content = onnx_program.convert(jax.make_jaxpr(function)(like), ["x"], "y")
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_operation_is_that_of_jax(name):
    x = RNG.standard_normal((3, 6, 6, 4)).astype(np.float32)
    with jax.numpy_rank_promotion("allow"):
        expected = FUNCTIONS[name](x)
        made = run(FUNCTIONS[name], x)
    assert made.shape == expected.shape
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)  # sums in another order


@pytest.mark.parametrize(
    ("name", "function"),
    {
        "sort": lambda x: jnp.sort(x),
        "cumsum": lambda x: jnp.cumsum(x, axis=1),
        "pad with interior padding": lambda x: lax.pad(x, jnp.float32(0), ((0, 0, 1),) * 4),
    }.items(),
)
def test_other_operations_are_named(name, function):
    with pytest.raises(InputError, match=f"ONNX: the operation {name} is not supported"):
        run(function, np.ones((1, 6, 6, 4), np.float32))

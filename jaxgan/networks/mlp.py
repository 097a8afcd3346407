"""Dense generator and critic, as the point laboratories use them.

The three matrix products of a dense layer are written out, each the derivative of the other
two, so that derivatives of any order, by reverse mode, stay within the three. They are named
as in BLAS, by which operand is transposed: of a layer that widens ``nn`` makes the outputs
and ``nt`` the gradients of inputs, of one that narrows the reverse; ``tn`` makes those of
weights. On a CPU each has the form that trains fastest there: lanes of the small networks of
points take 7 to 10 % less time than with the derivatives of a plain product.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.networks.convolution import on_cpu

_THIN, _NARROW = 4, 64  # of a kernel's short side


@jax.custom_vjp
def _nn(x: Array, w: Array) -> Array:
    """``[B, I], [I, O] -> [B, O]``."""
    if on_cpu() and x.shape[1] <= _THIN:  # one pass over the output, which XLA fuses
        terms = (x[:, i : i + 1] * w[i : i + 1] for i in range(x.shape[1]))
        return functools.reduce(jnp.add, terms)
    return x @ w


@jax.custom_vjp
def _nt(g: Array, w: Array) -> Array:
    """``[B, O], [I, O] -> [B, I]``."""
    return g @ w.T


@jax.custom_vjp
def _tn(x: Array, g: Array) -> Array:
    """``[B, I], [B, O] -> [I, O]``."""
    # A copy lets XLA take the kernels for matrices as they lie; those of wider ones gain less
    # than the copy costs.
    narrow = on_cpu() and x.shape[1] <= _NARROW
    return (lax.optimization_barrier(x.T) if narrow else x.T) @ g


_nn.defvjp(lambda x, w: (_nn(x, w), (x, w)), lambda kept, y: (_nt(y, kept[1]), _tn(kept[0], y)))
_nt.defvjp(lambda g, w: (_nt(g, w), (g, w)), lambda kept, x: (_nn(x, kept[1]), _tn(x, kept[0])))
_tn.defvjp(lambda x, g: (_tn(x, g), (x, g)), lambda kept, w: (_nt(kept[1], w), _nn(kept[0], w)))


class Dense(nn.Module):
    """Affine map ``[B, inputs]`` to ``[B, width]``, initialised as PyTorch does.

    Weights start uniform in ``+-1/sqrt(inputs)``, biases too: what the reports' networks
    started from. The kernel lies with its short side first, ``[inputs, width]`` or, where
    the layer narrows, ``[width, inputs]``, from which a CPU forms the weight gradient
    fastest.

    Attributes:
      width: Outputs.
    """

    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        inputs = x.shape[1]
        bound = inputs**-0.5

        def uniform(key, shape):
            return jax.random.uniform(key, shape, x.dtype, -bound, bound)

        narrows = inputs > self.width
        shape = (self.width, inputs) if narrows else (inputs, self.width)
        kernel = self.param("kernel", uniform, shape)
        bias = self.param("bias", uniform, (1, self.width))
        return (_nt if narrows else _nn)(x, kernel) + bias


class Generator(nn.Module):
    """Latents ``[B, D]`` to points ``[B, features]``: dense layers with ReLU between.

    Attributes:
      widths: Hidden widths, input side first.
      features: Output dimensions.
    """

    widths: Sequence[int] = (256, 64)
    features: int = 2

    @nn.compact
    def __call__(self, z: Array, train: bool = False) -> Array:
        for width in self.widths:
            z = nn.relu(Dense(width)(z))
        return Dense(self.features)(z)


class Critic(nn.Module):
    """Points ``[B, F]`` to scores ``[B]``: dense layers with ReLU between, no sigmoid.

    Attributes:
      widths: Hidden widths, input side first.
    """

    widths: Sequence[int] = (256, 64)

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        for width in self.widths:
            x = nn.relu(Dense(width)(x))
        return Dense(1)(x).squeeze(-1)

"""The dense generator and critic of the points laboratory.

The three matrix products of a dense layer are written out, each the derivative of the other
two, so reverse-mode derivatives of any order use only these three. Their names are as in
BLAS: ``n`` is a plain operand, ``t`` a transposed one. In a layer that widens, ``nn``
computes the outputs and ``nt`` the gradients of the inputs; in a layer that narrows it is
the reverse. ``tn`` computes the gradients of the weights. On a CPU each product has the form
that trains fastest: small networks take 7 to 10 % less time than with the derivatives of a
plain product.
"""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.networks.convolution import on_cpu

_THIN, _NARROW = 4, 64  # largest short sides of kernels with a special form


@jax.custom_vjp
def _nn(x: Array, w: Array) -> Array:
    """Multiply ``[B, I], [I, O] -> [B, O]``."""
    if on_cpu() and x.shape[1] <= _THIN:  # XLA fuses this to one pass
        terms = (x[:, i : i + 1] * w[i : i + 1] for i in range(x.shape[1]))
        return functools.reduce(jnp.add, terms)
    return x @ w


@jax.custom_vjp
def _nt(g: Array, w: Array) -> Array:
    """Multiply ``[B, O], [I, O] -> [B, I]``."""
    return g @ w.T


@jax.custom_vjp
def _tn(x: Array, g: Array) -> Array:
    """Multiply ``[B, I], [B, O] -> [I, O]``."""
    # After a copy XLA can use its kernels for row-major matrices. With wider matrices the
    # copy costs more than it gains.
    narrow = on_cpu() and x.shape[1] <= _NARROW
    return (lax.optimization_barrier(x.T) if narrow else x.T) @ g


_nn.defvjp(lambda x, w: (_nn(x, w), (x, w)), lambda args, y: (_nt(y, args[1]), _tn(args[0], y)))
_nt.defvjp(lambda g, w: (_nt(g, w), (g, w)), lambda args, x: (_nn(x, args[1]), _tn(x, args[0])))
_tn.defvjp(lambda x, g: (_tn(x, g), (x, g)), lambda args, w: (_nt(args[1], w), _nn(args[0], w)))


class Dense(nn.Module):
    """Affine map from ``[B, inputs]`` to ``[B, width]``.

    Weights and biases start uniform in ``+-1/sqrt(inputs)``, PyTorch's default. The kernel
    has its short side first, ``[inputs, width]`` or ``[width, inputs]``, because a CPU then
    computes the gradient of the weights faster.

    Attributes:
      width: Number of outputs.
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
    """Map latents ``[B, D]`` to points ``[B, features]`` with dense layers and ReLU.

    ``jaxgan.gan`` has an example.

    Attributes:
      widths: Widths of the hidden layers, from input to output.
      features: Dimensions of a point.
    """

    widths: Sequence[int] = (256, 64)
    features: int = 2

    @nn.compact
    def __call__(self, z: Array, train: bool = False) -> Array:
        for width in self.widths:
            z = nn.relu(Dense(width)(z))
        return Dense(self.features)(z)


class Critic(nn.Module):
    """Map points ``[B, F]`` to scores ``[B]`` with dense layers and ReLU; no sigmoid.

    ``jaxgan.gan`` has an example.

    Attributes:
      widths: Widths of the hidden layers, from input to output.
    """

    widths: Sequence[int] = (256, 64)

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        for width in self.widths:
            x = nn.relu(Dense(width)(x))
        return Dense(1)(x).squeeze(-1)

"""Dense generator and critic, as the point laboratories use them."""

from collections.abc import Sequence

import flax.linen as nn
import jax
from jax import Array

# Uniform in +-1/sqrt(fan_in) for kernels and biases: the initialisation of PyTorch's
# linear layer, which the reports' networks started from.
_kernel_init = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


def _dense(x: Array, width: int) -> Array:
    bound = x.shape[-1] ** -0.5

    def bias_init(key, shape, dtype):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return nn.Dense(width, kernel_init=_kernel_init, bias_init=bias_init)(x)


class Generator(nn.Module):
    """Latent ``[B, D]`` to points ``[B, features]``: dense layers with ReLU between.

    Attributes:
      widths: Hidden widths, input side first.
      features: Output dimensions.
    """

    widths: Sequence[int] = (256, 64)
    features: int = 2

    @nn.compact
    def __call__(self, z: Array, train: bool = False) -> Array:
        for width in self.widths:
            z = nn.relu(_dense(z, width))
        return _dense(z, self.features)


class Critic(nn.Module):
    """Points ``[B, F]`` to scores ``[B]``: dense layers with ReLU between, no sigmoid.

    Attributes:
      widths: Hidden widths, input side first.
    """

    widths: Sequence[int] = (256, 64)

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        for width in self.widths:
            x = nn.relu(_dense(x, width))
        return _dense(x, 1).squeeze(-1)

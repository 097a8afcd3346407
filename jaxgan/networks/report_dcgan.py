"""The DCGAN of report D, for square images whose side is a power of two.

Report D is one of the reports that ``experiments.claims`` tests. ``dcgan`` is closer to the
original DCGAN of Radford, Metz and Chintala, arXiv 1511.06434.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxgan.errors import InputError
from jaxgan.networks.layers import Conv, ConvTranspose, normal, normalise

SIZES = (32, 64, 128)


def _scale_init(key, shape, dtype=jnp.float32):
    return 1 + normal(key, shape, dtype)


def _stages(size: int) -> int:
    """Count the halvings between the image and 4x4 pixels."""
    if size not in SIZES:
        raise InputError(
            f"report D's DCGAN makes images of {', '.join(map(str, SIZES))} pixels, not {size}"
        )
    return size.bit_length() - 3


class Generator(nn.Module):
    """Map latents ``[B, D]`` to images ``[B, size, size, channels]`` in [-1, 1].

    Attributes:
      size: Pixels along a side, one of ``SIZES``.
      width: Channels of the last hidden stage; each earlier stage has twice as many.
      channels: Channels of the image.
      norm: A name in ``layers.NORMS``.
    """

    size: int = 64
    width: int = 64
    channels: int = 3
    norm: str = "batch"

    @nn.compact
    def __call__(self, z: Array, train: bool = False) -> Array:
        stages = _stages(self.size)
        x = z[:, None, None, :]
        for stage in reversed(range(stages)):
            stride, padding = (1, 0) if stage == stages - 1 else (2, 1)
            x = ConvTranspose(self.width * 2**stage, 4, stride, padding)(x)
            x = nn.relu(normalise(x, self.norm, train, scale_init=_scale_init))
        return nn.tanh(ConvTranspose(self.channels, 4, stride=2, padding=1)(x))


class Critic(nn.Module):
    """Map images ``[B, size, size, C]`` to scores ``[B]``, without a sigmoid.

    Gradient penalties are per example, so they need a ``norm`` other than ``batch``.

    Attributes:
      size: Pixels along a side, one of ``SIZES``.
      width: Channels of the first stage; each later stage has twice as many.
      norm: A name in ``layers.NORMS``.
    """

    size: int = 64
    width: int = 64
    norm: str = "batch"

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        for stage in range(_stages(self.size)):
            x = Conv(self.width * 2**stage, 4, stride=2, padding=1)(x)
            x = nn.leaky_relu(normalise(x, self.norm, train, scale_init=_scale_init), 0.2)
        return Conv(1, 4)(x).reshape(len(x))

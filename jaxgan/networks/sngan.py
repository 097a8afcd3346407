"""SNGAN's residual networks for square images of 28 to 128 pixels, conditional if wanted.

Sources: Miyato et al., arXiv 1802.05957, tables 4 to 6 of the appendix (32, 48 and 128
pixels); the authors' program (64 pixels). The networks for 28 and 96 pixels are made here
after these. Labels: Miyato and Koyama, arXiv 1802.05637.
"""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.networks.dcgan import of_size, projection
from jaxgan.networks.layers import Bias, Conv, normalise, weighted


class _Plan(NamedTuple):
    """Channels of the blocks, in widths, in order."""

    base: int  # side of the smallest stage, in pixels
    start: int  # the generator's dense layer
    up: tuple[int, ...]
    down: tuple[int, ...]
    last: tuple[int, ...]  # the critic's blocks that do not downsample


_PLANS = {
    28: _Plan(7, 2, (2, 2), (1, 1), (1, 1)),
    32: _Plan(4, 2, (2, 2, 2), (1, 1), (1, 1)),
    48: _Plan(6, 8, (4, 2, 1), (1, 2, 4, 8), (16,)),
    64: _Plan(4, 16, (8, 4, 2, 1), (1, 2, 4, 8, 16), ()),
    96: _Plan(6, 16, (8, 4, 2, 1), (1, 2, 4, 8, 16), ()),
    128: _Plan(4, 16, (16, 8, 4, 2, 1), (1, 2, 4, 8, 16), (16,)),
}
SIZES = tuple(_PLANS)


def _glorot(key: Array, shape: tuple[int, ...], dtype=jnp.float32, gain: float = 1.0) -> Array:
    """Draw uniform weights ``[..., I, O]`` with variance ``2 gain^2 / (fan in + fan out)``."""
    taps = math.prod(shape[:-2])
    bound = gain * math.sqrt(6 / (taps * (shape[-2] + shape[-1])))
    flat = jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound)
    return flat.reshape(shape)  # drawn as a vector, as in layers.normal


def _residual(key, shape, dtype=jnp.float32):
    return _glorot(key, shape, dtype, math.sqrt(2))


def _doubled(x: Array) -> Array:
    """Repeat pixels: ``[B, H, W, C] -> [B, 2 H, 2 W, C]``."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def _halved(x: Array) -> Array:
    """Average 2x2 pixels: ``[B, H, W, C] -> [B, H / 2, W / 2, C]``."""
    b, high, wide, c = x.shape
    return x.reshape(b, high // 2, 2, wide // 2, 2, c).mean(axis=(2, 4))


class Generator(nn.Module):
    """Map latents ``[B, D]`` and labels ``[B]`` to images ``[B, size, size, channels]``.

    Images are float32 in [-1, 1].

    Attributes:
      size: Pixels along a side, one of ``SIZES``.
      width: Channels of the last stage; for 28 and 32 pixels, half the channels of each stage.
        The paper's width is 64, and 128 for 32 pixels.
      channels: Channels of the image.
      norm: A name in ``layers.NORMS``; ``batch`` if there are classes.
      classes: Number of classes; 0 without labels. Each class has its own scale and bias in
        the batch norms of the blocks.
      dtype: Type to compute with, float32 or bfloat16.
    """

    size: int = 32
    width: int = 128
    channels: int = 3
    norm: str = "batch"
    classes: int = 0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, z: Array, labels: Array | None = None, train: bool = False) -> Array:
        plan = of_size(self.size, _PLANS)

        def active(x, classes=self.classes):
            return nn.relu(normalise(x, self.norm, train, labels, classes=classes))

        def conv(x, features, kernel=3, init=_residual):
            x = Conv(features, kernel, padding=kernel // 2, kernel_init=init)(x)
            return Bias()(x)

        start = self.width * plan.start
        dense = nn.Dense(plan.base**2 * start, kernel_init=_glorot, dtype=self.dtype)
        x = dense(z.astype(self.dtype)).reshape(-1, plan.base, plan.base, start)
        for times in plan.up:
            features = self.width * times
            y = conv(_doubled(active(x)), features)
            y = conv(active(y), features)
            x = y + conv(_doubled(x), features, 1, _glorot)
        x = conv(active(x, classes=0), self.channels, init=_glorot)
        return nn.tanh(x.astype(jnp.float32))


class Critic(nn.Module):
    """Map images ``[B, size, size, C]`` and labels ``[B]`` to scores ``[B]``, no sigmoid.

    Gradient penalties are per example, so they need a ``norm`` other than ``batch``.

    Attributes:
      size: Pixels along a side, one of ``SIZES``.
      width: Channels of the first stage. The paper's width is 64, and 128 for 32 pixels.
      norm: ``spectral`` (spectral norm of all weights), as in the paper; or a name in
        ``layers.NORMS``, applied before every ReLU of all blocks except the first.
      classes: Number of classes; 0 without labels. With classes, the score includes
        ``dcgan.projection``.
      dtype: Type to compute with, float32 or bfloat16.
    """

    size: int = 32
    width: int = 128
    norm: str = "spectral"
    classes: int = 0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, labels: Array | None = None, train: bool = False) -> Array:
        plan = of_size(self.size, _PLANS)

        def conv(x, features, kernel=3, init=_residual):
            layer = Conv(features, kernel, padding=kernel // 2, kernel_init=init)
            return Bias()(weighted(layer, self.norm, train)(x))

        def active(x):
            return nn.relu(normalise(x, self.norm, train))

        first, *others = (self.width * times for times in plan.down)
        x = x.astype(self.dtype)
        y = conv(nn.relu(conv(x, first)), first)
        x = _halved(y) + conv(_halved(x), first, 1, _glorot)
        for features in others:
            y = conv(active(x), x.shape[-1])
            y = conv(active(y), features)
            x = _halved(y + conv(x, features, 1, _glorot))
        for features in (self.width * times for times in plan.last):
            y = conv(active(x), x.shape[-1])
            y = conv(active(y), features)
            x = y + (x if x.shape == y.shape else conv(x, features, 1, _glorot))
        x = nn.relu(x)
        sums = x.astype(jnp.float32).sum(axis=(1, 2))
        layer = nn.Dense(1, use_bias=False, kernel_init=_glorot)
        score = Bias()(weighted(layer, self.norm, train)(sums)).squeeze(-1)
        if not self.classes:
            return score
        return score + projection(x, labels, self.classes, self.norm, train)

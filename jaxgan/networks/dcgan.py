"""DCGAN for square images of 28 to 128 pixels, conditional on labels if wanted.

Sources: Radford, Metz and Chintala, arXiv 1511.06434; Miyato and Koyama, arXiv 1802.05637
(labels).
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxgan.errors import InputError
from jaxgan.networks.layers import (
    SPECTRAL,
    Bias,
    Conv,
    ConvTranspose,
    normal,
    normalise,
    one_hot,
    weighted,
)

_BASES = {28: 7, 32: 4, 48: 6, 64: 4, 96: 6, 128: 4}  # image side to side of smallest stage
SIZES = tuple(_BASES)
_MOST = 8  # largest number of channels, in widths


def _scale_init(key, shape, dtype=jnp.float32):
    return 1 + normal(key, shape, dtype)


def of_size(size: int, table: Mapping[int, Any]) -> Any:
    """Return a table's entry for an image size.

    Raises:
      InputError: If there is none; the message lists the sizes.
    """
    if size not in table:
        sizes = ", ".join(map(str, table))
        raise InputError(f"the networks make images of {sizes} pixels, not {size}")
    return table[size]


def _stages(size: int, width: int) -> tuple[int, list[int]]:
    """Return the smallest stage's side, and each stage's channels, smallest side first."""
    base = of_size(size, _BASES)
    count = (size // base).bit_length() - 1
    return base, [width * min(2**stage, _MOST) for stage in reversed(range(count))]


class Generator(nn.Module):
    """Map latents ``[B, D]`` and labels ``[B]`` to images ``[B, size, size, channels]``.

    Images are float32 in [-1, 1].

    Attributes:
      size: Pixels along a side, one of ``SIZES``.
      width: Channels of the last hidden stage; each earlier stage has twice as many, up to
        eight times the width.
      channels: Channels of the image.
      norm: A name in ``layers.NORMS``; ``batch`` if there are classes.
      classes: Number of classes; 0 without labels. Each class has its own scale and bias in
        the batch norms.
      dtype: Type to compute with, float32 or bfloat16.
    """

    size: int = 64
    width: int = 64
    channels: int = 3
    norm: str = "batch"
    classes: int = 0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, z: Array, labels: Array | None = None, train: bool = False) -> Array:
        base, stages = _stages(self.size, self.width)
        x = z[:, None, None, :].astype(self.dtype)
        for i, features in enumerate(stages):
            kernel, stride, padding = (4, 2, 1) if i else (base, 1, 0)
            x = ConvTranspose(features, kernel, stride, padding)(x)
            options = {"scale_init": _scale_init, "classes": self.classes}
            if self.norm == "none":
                x = Bias()(x)
            else:
                x = normalise(x, self.norm, train, labels, **options)
            x = nn.relu(x)
        x = ConvTranspose(self.channels, 4, stride=2, padding=1)(x)
        return nn.tanh(Bias()(x).astype(jnp.float32))


class Critic(nn.Module):
    """Map images ``[B, size, size, C]`` and labels ``[B]`` to scores ``[B]``, no sigmoid.

    The first layer has no norm. Gradient penalties are per example, so they need a ``norm``
    other than ``batch``.

    Attributes:
      size: Pixels along a side, one of ``SIZES``.
      width: Channels of the first stage; each later stage has twice as many, up to eight
        times the width.
      norm: A name in ``layers.NORMS``, or ``spectral`` (spectral norm of all weights).
      classes: Number of classes; 0 without labels. With classes, the score includes
        ``projection``.
      dtype: Type to compute with, float32 or bfloat16.
    """

    size: int = 64
    width: int = 64
    norm: str = "batch"
    classes: int = 0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, labels: Array | None = None, train: bool = False) -> Array:
        base, stages = _stages(self.size, self.width)
        x = x.astype(self.dtype)
        for i, features in enumerate(reversed(stages)):
            layer = Conv(features, 4, stride=2, padding=1)
            x = weighted(layer, self.norm, train)(x)
            norm = self.norm if i else "none"
            shifts = norm in ("none", SPECTRAL)
            x = Bias()(x) if shifts else normalise(x, norm, train, scale_init=_scale_init)
            x = nn.leaky_relu(x, 0.2)
        score = Bias()(weighted(Conv(1, base), self.norm, train)(x))
        score = score.reshape(len(x)).astype(jnp.float32)
        if not self.classes:
            return score
        return score + projection(x, labels, self.classes, self.norm, train)


def projection(x: Array, labels: Array | None, classes: int, norm: str, train: bool) -> Array:
    """Compute inner products ``[B]`` of summed features with a learned vector of the class.

    Args:
      x: Features, ``[B, H, W, C]``, which are summed over pixels.
      labels: ``[B]``.
      classes: Number of classes.
      norm: The critic's norm.
      train: Whether the critic trains.
    """
    sums = x.astype(jnp.float32).sum(axis=(1, 2))
    embed = nn.Dense(sums.shape[1], use_bias=False, kernel_init=normal)
    return (weighted(embed, norm, train)(one_hot(labels, classes)) * sums).sum(axis=1)

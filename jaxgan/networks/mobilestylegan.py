"""The generator of MobileStyleGAN: a lighter StyleGAN2 that predicts wavelet bands.

Source: Belousov, MobileStyleGAN: A Lightweight Convolutional Neural Network for
High-Fidelity Image Synthesis, arXiv 2104.04767. Its mapping network is ``stylegan2``'s.

A convolution is split into a depthwise and a 1x1 convolution. Demodulation does not depend
on the code, so it is part of the weights. The inverse Haar transform doubles the size.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen import initializers as init
from jax import Array, lax

from jaxgan.networks.convolution import Geometry, correlate

_scaled = init.variance_scaling(1.0, "fan_in", "normal")


class Style(nn.Module):
    """Scale the channels of ``[N, H, W, C]`` by styles from codes ``[N, D]``."""

    @nn.compact
    def __call__(self, x: Array, code: Array) -> Array:
        style = nn.Dense(x.shape[3], kernel_init=_scaled, bias_init=init.ones)(code)
        return x * style[:, None, None]


class Layer(nn.Module):
    """Apply a modulated convolution, noise, a bias and leaky ReLU.

    The shapes are ``[N, H, W, I], [N, D] -> [N, H, W, features]``.

    Attributes:
      features: Output channels.
      split: Whether to split the convolution into a depthwise 3x3 and a 1x1 convolution.
    """

    features: int
    split: bool = True

    @nn.compact
    def __call__(self, x: Array, code: Array) -> Array:
        _, high, wide, inputs = x.shape
        x = Style(name="style")(x, code)
        y: Any
        if self.split:
            taps = self.param("taps", _scaled, (3, 3, inputs))
            y = depthwise(x, taps) @ self.param("kernel", _scaled, (inputs, self.features))
        else:
            kernel = self.param("kernel", _scaled, (3, 3, inputs, self.features))
            y = correlate(x, kernel, Geometry((high, wide), 3, 1, 1))
        noise = self.param("noise", init.zeros, (1, high, wide, 1))
        bias = self.param("bias", init.zeros, (1, 1, 1, self.features))
        return nn.leaky_relu(y + noise + bias, 0.2)


class Synthesis(nn.Module):
    """Map codes to images around [-1, 1]: ``[N, L, D] -> [N, H, W, 3]``.

    The first layer reads one code, each block three and the RGB layer one, so L is three
    times the number of blocks plus two. H and W are 4 and double in each block and once at
    the end.

    Attributes:
      channels: Channels after the first layer and after each block.
    """

    channels: tuple[int, ...]

    @nn.compact
    def __call__(self, codes: Array) -> Array:
        const = self.param("const", init.normal(1.0), (1, 4, 4, self.channels[0]))
        x = jnp.broadcast_to(const, (codes.shape[0], *const.shape[1:]))
        x = Layer(self.channels[0], split=False, name="layer")(x, codes[:, 0])
        for b, features in enumerate(self.channels[1:]):
            first = 3 * b + 1
            x = inverse_haar(Style(name=f"up_{b}")(x, codes[:, first]))
            x = Layer(features, name=f"layer_{b}_0")(x, codes[:, first + 1])
            x = Layer(features, name=f"layer_{b}_1")(x, codes[:, first + 2])
        x = Style(name="to_rgb_style")(x, codes[:, -1])
        return inverse_haar(nn.Dense(12, kernel_init=_scaled, name="to_rgb")(x))


@jax.custom_vjp
def depthwise(x: Array, taps: Array) -> Array:
    """Convolve each channel of ``[N, H, W, C]``, zero-padded, with a kernel ``[3, 3, C]``.

    It is a sum of shifted arrays: a depthwise convolution is slow on every platform. Its
    derivatives are written by hand: without a barrier, XLA's CPU backend recomputes the
    input of a sum of nine terms nine times.
    """
    shifted = [
        part * tap[:, None, None] for part, tap in zip(_shifted(x), _rows(taps), strict=True)
    ]
    return functools.reduce(jnp.add, shifted)


def _shifted(x: Array) -> list[Array]:
    """Return the nine shifted images, row by row."""
    _, high, wide, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [x[:, i : i + high, j : j + wide] for i in range(3) for j in range(3)]


def _rows(taps: Array) -> Array:
    return taps.reshape(9, 1, -1)


def _depthwise_forward(x: Array, taps: Array) -> tuple[Array, tuple[Array, Array]]:
    return lax.optimization_barrier(depthwise(lax.optimization_barrier(x), taps)), (x, taps)


def _depthwise_backward(args: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, taps = args
    g = lax.optimization_barrier(g)
    of_taps = jnp.stack([(part * g).sum(axis=(0, 1, 2)) for part in _shifted(x)])
    of_x = lax.optimization_barrier(depthwise(g, taps[::-1, ::-1]))
    return of_x, of_taps.reshape(taps.shape)


depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def inverse_haar(x: Array) -> Array:
    """Combine four bands to an image of twice the size: ``[N, H, W, 4C] -> [N, 2H, 2W, C]``.

    The bands have C channels each: means, differences along the height, along the width and
    along both.
    """
    n, high, wide, channels = x.shape
    mean, down, across, both = jnp.split(x / 2, 4, axis=3)
    rows = [
        jnp.stack([a + b, a - b], axis=3)  # left and right
        for a, b in ((mean + down, across + both), (mean - down, across - both))
    ]
    return jnp.stack(rows, axis=2).reshape(n, 2 * high, 2 * wide, channels // 4)

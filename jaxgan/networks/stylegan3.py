"""The synthesis network of StyleGAN3, configurations T and R.

Its mapping network is that of StyleGAN2.

Source: Karras et al., Alias-Free Generative Adversarial Networks, arXiv 2106.12423.

A layer applies its nonlinearity at a higher sampling rate and then filters out frequencies
above the band of its output, which avoids aliasing. The network has no gains for the
equalised learning rate, no normalisation of kernels before demodulation and no tracked input
magnitude: these factors are multiplied into its weights.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen import initializers as init
from jax import Array, lax

from jaxgan.networks.convolution import Geometry, correlate
from jaxgan.networks.resampling import Resampling, Signal, lower_rate, raise_rate
from jaxgan.networks.stylegan2 import ToRGB, clamp, scales

_scaled = init.variance_scaling(1.0, "fan_in", "normal")


class Input(nn.Module):
    """Make Fourier features, rotated and shifted by a code: ``[N, D] -> [N, size, size, C]``.

    Attributes:
      channels: C, the number of waves and of output channels.
      band: The band of the output.
    """

    channels: int
    band: Signal

    @nn.compact
    def __call__(self, code: Array, transform: Array) -> Array:
        frequencies = self.param("frequencies", self._waves, (2, self.channels))
        phases = self.param("phases", init.uniform(1.0), (1, self.channels))
        still = init.constant(jnp.array([1.0, 0, 0, 0]))
        placement = nn.Dense(4, kernel_init=init.zeros, bias_init=still, name="placement")(code)
        placement = placement / jnp.linalg.norm(placement[:, :2], axis=1, keepdims=True)
        frequencies, shifts = self._place(placement, transform, frequencies)
        wave = self._at_samples(frequencies) + (phases + shifts)[:, None, None]
        room = self.band.rate / 2 - self.band.cutoff
        excess = (jnp.linalg.norm(frequencies, axis=1) - self.band.cutoff) / room
        height = (1 - excess).clip(0, 1)
        x = jnp.sin(2 * np.pi * wave) * height[:, None, None]
        return x @ self.param("kernel", _scaled, (self.channels, self.channels))

    def _place(self, placement: Array, transform: Array, frequencies: Array) -> Any:
        """Return frequencies ``[N, 2, C]`` and phases ``[N, C]`` after the transforms."""
        cos, sin, right, down = placement.T
        turn = jnp.stack([jnp.stack([cos, -sin], 1), jnp.stack([sin, cos], 1)], 1)
        inverse = transform[:, :2] - jnp.stack([right, down], 1)[:, :, None] * transform[:, 2:]
        whole = turn @ inverse
        shifts = jnp.einsum("ic,ni->nc", frequencies, whole[:, :, 2])
        return jnp.einsum("ic,nij->njc", frequencies, whole[:, :, :2]), shifts

    def _at_samples(self, frequencies: Array) -> Array:
        """Return the phases ``[N, size, size, C]`` at the samples."""
        size, rate = self.band.size, self.band.rate
        places = jnp.asarray((np.arange(size) + 0.5 - size / 2) / rate, jnp.float32)
        x, y = frequencies[:, 0, None, None], frequencies[:, 1, None, None]
        return x * places[None, None, :, None] + y * places[None, :, None, None]

    def _waves(self, key: Any, shape: tuple[int, int]) -> Array:
        """Draw frequencies uniformly from a disc."""
        radius, angle = init.uniform(1.0)(key, shape)
        radius, angle = self.band.cutoff * jnp.sqrt(radius), 2 * np.pi * angle
        return jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle)])


class Layer(nn.Module):
    """Apply a modulated convolution and a nonlinearity: ``[N, H, W, I], [N, D] -> [N, ...]``.

    Demodulation uses the parameter ``squares`` ``[I, features]``: the sums over the taps of
    the squared kernel, before the kernel is scaled to the magnitude of the layer's input.

    Attributes:
      features: Output channels.
      kernel_size: Kernel size of the convolution.
      resampling: The resampling around the nonlinearity.
      clamp: Bound on the output of the nonlinearity; None for no bound.
    """

    features: int
    kernel_size: int
    resampling: Resampling
    clamp: float | None = None

    @nn.compact
    def __call__(self, x: Array, code: Array) -> Array:
        _, high, wide, inputs = x.shape
        k = self.kernel_size
        kernel = self.param("kernel", _scaled, (k, k, inputs, self.features))
        squares = self.param("squares", lambda _: jnp.square(kernel).sum(axis=(0, 1)))
        bias = self.param("bias", init.zeros, (1, 1, 1, self.features))
        style = scales(code, inputs)
        scale = lax.rsqrt(jnp.square(style) @ squares)
        y: Any = correlate(
            x * style[:, None, None], kernel, Geometry((high, wide), k, 1, k - 1)
        )
        y = raise_rate(y * scale[:, None, None] + bias, self.resampling)
        return lower_rate(clamp(2**0.5 * nn.leaky_relu(y, 0.2), self.clamp), self.resampling)


class Synthesis(nn.Module):
    """Map codes and transforms to images: ``[N, L, D], [N, 3, 3] -> [N, H, W, colours]``.

    Values lie around [-1, 1]. Code 0 goes to the input layer, code i + 1 to layer i and the
    last code to the RGB layer. A transform maps a position in the image, ``(x, y, 1)`` with
    sides of length 1 and the origin in the centre, to a position in the Fourier features.

    Attributes:
      channels: Channels of the input layer, then of the layers.
      band: The band of the input layer.
      resamplings: The resamplings of the layers.
      kernel_size: Kernel size of their convolutions.
      colours: Channels of an image.
      clamp: Bound on the output of each layer and of the RGB layer; None for no bound.
      scale: Factor of the output.
    """

    channels: tuple[int, ...]
    band: Signal
    resamplings: tuple[Resampling, ...]
    kernel_size: int = 3
    colours: int = 3
    clamp: float | None = 256.0
    scale: float = 0.25

    @nn.compact
    def __call__(self, codes: Array, transform: Array) -> Array:
        x = Input(self.channels[0], self.band, name="input")(codes[:, 0], transform)
        layers = zip(self.channels[1:], self.resamplings, strict=True)
        for i, (features, way) in enumerate(layers):
            layer = Layer(features, self.kernel_size, way, self.clamp, name=f"layer_{i}")
            x = layer(x, codes[:, i + 1])
        to_rgb = ToRGB(self.clamp, self.colours, name="to_rgb")
        return self.scale * to_rgb(x, codes[:, len(self.resamplings) + 1])

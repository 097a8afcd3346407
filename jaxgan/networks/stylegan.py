"""The generator of the first StyleGAN: a mapping and a synthesis network.

Source: Karras et al., A Style-Based Generator Architecture for Generative Adversarial
Networks, arXiv 1812.04948.

Gains of the equalised learning rate are not part of the networks: they are multiplied into
the weights. Upsampling is a transposed convolution, as in ``pggan``.
"""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import initializers as init
from jax import Array, lax

from jaxgan.networks import stylegan2
from jaxgan.networks.layers import Conv, ConvTranspose

_EPSILON = 1e-8


class Mapping(stylegan2.Mapping):
    """Map latents to codes as StyleGAN2 does, with activations that have no gain."""

    gain: float = 1.0


class Epilogue(nn.Module):
    """Apply the operations after a convolution: ``[N, H, W, C], [N, D] -> [N, H, W, C]``.

    They are noise and bias, leaky ReLU, instance norm, and the style: a scale and a shift
    of each channel, both affine in the code. The noise is always the same. The image's N
    may be 1 where all codes share it.
    """

    @nn.compact
    def __call__(self, x: Array, code: Array) -> Array:
        _, high, wide, features = x.shape
        noise = self.param("noise", init.normal(1.0), (high, wide))
        strength = self.param("strength", init.zeros, (features,))
        bias = self.param("bias", init.zeros, (features,))
        x = x + noise[None, :, :, None] * strength[None, None, None] + bias[None, None, None]
        x = nn.leaky_relu(x, 0.2)
        x = x - x.mean(axis=(1, 2), keepdims=True)
        variance = jnp.square(x).mean(axis=(1, 2), keepdims=True)
        style = nn.Dense(2 * features, bias_init=_one_and_zero, name="style")(code)
        scale, shift = jnp.split(style[:, None, None], 2, axis=3)
        return x * (lax.rsqrt(variance + _EPSILON) * scale) + shift


def _one_and_zero(_, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
    """Return the bias of scales of 1 and shifts of 0."""
    return jnp.repeat(jnp.array([1, 0], dtype), shape[0] // 2)


def blur(x: Array) -> Array:
    """Filter ``[N, H, W, C]`` by [1, 2, 1] / 4 along H and W, with zeros beyond them."""
    for axis in (1, 2):
        size = x.shape[axis]
        wide = jnp.pad(x, [(int(i == axis),) * 2 for i in range(4)])
        before, after = (lax.slice_in_dim(wide, t, t + size, axis=axis) for t in (0, 2))
        x = 0.25 * (before + after) + 0.5 * x
    return x


class Synthesis(nn.Module):
    """Map codes of the layers to images: ``[N, L, D] -> [N, H, W, colours]``.

    L is two for each resolution. H and W are 4, doubled for each resolution after the
    first.

    Attributes:
      channels: Width of the two layers of each resolution, the coarsest first.
      colours: Channels of an image.
    """

    channels: tuple[int, ...]
    colours: int = 3

    @nn.compact
    def __call__(self, codes: Array) -> Array:
        x = self.param("const", init.ones, (1, 4, 4, self.channels[0]))
        for i in range(2 * len(self.channels)):
            features, name = self.channels[i // 2], f"conv_{i}"
            if i % 2:
                x = Conv(features, 3, padding=1, name=name)(x)
            elif i:
                x = blur(ConvTranspose(features, 4, stride=2, padding=1, name=name)(x))
            x = Epilogue(name=f"epilogue_{i}")(x, codes[:, i])
        return Conv(self.colours, 1, use_bias=True, name="to_rgb")(x)

"""The generator of the first StyleGAN: a mapping and a synthesis network.

Source: Karras et al., A Style-Based Generator Architecture for Generative Adversarial
Networks, arXiv 1812.04948.

The networks have no gains for the equalised learning rate: these are multiplied into the
weights. Upsampling is a transposed convolution, as in ``pggan``.
"""

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import initializers as init
from jax import Array, lax

from jaxgan.networks import stylegan2
from jaxgan.networks.layers import Conv, ConvTranspose

_EPSILON = 1e-8


class Mapping(stylegan2.Mapping):
    """Map latents to codes as StyleGAN2 does, without a gain of the activations."""

    gain: float = 1.0


class Epilogue(nn.Module):
    """Apply the operations after a convolution: ``[N, H, W, C], [N, D] -> [N, H, W, C]``.

    These are constant noise, bias, leaky ReLU, instance norm and the style (a scale and a
    shift of each channel, affine in the code). The first N may be 1 if all codes share the
    image.
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
    """Initialise the bias of a style: scales of 1 and shifts of 0."""
    return jnp.repeat(jnp.array([1, 0], dtype), shape[0] // 2)


def blur(x: Array) -> Array:
    """Filter ``[N, H, W, C]`` with [1, 2, 1] / 4 along H and W, zero-padded."""
    for axis in (1, 2):
        size = x.shape[axis]
        wide = jnp.pad(x, [(int(i == axis),) * 2 for i in range(4)])
        before, after = (lax.slice_in_dim(wide, t, t + size, axis=axis) for t in (0, 2))
        x = 0.25 * (before + after) + 0.5 * x
    return x


class Synthesis(nn.Module):
    """Map codes to images: ``[N, L, D] -> [N, H, W, colours]``.

    There are two codes per resolution. H and W are 4 at the first resolution and double at
    each further one.

    Attributes:
      channels: Channels of the two layers of each resolution, coarsest first.
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

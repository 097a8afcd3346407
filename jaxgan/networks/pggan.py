"""The generator of a progressively grown GAN, at its full size.

Source: Karras et al., Progressive Growing of GANs for Improved Quality, Stability, and
Variation, arXiv 1710.10196, table 2.

The network has no gains for the equalised learning rate: these are multiplied into its
weights. Nearest upsampling with a 3x3 convolution is computed as one transposed convolution
of stride 2 with a 4x4 kernel, which takes 16 products for four pixels instead of 36.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.networks.layers import Conv, ConvTranspose

_EPSILON = 1e-8


def pixel_norm(x: Array) -> Array:
    """Divide ``[..., C]`` by its root mean square over C (section 4.2 of the paper)."""
    return x * lax.rsqrt(jnp.square(x).mean(axis=-1, keepdims=True) + _EPSILON)


class Generator(nn.Module):
    """Map latents to images: ``[N, D] -> [N, H, W, colours]``.

    Only the direction of a latent matters. H and W are 4 at the first resolution and double
    at each further one.

    Attributes:
      channels: Channels of the two layers of each resolution, coarsest first.
      colours: Channels of an image.
    """

    channels: tuple[int, ...]
    colours: int = 3

    @nn.compact
    def __call__(self, z: Array) -> Array:
        x = z[:, None, None]
        for i in range(2 * len(self.channels)):
            features, name = self.channels[i // 2], f"conv_{i}"
            if i == 0:
                conv = ConvTranspose(features, 4, name=name)
            elif i % 2 == 0:
                conv = ConvTranspose(features, 4, stride=2, padding=1, name=name)
            else:
                conv = Conv(features, 3, padding=1, name=name)
            bias = self.param(f"bias_{i}", nn.initializers.zeros, (1, 1, 1, features))
            x = nn.leaky_relu(conv(pixel_norm(x)) + bias, 0.2)
        return Conv(self.colours, 1, use_bias=True, name="to_rgb")(pixel_norm(x))

"""The generator of StyleGAN2: a mapping network and a synthesis network.

Source: Karras et al., Analyzing and Improving the Image Quality of StyleGAN, arXiv
1912.04958; the clamp is from arXiv 2006.06676.

The network has no gains for the equalised learning rate: these are multiplied into its
weights. All examples share one kernel: the style scales the input of a convolution, and
demodulation its output.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.linen import initializers as init
from jax import Array, lax

from jaxgan.networks import winograd
from jaxgan.networks.convolution import Geometry, spread
from jaxgan.networks.pggan import pixel_norm

ARCHITECTURES = ("skip", "orig", "resnet")

_EPSILON = 1e-8
_BLUR = (0.25, 0.75)  # outer and inner taps; all four sum to 2, since every second pixel is 0
_scaled = init.variance_scaling(1.0, "fan_in", "normal")
_scaled_transposed = init.variance_scaling(1.0, "fan_in", "normal", in_axis=-1, out_axis=-2)


class Mapping(nn.Module):
    """Map latents to codes: ``[N, Z] -> [N, features]``.

    Labels ``[N, C]`` are embedded and concatenated with the latents.

    Attributes:
      depth: Number of layers.
      features: Length of a code; Z by default.
      hidden: Width of the layers before the last; ``features`` by default.
      embedding: Length of an embedded label; Z by default.
      joint: Whether a latent and its label are normalised together instead of separately.
      gain: Factor of the activations.
    """

    depth: int = 8
    features: int | None = None
    hidden: int | None = None
    embedding: int | None = None
    joint: bool = False
    gain: float = 2**0.5

    @nn.compact
    def __call__(self, z: Array, labels: Array | None = None) -> Array:
        latent = z.shape[1]
        parts = [z]
        if labels is not None:
            embed = nn.Dense(self.embedding or latent, kernel_init=_scaled, name="embed")
            parts.append(embed(labels))
        if self.joint:
            x = pixel_norm(jnp.concatenate(parts, axis=1))
        else:
            x = jnp.concatenate([pixel_norm(part) for part in parts], axis=1)
        features = self.features or latent
        for i in range(self.depth):
            units = features if i == self.depth - 1 else self.hidden or features
            dense = nn.Dense(units, kernel_init=_scaled, name=f"dense_{i}")
            x = self.gain * nn.leaky_relu(dense(x), 0.2)
        return x


class Layer(nn.Module):
    """Apply a modulated 3x3 convolution: ``[N, H, W, I], [N, D] -> [N, H', W', features]``.

    The kernel is ``[3, 3, I, features]``, or ``[3, 3, features, I]`` with ``up``, where the
    convolution is transposed. Demodulation uses the parameter ``squares`` ``[I, features]``:
    the sums over the taps of the squared kernel.

    Attributes:
      features: Output channels.
      up: Whether to double H and W.
      clamp: Bound on the output; None for no bound.
    """

    features: int
    up: bool = False
    clamp: float | None = None

    @nn.compact
    def __call__(self, x: Array, code: Array) -> Array:
        inputs = x.shape[3]
        style = scales(code, inputs)
        x = x * style[:, None, None]
        y: Any
        if self.up:
            shape = (3, 3, self.features, inputs)
            kernel = self.param("kernel", _scaled_transposed, shape)
            y = _enlarge(x, kernel)
        else:
            shape = (3, 3, inputs, self.features)
            kernel = self.param("kernel", _scaled, shape)
            size = (x.shape[1], x.shape[2])
            y = winograd.correlate(self, x, kernel, Geometry(size, 3, 1, 1))
        squares = self.param("squares", lambda _: tap_squares(kernel, self.up))
        scale = lax.rsqrt(jnp.square(style) @ squares + _EPSILON)
        noise = self.param("noise", init.zeros, (1, *y.shape[1:3], 1))
        bias = self.param("bias", init.zeros, (1, 1, 1, self.features))
        return clamp(_activate(y * scale[:, None, None] + noise + bias), self.clamp)


class ToRGB(nn.Module):
    """Apply a modulated 1x1 convolution: ``[N, H, W, C], [N, D] -> [N, H, W, colours]``.

    Attributes:
      clamp: Bound on the output; None for no bound.
      colours: Channels of an image.
    """

    clamp: float | None = None
    colours: int = 3

    @nn.compact
    def __call__(self, x: Array, code: Array) -> Array:
        style = scales(code, x.shape[3])
        kernel = self.param("kernel", _scaled, (x.shape[3], self.colours))
        bias = self.param("bias", init.zeros, (1, 1, 1, self.colours))
        return clamp((x * style[:, None, None]) @ kernel + bias, self.clamp)


class Synthesis(nn.Module):
    """Map codes to images around [-1, 1]: ``[N, L, D] -> [N, H, W, colours]``.

    Layer i reads code i. The RGB layer b reads code 2b + 1, as does the layer after it, so L
    is twice the number of resolutions.

    Attributes:
      channels: Channels at 4, 8, 16 pixels and so on; the last of these sizes is that of
        the image.
      clamp: Bound on the output of each layer and each RGB layer; None for no bound.
      colours: Channels of an image.
      architecture: A name in ``ARCHITECTURES``: the image is the sum of the images of all
        resolutions (``skip``), or that of the last resolution, without (``orig``) or with
        (``resnet``) residual connections.
    """

    channels: tuple[int, ...]
    clamp: float | None = None
    colours: int = 3
    architecture: str = "skip"

    @nn.compact
    def __call__(self, codes: Array) -> Array:
        const = self.param("const", init.normal(1.0), (1, 4, 4, self.channels[0]))
        x = jnp.broadcast_to(const, (codes.shape[0], *const.shape[1:]))
        image: Any = None
        for b, features in enumerate(self.channels):
            before = x
            for i in (2 * b - 1, 2 * b) if b else (0,):
                layer = Layer(features, i % 2 == 1, self.clamp, name=f"layer_{i}")
                x = layer(x, codes[:, i])
            if b and self.architecture == "resnet":
                kernel = self.param(f"skip_{b}", _scaled, (before.shape[3], features))
                x = 0.5**0.5 * (x + _enlarge_image(before @ kernel))
            if self.architecture == "skip" or b == len(self.channels) - 1:
                to_rgb = ToRGB(self.clamp, self.colours, name=f"to_rgb_{b}")
                colours = to_rgb(x, codes[:, 2 * b + 1])
                image = colours if image is None else _enlarge_image(image) + colours
        return image


def tap_squares(kernel: Any, up: bool) -> Any:
    """Compute ``squares`` ``[I, O]`` of a ``Layer`` from its kernel ``[3, 3, ...]``."""
    squares = (kernel * kernel).sum(axis=(0, 1))
    return squares.T if up else squares


def scales(code: Array, channels: int) -> Array:
    """Compute the scales of channels, ``[N, D] -> [N, channels]``, in the layer ``style``."""
    return nn.Dense(channels, kernel_init=_scaled, bias_init=init.ones, name="style")(code)


def _activate(x: Array) -> Array:
    return 2**0.5 * nn.leaky_relu(x, 0.2)


def clamp(x: Array, bound: float | None) -> Array:
    """Clip to ``[-bound, bound]``; None means no bound."""
    return x if bound is None else x.clip(-bound, bound)


def _enlarge(x: Array, kernel: Array) -> Array:
    """Double the size with a transposed convolution, and blur its checkerboard pattern.

    The blur is a sum of shifted arrays: a depthwise convolution is slow on every platform.
    """
    _, high, wide, _ = x.shape
    y: Any = spread(x, kernel, Geometry((2 * high + 1, 2 * wide + 1), 3, 2, 0))
    y = jnp.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
    outer, inner = _BLUR
    for axis in (1, 2):
        size = y.shape[axis] - 3
        a, b, c, d = (lax.slice_in_dim(y, i, i + size, axis=axis) for i in range(4))
        y = outer * (a + d) + inner * (b + c)
    return y


def _enlarge_image(x: Array) -> Array:
    """Double the size: insert zeros between the pixels and apply the same blur.

    Along an axis every pixel becomes two, and half of the taps contribute to each.
    """
    outer, inner = _BLUR
    for axis in (1, 2):
        size = x.shape[axis]
        around = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        before, here, after = (
            lax.slice_in_dim(jnp.pad(x, around), i, i + size, axis=axis) for i in range(3)
        )
        pair = (outer * before + inner * here, inner * here + outer * after)
        shape = (*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])
        x = jnp.stack(pair, axis=axis + 1).reshape(shape)
    return x

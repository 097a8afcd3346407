"""A stack of layers from latents to images, for inference."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.networks.convolution import Geometry, correlate, spread

ACTIVATIONS = {  # functions of the input and the layer's ``value``
    "elu": lambda x, alpha: jnp.where(x > 0, x, alpha * jnp.expm1(jnp.minimum(x, 0))),
    "gelu": lambda x, _: jax.nn.gelu(x, approximate=False),
    "leaky_relu": lambda x, slope: jnp.where(x > 0, x, slope * x),
    "relu": lambda x, _: jax.nn.relu(x),
    "selu": lambda x, _: jax.nn.selu(x),
    "sigmoid": lambda x, _: jax.nn.sigmoid(x),
    "silu": lambda x, _: jax.nn.silu(x),
    "tanh": lambda x, _: jnp.tanh(x),
}


class Window(NamedTuple):
    """Stride and padding of a convolution.

    Attributes:
      stride: Stride.
      padding: Zeros around the larger image.
      extra: Rows and columns that a transposed convolution adds at the end (PyTorch's
        output padding).
    """

    stride: int = 1
    padding: int = 0
    extra: int = 0


class Layer(NamedTuple):
    """A layer of an ``Upsampler``.

    Attributes:
      kind: ``conv`` or ``transposed`` (convolutions with a bias), ``enlarge`` (nearest
        upsampling), ``scale`` (a scale and a shift), ``instance`` (instance norm with a scale
        and a shift), ``prelu``, or a name in ``ACTIVATIONS``.
      features: Output channels of a convolution.
      kernel: Kernel size of a convolution.
      window: Stride and padding of a convolution; the stride of ``enlarge`` is its factor.
      value: Slope or alpha of an activation; epsilon of a norm.
      side: Height and width of the scale and shift of ``scale``.
    """

    kind: str
    features: int = 0
    kernel: int = 0
    window: Window = Window()
    value: float = 0.0
    side: int = 1

    def size(self, size: int) -> int:
        """Return the output's side for an input's side."""
        stride, padding, extra = self.window
        match self.kind:
            case "transposed":
                return (size - 1) * stride - 2 * padding + self.kernel + extra
            case "conv":
                return (size + 2 * padding - self.kernel) // stride + 1
            case "enlarge":
                return size * stride
        return size


class Upsampler(nn.Module):
    """Map latents ``[B, D]`` to images ``[B, H, W, C]``.

    Attributes:
      layers: The layers in order. The first one's parameters are in ``layer_0``.
    """

    layers: tuple[Layer, ...]

    @nn.compact
    def __call__(self, z: Array) -> Array:
        x = z[:, None, None]
        for i, layer in enumerate(self.layers):
            x = _Layer(layer, name=f"layer_{i}")(x)
        return x


class _Layer(nn.Module):
    layer: Layer

    @nn.compact
    def __call__(self, x: Array) -> Any:
        kind, channels = self.layer.kind, x.shape[3]
        match kind:
            case "transposed" | "conv":
                return self.convolve(x)
            case "enlarge":
                return x.repeat(self.layer.window.stride, 1).repeat(self.layer.window.stride, 2)
            case "prelu":
                slope = self.param("slope", nn.initializers.zeros, (1, 1, 1, channels))
                return jnp.where(x > 0, x, slope * x)
            case "scale" | "instance":
                if kind == "instance":
                    mean = x.mean((1, 2), keepdims=True)
                    var = jnp.square(x - mean).mean((1, 2), keepdims=True)
                    x = (x - mean) * lax.rsqrt(var + self.layer.value)
                shape = (1, self.layer.side, self.layer.side, channels)
                scale = self.param("scale", nn.initializers.ones, shape)
                return x * scale + self.param("shift", nn.initializers.zeros, shape)
        return ACTIVATIONS[kind](x, self.layer.value)

    def convolve(self, x: Array) -> Any:
        kind, features, kernel, window, *_ = self.layer
        inputs, apply = (x.shape[3], features), correlate
        size = (x.shape[1], x.shape[2])
        if kind == "transposed":
            inputs, apply = inputs[::-1], spread
            size = (self.layer.size(size[0]), self.layer.size(size[1]))
        shape = (kernel, kernel, *inputs)
        w = self.param("kernel", nn.initializers.lecun_normal(), shape)
        y: Any = apply(x, w, Geometry(size, kernel, window.stride, window.padding))
        return y + self.param("bias", nn.initializers.zeros, (1, 1, 1, features))

"""Convolutional layers and norms.

Layers compute in the type of their input, float32 or bfloat16; parameters and statistics
are float32. Compile programs that train these layers with ``compiler_options()``.
"""

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxgan.errors import InputError
from jaxgan.networks import winograd
from jaxgan.networks.convolution import Geometry, on_cpu

NORMS = ("batch", "layer", "none")
SPECTRAL = "spectral"  # a norm of weights, not of activations; for critics only
_OPTION = "xla_cpu_experimental_ynn_fusion_type"
_WITHOUT_CONVOLUTIONS = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"


def compiler_options() -> dict[str, Any]:
    """Return options for the outermost ``jax.jit`` that make convolutions train faster.

    On a CPU, XLA has two libraries for convolutions. By default it uses YNNPACK, which takes
    up to twice the time of the other one on shapes of training. The options are empty on
    other platforms, where XLA does not know them, and if ``XLA_FLAGS`` sets them.

    Examples:
      >>> import jax
      >>> from jaxgan.networks import layers
      >>> step = jax.jit(lambda x: 2 * x, compiler_options=layers.compiler_options())
    """
    if not on_cpu() or _OPTION in os.environ.get("XLA_FLAGS", ""):
        return {}
    options = {_OPTION: _WITHOUT_CONVOLUTIONS}
    try:
        jax.jit(jnp.negative, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def normal(key: Array, shape: Sequence[int], dtype=jnp.float32) -> Array:
    """Draw weights from a normal distribution with mean 0 and standard deviation 0.02.

    It draws a vector and reshapes it: XLA's CPU compiler takes five times as long for an
    array with four axes.
    """
    return 0.02 * jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)


class Conv(nn.Module):
    """Square convolution ``[B, H, W, I] -> [B, h, w, features]``.

    ``h = (H + 2 padding - kernel) // stride + 1``. Weights are ``[k, k, I, features]``.

    Attributes:
      features: Output channels.
      kernel: Kernel size.
      stride: Stride.
      padding: Zeros on every side.
      use_bias: Whether to add a bias.
      kernel_init: Draws the weights from (key, shape).
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int = 0
    use_bias: bool = False
    kernel_init: nn.initializers.Initializer = normal

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (self.kernel, self.kernel, x.shape[3], self.features)
        w = self.param("kernel", self.kernel_init, shape)
        geometry = Geometry((x.shape[1], x.shape[2]), self.kernel, self.stride, self.padding)
        y = winograd.correlate(self, x, w.astype(x.dtype), geometry)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (1, 1, 1, self.features))
            y = y + bias.astype(x.dtype)
        return y


class ConvTranspose(nn.Module):
    """Square transposed convolution ``[B, h, w, I] -> [B, H, W, features]``.

    ``H = (h - 1) stride - 2 padding + kernel``, as in PyTorch. Weights are
    ``[k, k, features, I]``, as in the convolution that it transposes.

    Attributes:
      features: Output channels.
      kernel: Kernel size.
      stride: Stride.
      padding: Padding of the convolution that this layer transposes.
      kernel_init: Draws the weights from (key, shape).
    """

    features: int
    kernel: int
    stride: int = 1
    padding: int = 0
    kernel_init: nn.initializers.Initializer = normal

    @nn.compact
    def __call__(self, x: Array) -> Array:
        w = self.param(
            "kernel", self.kernel_init, (self.kernel, self.kernel, self.features, x.shape[3])
        )
        reach = self.kernel - 2 * self.padding
        high, wide = ((side - 1) * self.stride + reach for side in x.shape[1:3])
        geometry = Geometry((high, wide), self.kernel, self.stride, self.padding)
        return winograd.spread(self, x, w.astype(x.dtype), geometry)


class Bias(nn.Module):
    """Add one number per channel: ``[..., C] -> [..., C]``."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (1,) * (x.ndim - 1) + (x.shape[-1],)
        return x + self.param("bias", nn.initializers.zeros, shape).astype(x.dtype)


class BatchNorm(nn.Module):
    """Batch norm with PyTorch's conventions: ``[..., C] -> [..., C]``.

    Training uses the batch's mean and variance. Evaluation uses running ones, which are
    moving averages of the batch means and unbiased variances. Conditional batch norm, with
    a scale and a bias per class, maps ``(x [B, ..., C], labels [B]) -> [B, ..., C]``.

    Source: Ioffe and Szegedy, arXiv 1502.03167; Dumoulin et al., arXiv 1610.07629.

    Attributes:
      momentum: Weight of the new value in a moving average.
      epsilon: Added to the variance.
      scale_init: Draws the scale from (key, shape).
      classes: Number of classes; 0 without labels.
    """

    momentum: float = 0.1
    epsilon: float = 1e-5
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    classes: int = 0

    @nn.compact
    def __call__(self, x: Array, train: bool, labels: Array | None = None) -> Array:
        dtype = x.dtype
        x = x.astype(jnp.promote_types(dtype, jnp.float32))
        shape = (1,) * (x.ndim - 1) + (x.shape[-1],)
        tables = (self.classes, x.shape[-1]) if self.classes else shape
        scale: Any = self.param("scale", self.scale_init, tables)
        bias: Any = self.param("bias", nn.initializers.zeros, tables)
        if self.classes:
            rows = one_hot(labels, self.classes)
            by_example = (x.shape[0], *shape[1:])
            scale, bias = ((rows @ table).reshape(by_example) for table in (scale, bias))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape)
        if not train:
            slope = scale * lax.rsqrt(running_var.value + self.epsilon)
            return (x * slope + (bias - running_mean.value * slope)).astype(dtype)
        scale, bias = scale.astype(x.dtype), bias.astype(x.dtype)
        outputs: Any = _batch_norm(x, scale, bias, self.epsilon)
        y, mean, var = outputs
        if not self.is_initializing():
            count = x.size // x.shape[-1]
            unbiased_var = var * (count / max(count - 1, 1))
            running_mean.value += self.momentum * (mean - running_mean.value)
            running_var.value += self.momentum * (unbiased_var - running_var.value)
        return y.astype(dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _batch_norm(x: Array, scale: Array, bias: Array, epsilon: float) -> tuple[Array, ...]:
    """Normalise ``[B, ..., C]`` over all axes but the last; also return mean and variance.

    Scale and bias are ``[1, ..., 1, C]``, or ``[B, 1, ..., C]`` per example. Only reverse-mode
    derivatives exist, and mean and variance have none. The gradient is written by hand: the
    one that JAX derives passes over ``x`` more often and keeps more arrays.
    """
    return _batch_norm_forward(x, scale, bias, epsilon)[0]


def _batch_norm_forward(x, scale, bias, epsilon):
    mean = _channel_means(x)
    var = jnp.square(x - mean).mean(tuple(range(x.ndim - 1)), keepdims=True)
    rate = lax.rsqrt(var + epsilon)
    slope = scale * rate
    return (x * slope + (bias - mean * slope), mean, var), (x, mean, rate, slope)


def _batch_norm_backward(epsilon, residuals, gradients):
    x, mean, rate, slope = residuals
    g, count = gradients[0], x.size // x.shape[-1]
    axes = tuple(axis for axis in range(x.ndim - 1) if slope.shape[axis] == 1)
    of_bias = g.sum(axes, keepdims=True)
    of_scale = ((g * x).sum(axes, keepdims=True) - mean * of_bias) * rate
    tilt = rate * (slope * of_scale).sum(0, keepdims=True) / count
    shift = mean * tilt - (slope * of_bias).sum(0, keepdims=True) / count
    # The last operation must take two large arrays; otherwise XLA recomputes the result in
    # each consumer (findings/xla_cpu_computes_behind_a_barrier_twice.sh).
    return (g * slope + shift) - x * tilt, of_scale, of_bias


_batch_norm.defvjp(_batch_norm_forward, _batch_norm_backward)


def one_hot(labels: Array | None, classes: int) -> Array:
    """Encode labels ``[B]`` as one-hot rows ``[B, classes]``.

    Raises:
      InputError: If labels are missing.
    """
    if labels is None:
        raise InputError(f"a network with {classes} classes needs labels")
    return jax.nn.one_hot(labels, classes)


def _channel_means(x: Array) -> Array:
    """Average over all axes but the last: ``[..., C] -> [1, ..., C]``.

    On a CPU this is a matrix product, with which a step of DCGAN takes 5 % less time. Its
    relative error is some 5e-6 for 64 images of 32 pixels, and 2e-5 for 512.
    """
    if not on_cpu():
        return x.mean(tuple(range(x.ndim - 1)), keepdims=True)
    flat = x.reshape(-1, x.shape[-1])
    shares = jnp.full((1, len(flat)), 1 / len(flat), x.dtype)
    mean = lax.optimization_barrier(shares) @ flat  # otherwise XLA turns it into a sum
    return mean.reshape((1,) * (x.ndim - 1) + (-1,))


def normalise(
    x: Array, norm: str, train: bool, labels: Array | None = None, **options
) -> Array:
    """Apply a norm by its name in ``NORMS``, inside a compact module.

    ``layer`` normalises all numbers of an example together, with a scale and a bias per
    channel. ``options`` are attributes of ``BatchNorm``.

    Raises:
      InputError: If there are classes and a norm other than ``batch``.
    """
    if norm == "batch":
        return BatchNorm(**options)(x, train, labels)
    if options.get("classes"):
        raise InputError(f"labels enter by batch norm, and the generator's norm is {norm!r}")
    if norm == "layer":
        axes = tuple(range(1, x.ndim))
        return nn.LayerNorm(reduction_axes=axes, epsilon=1e-5, dtype=x.dtype)(x)
    return x


def weighted(layer: nn.Module, norm: str, train: bool) -> Callable[[Array], Array]:
    """Return a critic's layer, with spectral norm if ``norm`` is ``spectral``.

    In training, every pass makes one step of power iteration and stores it in the collection
    ``batch_stats``; evaluation makes a step without storing it.

    Source: Miyato et al., arXiv 1802.05957.
    """
    if norm != SPECTRAL:
        return layer  # pyright: ignore[reportReturnType]
    return functools.partial(nn.SpectralNorm(layer), update_stats=train)

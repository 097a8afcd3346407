"""Convolutions and batch norm that train fast on a CPU and plainly on an accelerator.

XLA's CPU backend gives only some convolutions to its matrix-product kernels: those that
lie ``NHWC``, ``HWIO``, ``NHWC`` and, inside a loop, were written so from the start. The
derivatives of ``lax.conv_general_dilated`` are not, and a weight gradient inside a
``scan`` takes a hundred times as long as outside. So the three bilinear maps of a
convolution are written here by hand, each the derivative of the other two:

* ``correlate(x, w)``: the convolution itself,
* ``spread(g, w)``: its gradient for ``x``, which is the transposed convolution,
* ``weigh(x, g)``: its gradient for ``w``.

Derivatives of any order stay within the three. On other platforms than a CPU each is
what ``lax.conv_general_dilated`` and its transposes give. Programs that train these
layers should be compiled with ``compiler_options()``. Derivatives are by reverse mode only.
"""

import functools
import math
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_OPTION = "xla_cpu_experimental_ynn_fusion_type"
_WITHOUT_CONVOLUTIONS = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"


class Geometry(NamedTuple):
    """What is static about a square convolution.

    Attributes:
      size: Height and width of the large side, the input of ``correlate``.
      kernel: Taps along each axis.
      stride: Step of the large side per step of the small one.
      padding: Zeros around the large side.
    """

    size: tuple[int, int]
    kernel: int
    stride: int
    padding: int

    @property
    def small(self) -> tuple[int, int]:
        """Height and width of the small side, the output of ``correlate``."""
        reach = 2 * self.padding - self.kernel
        high, wide = self.size
        return (high + reach) // self.stride + 1, (wide + reach) // self.stride + 1

    @property
    def covers(self) -> bool:
        """Whether one application of the kernel covers the whole large side."""
        return self.size == (self.kernel, self.kernel) and self.padding == 0


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def correlate(x: Array, w: Array, geometry: Geometry) -> Array:
    """Convolution ``[B, H, W, I], [k, k, I, O] -> [B, h, w, O]``, as networks mean it."""
    if on_cpu() and geometry.covers:
        return (x.reshape(len(x), -1) @ w.reshape(-1, w.shape[-1]))[:, None, None]
    return _convolve(x, w, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def spread(g: Array, w: Array, geometry: Geometry) -> Array:
    """Transposed convolution ``[B, h, w, O], [k, k, I, O] -> [B, H, W, I]``."""
    if not on_cpu():
        shape = (len(g), *geometry.size, w.shape[2])
        like = jax.ShapeDtypeStruct(shape, g.dtype)
        (x,) = jax.linear_transpose(lambda x: _convolve(x, w, geometry), like)(g)
        return x
    if geometry.covers:
        flat = g.reshape(len(g), -1) @ w.reshape(-1, w.shape[-1]).T
        return flat.reshape(len(g), *geometry.size, w.shape[2])
    return (_summed if w.shape[2] <= 4 else _subpixel)(g, w, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def weigh(x: Array, g: Array, geometry: Geometry) -> Array:
    """Weight gradient ``[B, H, W, I], [B, h, w, O] -> [k, k, I, O]``."""
    k = geometry.kernel
    if not on_cpu():
        like = jax.ShapeDtypeStruct((k, k, x.shape[3], g.shape[3]), x.dtype)
        (w,) = jax.linear_transpose(lambda w: _convolve(x, w, geometry), like)(g)
        return w
    if geometry.covers:
        flat = x.reshape(len(x), -1).T @ g.reshape(len(g), -1)
        return flat.reshape(k, k, x.shape[3], g.shape[3])
    return _weigh_as_convolution(x, g, geometry)


def _convolve(x: Array, w: Array, geometry: Geometry) -> Array:
    around = (geometry.padding, geometry.padding)
    strides = (geometry.stride, geometry.stride)
    return lax.conv_general_dilated(x, w, strides, (around, around), dimension_numbers=_LAYOUT)


def _phases(geometry: Geometry) -> list[list[tuple[int, int]]]:
    """For each output position modulo the stride: its (tap, shift of the input) pairs.

    Position ``stride * q + phase`` of the large side gets tap t of the small side's
    ``q + shift``.
    """
    _, k, stride, padding = geometry
    return [
        [
            (t, (phase + padding - t) // stride)
            for t in reversed(range(k))
            if (phase + padding - t) % stride == 0
        ]
        for phase in range(stride)
    ]


def _interleave(parts: list[list[Array]], geometry: Geometry) -> Array:
    """Join the images of all phases, ``[B, Q, R, I]`` each, into ``[B, H, W, I]``."""
    y = jnp.stack([jnp.stack(row, axis=3) for row in parts], axis=2)
    b, q, s, r, _, i = y.shape
    high, wide = geometry.size
    return y.reshape(b, q * s, r * s, i)[:, :high, :wide]


def _subpixel(g: Array, w: Array, geometry: Geometry) -> Array:
    """``spread`` as one convolution per phase, without a product with a zero."""
    high, wide = (-(-side // geometry.stride) for side in geometry.size)
    w = w.swapaxes(2, 3)

    def convolve(rows, columns):
        if not rows or not columns:
            return jnp.zeros((len(g), high, wide, w.shape[3]), g.dtype)
        taps = w[jnp.array([t for t, _ in rows])][:, jnp.array([t for t, _ in columns])]
        around = [
            (-shifts[0][1], out - 1 + shifts[-1][1] - (side - 1))
            for shifts, out, side in ((rows, high, g.shape[1]), (columns, wide, g.shape[2]))
        ]
        return lax.conv_general_dilated(g, taps, (1, 1), around, dimension_numbers=_LAYOUT)

    phases = _phases(geometry)
    return _interleave(
        [[convolve(rows, columns) for columns in phases] for rows in phases], geometry
    )


def _summed(g: Array, w: Array, geometry: Geometry) -> Array:
    """``spread`` as one matrix product and shifted sums: for few channels."""
    high, wide = (-(-side // geometry.stride) for side in geometry.size)
    k, inputs = geometry.kernel, w.shape[2]
    products = g.reshape(-1, g.shape[3]) @ w.reshape(-1, g.shape[3]).T
    products = products.reshape(*g.shape[:3], k, k, inputs)

    def shifted(i, up, j, left):
        around = (
            (0, 0, 0),
            (-up, high + up - g.shape[1], 0),
            (-left, wide + left - g.shape[2], 0),
            (0, 0, 0),
        )
        return lax.pad(products[:, :, :, i, j], jnp.zeros((), g.dtype), around)

    def add(rows, columns):
        terms = [shifted(i, up, j, left) for i, up in rows for j, left in columns]
        return sum(terms, jnp.zeros((len(g), high, wide, inputs), g.dtype))

    phases = _phases(geometry)
    return _interleave(
        [[add(rows, columns) for columns in phases] for rows in phases], geometry
    )


def _weigh_as_convolution(x: Array, g: Array, geometry: Geometry) -> Array:
    """``weigh`` as a convolution whose channels are the batch, written out as such."""
    _, k, stride, padding = geometry
    reached = ((small - 1) * stride + k - padding for small in geometry.small)
    w = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        g.transpose(1, 2, 0, 3),
        (1, 1),
        [(padding, end - size) for end, size in zip(reached, geometry.size, strict=True)],
        rhs_dilation=(stride, stride),
        dimension_numbers=_LAYOUT,
    )
    return w.transpose(1, 2, 0, 3)


def on_cpu() -> bool:
    """Whether programs are made for a CPU."""
    return jax.default_backend() == "cpu"


def compiler_options() -> dict[str, Any]:
    """What to give the outermost ``jax.jit`` as such, so that convolutions train fast.

    On a CPU, XLA has two libraries for convolutions and takes YNNPACK, which needs up to
    twice the time of the other on the shapes of training. Empty on other platforms, where
    XLA does not know the option, and where ``XLA_FLAGS`` sets it.
    """
    if not on_cpu() or _OPTION in os.environ.get("XLA_FLAGS", ""):
        return {}
    options = {_OPTION: _WITHOUT_CONVOLUTIONS}
    try:
        jax.jit(jnp.negative, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


correlate.defvjp(
    lambda x, w, geometry: (correlate(x, w, geometry), (x, w)),
    lambda geometry, kept, g: (spread(g, kept[1], geometry), weigh(kept[0], g, geometry)),
)
spread.defvjp(
    lambda g, w, geometry: (spread(g, w, geometry), (g, w)),
    lambda geometry, kept, x: (correlate(x, kept[1], geometry), weigh(x, kept[0], geometry)),
)
weigh.defvjp(
    lambda x, g, geometry: (weigh(x, g, geometry), (x, g)),
    lambda geometry, kept, w: (spread(kept[1], w, geometry), correlate(kept[0], w, geometry)),
)


def normal(key: Array, shape: Sequence[int], dtype=jnp.float32) -> Array:
    """Weights of any shape, normal with deviation 0.02.

    Drawn as a vector: XLA's CPU compiler takes five times as long for four axes.
    """
    return 0.02 * jax.random.normal(key, (math.prod(shape),), dtype).reshape(shape)


class Conv(nn.Module):
    """Square convolution ``[B, H, W, I] -> [B, h, w, features]``.

    ``h = (H + 2 padding - kernel) // stride + 1``. Weights are ``[k, k, I, features]``.

    Attributes:
      features: Channels out.
      kernel: Taps along each axis.
      stride: Step.
      padding: Zeros on every side.
      use_bias: Add one number per channel.
      kernel_init: Of the weights; a function of (key, shape).
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
        size = (x.shape[1], x.shape[2])
        geometry = Geometry(size, self.kernel, self.stride, self.padding)
        y: Any = correlate(x, w, geometry)
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (1, 1, 1, self.features))
        return y


class ConvTranspose(nn.Module):
    """Square transposed convolution ``[B, h, w, I] -> [B, H, W, features]``.

    ``H = (h - 1) stride - 2 padding + kernel``, as in PyTorch. Weights are those of the
    convolution that it transposes: ``[k, k, features, I]``.

    Attributes:
      features: Channels out.
      kernel: Taps along each axis.
      stride: Step of the output per step of the input.
      padding: What the transposed convolution would pad its input with.
      kernel_init: Of the weights; a function of (key, shape).
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
        y: Any = spread(x, w, Geometry((high, wide), self.kernel, self.stride, self.padding))
        return y


class BatchNorm(nn.Module):
    """Batch norm as PyTorch keeps it: ``[..., C] -> [..., C]``.

    In training, the batch's own mean and variance; otherwise the running ones, which
    follow the batch's by ``momentum`` and hold the unbiased variance.

    Source: Ioffe and Szegedy, arXiv 1502.03167.

    Attributes:
      momentum: Share of the new value.
      epsilon: Added to the variance.
      scale_init: Of the scale.
    """

    momentum: float = 0.1
    epsilon: float = 1e-5
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        shape = (1,) * (x.ndim - 1) + (x.shape[-1],)
        scale = self.param("scale", self.scale_init, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape)
        mean, var = running_mean.value, running_var.value
        if train:
            mean = _channel_means(x)
            var = jnp.square(x - mean).mean(tuple(range(x.ndim - 1)), keepdims=True)
            if not self.is_initializing():
                count = x.size // x.shape[-1]
                unbiased = var * (count / max(count - 1, 1))
                running_mean.value += self.momentum * (mean - running_mean.value)
                running_var.value += self.momentum * (unbiased - running_var.value)
        slope = scale * lax.rsqrt(var + self.epsilon)
        return x * slope + (bias - mean * slope)


def _channel_means(x: Array) -> Array:
    """``[..., C] -> [1, ..., C]``.

    On a CPU a matrix product, with which a step of DCGAN takes 5 % less time; its relative
    error is some 4e-6.
    """
    if not on_cpu():
        return x.mean(tuple(range(x.ndim - 1)), keepdims=True)
    flat = x.reshape(-1, x.shape[-1])
    shares = jnp.full((1, len(flat)), 1 / len(flat), x.dtype)
    mean = lax.optimization_barrier(shares) @ flat  # without it XLA makes a sum of it
    return mean.reshape((1,) * (x.ndim - 1) + (-1,))


NORMS = ("batch", "layer", "none")


def normalise(x: Array, norm: str, train: bool, **options) -> Array:
    """Apply the norm of that name, inside a compact module.

    ``layer`` is over all of an example's numbers, with a scale and shift per channel.
    """
    if norm == "batch":
        return BatchNorm(**options)(x, train)
    if norm == "layer":
        return nn.LayerNorm(reduction_axes=tuple(range(1, x.ndim)), epsilon=1e-5)(x)
    return x

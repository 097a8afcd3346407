"""Convolutions that train fast on a CPU.

XLA's CPU backend uses its matrix-product kernels only for convolutions with layouts
``NHWC``, ``HWIO``, ``NHWC``; inside a loop they must be written that way. The derivatives of
``lax.conv_general_dilated`` are not, and a weight gradient inside a ``scan`` takes a hundred
times as long as outside. So the three bilinear maps of a convolution are written here by
hand, each the derivative of the other two:

* ``correlate(x, w)`` is the convolution itself,
* ``spread(g, w)`` is its gradient for ``x``, the transposed convolution,
* ``weigh(x, g)`` is its gradient for ``w``.

Reverse-mode derivatives of any order use only these three. On an accelerator each is
``lax.conv_general_dilated`` or one of its transposes.
"""

import contextlib
import contextvars
import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

_LAYOUT = ("NHWC", "HWIO", "NHWC")


_plain = contextvars.ContextVar("plain", default=False)


def on_cpu() -> bool:
    """Tell whether JAX compiles for a CPU, outside of ``plain``."""
    return not _plain.get() and jax.default_backend() == "cpu"


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Trace networks as for an accelerator, for programs to export."""
    before = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(before)


class Geometry(NamedTuple):
    """The static part of a square convolution.

    Attributes:
      size: Height and width of the large image, the input of ``correlate``.
      kernel: Kernel size.
      stride: Stride.
      padding: Zeros around the large image.
    """

    size: tuple[int, int]
    kernel: int
    stride: int
    padding: int

    @property
    def small(self) -> tuple[int, int]:
        """Height and width of the small image, the output of ``correlate``."""
        reach = 2 * self.padding - self.kernel
        high, wide = self.size
        return (high + reach) // self.stride + 1, (wide + reach) // self.stride + 1

    @property
    def covers(self) -> bool:
        """Whether the kernel covers the whole large image, so the output is one pixel."""
        return self.size == (self.kernel, self.kernel) and self.padding == 0


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def correlate(x: Array, w: Array, geometry: Geometry) -> Array:
    """Cross-correlate: ``[B, H, W, I], [k, k, I, O] -> [B, h, w, O]``.

    This is what networks call a convolution.
    """
    if on_cpu() and geometry.covers:
        return (x.reshape(x.shape[0], -1) @ w.reshape(-1, w.shape[-1]))[:, None, None]
    return _convolve(x, w, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def spread(g: Array, w: Array, geometry: Geometry) -> Array:
    """Apply the transposed convolution ``[B, h, w, O], [k, k, I, O] -> [B, H, W, I]``."""
    if not on_cpu():
        shape = (g.shape[0], *geometry.size, w.shape[2])
        like = jax.ShapeDtypeStruct(shape, g.dtype)
        (x,) = jax.linear_transpose(lambda x: _convolve(x, w, geometry), like)(g)
        return x
    if geometry.covers:
        flat = g.reshape(g.shape[0], -1) @ w.reshape(-1, w.shape[-1]).T
        return flat.reshape(g.shape[0], *geometry.size, w.shape[2])
    return (_spread_by_sums if w.shape[2] <= 4 else _subpixel)(g, w, geometry)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def weigh(x: Array, g: Array, geometry: Geometry) -> Array:
    """Compute the weight gradient ``[B, H, W, I], [B, h, w, O] -> [k, k, I, O]``."""
    k = geometry.kernel
    if not on_cpu():
        like = jax.ShapeDtypeStruct((k, k, x.shape[3], g.shape[3]), x.dtype)
        (w,) = jax.linear_transpose(lambda w: _convolve(x, w, geometry), like)(g)
        return w
    if geometry.covers:
        flat = x.reshape(x.shape[0], -1).T @ g.reshape(g.shape[0], -1)
        return flat.reshape(k, k, x.shape[3], g.shape[3])
    return _weigh_as_convolution(x, g, geometry)


def _convolve(x: Array, w: Array, geometry: Geometry) -> Array:
    around = (geometry.padding, geometry.padding)
    strides = (geometry.stride, geometry.stride)
    return lax.conv_general_dilated(x, w, strides, (around, around), dimension_numbers=_LAYOUT)


def _phases(geometry: Geometry) -> list[list[tuple[int, int]]]:
    """List (tap, shift of the input) pairs for each output position modulo the stride.

    Position ``stride * q + phase`` of the large image gets tap t at position ``q + shift``
    of the small one.
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
    """Join the images of all phases, ``[B, Q, R, I]`` each, into ``[B, H, W, I]``.

    The result is a sum of images with zeros between their rows and columns, which XLA
    computes in one pass. It would copy stacked images for every shape in which they are used.
    """

    def join(images, axis):
        last = len(images) - 1
        terms = []
        for i, image in enumerate(images):
            around = [(0, 0, 0)] * image.ndim
            around[axis] = (i, last - i, last)
            terms.append(lax.pad(image, jnp.zeros((), image.dtype), around))
        return functools.reduce(jnp.add, terms)

    high, wide = geometry.size
    return join([join(row, 2) for row in parts], 1)[:, :high, :wide]


def _subpixel(g: Array, w: Array, geometry: Geometry) -> Array:
    """Compute ``spread`` as one convolution per phase, without multiplying zeros."""
    stride = geometry.stride
    high, wide = (-(-side // stride) for side in geometry.size)
    w = w[::-1, ::-1].swapaxes(2, 3)  # so that the taps of a phase are a slice

    def convolve(rows, columns):
        if not rows or not columns:
            return jnp.zeros((g.shape[0], high, wide, w.shape[3]), g.dtype)
        first_row, first_column = (geometry.kernel - 1 - x[0][0] for x in (rows, columns))
        taps = w[first_row::stride, first_column::stride]
        around = [
            (-shifts[0][1], out - 1 + shifts[-1][1] - (side - 1))
            for shifts, out, side in ((rows, high, g.shape[1]), (columns, wide, g.shape[2]))
        ]
        return lax.conv_general_dilated(g, taps, (1, 1), around, dimension_numbers=_LAYOUT)

    phases = _phases(geometry)
    return _interleave(
        [[convolve(rows, columns) for columns in phases] for rows in phases], geometry
    )


def _spread_by_sums(g: Array, w: Array, geometry: Geometry) -> Array:
    """Compute ``spread`` as one matrix product and shifted sums, for few channels."""
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
        return sum(terms, jnp.zeros((g.shape[0], high, wide, inputs), g.dtype))

    phases = _phases(geometry)
    return _interleave(
        [[add(rows, columns) for columns in phases] for rows in phases], geometry
    )


def _weigh_as_convolution(x: Array, g: Array, geometry: Geometry) -> Array:
    """Compute ``weigh`` as a convolution with the batch as channels."""
    _, k, stride, padding = geometry
    ends = ((small - 1) * stride + k - padding for small in geometry.small)
    w = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        g.transpose(1, 2, 0, 3),
        (1, 1),
        [(padding, end - size) for end, size in zip(ends, geometry.size, strict=True)],
        rhs_dilation=(stride, stride),
        dimension_numbers=_LAYOUT,
    )
    return w.transpose(1, 2, 0, 3)


correlate.defvjp(
    lambda x, w, geometry: (correlate(x, w, geometry), (x, w)),
    lambda geometry, args, g: (
        spread(g, args[1], geometry),
        weigh(args[0], g, geometry),
    ),
)
spread.defvjp(
    lambda g, w, geometry: (spread(g, w, geometry), (g, w)),
    lambda geometry, args, x: (
        correlate(x, args[1], geometry),
        weigh(x, args[0], geometry),
    ),
)
weigh.defvjp(
    lambda x, g, geometry: (weigh(x, g, geometry), (x, g)),
    lambda geometry, args, w: (
        spread(args[1], w, geometry),
        correlate(args[0], w, geometry),
    ),
)

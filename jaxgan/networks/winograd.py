"""Winograd convolutions, which need fewer products, for inference on a CPU.

Winograd's F(4x4, 3x3) computes 16 outputs with 36 products instead of 144: it transforms
tiles of 6x6 numbers, multiplies them with the transformed kernel (one matrix product for each
of the 36 positions), and transforms the result back. A transposed convolution of stride 2
with 4x4 taps is four convolutions with 2x2 taps, one for each position of the output modulo
2. They share their tiles, and F(3x3, 2x2) computes 36 outputs with 64 products instead of
144. A kernel is transformed once and kept in the collection ``KERNELS``.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308.
F(4x4, 3x3) uses other points than the paper: with 0, +-2/3, +-3/2 the largest error is a
quarter of that with 0, +-1, +-2.
"""

import functools
from fractions import Fraction
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxgan.networks import convolution
from jaxgan.networks.convolution import Geometry, on_cpu

KERNELS = "transformed"  # the collection of transformed kernels
# Least side of the larger image, and least number of channels, for which it is faster.
_PIXELS, _CHANNELS = 8, 128
_TILES = 256  # tiles in a strip, which should fit in the cache


class _Form(NamedTuple):
    """F(out x out, taps x taps), and its points without infinity."""

    out: int
    taps: int
    points: tuple[Fraction, ...]

    @property
    def tile(self) -> int:
        return self.out + self.taps - 1


_SAME = _Form(4, 3, tuple(Fraction(*x) for x in ((0, 1), (2, 3), (-2, 3), (3, 2), (-3, 2))))
_DOUBLE = _Form(3, 2, (Fraction(0), Fraction(1), Fraction(-1)))


def correlate(module: nn.Module, x: Array, w: Array, geometry: Geometry) -> Array:
    """Compute ``convolution.correlate`` with a kernel of a module.

    It uses fewer products if that is faster and the module has, or may make, the transformed
    kernel. Relative errors are then about 3e-6, otherwise 6e-7.
    """
    if geometry[1:] != (3, 1, 1) or not _pays(module, w, geometry):
        return convolution.correlate(x, w, geometry)
    variable: Any = module.variable(KERNELS, "kernel", _transform, w, _SAME)
    return same(x, variable.value)


def spread(module: nn.Module, x: Array, w: Array, geometry: Geometry) -> Array:
    """Compute ``convolution.spread`` with a kernel of a module, as ``correlate`` does."""
    if geometry[1:] != (4, 2, 1) or not _pays(module, w, geometry):
        return convolution.spread(x, w, geometry)
    variable: Any = module.variable(
        KERNELS, "kernel", lambda: _transform(_by_place(w), _DOUBLE)
    )
    return double(x, variable.value)


def may_pay(kernel: Any) -> bool:
    """Tell whether a kernel ``[k, k, I, O]`` may be transformed, as far as shapes tell."""
    return on_cpu() and kernel.ndim == 4 and min(kernel.shape[2:]) >= _CHANNELS


def _pays(module: nn.Module, w: Array, geometry: Geometry) -> bool:
    may_make = module.is_mutable_collection(KERNELS) and not module.is_initializing()
    has = module.has_variable(KERNELS, "kernel") or may_make
    return has and may_pay(w) and min(geometry.size) >= _PIXELS


def same(x: Array, kernels: Array) -> Array:
    """Correlate with 3x3 taps, zero-padded: ``[B, H, W, I], [36, I, O] -> [B, H, W, O]``."""
    return _correlate(x, kernels, _SAME)


def double(x: Array, kernels: Array) -> Array:
    """Apply the transposed convolution: ``[B, H, W, I], [16, I, 4 O] -> [B, 2 H, 2 W, O]``."""
    y = _correlate(x, kernels, _DOUBLE)
    batch, high, wide, outputs = y.shape
    y = y.reshape(batch, high, wide, 2, 2, outputs // 4).swapaxes(2, 3)
    return y.reshape(batch, 2 * high, 2 * wide, -1)[:, 1:-1, 1:-1]


def _by_place(w: Array) -> Array:
    """Group the taps ``[4, 4, O, I]`` by the output's position: ``[2, 2, I, 4 O]``.

    Output rows 2 q - 1 and 2 q depend on input rows q - 1 and q.
    """
    row, place = np.mgrid[:2, :2]
    tap = 2 + place - 2 * row
    by_place = w[tap[:, :, None, None], tap]  # input row, place, input column, place, O, I
    return by_place.transpose(0, 2, 5, 1, 3, 4).reshape(2, 2, w.shape[3], -1)


@functools.cache
def _matrices(form: _Form) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return transforms of outputs ``[out^2, tile^2]``, kernels ``[tile^2, taps^2]``, inputs.

    A convolution is a product of two polynomials, evaluated at the points. Along an axis the
    matrices are transposes of those of Lagrange interpolation.
    """
    out = [[p**i for p in form.points] + [int(i == form.out - 1)] for i in range(form.out)]
    kernel, inputs = [], []
    for p in form.points:
        others = [q for q in form.points if q != p]
        scale = Fraction(1)
        for q in others:
            scale *= p - q
        kernel.append([p**k / scale for k in range(form.taps)])
        inputs.append([*_with_roots(others), 0])
    kernel.append([0] * (form.taps - 1) + [1])
    inputs.append(_with_roots(form.points))
    lines = (np.array(matrix, float) for matrix in (out, kernel, inputs))
    out, kernel, inputs = (np.kron(line, line).astype(np.float32) for line in lines)
    return out, kernel, inputs


def _with_roots(roots: Any) -> list[Fraction]:
    """Return the coefficients of the polynomial with these roots, constant first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *polynomial]
        scaled = [root * x for x in polynomial] + [Fraction(0)]
        polynomial = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return polynomial


def _transform(kernel: Array, form: _Form) -> Array:
    """Transform a kernel ``[taps, taps, I, O]`` to ``[tile^2, I, O]``."""
    flat = kernel.reshape(form.taps**2, -1)
    places = jnp.matmul(_matrices(form)[1], flat, precision=lax.Precision.HIGHEST)
    return places.reshape(-1, *kernel.shape[2:])


def _correlate(x: Array, kernels: Array, form: _Form) -> Array:
    """Correlate with padding 1: ``[B, H, W, I] -> [B, H + 3 - taps, W + 3 - taps, O]``.

    It works on strips of tiles, whose transforms stay in the cache.
    """
    batch, high, wide, _ = x.shape
    more = 3 - form.taps
    rows, columns = -(-(high + more) // form.out), -(-(wide + more) // form.out)
    strips = max(1, min(rows, batch * rows * columns // _TILES))
    each = -(-rows // strips)
    strips = -(-rows // each)
    ends = (form.out * count + form.taps - 2 for count in (strips * each, columns))
    high_end, wide_end = (end - side for end, side in zip(ends, (high, wide), strict=True))
    x = jnp.pad(x, [(0, 0), (1, high_end), (1, wide_end), (0, 0)])

    def strip(i):
        size = (batch, form.out * each + form.taps - 1, *x.shape[2:])
        return _strip(lax.dynamic_slice(x, (0, form.out * each * i, 0, 0), size), kernels, form)

    if strips == 1:
        y = _strip(x, kernels, form)
    else:
        y = jnp.moveaxis(lax.map(strip, jnp.arange(strips)), 0, 1)
        y = y.reshape(batch, -1, *y.shape[3:])
    return y[:, : high + more, : wide + more]


def _strip(x: Array, kernels: Array, form: _Form) -> Array:
    """Correlate whole tiles: ``[B, h + taps - 1, w + taps - 1, I] -> [B, h, w, O]``."""
    out, _, inputs = _matrices(form)
    batch, high, wide, channels = x.shape
    high, wide = high - form.taps + 1, wide - form.taps + 1
    places, end = range(form.tile), 1 - form.out
    rows = jnp.stack([x[:, i : i + high + end : form.out] for i in places])
    tiles = jnp.stack([rows[:, :, :, i : i + wide + end : form.out] for i in places], axis=1)
    values = inputs @ tiles.reshape(form.tile**2, -1)
    products = values.reshape(form.tile**2, -1, channels) @ kernels
    y: Any = out @ products.reshape(form.tile**2, -1)
    y = y.reshape(form.out, form.out, batch, high // form.out, wide // form.out, -1)
    y = y.transpose(2, 3, 0, 4, 1, 5).reshape(batch, high, wide, -1)
    return y.astype(x.dtype)

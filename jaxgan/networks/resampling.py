"""Resampling filters and frequency bands of the layers of StyleGAN3.

Source: Karras et al., Alias-Free Generative Adversarial Networks, arXiv 2106.12423, section
3.2 and appendix C.

A rate is a number of samples per side of the image. Samples lie on a canvas, which is larger
than the image by a margin. Filters are sums of shifted arrays, because a depthwise
convolution is slow on a CPU.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy
from jax import Array, lax


class Signal(NamedTuple):
    """Frequency band and sampling of a layer's output.

    Attributes:
      rate: Samples per side of the image.
      cutoff: Frequency, in periods per side of the image, at which the layer's filter halves
        the amplitude.
      half_width: Half the width of that filter's transition band.
      size: Samples per side of the canvas.
    """

    rate: int
    cutoff: float
    half_width: float
    size: int


class Resampling(NamedTuple):
    """Upsampling before a layer's nonlinearity and downsampling after it.

    Attributes:
      up: Upsampling factor.
      down: Downsampling factor.
      up_filter: Taps ``[T]`` with sum 1, at the higher rate.
      down_filter: Taps ``[T]`` for both axes, or ``[T, T]`` of a radial filter.
      before: Zeros before the upsampled signal; a negative number crops it.
      size: Samples per side of the output's canvas.
    """

    up: int
    down: int
    up_filter: np.ndarray
    down_filter: np.ndarray
    before: int
    size: int


def signals(
    resolution: int,
    *,
    layers: int = 14,
    critical: int = 2,
    first_cutoff: float = 2.0,
    first_stopband: float = 2**2.1,
    last_stopband: float = 2**0.3,
    margin: int = 10,
) -> tuple[Signal, ...]:
    """Compute the bands of all layers and of the RGB layer.

    Args:
      resolution: Pixels per side of the image.
      layers: Number of layers, without the RGB layer.
      critical: Number of last layers with the full band of the image (critically sampled).
      first_cutoff: Cutoff of the first layer.
      first_stopband: Start of the first layer's stopband.
      last_stopband: Start of the last layer's stopband, in units of its cutoff.
      margin: Samples around the image on each side.
    """
    last = resolution / 2
    powers = np.minimum(np.arange(layers + 1) / (layers - critical), 1)
    cutoffs = first_cutoff * (last / first_cutoff) ** powers
    stopbands = first_stopband * (last * last_stopband / first_stopband) ** powers
    rates = 2.0 ** np.ceil(np.log2(np.minimum(2 * stopbands, resolution)))
    widths = np.maximum(stopbands, rates / 2) - cutoffs
    sizes = rates + 2 * margin
    sizes[-2:] = resolution
    return tuple(
        Signal(int(rate), float(cutoff), float(width), int(size))
        for rate, cutoff, width, size in zip(rates, cutoffs, widths, sizes, strict=True)
    )


def resampling(
    source: Signal,
    target: Signal,
    kernel: int,
    *,
    taps: int = 6,
    oversampling: int = 2,
    radial: bool = False,
) -> Resampling:
    """Design the filters of a layer.

    Args:
      source: Input of the layer.
      target: Output of the layer.
      kernel: Kernel size of the layer's convolution, which is a full one: its output has
        every position that the kernel touches.
      taps: Filter taps per resampling factor.
      oversampling: Rate of the nonlinearity over the higher rate of input and output.
      radial: Whether the second filter is radially symmetric instead of separable.
    """
    high = max(source.rate, target.rate) * oversampling
    up, down = high // source.rate, high // target.rate
    up_filter = _low_pass(up, taps, source, high)
    down_filter = _low_pass(down, taps, target, high, radial)
    length = (target.size - 1) * down + len(down_filter) + len(up_filter) - 1
    more = length - (source.size + kernel - 1) * up
    return Resampling(up, down, up_filter, down_filter, (more + up) // 2, target.size)


def _low_pass(
    factor: int, taps: int, band: Signal, rate: int, radial: bool = False
) -> np.ndarray:
    """Design a low-pass filter with a Kaiser window; its taps sum to 1."""
    if factor == 1:
        return np.ones(1)
    count = taps * factor
    if not radial:
        width = 2 * band.half_width
        return np.asarray(scipy.signal.firwin(count, band.cutoff, width=width, fs=rate))
    decibels = scipy.signal.kaiser_atten(count, 4 * band.half_width / rate)
    window = np.kaiser(count, scipy.signal.kaiser_beta(decibels))
    offsets = (np.arange(count) - (count - 1) / 2) / rate
    distances = np.pi * np.hypot(offsets[:, None], offsets[None])
    # The number of taps is even, so no distance is 0.
    jinc = scipy.special.j1(2 * band.cutoff * distances) / distances
    kernel = jinc * np.outer(window, window)
    return kernel / kernel.sum()


def raise_rate(x: Array, way: Resampling) -> Array:
    """Upsample ``[N, H, W, C]`` by ``up``: insert zeros and filter."""
    size = (way.size - 1) * way.down + len(way.down_filter)
    for axis in (1, 2):
        x = _raise_rate(x, axis, way, size)
    return x


def lower_rate(x: Array, way: Resampling) -> Any:
    """Downsample ``[N, H, W, C]`` by ``down`` with a filter: ``[N, size, size, C]``."""
    taps, to = way.down_filter, (way.size, way.down)
    if taps.ndim == 1:
        return _filter(_filter(x, 2, taps, *to), 1, taps, *to)
    y: Any = 0.0
    last = len(taps) - 1
    for i in range(len(taps) // 2):  # the rows of a radial filter are the same from both ends
        rows = _every(x, 1, i, *to) + _every(x, 1, last - i, *to)
        y = y + _filter(rows, 2, taps[i], *to)
    return y


def _raise_rate(x: Array, axis: int, way: Resampling, size: int) -> Array:
    """Upsample one axis; each of the ``up`` phases has its own taps."""
    count = math.ceil(size / way.up)
    parts = []
    for place in range(way.up):
        first = (way.before - place) % way.up
        taps = way.up * way.up_filter[first :: way.up]
        start = (place + first - way.before) // way.up
        around = (-start, start + count + len(taps) - 1 - x.shape[axis], 0)
        around = [around if i == axis else (0, 0, 0) for i in range(x.ndim)]
        near = lax.pad(x, jnp.zeros((), x.dtype), around)
        parts.append(_filter(near, axis, taps, count))
    shape = (*x.shape[:axis], count * way.up, *x.shape[axis + 1 :])
    y = jnp.stack(parts, axis=axis + 1).reshape(shape)
    return lax.slice_in_dim(y, 0, size, axis=axis)


def _filter(x: Array, axis: int, taps: np.ndarray, count: int, step: int = 1) -> Any:
    """Filter an axis with the taps at ``count`` positions, ``step`` apart."""
    return sum(float(tap) * _every(x, axis, i, count, step) for i, tap in enumerate(taps))


def _every(x: Array, axis: int, start: int, count: int, step: int) -> Array:
    return lax.slice_in_dim(x, start, start + (count - 1) * step + 1, step, axis=axis)

"""Variety of colour: the entropy of hues."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_IMAGES = 256


class HueEntropy(NamedTuple):
    """Result of ``hue_entropy``; all are 0 for a single hue.

    Attributes:
      images: Bits, at most ``log2(bins)``, of the dominant hues of images: low if all share
        one tint.
      images_share: The same over ``log2(bins)``.
      pixels: Bits, of the hues of all pixels: low if few hues occur at all.
      pixels_share: The same over ``log2(bins)``.
    """

    images: float
    images_share: float
    pixels: float
    pixels_share: float


def hue_entropy(images: ArrayLike, bins: int = 24) -> HueEntropy:
    """Measure how many hues images have, among them and in their pixels.

    A colour is a vector in the plane across the grey axis: its angle is the hue, its
    length the chroma. The dominant hue of an image is the chroma-weighted circular mean
    of its pixels' hues, which is the hue of its mean colour. Both histograms, of
    dominant hues and of pixels, weigh each hue by its chroma, so that grey, which has
    no hue, counts for nothing and near-grey for little. An empty histogram, as all
    is grey or the hues of every image cancel, has entropy 0.

    Compare with real images, at one number of images: few images bias the entropy of
    dominant hues downwards, and faces have few hues themselves (2,000 photographs: 1.9
    and 2.6 bits of 4.6). A tint that cancels the data's own hue raises the entropy.

    Args:
      images: ``[N, H, W, 3]`` RGB, uint8 or floats of any one scale and origin.
      bins: Equal intervals of hue, the first centred on red. A multiple of 12 leaves the
        hues that many uint8 colours share, every 30 degrees, on no edge.

    Raises:
      ValueError: If the images are not a finite ``[N, H, W, 3]`` array of at least two,
        or there are fewer than two bins.

    Source: Hanbury, Circular Statistics Applied to Colour Images, 2003 (the mean hue);
    the entropies are this project's own measure.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or len(images) < 2 or not images.size:
        raise ValueError(
            f"images must be [N, H, W, 3] with two images or more, not {images.shape}"
        )
    if not np.isfinite(images).all():
        raise ValueError("images must be finite")
    if bins < 2:
        raise ValueError(f"need two bins or more, not {bins}")
    dominant, pooled = np.zeros(bins), np.zeros(bins)
    for start in range(0, len(images), _IMAGES):
        colours = images[start : start + _IMAGES].astype(np.float64)
        # The mean of colours, not of hues: in uint8 opposite hues cancel to exactly 0.
        dominant += _histogram(colours.mean(axis=(1, 2)), bins)
        pooled += _histogram(colours.reshape(-1, 3), bins)
    bits = [_entropy(histogram) for histogram in (dominant, pooled)]
    shares = [value / float(np.log2(bins)) for value in bits]
    return HueEntropy(bits[0], shares[0], bits[1], shares[1])


def _histogram(colours: np.ndarray, bins: int) -> np.ndarray:
    """Chroma of colours ``[K, 3]`` in each interval of hue: ``[bins]``."""
    red, green, blue = colours.T
    x, y = red - (green + blue) / 2, np.sqrt(0.75) * (green - blue)
    index = np.rint(np.arctan2(y, x) * bins / (2 * np.pi)).astype(int) % bins
    return np.bincount(index, np.hypot(x, y), bins)


def _entropy(histogram: np.ndarray) -> float:
    """Entropy in bits; 0 for an empty histogram."""
    weights = histogram[histogram > 0]
    shares = weights / weights.sum()
    return float(np.sum(shares * np.log2(1 / shares)))

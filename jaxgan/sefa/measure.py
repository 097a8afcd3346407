"""What a direction does, in numbers."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.linalg
from jax.typing import ArrayLike

from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.sefa.edit import move
from jaxgan.sefa.factorize import Directions, matrices

_TRIES, _CLOSE = 8, 0.01
CHANGE = 0.1  # root mean square, of pixels in [-1, 1]: what one image unit is


class Effect(NamedTuple):
    """What a direction does to images, for each of ``[N]`` codes.

    Attributes:
      change_per_unit: Root mean square change of pixels in [-1, 1] per unit of distance,
        from one end of the path to the other, along all its steps.
      smoothness: How even the change is along the path: mean step over largest step; 1 is
        even.
      straightness: Change from one end to the other over the sum of the steps' changes.
    """

    change_per_unit: np.ndarray
    smoothness: np.ndarray
    straightness: np.ndarray


def effect(images: ArrayLike, distances: ArrayLike) -> Effect:
    """Measure images along a path.

    Args:
      images: ``[T, N, H, W, C]`` in [-1, 1], of T codes on a line.
      distances: ``[T]``, rising.
    """
    images = np.clip(np.asarray(images, np.float32), -1, 1)
    steps = np.stack([_difference(a, b) for a, b in zip(images, images[1:], strict=False)])
    ends, spread = _difference(images[0], images[-1]), np.ptp(np.asarray(distances))
    tiny = np.finfo(np.float32).tiny
    gaps = np.diff(np.asarray(distances))[:, None]
    return Effect(
        change_per_unit=steps.sum(0) / spread,
        smoothness=(steps.sum(0) / spread) / np.maximum((steps / gaps).max(0), tiny),
        straightness=ends / np.maximum(steps.sum(0), tiny),
    )


def _difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Root mean square difference per example, ``[N]``."""
    return np.sqrt(np.square(a - b).mean(axis=(1, 2, 3)))


def image_units(
    generator: Pretrained,
    codes: ArrayLike,
    found: Directions,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Distances ``[K]`` at which each direction changes images by ``CHANGE``.

    The change is from the codes as they are, the mean of both ways and of all codes.

    Args:
      generator: Of the images.
      codes: To measure with; a few are enough.
      found: The directions.
      check: Called between images; may raise.

    Raises:
      InputError: If no distance of a direction changes the images by that, to a tenth.
    """
    still = np.clip(np.asarray(generator.images(codes)), -1, 1)
    units = []
    for number, (vector, layers) in enumerate(zip(found.vectors, found.layers, strict=True), 1):

        def change(distance, vector=vector, layers=layers):
            check()
            ends = [
                generator.images(move(codes, vector, sign * distance, layers))
                for sign in (-1, 1)
            ]
            return np.mean([_difference(np.clip(np.asarray(e), -1, 1), still) for e in ends])

        distance, size = 1.0, change(1.0)
        for _ in range(_TRIES):
            if not 0 < size < np.inf or abs(size / CHANGE - 1) < _CLOSE:
                break
            distance *= float(np.clip(CHANGE / size, 0.05, 20))
            size = change(distance)
        if not abs(size / CHANGE - 1) < 0.1:
            raise InputError(
                f"direction {number} changes the images by {size:.2g} at a distance of "
                f"{distance:.2g}, and at none by {CHANGE}; distances in units of the code do"
            )
        units.append(distance)
    return np.array(units)


def layer_shares(generator: Pretrained, found: Directions) -> np.ndarray:
    """Shares ``[K, L]`` of what a direction moves that each layer's matrices make up.

    One column where the generator has no layers. Rows sum to 1, or to 0 where a direction
    moves no unit.
    """
    shares = np.zeros((len(found.vectors), max(generator.num_layers, 1)))
    for group in set(found.layers):
        members = [k for k, layers in enumerate(found.layers) if layers == group]
        vectors = found.vectors[members].T.astype(np.float64)
        for layer, rows in matrices(generator, group, found.normalisation, found.to_rgb):
            shares[members, layer] += np.square(rows @ vectors).sum(0)
    sums = shares.sum(axis=1, keepdims=True)
    return np.divide(shares, sums, out=shares, where=sums > 0)


def principal_angles(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Angles between the spaces that two sets of directions span, degrees, rising.

    Zeros mean that one set can be made of the other.

    Args:
      first: ``[K, D]`` rows, of any length.
      second: ``[M, D]`` rows.

    Returns:
      ``[min(K, M)]``, in [0, 90].

    Raises:
      InputError: If D differs or the rows of a set depend on each other.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    for rows in (first, second):
        if rows.ndim != 2 or rows.shape[1] != first.shape[-1]:
            raise InputError(f"directions {first.shape} and {second.shape} do not match")
        if np.linalg.matrix_rank(rows) < len(rows):
            raise InputError("directions of one set depend on each other")
    return np.degrees(np.sort(scipy.linalg.subspace_angles(first.T, second.T)))

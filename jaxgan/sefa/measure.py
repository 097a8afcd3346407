"""Measure how directions change images, in which layers, and what spaces they span."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy
from jax.typing import ArrayLike

from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.sefa.edit import move
from jaxgan.sefa.factorize import Directions, matrices

_TRIES, _CLOSE = 8, 0.01
CHANGE = 0.1  # one image unit: root mean square change of pixels in [-1, 1]


class Effect(NamedTuple):
    """The effect of a direction on the images of N codes; each measure is ``[N]``.

    Attributes:
      change_per_unit: Root mean square change of pixels in [-1, 1], summed over the steps of
        the path and divided by its length.
      smoothness: Mean change per unit of distance divided by the largest one; 1 if the
        change is even.
      straightness: Change from one end to the other divided by the sum over the steps.
    """

    change_per_unit: np.ndarray
    smoothness: np.ndarray
    straightness: np.ndarray


def effect(images: ArrayLike, distances: ArrayLike) -> Effect:
    """Measure how images change along a path.

    Args:
      images: ``[T, N, H, W, C]`` in [-1, 1], for T codes on a line.
      distances: ``[T]``, increasing.

    Examples:
      ``jaxgan.sefa.effect([generator.images(step) for step in steps], [-2, 0, 2])``, with
      ``steps`` from ``path``.
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
    """Return the root mean square difference ``[N]`` of each image."""
    return np.sqrt(np.square(a - b).mean(axis=(1, 2, 3)))


def image_units(
    generator: Pretrained,
    codes: ArrayLike,
    directions: Directions,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Return the distance ``[K]`` at which each direction changes images by ``CHANGE``.

    The change is measured from the unmoved images and averaged over both signs and all codes.

    Args:
      generator: The generator of the images.
      codes: ``[N, ...]``; a few suffice.
      directions: The K directions.
      check: Called between images; it may raise to stop.

    Raises:
      InputError: If no distance along a direction gives this change, within 10 %.

    Examples:
      ``units = jaxgan.sefa.image_units(generator, codes[:4], found)``
    """
    still = np.clip(np.asarray(generator.images(codes)), -1, 1)
    units = []
    for number, (vector, layers) in enumerate(
        zip(directions.vectors, directions.layers, strict=True), 1
    ):

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
                f"direction {number} changes the images by {size:.2g} at distance "
                f"{distance:.2g} and by {CHANGE} at no distance; use distances in units of "
                "the code"
            )
        units.append(distance)
    return np.array(units)


def layer_shares(generator: Pretrained, directions: Directions) -> np.ndarray:
    """Return each layer's share ``[K, L]`` of the squared change ``|A v|^2`` by a direction.

    There is one column if the generator has no layers. Rows sum to 1, or to 0 if a direction
    changes nothing.

    Examples:
      ``jaxgan.sefa.layer_shares(generator, found).argmax(axis=1)`` are the strongest layers.
    """
    shares = np.zeros((len(directions.vectors), max(generator.num_layers, 1)))
    for group in set(directions.layers):
        members = [k for k, layers in enumerate(directions.layers) if layers == group]
        vectors = directions.vectors[members].T.astype(np.float64)
        for layer, rows in matrices(
            generator, group, directions.normalisation, directions.to_rgb
        ):
            shares[members, layer] += np.square(rows @ vectors).sum(0)
    sums = shares.sum(axis=1, keepdims=True)
    return np.divide(shares, sums, out=shares, where=sums > 0)


def principal_angles(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Return the principal angles between the spaces that two sets of directions span.

    If all angles are 0, one space contains the other.

    Args:
      first: ``[K, D]``, linearly independent rows of any length.
      second: ``[M, D]``, likewise.

    Returns:
      ``[min(K, M)]`` degrees in [0, 90], increasing.

    Raises:
      InputError: If D differs or the rows of a set are linearly dependent.

    Examples:
      ``jaxgan.sefa.principal_angles(found.vectors, others.vectors)``
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    for rows in (first, second):
        if rows.ndim != 2 or rows.shape[1] != first.shape[-1]:
            raise InputError(f"directions {first.shape} and {second.shape} do not match")
        if np.linalg.matrix_rank(rows) < len(rows):
            raise InputError("the directions of one set are linearly dependent")
    return np.degrees(np.sort(scipy.linalg.subspace_angles(first.T, second.T)))

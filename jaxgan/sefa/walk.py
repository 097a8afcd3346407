"""Walk through latent space on the sphere near which normal latents lie."""

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.errors import InputError

_STRAIGHT = 1e-6  # radians from 0 or pi: nearer than this, no great circle is defined


def slerp(start: ArrayLike, end: ArrayLike, shares: ArrayLike) -> np.ndarray:
    """Interpolate between two points of a sphere along the shorter arc of a great circle.

    Args:
      start: ``[D]``.
      end: ``[D]``, of the same length. Between opposite points any great circle is taken.
      shares: ``[T]`` shares of the way, 0 to 1.

    Returns:
      ``[T, D]`` float64.

    Examples:
      ``jaxgan.sefa.slerp([1, 0], [0, 1], [0, 0.5, 1])``

    Source: Shoemake, Animating rotation with quaternion curves, 1985; White, arXiv
    1609.04468.
    """
    a, b, t = (np.asarray(x, np.float64) for x in (start, end, shares))
    radius = np.linalg.norm(a)
    angle = _angle(a, b)
    side = b - a * (a @ b) / radius**2  # the part of b orthogonal to a
    if angle > np.pi - _STRAIGHT:
        side = np.zeros_like(a)
        side[np.argmin(np.abs(a))] = 1.0
        side -= a * (a @ side) / radius**2
    length = np.linalg.norm(side)
    if angle < _STRAIGHT or length == 0:
        return np.repeat(a[None], len(t), axis=0)
    turn = (t * angle)[:, None]
    return np.cos(turn) * a + np.sin(turn) * radius * side / length


def closed_walk(stops: ArrayLike, count: int) -> np.ndarray:
    """Make a closed walk past all stops, at constant speed on the sphere of radius root D.

    Normal latents in D dimensions lie close to this sphere; straight lines between them pass
    through its inside, where there are hardly any. The walk follows great circles from each
    stop to the next and from the last back to the first.

    Args:
      stops: Latents ``[K, D]``; they are projected onto the sphere.
      count: Number T of points, evenly spaced along the walk. The last is one step before
        the first, so that the walk can repeat. The stops need not be among the points.

    Returns:
      ``[T, D]`` float32.

    Raises:
      InputError: If there are fewer than two stops, D is below 2, or a stop is 0.

    Examples:
      ``z = jaxgan.sefa.closed_walk(np.random.default_rng(0).normal(size=(4, 512)), 96)``
    """
    z = np.asarray(stops, np.float64)
    if z.ndim != 2 or len(z) < 2 or z.shape[1] < 2:
        raise InputError(
            f"stops have shape {list(z.shape)}; a walk needs [K, D] with 2 stops or more of "
            "2 latent dimensions or more"
        )
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    if not np.isfinite(z).all() or not norms.all():
        raise InputError("stops must be finite and not 0")
    z = z * np.sqrt(z.shape[1]) / norms
    ends = np.roll(z, -1, axis=0)
    angles = np.array([_angle(a, b) for a, b in zip(z, ends, strict=True)])
    arc = np.concatenate([[0], np.cumsum(angles)])
    at = arc[-1] * np.arange(count) / count
    legs = np.minimum(np.searchsorted(arc, at, side="right") - 1, len(z) - 1)
    walk = np.empty((count, z.shape[1]), np.float32)
    for leg in np.unique(legs):
        here = legs == leg
        shares = (at[here] - arc[leg]) / max(angles[leg], _STRAIGHT)
        walk[here] = slerp(z[leg], ends[leg], shares)
    return walk


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    """Return the angle between two vectors; accurate where the arc cosine is not."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return float(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))

"""Walks through latent space, on the sphere on which normal latents nearly lie."""

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.errors import InputError

_STRAIGHT = 1e-6  # radians from 0 or pi, where the great circle is not determined


def slerp(start: ArrayLike, end: ArrayLike, shares: ArrayLike) -> np.ndarray:
    """Go from one point to another of a sphere around 0, on the shorter great circle.

    Args:
      start: ``[D]``.
      end: ``[D]``, as far from 0. Of two opposite points, any great circle is taken.
      shares: ``[T]`` shares of the way, 0 to 1.

    Returns:
      ``[T, D]`` float64.

    Source: Shoemake, Animating rotation with quaternion curves, 1985; White, arXiv
    1609.04468.
    """
    a, b, t = (np.asarray(x, np.float64) for x in (start, end, shares))
    radius = np.linalg.norm(a)
    angle = _angle(a, b)
    side = b - a * (a @ b) / radius**2  # what of b is at a right angle to a
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
    """Go round by all stops on the sphere of radius root D, at an even pace.

    Normal latents of length D lie close to that sphere; straight lines between them pass
    through its inside, where there are none. The walk goes by great circles from each stop to
    the next one and from the last to the first.

    Args:
      stops: Latents ``[K, D]``, which are moved to the sphere.
      count: Places T on the walk. They are evenly spaced over the whole round, so that the
        last is one step before the first; a stop need not be among them.

    Returns:
      ``[T, D]`` float32.

    Raises:
      InputError: If there are fewer than two stops, or D is below 2, where a sphere has no
        ways, or a stop is 0.
    """
    z = np.asarray(stops, np.float64)
    if z.ndim != 2 or len(z) < 2 or z.shape[1] < 2:
        raise InputError(
            f"stops have shape {list(z.shape)}; a walk needs [K, D] with 2 stops or more of "
            "2 latent dimensions or more"
        )
    norms = np.linalg.norm(z, axis=1, keepdims=True)
    if not np.isfinite(z).all() or not norms.all():
        raise InputError("stops must be finite and other than 0")
    z = z * np.sqrt(z.shape[1]) / norms
    ends = np.roll(z, -1, axis=0)
    angles = np.array([_angle(a, b) for a, b in zip(z, ends, strict=True)])
    passed = np.concatenate([[0], np.cumsum(angles)])
    at = passed[-1] * np.arange(count) / count
    legs = np.minimum(np.searchsorted(passed, at, side="right") - 1, len(z) - 1)
    walk = np.empty((count, z.shape[1]), np.float32)
    for leg in np.unique(legs):
        here = legs == leg
        shares = (at[here] - passed[leg]) / max(angles[leg], _STRAIGHT)
        walk[here] = slerp(z[leg], ends[leg], shares)
    return walk


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    """The angle between two vectors; exact where the arc cosine is not."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return float(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))

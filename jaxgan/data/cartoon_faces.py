"""Cartoon faces with known factors of variation: face images without a download."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.data._cartoon_drawing import draw
from jaxgan.errors import InputError, lookup

MAX_COUNT = 10**6
SIZES = (16, 256)  # smallest and largest side of an image in pixels
_CHUNK = 96 * 64 * 64  # pixels to draw at once, which fit in a processor's cache


class Factor(NamedTuple):
    """A property of faces that varies independently of the others.

    Attributes:
      low: Smallest value.
      high: Largest value.
      about: Description of both ends.
      binary: Whether ``low`` and ``high`` are the only values.
    """

    low: float
    high: float
    about: str
    binary: bool = False


FACTORS: dict[str, Factor] = {
    "hair_length": Factor(0, 1, "nearly bald to below the shoulders"),
    "hair_colour": Factor(0, 1, "black, brown, auburn, ginger, blond, platinum; brows too"),
    "skin": Factor(0, 1, "light to dark"),
    "turn": Factor(-1, 1, "facing the left to facing the right of the image"),
    "smile": Factor(-1, 1, "sad to smiling"),
    "mouth_open": Factor(0, 1, "mouth shut to mouth open"),
    "glasses": Factor(0, 1, "without or with", binary=True),
    "age": Factor(0, 1, "no lines to deep lines of forehead, eyes and cheeks"),
    # The others add variety, but say less about the person.
    "background": Factor(0, 1, "teal, blue, lilac, rose, peach, yellow, green"),
    "shirt": Factor(0, 1, "navy, teal, green, mustard, coral, berry, cream"),
    "eye_colour": Factor(0, 1, "brown, hazel, green, blue, grey"),
    "fringe": Factor(-1, 1, "hair swept to the left to swept to the right of the image"),
    "head_width": Factor(-1, 1, "narrow to wide head"),
    "shift_x": Factor(-1, 1, "person to the left to person to the right"),
    "shift_y": Factor(-1, 1, "person up to person down"),
}


class Faces(NamedTuple):
    """Images of faces, and their factors.

    Attributes:
      images: ``[N, size, size, 3]`` uint8, RGB.
      factors: Values ``[N]`` float32, by name in ``FACTORS``.
    """

    images: np.ndarray
    factors: dict[str, np.ndarray]


def load(count: int, seed: int = 0, size: int = 64) -> Faces:
    """Draw random faces: ``render`` of ``sample_factors``.

    Args:
      count: N, 1 to a million.
      seed: Seed of the factors, 0 or more.
      size: Side of the images in pixels, 16 to 256.

    Raises:
      InputError: If an argument is out of range.

    Examples:
      >>> from jaxgan.data import cartoon_faces
      >>> faces = cartoon_faces.load(4, size=32)
      >>> faces.images.shape, faces.factors["smile"].shape
      ((4, 32, 32, 3), (4,))
    """
    _check_whole("size", size, *SIZES)
    factors = sample_factors(count, seed)
    return Faces(render(factors, size), factors)


def sample_factors(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw independent, uniform factors; face i depends only on the seed and on i.

    Args:
      count: N, 1 to a million.
      seed: 0 or more.

    Returns:
      Values ``[N]`` float32, by name in ``FACTORS``.

    Raises:
      InputError: If an argument is out of range.
    """
    _check_whole("count", count, 1, MAX_COUNT)
    _check_whole("seed", seed, 0)
    factors = {}
    for number, (name, factor) in enumerate(FACTORS.items()):
        values = np.random.default_rng([number, seed]).random(count)  # a stream for each factor
        if factor.binary:
            values = np.round(values)
        values = factor.low + (factor.high - factor.low) * values
        factors[name] = values.astype(np.float32)
    return factors


def render(factors: Mapping[str, ArrayLike], size: int = 64) -> np.ndarray:
    """Draw faces with given factors.

    Args:
      factors: Values ``[N]`` in the factor's range, for every name in ``FACTORS``.
      size: Side of the images in pixels, 16 to 256.

    Returns:
      ``[N, size, size, 3]`` uint8, RGB.

    Raises:
      InputError: If a factor is unknown, missing, of another shape or out of range, or the
        size is out of range.
    """
    _check_whole("size", size, *SIZES)
    values = _check(factors)
    count = len(values["turn"])
    images = np.empty((count, size, size, 3), np.uint8)
    step = max(16, _CHUNK // size**2)
    for start in range(0, count, step):
        part = {name: value[start : start + step] for name, value in values.items()}
        images[start : start + step] = draw(part, size)
    return images


def _check_whole(name: str, value: int, low: int, high: float = np.inf) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        bounds = f"of {low} or more" if high == np.inf else f"from {low} to {high}"
        raise InputError(f"{name} is {value!r}; it must be a whole number {bounds}")


def _check(factors: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    """Check the factors, and return them as float64 arrays ``[N]``."""
    for name in factors:
        lookup("factor", name, FACTORS)
    missing = [name for name in FACTORS if name not in factors]
    if missing:
        raise InputError(f"no values of the factor {', '.join(map(repr, missing))}")
    return {name: _check_values(name, factors) for name in FACTORS}


def _check_values(name: str, factors: Mapping[str, ArrayLike]) -> np.ndarray:
    first = next(iter(FACTORS))
    try:
        values, others = np.asarray(factors[name]), np.asarray(factors[first])
    except ValueError as error:
        raise InputError(f"factor {name!r} is not an array [N]: {error}") from error
    if values.dtype.kind not in "fiub":
        raise InputError(f"factor {name!r} holds {values.dtype}, not real numbers")
    if values.ndim != 1 or values.shape != others.shape or not len(values):
        raise InputError(
            f"factor {name!r} has shape {list(values.shape)} and {first!r} "
            f"{list(others.shape)}; all are [N], N the same and 1 or more"
        )
    values = values.astype(np.float64)
    low, high, _, binary = FACTORS[name]
    good = (values == low) | (values == high) if binary else (low <= values) & (values <= high)
    if not good.all():
        index = int(np.argmin(good))
        raise InputError(
            f"factor {name!r} is {values[index]:g} at {index} (counted from 0); it must be "
            f"{low:g} {'or' if binary else 'to'} {high:g}"
        )
    return values

"""What the live page is told, and how it is sent."""

import json
import math
import struct
from typing import Any, NamedTuple

import numpy as np

from experiments.points.live.programs import Picture


class Shot(NamedTuple):
    """What the page is told.

    Attributes:
      number: Grows with every shot.
      facts: For JSON.
      picture: As ``Training.look`` returns it.
      curve: As that of ``Training``.
      real: Points held out ``[N, 2]``, in shares of what is shown.
    """

    number: int
    facts: dict[str, Any]
    picture: Picture
    curve: list[tuple[Any, ...]]
    real: np.ndarray


NO_SHOT = Shot(0, {}, Picture(*[np.zeros(0, np.float32)] * 4), [], np.zeros((0, 2)))


def encoded(shot: Shot, after: int) -> bytes:
    """A shot as the page reads it.

    The length of a JSON text (4 bytes, little-endian), the text, padded with blanks to a
    multiple of 4, then arrays of float32 one after another, whose lengths the text has.

    Args:
      shot: What is told.
      after: Number of the last shot that the page has; it gets later points of the curves.
    """
    curve = [point for point in shot.curve if point[0] > after]
    arrays = shot.picture._asdict()
    facts = shot.facts | {
        "curve": curve,
        "arrays": {name: x.size for name, x in arrays.items()},
    }
    text = json.dumps(finite(facts), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    parts = [np.ascontiguousarray(x, "<f4").tobytes() for x in arrays.values()]
    return b"".join([struct.pack("<I", len(text)), text, *parts])


def finite(value: Any) -> Any:
    """The value with ``None`` for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: finite(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""The data of the live page and their encoding."""

import json
import math
import struct
from typing import Any, NamedTuple

import numpy as np

from experiments.points.live.programs import Picture


class Shot(NamedTuple):
    """One message to the page.

    Attributes:
      number: Increases with every shot.
      facts: JSON values.
      picture: Picture from ``Training.look``.
      curve: Curve of ``Training``.
      real: Held-out points ``[N, 2]``, as shares of the visible area.
    """

    number: int
    facts: dict[str, Any]
    picture: Picture
    curve: list[tuple[Any, ...]]
    real: np.ndarray


NO_SHOT = Shot(0, {}, Picture(*[np.zeros(0, np.float32)] * 4), [], np.zeros((0, 2)))


def encoded(shot: Shot, after: int) -> bytes:
    """Encode a shot for the page.

    The format is: the length of a JSON text (4 bytes, little-endian), the text, padded with
    spaces to a multiple of 4 bytes, then float32 arrays, whose lengths are in the text.

    Args:
      shot: The shot.
      after: Number of the page's last shot; only later points of the curves are sent.
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
    """Replace numbers that JSON lacks (NaN, infinity) by ``None``."""
    if isinstance(value, dict):
        return {name: finite(x) for name, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(x) for x in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

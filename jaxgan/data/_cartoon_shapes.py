"""Shapes of cartoon faces: ellipses, boxes and strokes with smooth edges."""

from typing import NamedTuple

import numpy as np


class Scene(NamedTuple):
    """Pictures of N faces, or a window of them.

    The last axis is that of faces, so windows are contiguous.

    Attributes:
      image: ``[3, h, w, N]``, colours from 0 to 255.
      head: ``[h, w, N]``, coverage by the head, from 0 to 1.
      x: ``[1 or h, w, N]``, coordinates, to the right from the middle of the person.
      y: ``[h, 1 or w, N]``, coordinates, downwards.
      scale: Pixels per unit of the coordinates.
    """

    image: np.ndarray
    head: np.ndarray
    x: np.ndarray
    y: np.ndarray
    scale: float


def window(scene: Scene, left, right, top, bottom) -> Scene:
    """Cut out the part of a scene within the bounds ``[N]`` of any face, plus one pixel."""
    pixel = np.float32(1 / scene.scale)
    x, y = scene.x[0], scene.y[:, 0]
    columns = _span(((x > left - pixel) & (x < right + pixel)).any(axis=1))
    rows = _span(((y > top - pixel) & (y < bottom + pixel)).any(axis=1))
    return Scene(
        scene.image[:, rows, columns],
        scene.head[rows, columns],
        scene.x[:, columns],
        scene.y[rows],
        scene.scale,
    )


def _span(inside: np.ndarray) -> slice:
    indices = np.flatnonzero(inside)
    return slice(indices[0], indices[-1] + 1) if len(indices) else slice(0)


def paint(scene: Scene, coverage: np.ndarray, colour: np.ndarray) -> None:
    """Blend a colour ``[3, N]`` into a scene by its coverage ``[h, w, N]``, from 0 to 1."""
    for channel, value in zip(scene.image, colour, strict=False):
        change = value - channel
        change *= coverage
        channel += change


def edge(distance: np.ndarray) -> np.ndarray:
    """Convert the distance from a shape, in pixels, to its coverage, in place."""
    np.subtract(np.float32(0.5), distance, out=distance)
    return np.clip(distance, 0, 1, out=distance)


def ellipse(scene: Scene, x, y, a, b) -> np.ndarray:
    """Compute the distance from an ellipse at x, y with half axes a, b, in pixels."""
    distance = radius(scene, x, y, a, b)
    distance -= 1
    distance *= np.sqrt(np.float32(a) * np.float32(b)) * np.float32(scene.scale)
    return distance


def radius(scene: Scene, x, y, a, b) -> np.ndarray:
    """Compute the distance from x, y in units of the half axes; it is 1 on the ellipse."""
    across = (scene.x - x) / a
    down = (scene.y - y) / b
    across *= across
    down *= down
    square = across + down
    return np.sqrt(square, out=square)


def slab(scene: Scene, x, half, top, bottom, corners) -> np.ndarray:
    """Compute the distance from an upright box with elliptic corners, in pixels.

    ``corners`` are the width of the corners, and their heights at the top and the bottom.
    """
    wide, high, low = corners
    across = _beyond(np.abs(scene.x - x), half - wide, 1 / wide)
    above = _beyond(-scene.y, -(top + high), 1 / high)
    down = above + _beyond(scene.y, bottom - low, 1 / low)
    across *= across
    down *= down
    distance = across + down
    np.sqrt(distance, out=distance)
    distance -= 1
    distance *= wide * np.float32(scene.scale)
    return distance


def _beyond(values: np.ndarray, bound, factor) -> np.ndarray:
    """Compute how far values are beyond a bound, times a factor; 0 before it."""
    values = values - bound
    np.maximum(values, 0, out=values)
    values *= factor
    return values


def stroke(scene: Scene, x, y, half, bend, thick) -> np.ndarray:
    """Compute the coverage of a line from ``x - half`` to ``x + half``.

    The ends of the line lie ``bend`` below its middle at y. It tapers from ``thick`` in the
    middle to nothing at the ends.
    """
    along = (scene.x - x) / half
    taper = np.sqrt(np.maximum(1 - along**2, 0)) * (thick * np.float32(scene.scale) / 2)
    steep = np.float32(scene.scale) / np.sqrt(1 + (2 * bend / half * along) ** 2)
    distance = np.abs(scene.y - (y + bend * along**2))
    distance *= steep
    np.subtract(taper + np.float32(0.5), distance, out=distance)
    # A line thinner than a pixel is pale instead of a pixel wide.
    return np.clip(distance, 0, np.minimum(2 * taper, 1), out=distance)


def sideways(scene: Scene) -> Scene:
    """Exchange x and y of a scene, to draw upright strokes."""
    head, x, y = (part.swapaxes(0, 1) for part in scene[1:4])
    return Scene(scene.image.swapaxes(1, 2), head, y, x, scene.scale)

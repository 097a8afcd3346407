"""Transforms by which a StyleGAN3 turns and shifts what it draws."""

import numpy as np


def placement(degrees: float = 0.0, right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """Return the transform ``[3, 3]`` that turns and then shifts images.

    It maps a place in the image, ``(x, y, 1)``, to the one that is drawn there. Sides have
    length 1, the origin is the centre, and y points down.

    Args:
      degrees: Angle, counter-clockwise.
      right: Shift as a share of the image's width.
      down: Shift as a share of its height.
    """
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    back = np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1]])
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ back

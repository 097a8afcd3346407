"""Transforms that rotate and shift the images of a StyleGAN3."""

import numpy as np


def placement(degrees: float = 0.0, right: float = 0.0, down: float = 0.0) -> np.ndarray:
    """Return the transform ``[3, 3]`` that rotates and then shifts images.

    It maps a position ``(x, y, 1)`` in the result to the position in the untransformed image
    that appears there. The image has sides of length 1, the origin is the centre, and y
    points down.

    Args:
      degrees: Angle, counter-clockwise.
      right: Shift to the right, as a share of the width.
      down: Shift down, as a share of the height.

    Examples:
      ``generator.images(codes, transforms.placement(degrees=10))``
    """
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    back = np.array([[1, 0, -right], [0, 1, -down], [0, 0, 1]])
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ back

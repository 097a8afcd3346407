"""An attribute: something that a network can score in a picture."""

from typing import NamedTuple


class Attribute(NamedTuple):
    """Something that a score says of a picture.

    Attributes:
      name: Fit to name a direction, such as ``age``.
      unit: Of the score.
      minus: What a lower score means, such as ``younger``.
      plus: What a higher score means.
    """

    name: str
    unit: str
    minus: str
    plus: str

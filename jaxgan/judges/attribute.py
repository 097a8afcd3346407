"""Attributes: the meaning of a picture's scores."""

from typing import NamedTuple


class Attribute(NamedTuple):
    """Something that a network can score in a picture.

    Attributes:
      name: A name that a direction may take, such as ``age``.
      unit: Unit of the score.
      minus: What a lower score means, such as ``younger``.
      plus: What a higher score means.
    """

    name: str
    unit: str
    minus: str
    plus: str

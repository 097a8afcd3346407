"""Semantic directions of a generator, from its weights alone.

Source: Shen and Zhou, arXiv 2007.06600.
"""

from jaxgan.sefa.edit import as_codes, move, path
from jaxgan.sefa.factorize import TOOLS, Directions, directions, select_layers
from jaxgan.sefa.measure import effect, image_units, layer_shares, principal_angles

__all__ = [
    "TOOLS",
    "Directions",
    "as_codes",
    "directions",
    "effect",
    "image_units",
    "layer_shares",
    "move",
    "path",
    "principal_angles",
    "select_layers",
]

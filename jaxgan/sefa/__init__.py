"""Semantic directions of a generator, from its weights alone.

Source: Shen and Zhou, arXiv 2007.06600.
"""

from jaxgan.sefa.edit import move, path
from jaxgan.sefa.factorize import TOOLS, Directions, directions, select_layers

__all__ = ["TOOLS", "Directions", "directions", "move", "path", "select_layers"]

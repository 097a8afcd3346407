"""Semantic directions of a generator, from its weights alone.

``directions`` finds them, ``draw_codes`` and ``move`` edit codes with them; its example and
``docs/sefa.md`` show how.

Source: Shen and Zhou, arXiv 2007.06600.
"""

from jaxgan.sefa.code_files import read_codes
from jaxgan.sefa.edit import as_codes, draw_codes, mix, move, path
from jaxgan.sefa.factorize import (
    TOOLS,
    Directions,
    directions,
    mean_spread,
    select_groups,
    select_layers,
    spell_layers,
    spreads,
)
from jaxgan.sefa.measure import effect, image_units, layer_shares, principal_angles
from jaxgan.sefa.walk import closed_walk, slerp

__all__ = [
    "TOOLS",
    "Directions",
    "as_codes",
    "closed_walk",
    "directions",
    "draw_codes",
    "effect",
    "image_units",
    "layer_shares",
    "mean_spread",
    "mix",
    "move",
    "path",
    "principal_angles",
    "read_codes",
    "select_groups",
    "select_layers",
    "slerp",
    "spell_layers",
    "spreads",
]

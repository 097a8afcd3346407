"""Names and numbers of directions that were measured beforehand.

They are directions of generators in ``convert.zoo``. ``benchmarks/known.py`` writes the file
that holds them, ``known.json``, from runs of ``scoring.score_directions``.
"""

import functools
import json
from importlib import resources
from typing import Any

import numpy as np

from jaxgan.sefa.factorize import Directions, spell_layers

COMPONENTS = 12  # of a vector, by which it is recognised with its sign
_TOLERANCE = 0.003  # of a component; those of vectors that differ are 0.04 to 0.1 in size


def recognise(directions: Directions) -> list[dict[str, Any] | None]:
    """Find what was measured of each of K directions.

    Returns:
      ``[K]`` entries as in the report of ``scoring.score_directions``, with three of
      the shifts and the ends of the likeness, and with ``measured``, which says on
      whom and at which distances. None for directions that were not measured.
    """
    known = _table().get(directions.fingerprint, [])
    starts = np.reshape([entry["vector"] for entry in known], (len(known), COMPONENTS))
    return [
        next(
            (
                known[i]
                for i in np.flatnonzero(_near(vector[:COMPONENTS], starts))
                if known[i]["layers"] == spell_layers(layers)
            ),
            None,
        )
        for vector, layers in zip(directions.vectors, directions.layers, strict=True)
    ]


def names(entries: list[dict[str, Any] | None]) -> list[str]:
    """Names ``[K]`` of directions, empty for those without."""
    return [entry["name"] if entry else "" for entry in entries]


def _near(start: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Tell which of ``starts`` ``[M, COMPONENTS]`` are the beginning of a vector."""
    if len(start) < COMPONENTS:
        return np.zeros(len(starts), bool)
    return np.abs(starts - start[None]).max(axis=1, initial=0) <= _TOLERANCE


@functools.cache
def _table() -> dict[str, list[dict[str, Any]]]:
    """Fingerprint of a generator to the entries of its directions."""
    return json.loads(resources.files("jaxgan.sefa").joinpath("known.json").read_text("utf-8"))

"""Names and measures of known directions of the generators in ``convert.zoo``.

They are stored in ``known.json``, which ``benchmarks/known.py`` writes from the results of
``scoring.score_directions``.
"""

import functools
import json
from importlib import resources
from typing import Any

import numpy as np

from jaxgan.sefa.factorize import Directions, spell_layers

COMPONENTS = 12  # of a vector: these identify it and its sign
_TOLERANCE = 0.003  # of a component; in different vectors components are 0.04 to 0.1 in size


def recognise(directions: Directions) -> list[dict[str, Any] | None]:
    """Look up the measures of K directions.

    Returns:
      For each direction an entry as in the report of ``scoring.score_directions``, with three
      of the shifts, the likeness at both ends, and ``measured``, which states the people and
      the distances. None for an unknown direction.
    """
    entries = _table().get(directions.fingerprint, [])
    starts = np.reshape([entry["vector"] for entry in entries], (len(entries), COMPONENTS))
    return [
        next(
            (
                entries[i]
                for i in np.flatnonzero(_near(vector[:COMPONENTS], starts))
                if entries[i]["layers"] == spell_layers(layers)
            ),
            None,
        )
        for vector, layers in zip(directions.vectors, directions.layers, strict=True)
    ]


def names(entries: list[dict[str, Any] | None]) -> list[str]:
    """Return the names ``[K]`` of directions; empty for those without a name."""
    return [entry["name"] if entry else "" for entry in entries]


def _near(start: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return which rows of ``starts`` ``[M, COMPONENTS]`` match the start of a vector."""
    if len(start) < COMPONENTS:
        return np.zeros(len(starts), bool)
    return np.abs(starts - start[None]).max(axis=1, initial=0) <= _TOLERANCE


@functools.cache
def _table() -> dict[str, list[dict[str, Any]]]:
    """Read the entries of directions, by the fingerprint of their generator."""
    return json.loads(resources.files("jaxgan.sefa").joinpath("known.json").read_text("utf-8"))

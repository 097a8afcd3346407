"""Suggest names for directions from their measured effects, and print the effects.

Most directions have no effect that deserves a name.

``jaxgan/sefa/scoring.py`` and ``experiments/sefa/report.py`` show the functions at work.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics.intervals import student
from jaxgan.sefa.attributes import CONFIDENCE, Shift
from jaxgan.sefa.factorize import spell_layers

NOTABLE = 0.5  # standard deviations among people: a medium effect (Cohen), visible in images
SHARE = 0.5  # of the strongest effect: least share for a second attribute in a name
ALIKE = 0.7  # correlation among people at which two attributes count as one


class Name(NamedTuple):
    """A suggested name of a direction.

    Attributes:
      name: A name such as ``age and gender``; empty if no effect is notable.
      plus: The effect of positive distances: ``older +1.3 sd, more male +0.9 sd``.
      minus: The effect of negative distances: ``younger, more female``.
    """

    name: str
    plus: str
    minus: str


def suggest_name(
    shifts: Sequence[Shift],
    tests: int,
    correlations: ArrayLike | None = None,
    *,
    notable: float = NOTABLE,
    most: int = 2,
) -> Name:
    """Name a direction after the attributes that it changes, the strongest first.

    An attribute enters the name if

    * at least half of the people have a visible face at every distance;
    * its mean slope differs from 0 by Student's t interval at confidence ``1 - 0.05 / tests``
      (Bonferroni correction: if no direction had an effect, the probability that any of them
      gets a name would be at most 5 %);
    * its change from end to end has the sign of the slope and is at least ``notable``
      standard deviations among people: a real difference may be too small to see;
    * its change is at least ``SHARE`` of the strongest one;
    * its correlation among unmoved people with each attribute already named is below
      ``ALIKE``. Correlated attributes count as one, named after the first of them in
      ``shifts``; so the broadest should come first, for instance gender before lipstick.

    Args:
      shifts: Effects of one direction.
      tests: Number of attributes times number of directions.
      correlations: ``[A, A]`` among unmoved people, from ``attributes.correlations``; None
        stands for no correlation.
      notable: Least effect, in standard deviations.
      most: Largest number of attributes in a name.
    """
    likeness = np.eye(len(shifts)) if correlations is None else np.abs(correlations)
    strength = np.array([abs(one.in_sd) for one in shifts])
    rest = [
        int(a)
        for a in np.argsort(-strength, kind="stable")
        if shifts[a].people >= max(shifts[a].dropped, 1)
        and strength[a] >= notable
        and _moves(shifts[a], 1 - (1 - CONFIDENCE) / tests)
    ]
    rest = [a for a in rest if strength[a] >= SHARE * strength[rest[0]]]
    selection: list[int] = []
    while rest and len(selection) < most:
        family = [a for a in rest if a == rest[0] or likeness[a, rest[0]] >= ALIKE]
        selection.append(min(family))
        rest = [a for a in rest if a not in family and likeness[a, selection[-1]] < ALIKE]
    ends = [(shifts[a].attribute.minus, shifts[a].attribute.plus) for a in selection]
    rises = [shifts[a].in_sd > 0 for a in selection]
    return Name(
        name=" and ".join(shifts[a].attribute.name for a in selection),
        plus=", ".join(
            f"{pair[up]} {shifts[a].in_sd:+.1f} sd"
            for a, pair, up in zip(selection, ends, rises, strict=True)
        ),
        minus=", ".join(pair[not up] for pair, up in zip(ends, rises, strict=True)),
    )


def _moves(one: Shift, confidence: float) -> bool:
    """Return whether the slope differs from 0 and has the sign of the total change."""
    strict = student(one.slopes, confidence)
    return strict.low > 0 if one.in_sd > 0 else strict.high < 0


def titles(
    names: Sequence[str], layers: Sequence[Sequence[int]], suggested: Sequence[str] | None
) -> tuple[str, ...]:
    """Return titles of K directions: the given name, else the suggested one, else a number.

    Args:
      names: ``[K]`` given names, which may be empty.
      layers: Layers that each direction moves; if they differ, a number comes with them.
      suggested: ``[K]`` suggested names, which may be empty; None if there are none.
    """
    several = len(set(layers)) > 1
    numbers = (
        f"direction {k}" + f", layers {spell_layers(own)}" * several
        for k, own in enumerate(layers, 1)
    )
    rows = zip(names, suggested or [""] * len(names), numbers, strict=True)
    return tuple(name or other or number for name, other, number in rows)


def table(shifts: Sequence[Shift], distances: ArrayLike) -> list[dict[str, Any]]:
    """Return shifts as records for a JSON file; arguments as for ``lines``."""
    at = _ends(np.asarray(distances, float))
    return [
        {
            "attribute": one.attribute.name,
            "unit": one.attribute.unit,
            "people": one.people,
            "dropped": one.dropped,
            **{name: one.means[t]._asdict() for name, t in at.items()},
            "slope": one.slope._asdict(),
            "total": one.total._asdict(),
            "in_sd": one.in_sd,
            "monotonicity": one.monotonicity,
        }
        for one in shifts
    ]


def lines(shifts: Sequence[Shift], distances: ArrayLike) -> list[str]:
    """Format shifts as lines of a text table, the strongest first, under a header.

    Args:
      shifts: Effects of one direction.
      distances: ``[T]``, distances of the scores.
    """
    distances = np.asarray(distances, float)
    columns = "".join(f"{distances[t]:>+9.3g}" for t in _ends(distances).values())
    text = [
        f"{'attribute':32}{columns}  {'per unit [95 %]':27}{'in sd':>7}{'monotone':>9}"
        f"{'people':>8}"
    ]
    for one in sorted(shifts, key=lambda one: -np.nan_to_num(abs(one.in_sd))):
        means = "".join(f"{one.means[t].mean:9.3g}" for t in _ends(distances).values())
        slope = f"{one.slope.mean:+.3g} [{one.slope.low:+.3g}, {one.slope.high:+.3g}]"
        label = f"{one.attribute.name} ({one.attribute.unit})"[:32]
        people = f"{one.people}/{one.people + one.dropped}"
        rest = f"{one.in_sd:+7.2f}{one.monotonicity:+9.2f}{people:>8}"
        text.append(f"{label:32}{means}  {slope:27}{rest}")
    return text


def _ends(distances: np.ndarray) -> Mapping[str, int]:
    """Return the indices of the first distance, of 0 and of the last."""
    return {"first": 0, "still": int(np.argmin(abs(distances))), "last": len(distances) - 1}

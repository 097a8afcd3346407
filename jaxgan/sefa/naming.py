"""Names of directions: suggested by their numbers; and those numbers as text.

Most directions do nothing that would deserve a name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics.intervals import student
from jaxgan.sefa.attributes import CONFIDENCE, Shift
from jaxgan.sefa.factorize import spell_layers

NOTABLE = 0.5  # standard deviations among people: medium to Cohen, and visible to the eye
SHARE = 0.5  # of the strongest effect, for another one to be in the name as well
ALIKE = 0.7  # correlation among people from which on two attributes are one finding


class Name(NamedTuple):
    """A name for a direction, from numbers alone.

    Attributes:
      name: A name such as ``age and gender``; empty if nothing is notable.
      plus: The effect of positive distances, with numbers: ``older +1.3 sd, more male
        +0.9 sd``.
      minus: The effect of negative ones: ``younger, more female``.
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
    """Name a direction after what it moves, the strongest first.

    An attribute is in the name if

    * at least half of the people have a face wherever they are moved;
    * its mean slope differs from 0 by Student's t interval at ``1 - 0.05 / tests`` (after
      Bonferroni: if no direction did anything, the chance that any of all of them gets a
      name would be at most 5 %);
    * it changes from end to end, to the same side, by ``notable`` standard deviations among
      people: a difference that is real may still be too small to see;
    * that is at least ``SHARE`` of the strongest effect, so that a name says most of it;
    * among unmoved people its correlation with those named already is below ``ALIKE``.
      Correlated attributes are one finding, named after the first of them in ``shifts``:
      the broadest should come first, as gender before lipstick.

    Args:
      shifts: Effects of one direction.
      tests: Attributes times directions looked at.
      correlations: ``[A, A]`` among unmoved people, as ``attributes.correlations`` gives
        them; None means that no two are alike.
      notable: Least effect, standard deviations.
      most: Attributes in a name.
    """
    related = np.eye(len(shifts)) if correlations is None else np.abs(correlations)
    strength = np.array([abs(one.in_sd) for one in shifts])
    left = [
        int(a)
        for a in np.argsort(-strength, kind="stable")
        if shifts[a].people >= max(shifts[a].dropped, 1)
        and strength[a] >= notable
        and _moves(shifts[a], 1 - (1 - CONFIDENCE) / tests)
    ]
    left = [a for a in left if strength[a] >= SHARE * strength[left[0]]]
    chosen: list[int] = []
    while left and len(chosen) < most:
        family = [a for a in left if a == left[0] or related[a, left[0]] >= ALIKE]
        chosen.append(min(family))
        left = [a for a in left if a not in family and related[a, chosen[-1]] < ALIKE]
    ends = [(shifts[a].attribute.minus, shifts[a].attribute.plus) for a in chosen]
    rises = [shifts[a].in_sd > 0 for a in chosen]
    return Name(
        name=" and ".join(shifts[a].attribute.name for a in chosen),
        plus=", ".join(
            f"{pair[up]} {shifts[a].in_sd:+.1f} sd"
            for a, pair, up in zip(chosen, ends, rises, strict=True)
        ),
        minus=", ".join(pair[not up] for pair, up in zip(ends, rises, strict=True)),
    )


def _moves(one: Shift, confidence: float) -> bool:
    """Whether the mean slope is not 0, and to the side to which the whole path leads."""
    strict = student(one.slopes, confidence)
    return strict.low > 0 if one.in_sd > 0 else strict.high < 0


def titles(
    names: Sequence[str], layers: Sequence[Sequence[int]], suggested: Sequence[str] | None
) -> tuple[str, ...]:
    """Name K directions: by their names, else as suggested, else by number.

    Args:
      names: ``[K]``, empty for those without.
      layers: Layers that each of them moves; where these differ, a number goes with them.
      suggested: ``[K]``, empty for those without; None if there are none.
    """
    grouped = len(set(layers)) > 1
    numbers = (
        f"direction {k}" + f", layers {spell_layers(own)}" * grouped
        for k, own in enumerate(layers, 1)
    )
    rows = zip(names, suggested or [""] * len(names), numbers, strict=True)
    return tuple(name or other or number for name, other, number in rows)


def table(shifts: Sequence[Shift], distances: ArrayLike) -> list[dict[str, Any]]:
    """Shifts as rows of numbers, for a file; arguments as for ``lines``."""
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
    """Shifts as aligned lines of text under a header, the strongest first.

    Args:
      shifts: Effects of one direction.
      distances: ``[T]``, those of its scores.
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
        counted = f"{one.people}/{one.people + one.dropped}"
        rest = f"{one.in_sd:+7.2f}{one.monotonicity:+9.2f}{counted:>8}"
        text.append(f"{label:32}{means}  {slope:27}{rest}")
    return text


def _ends(distances: np.ndarray) -> Mapping[str, int]:
    """Places of the first distance, of 0 and of the last."""
    return {"first": 0, "still": int(np.argmin(abs(distances))), "last": len(distances) - 1}

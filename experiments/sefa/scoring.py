"""What directions do to people, as oracles see it: scores, likeness, suggested names."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import special

from jaxgan import runs, sefa
from jaxgan.convert.generator import Pretrained
from jaxgan.data.labels import read_labels
from jaxgan.judges import oracles
from jaxgan.judges.attributes import classifier
from jaxgan.judges.oracles import Eyes, Oracle
from jaxgan.metrics.intervals import student
from jaxgan.runs import progress
from jaxgan.runs.progress import printable
from jaxgan.sefa import attributes, edit, naming
from jaxgan.sefa.render import draw

FILE = "attributes.json"
UNMOVED = 150  # people, at least, whose scores tell what is usual
STEPS = 5  # distances at which a person is scored, 0 among them
SIZE = 256  # pixels that oracles see
HELD = 200  # images that are in memory at once
SHOWN = 6  # attributes of a direction in the table
ODDS = "log-odds"


def panel(
    eyes: Eyes,
    images: str | None = None,
    labels: str | None = None,
    have: Eyes = oracles.CELEBA,
) -> list[Oracle]:
    """The oracles there are, the broadest first.

    Args:
      eyes: Where they are in the pictures.
      images: Labelled photographs, as ``classifier`` takes them.
      labels: Of those.
      have: Where the eyes are in the labelled photographs.

    Raises:
      InputError: If one cannot be had.
    """
    if labels is not None:
        read_labels(labels)  # before anything that takes long
    found = [oracles.age_and_gender(eyes), oracles.face_mesh(eyes)]
    if images is not None and labels is not None:
        found.append(classifier(images, labels, eyes, have=have))
    return found


class People(NamedTuple):
    """People as they are, and what oracles say of them.

    Attributes:
      codes: ``[N, ...]``.
      scores: ``[N, A]``, NaN where an oracle sees no face.
      embeddings: ``[N, E]``; None if no oracle has such.
    """

    codes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray | None


def see(
    generator: Pretrained,
    codes: np.ndarray,
    judges: Sequence[Oracle],
    batch_size: int,
    check: Callable[[], None] = lambda: None,
) -> People:
    """Ask oracles about the images of codes, ``batch_size`` of which are made at once."""
    embed = next((judge.embed for judge in judges if judge.embed), None)
    scores, embeddings = [], []
    for start in range(0, len(codes), HELD):
        images = draw(generator, codes[start : start + HELD], SIZE, batch_size, check)
        scores.append(oracles.scores(judges, images))
        if embed is not None:
            unseen = np.isnan(scores[-1][:, :1])
            embeddings.append(np.where(unseen, np.nan, embed(images)))
    return People(
        codes, np.concatenate(scores), np.concatenate(embeddings) if embeddings else None
    )


def meet(
    generator: Pretrained,
    judges: Sequence[Oracle],
    people: int,
    *,
    seed: int,
    truncation: dict[str, Any],
    batch_size: int,
    check: Callable[[], None] = lambda: None,
) -> People:
    """At least ``people``, and as many as it takes to know what is usual.

    They are not those of the pictures of a run of the same seed.
    """
    key = jax.random.fold_in(jax.random.key(seed), 1)
    z = jax.random.normal(key, (max(people, UNMOVED), generator.latent_dim))
    codes = np.asarray(generator.codes(z, **truncation))
    return see(generator, codes, judges, batch_size, check)


def judge(
    generator: Pretrained,
    found: sefa.Directions,
    far: np.ndarray,
    judges: Sequence[Oracle],
    usual: People,
    *,
    distances: np.ndarray,
    people: int,
    batch_size: int,
    told: Sequence[dict[str, Any]] = (),
    keep: Callable[[dict[str, Any]], None] = lambda report: None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Move people along directions and ask oracles what has changed.

    Args:
      generator: Of the people.
      found: The directions.
      far: ``[K, T]`` distances in units of the code, 0 among each.
      judges: The oracles.
      usual: People; the first ``people`` of them are moved.
      distances: ``[T]``, the same in units that are reported.
      people: How many.
      batch_size: Images made at once.
      told: What was found of the first directions before, which are not done again.
      keep: Called with the report after every direction.
      check: Called where it is safe to stop.

    Returns:
      What ``attributes.json`` holds: the oracles, and of every direction its suggested
      name, the share of moved pictures in which all oracles see a face, the shift of every
      attribute and how alike people stay.
    """
    words = [one for judge in judges for one in judge.attributes]
    spreads = attributes.deviations(usual.scores)
    related = attributes.correlations(usual.scores)
    still = int(np.flatnonzero(distances == 0)[0])
    report = {
        "people": people,
        "distances": distances,
        "oracles": [{"name": judge.name, "source": judge.source} for judge in judges],
        "directions": [*told],
    }
    for k in range(len(told), len(found.vectors)):
        vector, layers = found.vectors[k], found.layers[k]
        progress.say(f"scoring direction {k + 1} of {len(found.vectors)} on {people} people")
        away = np.delete(far[k], still)
        moved = np.asarray(edit.path(usual.codes[:people], vector, away, layers))
        moved = moved.swapaxes(0, 1).reshape(-1, *usual.codes.shape[1:])
        seen = see(generator, moved, judges, batch_size, check)

        def whole(parts: np.ndarray, unmoved: np.ndarray) -> np.ndarray:
            """Of all distances, ``[N, T, ...]``."""
            parts = parts.reshape(people, len(distances) - 1, -1)
            return np.insert(parts, still, unmoved[:people], axis=1)

        scores = whole(seen.scores, usual.scores)
        shifts = attributes.shifts(words, scores, distances, spreads)
        name = naming.suggest_name(shifts, len(words) * len(found.vectors), related)
        likeness = None
        if seen.embeddings is not None and usual.embeddings is not None:
            embeddings = whole(seen.embeddings, usual.embeddings)
            likeness = attributes.likeness(embeddings, distances)
            likeness = likeness._asdict() | {"means": [m._asdict() for m in likeness.means]}
        table = naming.table(shifts, distances)
        for row, scored in zip(table, np.moveaxis(scores, 2, 0), strict=True):
            if row["unit"].startswith(ODDS):
                row["probability"] = _probabilities(scored)
        report["directions"].append(
            name._asdict()
            | {
                "seen": float(np.isfinite(seen.scores).all(axis=1).mean()),
                "lines": naming.lines(shifts, distances)[: SHOWN + 1],
                "shifts": table,
                "likeness": likeness,
            }
        )
        keep(report)
    return runs.to_json(report)


def _probabilities(scores: np.ndarray) -> list[dict[str, float]]:
    """Mean probabilities at T distances, of people's log-odds ``[N, T]``."""
    whole = special.expit(scores[np.isfinite(scores).all(axis=1)])
    return [student(column)._asdict() for column in whole.T]


def read(directory: Path) -> dict[str, Any] | None:
    """What an earlier start of the same run has written; None if there is no such thing."""
    try:
        report = json.loads((directory / FILE).read_text())
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) and "directions" in report else None


def facts(told: dict[str, Any]) -> dict[str, str]:
    """What the page tells of a direction, of what ``judge`` found."""
    shown = {"faces seen when moved": f"{told['seen']:.0%}"}
    if told["name"]:
        shown |= {"towards +": told["plus"], "towards -": told["minus"]}
    strongest = sorted(told["shifts"], key=lambda row: -abs(row["in_sd"] or 0))[:3]
    for row in strongest:
        ends = " … ".join(_text(row[at]["mean"]) for at in ("first", "still", "last"))
        shown[f"{row['attribute']}, {row['unit']}"] = ends
    if told["likeness"]:
        shown["alike at the ends"] = _likeness(told["likeness"])
    return shown


def _likeness(told: dict[str, Any]) -> str:
    """Of people at the ends to themselves, and of others."""
    first, last = (_text(told["means"][t]["mean"], ".2f") for t in (0, -1))
    return f"{first} and {last}; strangers {_text(told['strangers'], '.2f')}"


def _text(number: float | None, form: str = ".3g") -> str:
    return "unknown" if number is None else format(number, form)


def show(report: dict[str, Any], names: Sequence[str]) -> None:
    """Print what every direction does to people."""
    for number, (name, told) in enumerate(zip(names, report["directions"], strict=True), 1):
        print(f"\n{number}. {printable(name)}: {told['seen']:.0%} of moved faces seen")
        if told["name"]:
            print(f"   +: {told['plus']}; -: {told['minus']}")
        if told["likeness"]:
            print(f"   alike at the ends: {_likeness(told['likeness'])}")
        for line in told["lines"]:
            print(f"   {printable(line)}")

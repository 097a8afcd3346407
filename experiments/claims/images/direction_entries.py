"""The claim about semantic directions: reports A and C."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.claims.images import face_entries, pictures, pretrained
from experiments.claims.images.face_entries import GP, LISTING, WASSERSTEIN
from experiments.claims.images.faces import DIRECTIONS, STEP
from experiments.claims.images.pretrained import CELEBA, FFHQ, PRETRAINED, Faces
from experiments.claims.origins import origins
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.metrics.claims import Claim, Measure, Origins, Part, Setting, column, diverged
from jaxgan.metrics.verdicts import Range
from jaxgan.runs.progress import say
from jaxgan.runs.records import Cell, Record

VISIBLE = 1.0  # standard deviations that a factor changes by where one can see it
PEOPLE = "face generator"  # the role of a pretrained one

# What the reports name, as far as there is a judge of it, and its name with that judge.
_OF_PEOPLE = {
    "gender": "gender",
    "turn of the head": "the facing direction",
    "age": "age",
    "smile": "smile",
}
_OF_CARTOONS = {
    "hair_length": "hair length",
    "turn": "the facing direction",
    "smile": "smile",
    "age": "age",
}
_SOURCES = {
    "style-based, of photographs, 1024 pixels": FFHQ,
    "DCGAN of photographs, 64 pixels": CELEBA,
}


class _Judges(NamedTuple):
    """The factors of a kind of faces."""

    role: str
    among: str  # what a standard deviation is of
    words: Mapping[str, str]  # factor to words
    order: Sequence[str]  # of ``shifts``

    def largest(self, records: Sequence[Record], kind: int) -> np.ndarray:
        """Largest change of each factor by one of the directions: ``[S, factors]``."""
        columns = [self.order.index(name) for name in self.words]
        return np.abs(column(records, "shifts"))[:, kind, :, columns].max(axis=-1).T

    def parts(self) -> tuple[Part, ...]:
        """Every factor changes, and more than by random directions."""
        return (
            *(self._changes(index, words) for index, words in enumerate(self.words.values())),
            Part(
                "leading directions change faces more than random ones: their largest changes "
                f"exceed those by as many random directions (sd {self.among})",
                Measure(
                    "largest changes by leading directions, less those by random ones",
                    "sd",
                    lambda records: (self.largest(records, 0) - self.largest(records, 1)).mean(
                        axis=-1
                    ),
                    unknown=diverged,
                ),
                (self.role,),
                Range(low=0.0),
            ),
        )

    def _changes(self, index: int, words: str) -> Part:
        measure = Measure(
            f"largest change of {words} by a leading direction",
            "sd",
            lambda records: self.largest(records, 0)[:, index],
            unknown=diverged,
        )
        rule = f"a leading direction changes {words} by over {VISIBLE:g} sd {self.among}"
        return Part(rule, measure, (self.role,), Range(low=VISIBLE))


_PEOPLE = _Judges(PEOPLE, "among people", _OF_PEOPLE, pretrained.names())
_CARTOONS = _Judges(GP, "of the cartoons", _OF_CARTOONS, list(FACTORS))


def _s1(size: Mapping[str, Any], *, fetch: bool) -> Claim:
    settings: dict[str, Setting] = {}
    exceptions = []
    for name, faces in _SOURCES.items():
        reason = pretrained.unavailable(faces, fetch=fetch)
        if reason:
            exceptions.append(f"Not tested on a generator that is {name}: {reason}.")
        else:
            settings[f"{name} (pretrained)"] = {PEOPLE: Cell(PRETRAINED, faces)}
    for line in exceptions if fetch else ():
        say(f"S1: {line}")
    gans = face_entries.settings_of(size)
    for name in (WASSERSTEIN, LISTING):
        settings[f"DCGAN of cartoons, {name}"] = {GP: gans[name][GP]}
    return Claim(
        "S1",
        "The leading SeFa directions of a face generator change hair length, gender, facing "
        "direction, age and smile.",
        (*_PEOPLE.parts(), *_CARTOONS.parts()),
        settings,
        " ".join([*exceptions, _NOTE, face_entries.note_of(size)]),
        pictures.draw_directions,
        _origins,
    )


def _origins(cell: Cell) -> Origins:
    report = {"directions": f"{DIRECTIONS}, not whitened"}
    if cell.laboratory is not PRETRAINED:
        return Origins(report, origins(cell.config.config, {}).ours)
    return Origins(
        report,
        {
            "generator": cell.config.source,
            "truncation": f"{pretrained.TRUNCATION:g}",
            "distance": f"{STEP:g} sd of codes either way",
            "people": str(cell.config.people),
            "judges": " and ".join(pretrained.JUDGES),
        },
    )


def _people(faces: Faces) -> str:
    return f"{faces.people} of {faces.source}"


_NOTE = (
    "The claim is about pretrained face generators, which come first. The reports do not "
    f"name theirs; ours are {FFHQ.source} (distilled from a StyleGAN2 of FFHQ) and "
    f"{CELEBA.source}, whose faces are cruder. Nothing is trained there: every seed draws "
    f"other people ({_people(FFHQ)}, {_people(CELEBA)}), so intervals are over people, of one "
    "generator each. Networks that others trained judge age, gender, pose and smile. People "
    "whose face they do not see do not count, and there is no judge of hair length. The "
    "directions are those of SeFa's paper, not whitened. There are five of them, and every "
    "image is moved along each by 2 standard deviations of codes either way. Cartoons have no "
    "gender; the network that reads their factors judges them."
)

CLAIMS = {"S1": _s1}


def claim(name: str, size: Mapping[str, Any], *, fetch: bool = False) -> Claim:
    """The claim about directions, by its name in ``CLAIMS``.

    Args:
      name: ``S1``.
      size: The entry ``faces`` of a scale, for generators that are trained here.
      fetch: Download what is missing; a generator that cannot be had is left out, and the
        note says so.
    """
    return CLAIMS[name](size, fetch=fetch)

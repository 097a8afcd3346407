"""Directions whose names and numbers were measured beforehand."""

import functools
import re

import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.convert import zoo
from jaxgan.sefa import known
from tests import generators
from tests.generators import LAYERS

DIM = 16
linear = functools.partial(generators.linear, latent_dim=DIM, styles=generators.styles(dim=DIM))


def entry(vector, layers=f"0-{LAYERS - 1}", name="smile"):
    start = [round(float(x), 4) for x in vector[: known.COMPONENTS]]
    return {"vector": start, "layers": layers, "name": name}


@pytest.fixture
def table(monkeypatch):
    """A table that a test fills: fingerprint to entries."""
    entries = {}
    monkeypatch.setattr(known, "_table", lambda: entries)
    return entries


def names_of(directions):
    return known.names(known.recognise(directions))


@pytest.fixture
def directions():
    return sefa.directions(linear(), k=3)


def test_directions_are_recognised_by_their_vectors(table, directions):
    first, _, third = directions.vectors
    table[directions.fingerprint] = [entry(third), entry(first, name="age")]
    assert names_of(directions) == ["age", "", "smile"]
    reordered = directions._replace(vectors=directions.vectors[::-1])
    assert names_of(reordered) == ["smile", "", "age"]
    rounded = directions._replace(vectors=directions.vectors + np.float32(1e-3))
    assert names_of(rounded) == ["age", "", "smile"]


def test_other_directions_are_not_recognised(table, directions):
    table[directions.fingerprint] = [entry(vector) for vector in directions.vectors]
    assert names_of(directions) == ["smile"] * 3
    turned = directions._replace(vectors=-directions.vectors)
    assert names_of(turned) == [""] * 3
    assert names_of(directions._replace(fingerprint="0")) == [""] * 3
    moved = directions._replace(layers=((0,), *directions.layers[1:]))
    assert names_of(moved) == ["", "smile", "smile"]
    plain = sefa.directions(linear(), k=3, normalisation="none", to_rgb="all")
    assert names_of(plain) == [""] * 3


def test_short_vectors_are_not_recognised(table):
    directions = sefa.directions(generators.linear(), k=2)
    table[directions.fingerprint] = [entry(vector) for vector in directions.vectors]
    table[directions.fingerprint] = [
        one | {"vector": one["vector"] + [0.0] * (known.COMPONENTS - generators.DIM)}
        for one in table[directions.fingerprint]
    ]
    assert names_of(directions) == ["", ""]


def test_the_table_is_sound():
    for fingerprint, entries in known._table().items():
        assert re.fullmatch("[0-9a-f]{16}", fingerprint)
        starts = np.array([one["vector"] for one in entries])
        assert starts.shape == (len(entries), known.COMPONENTS)
        apart = np.abs(starts[:, None] - starts[None]).max(axis=2)
        assert (apart + np.eye(len(entries)) > 20 * known._TOLERANCE).all()
        for one in entries:
            assert one["name"] == "" or one["plus"]
            assert 0 < one["seen"] <= 1
            assert len(one["shifts"]) == 3


LARGE = "mobilestylegan-ffhq"  # 16,384 of its latents are encoded


@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=pytest.mark.slow) if x == LARGE else x for x in zoo.GENERATORS],
)
def test_the_directions_of_generators_at_hand_have_names(name):
    if not (zoo.cache() / name / zoo.GENERATORS[name]).exists():
        pytest.skip(f"needs {name}: python -m experiments.sefa --checkpoint={name}")
    generator = convert.load(name)
    entries = known.recognise(sefa.directions(generator, k=8, like="jaxgan"))
    assert all(entries)
    assert [bool(one) for one in known.names(entries)[:5]] == [True] * 5

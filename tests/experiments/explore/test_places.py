"""Sliders that turn and shift, of a generator that can do both."""

from dataclasses import replace

import numpy as np

from experiments.explore import server
from experiments.explore.page import Answers
from experiments.explore.pictures import painter, state_of
from experiments.sefa import run
from experiments.sefa.config import Config
from jaxgan.convert.transforms import placement
from jaxgan.data.pixels import to_uint8
from jaxgan.sefa import move
from tests.generators import linear, movable

CONFIG = Config(checkpoint="faces.pkl", directions=2, size=2, unit="code", like="genforce")


def test_the_last_two_controls_turn_and_shift():
    generator = movable()
    directions, _ = run.find(CONFIG, generator)
    paint = painter(CONFIG, generator, directions)
    state = state_of(generator, 4, "3", 1, "all", 1.5, 0, 40, "0.25")
    (codes,) = run.codes_of(Config(seed=3, samples=1, truncation=1.0), generator)
    codes = move(codes[None], directions.vectors[0], 1.5, range(4))
    expected = to_uint8(generator.images(codes, placement(40, 0.25)))[0]
    np.testing.assert_array_equal(paint(state), expected)
    assert (paint(state) != paint(state._replace(distances=(1.5, 0, 0, 0)))).any()


def test_links_and_answers_hold_them(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "gradio", lambda: None)
    generator = movable()
    directions, _ = run.find(CONFIG, generator)
    answers = Answers(CONFIG, tmp_path, generator, directions, ["one", "two"])
    assert answers.reset() == [0, 0, 0, 0]
    moved, still = (answers.draw("0", 1, "all", 0, 0, *at) for at in ((40, 0.25), (0, 0)))
    assert "distances=0.0%2C0.0%2C40.0%2C0.25" in moved
    assert moved.split()[1] != still.split()[1]
    content, status, kind = answers.picture("0", "1", "all", "0,0,40,0.25")
    assert (status, kind) == (200, "image/png")
    assert content != answers.picture("0", "1", "all", "0,0,0,0")[0]
    assert answers.picture("0", "1", "all", "0,0")[1] == 400


def test_a_single_slider_gets_a_number(tmp_path, monkeypatch):
    """Gradio takes a list for one output as the output's value."""
    monkeypatch.setattr(server, "gradio", lambda: None)
    directions, _ = run.find(replace(CONFIG, directions=1), linear())
    assert Answers(CONFIG, tmp_path, linear(), directions, ["one"]).reset() == 0.0

"""Turn and shift, on the page of a generator that can do both."""

import json
import re

from experiments.sefa import run
from experiments.sefa.config import Config
from tests.generators import movable


def test_a_run_turns_and_shifts(tmp_path):
    config = Config(checkpoint="faces.pkl", directions=2, samples=2, steps=3, distance=3.0)
    summary = run.run(config, tmp_path, movable())
    assert len(summary["name"]) == 2  # they are no directions
    html = (tmp_path / "sefa.html").read_text("utf-8")
    data = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', html, re.DOTALL)[1])
    assert [row["name"] for row in data["rows"]][2:] == ["turn", "shift"]
    assert data["rows"][2]["facts"] == [["one unit", "10 degrees counter-clockwise"]]
    for turned, moved in zip(data["frames"][2], data["frames"][0], strict=True):
        assert turned[1] == moved[1]  # the unmoved image is stored once
        assert len({turned[0], turned[2], *moved}) == 5
    assert (tmp_path / "direction_4.png").exists()
    assert not (tmp_path / "direction_5.png").exists()

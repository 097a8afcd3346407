"""The comparison of a run's settings, and its messages."""

import json

import jax
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.runs import Run
from jaxgan.runs.identity import difference, identify


def named(data, sha256, **others):
    return {"data": data, "data_sha256": sha256} | others


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"rate": (1, 2)}, {"rate": (1, 2)}, None),
        ({"rate": 1}, {"rate": (1, 2)}, "RUN was made with rate=1, not 1,2"),
        ({"rate": 1}, {}, "RUN was made with rate=1, not None"),
        (named("pts.npy", "a"), named("./pts.npy", "a"), None),
        (named("m.mat", "a", data_key="x"), named("n.mat", "a", data_key="y"), None),
        (
            named("pts.npy", "a"),
            named("pts.npy", "b"),
            "the content of pts.npy has changed since RUN was made",
        ),
        (
            named("pts.npy", "a"),
            named("other.npy", "b"),
            "the content of other.npy is not that of pts.npy, with which RUN was made",
        ),
        (named("a", "1", rate=1), named("b", "1", rate=2), "RUN was made with rate=1, not 2"),
        # A default that follows the data.
        (
            {"batch_size": 9} | named("a", "1"),
            {"batch_size": 8} | named("a", "2"),
            "the content of a has changed",
        ),
        ({"data_sha256": "a"}, {"data_sha256": "b"}, "the content of data has changed since"),
        # A file that only one of both has.
        ({"codes": None}, {"codes": "a", "codes_sha256": "1"}, "made with codes=None, not a"),
        ({"codes": "a", "codes_sha256": "1"}, {"codes": None}, "made with codes=a, not None"),
        ({}, {"codes_sha256": "1"}, "RUN was made with codes_sha256=None, not 1"),
        # Runs of former versions: a key of images, a path beside a digest of all.
        ({"data": "cartoons", "data_key": "c"}, named("cartoons", "c"), None),
        (
            {"data": "faces", "data_key": "times"},
            named("faces", "a"),
            "RUN was made by a version that did not record the content of faces",
        ),
        ({"file": "f"}, {"file": "f", "file_sha256": "a"}, None),
        ({"file": "f"}, {"file": "g", "file_sha256": "a"}, "was made with file=f, not g"),
    ],
)
def test_the_difference_of_settings_in_words(old, new, words):
    line = difference("RUN", json.loads(json.dumps(old)), new)
    assert words in line if words else line is None
    assert difference("RUN", json.loads(json.dumps(identify(new))), new) is None


def test_settings_of_jax_come_first():
    with jax.enable_x64(True):
        line = difference("RUN", {"networks": "a"}, {"networks": "b"})
    assert line == "RUN was made with jax_enable_x64=False, not True"


def test_another_name_is_offered_before_fresh(tmp_path):
    for value in (np.float32(1), None):
        with Run(tmp_path / str(value), {"rate": value}):
            pass
    with pytest.raises(InputError) as error:
        Run(tmp_path / "None", {"rate": 1})
    line = str(error.value)
    assert line.endswith("rate=None, not 1; --name makes another run, --fresh starts over")

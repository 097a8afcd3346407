import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from jaxgan.runs import cache

PARAMS = {"kernel": np.arange(6.0).reshape(2, 3), "bias": np.ones(3, np.float32)}


@pytest.fixture
def load_or_make(tmp_path):
    """Loads or trains in a folder that does not exist yet; says how often it has trained."""
    trainings = []

    def train():
        trainings.append(None)
        return PARAMS

    def call(like=PARAMS, folder=tmp_path / "a" / "b"):
        params = cache.load_or_make("net-1", like, train, folder)
        for name, leaf in PARAMS.items():
            np.testing.assert_array_equal(params[name], leaf)
        return len(trainings)

    return call


def test_it_trains_once(load_or_make, tmp_path):
    assert load_or_make() == 1
    assert load_or_make() == 1
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["net-1.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"text", None])
def test_a_damaged_file_is_trained_again(load_or_make, tmp_path, content):
    load_or_make()
    path = tmp_path / "a" / "b" / "net-1.npz"
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    assert load_or_make() == 2
    assert load_or_make() == 2


def test_parameters_of_another_shape_are_none(tmp_path):
    cache.save(tmp_path / "net.npz", PARAMS)
    assert cache.load(tmp_path / "net.npz", PARAMS) is not None
    assert cache.load(tmp_path / "net.npz", PARAMS | {"bias": np.ones(4)}) is None
    assert cache.load(tmp_path / "net.npz", {"kernel": PARAMS["kernel"]}) is None


def test_a_cache_that_cannot_be_written_is_one_line(load_or_make, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert load_or_make(folder=tmp_path / "file") == 1
    line = capsys.readouterr().err
    assert line == f"cannot keep net-1.npz in {tmp_path / 'file'}: File exists\n"


def test_a_digest_depends_on_every_part():
    parts = [(1, 2), b"data", "text"]
    others = [[(1, 3), b"data", "text"], [(1, 2), b"Data", "text"], [(1, 2), b"data", "t"]]
    assert cache.digest(*parts) == cache.digest(*parts)
    assert len({cache.digest(*one) for one in (parts, *others)}) == 4


@pytest.mark.filterwarnings("always:Error writing")
def test_programs_that_cannot_be_kept_are_said_once(tmp_path, monkeypatch, capsys):
    """JAX warns for each program and leaves a partial file, which it would never replace."""
    config = SimpleNamespace(jax_compilation_cache_dir=str(tmp_path))
    monkeypatch.setattr(cache, "jax", SimpleNamespace(config=config))
    for i in range(2):
        (tmp_path / f"jit_{i}-{i}a-cache").write_text("half")
    (tmp_path / "jit_other-2a-cache").write_text("whole")
    text = "Error writing persistent compilation cache entry for 'jit_{}': OSError: no room"
    with cache.warn_once():
        for i in range(2):
            warnings.warn(text.format(i), stacklevel=1)
    line = f"{tmp_path}: compiled programs cannot be kept there: OSError: no room\n"
    assert capsys.readouterr().err == line
    assert [path.name for path in tmp_path.iterdir()] == ["jit_other-2a-cache"]

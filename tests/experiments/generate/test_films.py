"""Walks and tables of mixed styles."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from experiments.generate import films
from experiments.generate.__main__ import main
from experiments.generate.config import Config
from jaxgan import convert, sefa
from jaxgan.convert import sampling
from jaxgan.data import pixels
from jaxgan.errors import InputError
from tests.generators import DIM, LAYERS, SIDE, line_of, linear


def generate(*words):
    return main([str(word) for word in words])


@pytest.fixture
def styled(monkeypatch):
    """A generator with layers in place of a file."""
    generator = linear(scale=0.1)
    monkeypatch.setattr(convert, "load", lambda *_, **__: generator)
    return generator


def test_a_walk_is_an_mp4_and_a_gif(styled, tmp_path, capsys):
    av = pytest.importorskip("av", reason="needs PyAV")
    command = ("file.pt", "--walk=1.5", "--fps=20", "--stops=3", f"--out={tmp_path}")
    assert generate(*command) == 0
    z = np.asarray(sampling.latents(0, 0, 3, DIM))
    places = sefa.closed_walk(z, 30)
    expected = pixels.to_uint8(styled.images(styled.codes(places)))
    with av.open(str(tmp_path / "walk.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.frames, stream.average_rate) == (30, 20)
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
    factor = films.SMALLEST // SIDE
    assert shown[0].shape == (SIDE * factor, SIDE * factor, 3)
    middle = np.arange(SIDE) * factor + factor // 2
    for number in (0, 11, 29):
        cells = shown[number][np.ix_(middle, middle)].astype(int)
        # Film has 220 levels, and colours at half the resolution, in blocks of 64 pixels.
        assert np.abs(cells - expected[number]).mean() < 4
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.n_frames == 15  # 20 a second are more than a GIF gets
        assert film.size == (256, 256)
        assert film.info["duration"] == 100
    before = (tmp_path / "walk.gif").stat().st_mtime_ns
    assert generate(*command) == 0
    assert (tmp_path / "walk.gif").stat().st_mtime_ns == before
    assert generate(*command, "--seed=1") == 2
    assert "was made with seed=0, not 1" in capsys.readouterr().err


def test_without_pyav_there_is_a_gif_and_a_line(styled, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "av", None)
    assert generate("file.pt", "--walk=0.2", f"--out={tmp_path}") == 0
    errors = capsys.readouterr().err
    line = "an mp4 needs PyAV: pip install 'jaxgan[video]'; the GIF is written without it"
    assert errors.count(line) == 1
    assert (tmp_path / "walk.gif").exists()
    assert not (tmp_path / "walk.mp4").exists()


def test_a_table_mixes_rows_and_columns(styled, tmp_path):
    command = ("file.pt", "--mix=2x3", "--mix_layers=0,2", f"--out={tmp_path}")
    assert generate(*command) == 0
    codes = np.asarray(styled.codes(sampling.latents(0, 0, 5, DIM)))
    scale = -(-films._TITLE // (4 * SIDE))
    with Image.open(tmp_path / "mix_layers.png") as picture:
        page = np.asarray(picture)[28:-6, 6:-6][scale // 2 :: scale, scale // 2 :: scale]
    cells = page.reshape(3, SIDE, 4, SIDE, 3).swapaxes(1, 2).astype(int)
    mixed = codes[1].copy()
    mixed[[0, 2]] = codes[4][[0, 2]]
    for (row, column), code in (
        ((0, 3), codes[4]),
        ((2, 0), codes[1]),
        ((2, 3), mixed),
    ):
        expected = pixels.to_uint8(styled.images(code[None]))[0]
        np.testing.assert_allclose(cells[row, column], expected, atol=1)
    assert (cells[0, 0] == 255).all()


@pytest.mark.parametrize(
    ("resolution", "layers", "expected"),
    [
        (1024, 18, {"coarse": "0-3", "middle": "4-7", "fine": "8-17"}),  # of the paper
        (256, 14, {"coarse": "0-3", "middle": "4-7", "fine": "8-13"}),
        (32, 8, {"coarse": "0-3", "middle": "4-7"}),
    ],
)
def test_layers_by_name(resolution, layers, expected):
    generator = linear(layers, resolution=resolution)
    sets = films.layer_sets(Config(mix="1x1"), generator)
    assert {name: sefa.spell_layers(x) for name, x in sets.items()} == expected
    fine = Config(mix="1x1", mix_layers="fine")
    if "fine" not in expected:
        with pytest.raises(InputError) as error:
            films.layer_sets(fine, generator)
        assert "--mix_layers=fine: images of 32 pixels have" in line_of(error)


def test_all_tables_are_written_without_layers(styled, tmp_path):
    assert generate("file.pt", "--mix", f"--out={tmp_path}") == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["layers"] == {"coarse": [0, 1, 2, 3][:LAYERS]}
    assert (tmp_path / "mix_coarse.png").exists()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--mix",), "--mix is for generators with a code per layer, and the linear has"),
        (("--truncation=0.5",), "--truncation=0.5: the linear has no codes w to truncate"),
        (("--walk", "--out=a.png"), "--out=a.png: --walk needs the name of a folder"),
        (("--lane=1",), "--lane is for runs of jaxgan's laboratories, and file.pt is none"),
        (("--epoch=1",), "--epoch is for runs"),
        (("--label=1",), "the linear takes no label"),
        (("--neighbours",), "--neighbours needs --data=FOLDER, as file.pt does not say"),
    ],
)
def test_what_a_generator_without_layers_lacks(flags, words, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(convert, "load", lambda *_, **__: linear(layers=0))
    assert generate("file.pt", *flags) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith(f"generate: error: {words}")
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())

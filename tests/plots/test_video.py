"""Videos: a player shows the frames that were written."""

import sys

import numpy as np
import pytest
from PIL import Image

from jaxgan.errors import InputError
from jaxgan.plots import video

COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 120, 30], [255, 255, 255]], np.uint8
)


def frames(height, width):
    for colour in COLOURS:
        yield np.broadcast_to(colour, (height, width, 3))


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 31)])
def test_an_mp4_shows_the_frames(height, width, tmp_path):
    av = pytest.importorskip("av", reason="needs PyAV")
    with video.mp4(tmp_path / "a.mp4", 30, height, width) as add:
        for frame in frames(height, width):
            add(frame)
    with av.open(str(tmp_path / "a.mp4")) as film:
        stream = film.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 30)
        assert (stream.height, stream.width) == (height + height % 2, width + width % 2)
        assert float(stream.duration * stream.time_base) == pytest.approx(5 / 30)
        shown = [frame.to_ndarray(format="rgb24")[5, 5] for frame in film.decode(stream)]
    # Colours of 8 bits, brought to 220 levels and back, and compressed.
    np.testing.assert_allclose(np.array(shown, int), COLOURS, atol=4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_film_that_fails_leaves_what_was_there(tmp_path):
    pytest.importorskip("av", reason="needs PyAV")
    path = tmp_path / "a.mp4"
    path.write_text("before")

    def write():
        with video.mp4(path, 30, 16, 16) as add:
            add(np.zeros((16, 16, 3), np.uint8))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_without_pyav_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    assert not video.available()
    with (
        pytest.raises(InputError, match=r"an mp4 needs PyAV: pip install 'jaxgan\[video\]'"),
        video.mp4(tmp_path / "a.mp4", 30, 16, 16),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_a_gif_shows_the_frames(tmp_path):
    video.gif(tmp_path / "a.gif", frames(20, 30), 1 / 15)
    with Image.open(tmp_path / "a.gif") as film:
        assert (film.n_frames, film.size, film.info["loop"]) == (5, (30, 20), 0)
        for number, colour in enumerate(COLOURS):
            film.seek(number)
            assert film.convert("RGB").getpixel((5, 5)) == tuple(colour)
            assert film.info["duration"] == 70

"""Faces found in pictures, and their frames."""

import tarfile

import numpy as np
import pytest
from PIL import Image

from jaxgan.convert import zoo
from jaxgan.data import photographs
from jaxgan.errors import InputError
from jaxgan.judges import faces
from jaxgan.judges.faces import Box, Frame
from tests.generators import line_of


def box(x, y, apart=20.0):
    eyes = np.array([[x - apart / 2, y], [x + apart / 2, y]])
    return Box(0.9, *eyes, np.array([x, y + apart]))


def test_the_frame_of_an_upright_face():
    """By hand: half a side is 2 * 40, as 1.8 * 42 is less; the centre is 4.2 below the eyes."""
    frame = faces.ffhq_frame(
        np.array([80.0, 100]), np.array([120.0, 100]), np.array([100.0, 142])
    )
    np.testing.assert_allclose(frame.corner, [100 - 80, 104.2 - 80])
    np.testing.assert_allclose(frame.across, [160, 0])
    np.testing.assert_allclose(frame.down, [0, 160])


def test_a_long_face_is_framed_by_its_length():
    frame = faces.ffhq_frame(np.array([90.0, 0]), np.array([110.0, 0]), np.array([100.0, 50]))
    assert np.linalg.norm(frame.across) == pytest.approx(2 * 1.8 * 50)


@pytest.mark.parametrize("degrees", [0, 35, 90, 200])
def test_a_turned_face_has_a_turned_frame(degrees):
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    points = np.array([[-20.0, 0], [20, 0], [3, 45]])
    frame, turned = faces.ffhq_frame(*points), faces.ffhq_frame(*(points @ turn.T))
    for mine, other in zip(frame, turned, strict=True):
        np.testing.assert_allclose(turn @ mine, other, atol=1e-9)
    assert frame.across @ frame.down == pytest.approx(0)


def test_a_cut_shows_what_lies_in_the_frame():
    y, x = np.mgrid[:120, :200]
    image = np.stack([x, 2 * y, 0 * x], axis=2).astype(np.uint8)
    frame = Frame(np.array([50.0, 90]), np.array([0, -64.0]), np.array([64.0, 0]))  # turned
    found = faces.cut(image, frame, 32).astype(float)
    at = (np.arange(32) + 0.5) * 2
    expected_x, expected_y = 50 + at[:, None] + 0 * at, 90 - at[None] + 0 * at[:, None]
    inner = slice(2, -2)
    assert np.abs(found[..., 0] - expected_x)[inner, inner].max() < 1.5  # half a pixel, rounded
    assert np.abs(found[..., 1] - 2 * expected_y)[inner, inner].max() < 2.5


def test_what_lies_outside_is_mirrored():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, :5] = 200
    found = faces.cut(
        image, Frame(np.array([-10.0, 0]), np.array([20.0, 0]), np.array([0, 20.0])), 20
    )
    assert found[:, 7:13].min() > 190  # five columns, and their mirror image
    assert found[:, :3].max() < 10  # an overshoot of the resampling
    np.testing.assert_array_equal(
        faces._mirrored(np.arange(-5, 8), 3), [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]
    )


def test_one_face_is_chosen_or_the_line_says_why_not():
    face, remarks = faces._only([box(30, 30, 16), box(100, 50, 40)])
    assert (face.size, remarks) == (40, ("1 smaller in the background: left out",))
    for boxes, says in (
        ([], "no face"),
        ([box(30, 30), box(100, 50)], "2 faces are seen"),
        ([box(30, 30, 11)], "too small: 11 pixels"),
    ):
        with pytest.raises(InputError, match=says) as error:
            faces._only(boxes)
        assert line_of(error)


@pytest.fixture(scope="module")
def find():
    pytest.importorskip("ai_edge_litert")
    for file in zoo.SOURCES["face-mesh"].files:
        path = zoo.cache() / "face-mesh" / file.rsplit("/", 1)[-1]
        if not path.exists():
            pytest.skip(f"needs {path}, which zoo.fetch('face-mesh') downloads")
    return faces.finder()


@pytest.fixture(scope="module")
def photograph(shared):
    """The first photograph of CelebA's first ten thousand, not part of the project."""
    with tarfile.open(shared("data/celeba_10k.tar")) as archive:
        for member in archive:
            if member.isfile():
                return photographs.decode(archive.extractfile(member).read())
    return None


def test_a_turned_photograph_gives_the_same_face(find, photograph):
    straight = find(photograph, 128)
    assert straight.remarks == ()
    for quarter in (1, 2, 3):
        turned = find(np.rot90(photograph, quarter), 128)
        np.testing.assert_array_equal(turned.image, straight.image)
        assert "to be upright" in turned.remarks[0]
    tilted = np.asarray(Image.fromarray(photograph).rotate(20, expand=True, resample=3))
    found = find(tilted, 128).image.astype(float)
    middle = slice(40, 88)  # the face; the corners are black
    assert np.abs(found - straight.image)[middle, middle].mean() < 12  # levels; a shift by a
    # sixteenth of the side makes 20


def test_no_face_and_two_faces_are_one_line(find, photograph):
    for image, says in (
        (np.full((200, 300, 3), 120, np.uint8), "no face"),
        (np.zeros((1, 1, 3), np.uint8), "no face"),
        (np.hstack([photograph, photograph[:, ::-1]]), "2 faces"),
        (photograph[::2, ::2], "too small"),
    ):
        with pytest.raises(InputError, match=says) as error:
            find(image, 64)
        assert line_of(error)

import numpy as np
import pytest

from experiments.points.live import clouds
from jaxgan.data.points import PointCloud
from jaxgan.errors import InputError


def test_points_are_spread_evenly_along_strokes():
    cloud = clouds.draw([[[0.2, 0.5], [0.4, 0.5], [1.2, 0.5]], [[0.2, 0.8], [0.7, 0.8]]]).points
    assert cloud.shape == (clouds.COUNT, 2)
    upper = cloud[:, 1] > 0.65
    assert np.mean(upper) == pytest.approx(1 / 3, abs=2e-3)  # 0.5 of 1.5 in length
    lower = cloud[~upper]
    # Even places, and the pen's width in both directions; errors of about 1 / sqrt(5461).
    assert lower[:, 0].std() == pytest.approx(1 / np.sqrt(12), rel=0.05)
    assert lower[:, 1].std() == pytest.approx(clouds.PEN, rel=0.05)
    assert lower[:, 1].mean() == pytest.approx(0.5, abs=1e-3)


def test_a_dot_is_a_blob():
    cloud = clouds.draw([[[0.3, 0.3]], [[0.9, 0.6]]]).points
    left = cloud[cloud[:, 0] < 0.6]
    assert len(left) == pytest.approx(clouds.COUNT / 2, abs=2)
    np.testing.assert_allclose(left.mean(0), [0.3, 0.3], atol=2e-3)


@pytest.mark.parametrize(
    ("strokes", "words"),
    [
        ([], "nothing is drawn"),
        ([[]], "nothing is drawn"),
        (None, "a list of strokes"),
        ("abc", "a list of strokes"),
        ([[[0.1]]], "a list of strokes"),
        ([[["x", 1]]], "a list of strokes"),
        ({"a": 1}, "a list of strokes"),
        ([[[0.1, float("nan")]]], "numbers from 0 to 1.5"),
        ([[[10**400, 1]]], "a list of strokes"),
        ([[[-0.1, 0.5]]], "numbers from 0 to 1.5"),
        ([[[0.1, 0.2]] * 20_001], "a drawing of 20001 places"),
    ],
)
def test_what_is_no_drawing_is_refused(strokes, words):
    with pytest.raises(InputError, match=words):
        clouds.draw(strokes)


@pytest.mark.parametrize("name", ["few.csv", "FEW.CSV"])
def test_columns_of_a_table_are_chosen(name):
    table = "a,b,c\n" + "".join(f"{i},0,{i * i}\n" for i in range(12))
    cloud = clouds.read(name, table.encode(), "xx", ("a", "c"))
    np.testing.assert_array_equal(cloud.points, [[i, i * i] for i in range(12)])


def test_circles_are_round():
    for size in ([1.0, 5.0], [9.0, 1.0]):
        cloud = np.random.default_rng(0).normal(size=(99, 2)) * size + 100
        left, right, bottom, top = clouds.extent(PointCloud(cloud), by_hand=False)
        assert (right - left) / (top - bottom) == pytest.approx(clouds.ASPECT)
        assert (cloud > [left, bottom]).all()
        assert (cloud < [right, top]).all()
    assert clouds.extent(PointCloud(cloud), by_hand=True) == clouds.SHEET

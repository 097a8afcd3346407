"""Walks on the sphere."""

import numpy as np
import pytest

from jaxgan import sefa
from jaxgan.errors import InputError
from tests.quick import normal


def unit(degrees):
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def test_slerp_turns_evenly():
    way = sefa.slerp(2 * unit(10), 2 * unit(100), [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(way, 2 * np.stack([unit(x) for x in (10, 40, 70, 100)]))


def test_slerp_in_many_dimensions_is_that_of_the_plane_of_both():
    a, b = (x / np.linalg.norm(x) for x in normal(2, 50).astype(float))
    angle, t = np.arccos(a @ b), np.linspace(0, 1, 7)[:, None]
    expected = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    np.testing.assert_allclose(sefa.slerp(a, b, t[:, 0]), expected, atol=1e-12)


@pytest.mark.parametrize("end", [1.0, -1.0])
def test_slerp_between_equal_and_opposite_points_stays_on_the_sphere(end):
    a = np.array([0.6, 0.8, 0.0])
    way = sefa.slerp(a, end * a, [0, 0.5, 1])
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 1)
    np.testing.assert_allclose(way[[0, 2]], [a, end * a], atol=1e-12)


def test_a_walk_is_closed_even_and_on_the_sphere():
    stops = normal(4, 64)
    walk = sefa.closed_walk(stops, 200)
    assert walk.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(walk, axis=1), 8, rtol=1e-6)
    np.testing.assert_allclose(walk[0], 8 * stops[0] / np.linalg.norm(stops[0]), rtol=1e-5)
    ring = np.concatenate([walk, walk[:1]]).astype(float)
    cosines = np.sum(ring[:-1] * ring[1:], axis=1) / 64
    steps = np.arccos(cosines)
    # A step that turns a corner is shorter than the way, by a third at right angles.
    assert steps.max() < 1.01 * np.median(steps)
    assert np.sum(steps < 0.99 * np.median(steps)) <= 4
    assert steps.min() > 0.6 * np.median(steps)


def test_a_walk_passes_its_stops():
    square = np.array([[1, 0], [0, 3], [-2, 0], [0, -1]])
    walk = sefa.closed_walk(square, 8)
    expected = np.sqrt(2) * np.stack([unit(x) for x in range(0, 360, 45)])
    np.testing.assert_allclose(walk, expected, atol=1e-6)


@pytest.mark.parametrize(
    "stops", [np.ones((1, 4)), np.ones((3, 1)), np.zeros((2, 3)), [[np.nan, 1], [1, 1]]]
)
def test_stops_without_a_way_are_refused(stops):
    with pytest.raises(InputError, match="stops"):
        sefa.closed_walk(stops, 5)

import jax
import numpy as np
import pytest
from scipy import stats

from jaxgan.metrics import transport


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 2)), rng.normal(1, 2, size=(200, 2))


def test_wasserstein_equals_pot(clouds):
    ot = pytest.importorskip("ot", reason="needs POT as an oracle")
    x, y = clouds
    weights = np.full(200, 1 / 200)
    expected = ot.emd2(weights, weights, ot.dist(x, y, metric="euclidean"))
    assert transport.wasserstein(x, y) == pytest.approx(expected, rel=1e-9)


def test_wasserstein_of_a_shift_is_its_length(clouds):
    x, _ = clouds
    assert transport.wasserstein(x, x + np.array([3.0, 4.0])) == pytest.approx(5)
    assert transport.wasserstein(x, x[::-1]) == 0


def test_wasserstein_of_points_that_are_not_finite_is_infinite(clouds):
    x, y = clouds
    assert transport.wasserstein(x, np.where(y > 3, np.nan, y)) == np.inf


def test_wasserstein_refuses_clouds_of_different_size(clouds):
    x, y = clouds
    with pytest.raises(ValueError, match="one shape"):
        transport.wasserstein(x, y[:10])


def test_sliced_wasserstein_equals_scipy_on_every_line(clouds):
    x, y = (cloud.astype(np.float32) for cloud in clouds)
    directions = np.asarray(transport.circle_directions(7))
    expected = np.mean([stats.wasserstein_distance(x @ d, y @ d) for d in directions])
    value = jax.jit(transport.sliced_wasserstein)(x, y, directions)
    assert value == pytest.approx(expected, rel=1e-5)  # float32


def test_sliced_wasserstein_equals_pot(clouds):
    ot = pytest.importorskip("ot", reason="needs POT as an oracle")
    x, y = (cloud.astype(np.float32) for cloud in clouds)
    directions = transport.random_directions(jax.random.key(0), 50, 2)
    expected = ot.sliced_wasserstein_distance(x, y, projections=np.array(directions).T, p=1)
    value = jax.jit(transport.sliced_wasserstein)(x, y, directions)
    assert value == pytest.approx(float(expected), rel=1e-5)  # float32


def test_integer_sort_orders_every_kind_of_float():
    x = np.float32([[0.0, -0.0, -1e-40, 1.5, -np.inf, np.inf, -2.5, 1e30, -1e30]])
    np.testing.assert_array_equal(jax.jit(transport._sort)(x), np.sort(x, axis=1))


@pytest.mark.parametrize("features", [2, 5])
def test_directions_are_unit_vectors(features):
    for directions in (
        transport.random_directions(jax.random.key(0), 9, features),
        transport.circle_directions(9),
    ):
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-6)

import numpy as np
import pytest
from scipy import linalg

from jaxgan.metrics.frechet import frechet_distance


def cloud(seed, rows, features, shift=0.0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(features, features))
    return rng.normal(size=(rows, features)) @ mixing + shift * rng.normal(size=features)


def with_moments(seed, rows, mean, covariance):
    """Rows whose sample mean and unbiased covariance are exactly the ones given."""
    x = np.random.default_rng(seed).normal(size=(rows, len(mean)))
    q, _ = np.linalg.qr(x - x.mean(axis=0))
    return mean + q @ np.linalg.cholesky(covariance).T * np.sqrt(rows - 1)


@pytest.mark.parametrize("rows", [(40, 60), (60, 40), (500, 500)])
def test_it_equals_its_definition_with_sqrtm(rows):
    x, y = cloud(0, rows[0], 10), cloud(1, rows[1], 10, shift=2)
    c, d = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(axis=0) - y.mean(axis=0)
    expected = gap @ gap + np.trace(c + d - 2 * np.real(linalg.sqrtm(c @ d)))
    # float64; sqrtm loses some digits on covariances of condition 1e4
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rows", [(20, 30), (30, 20), (20, 200), (200, 20)])
def test_fewer_rows_than_features_equal_the_definition_with_eigenvalues(rows):
    x, y = cloud(0, rows[0], 50), cloud(1, rows[1], 50)
    c, d = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = x.mean(axis=0) - y.mean(axis=0)
    mixed = np.sqrt(linalg.eigvals(c @ d).astype(complex)).real.sum()
    expected = gap @ gap + np.trace(c + d) - 2 * mixed
    # The oracle is the weak side: the root of an eigenvalue that should be 0 is about
    # 1e-8 of the largest one, some 40 times over.
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)


def test_commuting_covariances_have_a_closed_form():
    s, t = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
    x = with_moments(0, 30, np.zeros(3), np.diag(s**2))
    y = with_moments(1, 50, np.array([1.0, -2.0, 0.5]), np.diag(t**2))
    assert frechet_distance(x, y) == pytest.approx(5.25 + np.sum((s - t) ** 2), rel=1e-9)


def test_two_by_two_covariances_have_a_closed_form():
    c, d = np.array([[2.0, 0.9], [0.9, 1.0]]), np.array([[1.0, -0.7], [-0.7, 3.0]])
    x, y = with_moments(0, 30, np.zeros(2), c), with_moments(1, 50, np.ones(2), d)
    # tr(M^(1/2))^2 = tr(M) + 2 det(M)^(1/2) for two eigenvalues
    mixed = np.sqrt(np.trace(c @ d) + 2 * np.sqrt(np.linalg.det(c @ d)))
    expected = 2 + np.trace(c + d) - 2 * mixed
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_covariances_are_unbiased():
    # variances 2 and 8, means 1 and 2; the biased ones, 1 and 4, would give 2
    assert frechet_distance([[0.0], [2.0]], [[0.0], [4.0]]) == pytest.approx(3)


@pytest.mark.parametrize(("rows", "features"), [(300, 20), (20, 300)])
def test_a_shift_is_its_squared_length_and_equal_sets_are_at_zero(rows, features):
    x = cloud(0, rows, features)
    spread = x.var(axis=0, ddof=1).sum()
    shift = np.zeros(features)
    shift[:2] = 3.0, 4.0
    # Relative to the two traces that cancel. The one eigenvalue that should be 0 (rows
    # have their mean taken off) gives a root of about 1e-8 of the largest.
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-7 * spread)
    assert all(frechet_distance(x[i:], x[i:]) >= 0 for i in range(8))
    assert frechet_distance(x, x + shift) == pytest.approx(25, abs=1e-7 * spread)


def test_orthogonal_subspaces_leave_only_the_traces():
    rng = np.random.default_rng(0)
    x, y = np.zeros((2, 30, 8))
    x[:, :4], y[:, 4:] = rng.normal(size=(2, 30, 4))
    gap = x.mean(axis=0) - y.mean(axis=0)
    expected = gap @ gap + x.var(axis=0, ddof=1).sum() + y.var(axis=0, ddof=1).sum()
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_a_collapsed_generator_is_as_far_as_the_spread_it_lacks():
    x = cloud(0, 200, 5)
    y = np.tile(x.mean(axis=0), (100, 1))
    assert frechet_distance(x, y) == pytest.approx(x.var(axis=0, ddof=1).sum(), rel=1e-9)


@pytest.mark.parametrize("rows", [(200, 300), (10, 12)])
def test_rotation_order_and_sides_change_nothing(rows):
    x, y = cloud(0, rows[0], 20), cloud(1, rows[1], 20, shift=1)
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(20, 20)))
    value = pytest.approx(frechet_distance(x, y), rel=1e-9)  # float64
    assert frechet_distance(x @ rotation, y @ rotation) == value
    assert frechet_distance(x[::-1], y) == value
    assert frechet_distance(y, x) == value
    assert frechet_distance(10 * x + 7, 10 * y + 7) / 100 == value
    assert frechet_distance(x, 2 * y) != value


GOOD = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    ("real", "fake", "match"),
    [
        (GOOD[:1], GOOD, "real must be .* two rows or more"),
        (GOOD, GOOD[:, 0], r"fake must be \[N, F\]"),
        (GOOD, GOOD[:, :0], r"fake must be \[N, F\]"),
        (GOOD, GOOD[:, :1], "as many features, not 2 and 1"),
        (GOOD, np.where(GOOD > 3, np.nan, GOOD), "fake must be finite"),
        (np.where(GOOD > 3, np.inf, GOOD), GOOD, "real must be finite"),
    ],
)
def test_bad_features_are_refused(real, fake, match):
    with pytest.raises(ValueError, match=match):
        frechet_distance(real, fake)

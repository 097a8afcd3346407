import numpy as np
import pytest

from jaxgan.metrics.kernels import kernel_distance


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    return rng.normal(size=(12, 3)), rng.normal(0.5, 2, size=(12, 3))


def definition(x, y):
    """Unbiased squared discrepancy, pair by pair."""

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(z):
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j]
        return np.mean([kernel(z[i], z[j]) for i, j in pairs])

    return within(x) + within(y) - 2 * np.mean([kernel(a, b) for a in x for b in y])


def test_it_equals_its_definition(clouds):
    value = kernel_distance(*clouds, subsets=1)
    assert value == (pytest.approx(definition(*clouds), rel=1e-9), 0)  # float64


def test_equal_sets_are_below_zero_by_the_definition(clouds):
    x, _ = clouds
    value = kernel_distance(x, x, subsets=1).mean
    assert value == pytest.approx(definition(x, x), rel=1e-9)  # float64
    assert value < 0


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_it_is_unbiased(shift):
    """For N(0, 1) and N(m, 1) the kernel compares the first three moments.

    (xy + 1)^3 = sum of C(3, j) x^j y^j, so the distance is 3 m^2 + 3 m^4 + (3 m + m^3)^2.
    """
    x, y = np.random.default_rng(0).normal(size=(2, 2000, 10, 1))
    draws = [kernel_distance(a, b + shift, subsets=1).mean for a, b in zip(x, y, strict=True)]
    expected = 3 * shift**2 + 3 * shift**4 + (3 * shift + shift**3) ** 2
    error = np.std(draws) / np.sqrt(2000)
    # Within four standard errors. With k(x, x) counted it would be about 3 too much.
    assert np.mean(draws) == pytest.approx(expected, abs=4 * error)
    assert 4 * error < 1
    assert min(draws) < 0


def test_mean_and_deviation_are_over_the_subsets(clouds):
    x, y = clouds
    two = [kernel_distance(x, y, subsets=1, subset_size=5, seed=s).mean for s in range(200)]
    value = kernel_distance(x, y, subsets=200, subset_size=5)
    # Two samples of 200 from one distribution: within four standard errors.
    error = value.deviation * np.sqrt(2 / 200)
    assert value.mean == pytest.approx(np.mean(two), abs=4 * error)
    assert value.deviation == pytest.approx(np.std(two), rel=0.5)
    assert value.deviation > 0


def test_a_subset_is_no_larger_than_the_smaller_set(clouds):
    x, y = clouds
    few = kernel_distance(x, y[:5], subsets=50, subset_size=1000)
    assert few == kernel_distance(x, y[:5], subsets=50, subset_size=5)
    assert few.deviation > 0


def test_a_subset_does_not_repeat_rows():
    """Of two rows, without repetition, every subset of two is the whole set."""
    x, y = np.random.default_rng(0).normal(size=(2, 2, 3))
    # equal up to the order of summation
    assert kernel_distance(x, y, subsets=20).deviation == pytest.approx(0, abs=1e-12)


def test_the_seed_picks_the_subsets(clouds):
    values = [kernel_distance(*clouds, subset_size=5, seed=s) for s in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_rotation_order_and_sides_change_nothing(clouds):
    x, y = clouds
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    value = pytest.approx(kernel_distance(x, y, subsets=1).mean, rel=1e-9)  # float64
    assert kernel_distance(x @ rotation, y @ rotation, subsets=1).mean == value
    assert kernel_distance(x[::-1], y, subsets=1).mean == value
    assert kernel_distance(y, x, subsets=1).mean == value
    assert kernel_distance(x + 1, y + 1, subsets=1).mean != value  # the kernel has an origin


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"subsets": 0}, "one subset or more"),
        ({"subset_size": 1}, "two rows or more, not 100 of 1"),
    ],
)
def test_bad_subsets_are_refused(clouds, arguments, match):
    with pytest.raises(ValueError, match=match):
        kernel_distance(*clouds, **arguments)


def test_bad_features_are_refused(clouds):
    x, y = clouds
    with pytest.raises(ValueError, match="as many features"):
        kernel_distance(x, y[:, :2])

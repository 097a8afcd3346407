import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from jaxgan.metrics.distinctness import distinctness
from tests.quick import normal

measure = jax.jit(distinctness)


def test_it_is_the_median_distance_to_the_nearest_over_the_spread():
    images = 100 + normal(40, 3, 4)  # far from 0
    rows = images.reshape(40, -1).astype(float)
    distances = cdist(rows, rows)
    np.fill_diagonal(distances, np.inf)
    expected = np.median(distances.min(axis=1)) / np.sqrt(rows.var(axis=0).sum())
    np.testing.assert_allclose(measure(images), expected, rtol=1e-4)


@pytest.mark.parametrize("kinds", [4, 16])
def test_a_few_examples_again_and_again_are_not_distinct_whatever_their_spread(kinds):
    real, noise = normal(40, 3, 4), normal(40, 3, 4, seed=1)
    few = real[np.arange(40) % kinds] + np.float32(0.05) * noise
    assert few.std() > 0.7
    assert measure(few) < 0.25 * measure(real)
    assert measure(0.05 * noise) > 0.9 * measure(real)  # that is a matter of the spread


def test_equal_samples_are_not_distinct_and_lost_ones_have_no_number():
    assert measure(np.full((40, 3, 4), 0.3, np.float32)) == 0
    assert np.isnan(measure(np.full((40, 3, 4), np.nan, np.float32)))

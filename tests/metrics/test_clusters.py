import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.metrics import clusters

RNG = np.random.default_rng(0)
GAUSS = RNG.normal(size=(400, 2))
SQUARE = np.stack(np.meshgrid([0.0, 9.0], [0.0, 9.0]), axis=-1).reshape(-1, 2)
CLOUDS = {
    "a Gaussian": (GAUSS, 1),
    "uniform": (RNG.random((400, 2)), 1),
    "a line": (np.stack([RNG.random(400), np.zeros(400)], axis=1), 1),
    "heavy tails": (RNG.standard_cauchy((400, 2)), 1),
    "whole numbers": (RNG.integers(0, 9, size=(400, 2)), 1),
    "bytes": (np.concatenate([GAUSS + 9, GAUSS + 200]).astype(np.uint8), 2),
    "four": (GAUSS + SQUARE[np.arange(400) % 4], 4),
    "an outlier": (np.concatenate([GAUSS, [[99.0, 99.0]]]), 1),
    "wide and narrow": (np.concatenate([GAUSS, 30 + GAUSS[:40] / 20]), 2),
    "one dimension": (np.concatenate([GAUSS[:, :1], GAUSS[:, :1] + 20]), 2),
    "few": (GAUSS[:10], 1),
    "two places": (SQUARE[np.arange(20) % 2], 1),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_clusters_are_told_by_gaps(name):
    cloud, count = CLOUDS[name]
    found = clusters.find(cloud)
    assert found.shape[0] == count
    assert found.shape[2] == cloud.shape[1]
    np.testing.assert_array_equal(found, clusters.find(cloud))
    assert {tuple(x) for x in found.reshape(-1, cloud.shape[1])} <= {tuple(x) for x in cloud}


def test_a_cluster_is_reached_by_a_tenth_of_an_equal_share():
    cloud, _ = CLOUDS["four"]
    found = clusters.find(cloud)
    for few, share in ((8, 0.75), (12, 1.0)):
        samples = np.concatenate([SQUARE.repeat([130, 130, 140 - few, few], axis=0)])
        assert len(samples) == 400
        assert clusters.reached(jnp.asarray(samples), jnp.asarray(found)) == share

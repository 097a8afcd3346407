"""Clusters of points, and the share of clusters that samples reach."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax import Array
from numpy.typing import ArrayLike

POINTS = 1000  # number of points to find clusters in
NEIGHBOURS = 5
GAP = 4.0  # least gap between clusters, in distances to the fifth neighbour inside them
LANDMARKS = 256  # number of points that stand for all clusters; at least 4 per cluster


def find(points: ArrayLike, least: float = 0.02) -> np.ndarray:
    """Find clusters of points that are separated by empty or sparse space.

    The method is single linkage of mutual reachability distances, as in HDBSCAN (Campello et
    al., 2013). A branch of the tree is a cluster if it holds enough points and the gap to
    the rest is wide.

    Args:
      points: ``[N, F]``.
      least: Smallest share of all points in a cluster; smaller groups count as noise.

    Returns:
      L points of each of the K clusters, ``[K, L, F]`` float64; K is 1 without a gap.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.metrics import clusters
      >>> points = np.random.default_rng(0).normal(size=(300, 2))
      >>> points[:150, 0] += 20
      >>> groups = clusters.find(points)
      >>> len(groups), float(clusters.reached(points[:100], groups))
      (2, 0.5)
    """
    rng = np.random.default_rng(0)
    points = np.unique(np.asarray(points), axis=0)  # copies would have distance 0
    if len(points) > POINTS:
        points = points[np.sort(rng.choice(len(points), POINTS, replace=False))]
    points = points.astype(np.float64)
    count = len(points)
    tree = scipy.spatial.KDTree(points)
    near = np.asarray(tree.query(points, min(NEIGHBOURS + 1, count))[0])[:, -1]
    rows, columns = np.triu_indices(count, 1)
    distances = scipy.spatial.distance.pdist(points)
    reach = np.maximum(distances, np.maximum(near[rows], near[columns]))
    hierarchy = scipy.cluster.hierarchy
    root = hierarchy.to_tree(hierarchy.linkage(reach, "single"))
    groups = list(_branches(root, near, max(NEIGHBOURS, least * count)))
    size = max(4, LANDMARKS // len(groups))
    return np.stack([points[rng.choice(group, size)] for group in groups])


def _branches(
    root: "scipy.cluster.hierarchy.ClusterNode", near: np.ndarray, least: float
) -> Iterator[list[int]]:
    """Yield the members of each cluster below a node.

    ``near`` is each point's distance to its neighbours.
    """
    nodes = [root]
    while nodes:
        node = nodes.pop()
        parts = [node.get_left(), node.get_right()] if not node.is_leaf() else []
        large = [x for x in parts if x is not None and x.get_count() >= least]
        if len(large) == 1:  # the other part is noise
            nodes += large
            continue
        members = node.pre_order()
        inside = max([np.median(near[x.pre_order()]) for x in large], default=0.0)
        if len(large) == 2 and node.dist > GAP * inside:
            nodes += large
        else:
            yield members


def reached(samples: Array, clusters: Array) -> Array:
    """Compute the share of clusters that samples reach.

    Samples reach a cluster if it is the nearest one to at least a tenth of ``N / K`` samples.
    ``find`` has an example.

    Args:
      samples: ``[N, F]``.
      clusters: As ``find`` returns them, ``[K, L, F]``.

    Returns:
      ``[]``, from 0 to 1.
    """
    count = clusters.shape[0]
    gaps = samples[:, None, None] - clusters[None]  # [N, K, L, F]
    nearest = jnp.argmin(jnp.min((gaps**2).sum(-1), axis=-1), axis=-1)
    shares = jax.nn.one_hot(nearest, count).mean(axis=0)
    return (shares >= 0.1 / count).mean()

import numpy as np
import pytest

from experiments.points import modes
from jaxgan.data import points
from jaxgan.errors import InputError
from jaxgan.metrics.coverage import coverage

RING = points.load("ring")
UNKNOWN = RING._replace(modes=None, radius=0.0)


def ordered(centres):
    return centres[np.argsort(np.arctan2(*(centres + 1e-3).T))]


def test_known_modes_stay():
    assert modes.add(RING) is RING


def test_modes_of_a_file_get_the_deviations_of_the_points_around_them(tmp_path):
    path = tmp_path / "modes.csv"
    np.savetxt(path, RING.modes, delimiter=",")
    cloud = modes.add(UNKNOWN, str(path))
    np.testing.assert_allclose(cloud.modes, RING.modes)
    np.testing.assert_allclose(cloud.radius, RING.radius, rtol=0.1)
    assert f"8 from {path}; 98." in cloud.notes[-1]


def test_doubts_about_a_file_of_modes_are_said(tmp_path):
    rng = np.random.default_rng(0)
    centres = np.array([[0, 1], [2, 0], [4, 3]])
    cloud = points.PointCloud(np.concatenate([rng.normal(c, 0.1, (99, 2)) for c in centres]))
    path = tmp_path / "modes.csv"
    np.savetxt(path, centres, "%d", delimiter=",")
    header, count = modes.add(cloud, str(path)).notes
    assert "0,1, numbers the columns: read as a header (a point would be 0.0,1.0)" in header
    assert count.startswith("modes: 2 from ")
    np.savetxt(path, centres, "%.1f", delimiter=",")
    assert modes.add(cloud, str(path)).notes[0].startswith("modes: 3 from ")


def test_columns_are_those_of_both_csv_files(tmp_path):
    path = tmp_path / "modes.csv"
    table = np.column_stack([np.arange(8), RING.modes])
    np.savetxt(path, table, delimiter=",", header="id,x,y", comments="")
    cloud = modes.add(UNKNOWN, str(path), columns=("x", "y"))
    np.testing.assert_allclose(cloud.modes, RING.modes)
    np.save(path.with_suffix(".npy"), RING.modes)
    cloud = modes.add(UNKNOWN, str(path.with_suffix(".npy")), columns=("x", "y"))
    np.testing.assert_array_equal(cloud.modes, RING.modes)


def test_modes_are_the_centres_of_clusters_where_none_are_known():
    cloud = modes.add(UNKNOWN)
    np.testing.assert_allclose(ordered(cloud.modes), ordered(RING.modes), atol=0.005)
    assert coverage(RING.points, cloud.modes, cloud.radius)[:2] == (
        8,
        pytest.approx(0.989, abs=0.005),
    )
    assert "modes: 8, the centres of clusters" in cloud.notes[-1]


def test_each_mode_has_a_radius_of_its_own():
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(0, 1.0, (500, 2)), rng.normal(20, 0.1, (500, 2))
    cloud = modes.add(points.PointCloud(np.concatenate([wide, narrow])))
    np.testing.assert_allclose(np.sort(cloud.radius), [0.3, 3.0], rtol=0.15)


def test_a_cloud_in_one_piece_has_no_modes():
    cloud = points.PointCloud(np.random.default_rng(0).normal(size=(500, 2)))
    assert modes.add(cloud) is cloud


def test_copies_of_a_few_points_are_modes_that_only_copies_belong_to():
    cloud = modes.add(points.PointCloud(np.eye(2)[np.arange(400) % 2] * 1.0))
    assert cloud.modes is None or coverage(cloud.points, cloud.modes, cloud.radius).quality == 1


def test_a_mode_without_points_is_refused(tmp_path):
    path = tmp_path / "modes.npy"
    np.save(path, np.concatenate([RING.modes, [[9.0, 9.0]]]))
    with pytest.raises(InputError, match=r"mode 8 .*\(9, 9\): no point is nearest"):
        modes.add(UNKNOWN, str(path))
    np.save(path, RING.modes[:1])
    with pytest.raises(InputError, match="at least 2 needed"):
        modes.add(UNKNOWN, str(path))
    with pytest.raises(InputError, match="--modes=ring: must be a file"):
        modes.add(UNKNOWN, "ring")


def test_points_that_coincide_with_a_mode_are_said(tmp_path):
    path = tmp_path / "modes.npy"
    np.save(path, np.array([[0.0, 0.0], [5.0, 5.0]]))
    cloud = np.concatenate([np.zeros((50, 2)), np.random.default_rng(0).normal(5, 1, (50, 2))])
    with pytest.raises(InputError, match="mode 0 .* copies of it"):
        modes.add(points.PointCloud(cloud), str(path))

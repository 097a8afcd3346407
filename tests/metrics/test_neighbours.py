import numpy as np
import pytest
import scipy.stats

from jaxgan.metrics import neighbours
from jaxgan.metrics.neighbours import precision_recall


@pytest.fixture
def clouds():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 3)), rng.normal(1.2, 0.7, size=(45, 3))


def definition(real, fake, k):
    """Ball by ball."""

    def radius(rows, i):
        return sorted(np.linalg.norm(rows[i] - rows[j]) for j in range(len(rows)) if j != i)[
            k - 1
        ]

    def inside(rows, points):
        balls = [radius(rows, i) for i in range(len(rows))]
        return np.array(
            [
                [np.linalg.norm(p - c) < r for c, r in zip(rows, balls, strict=True)]
                for p in points
            ]
        )

    in_real, in_fake = inside(real, fake), inside(fake, real)
    return (
        in_real.any(axis=1).mean(),
        in_fake.any(axis=1).mean(),
        in_real.sum() / (k * len(fake)),
        in_real.any(axis=0).mean(),
    )


@pytest.mark.parametrize("k", [1, 5, 44])
def test_it_equals_its_definition(clouds, k):
    assert precision_recall(*clouds, k) == pytest.approx(
        definition(*clouds, k), rel=1e-12
    )  # counts


@pytest.mark.parametrize(("features", "k"), [(2, 5), (64, 3)])
def test_it_equals_the_package_of_the_authors(features, k):
    oracle = pytest.importorskip("prdc", reason="needs prdc as an oracle")
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(700, features)), rng.normal(0.1, 0.9, size=(600, features))
    expected = oracle.compute_prdc(real, fake, nearest_k=k)
    assert precision_recall(real, fake, k)._asdict() == pytest.approx(
        expected, rel=1e-12
    )  # counts


def test_equal_sets_are_perfect(clouds):
    x, _ = clouds
    assert precision_recall(x, x) == (1, 1, 1, 1)
    assert precision_recall(x, x[::-1]) == (1, 1, 1, 1)


def test_sets_far_apart_share_nothing(clouds):
    x, y = clouds
    assert precision_recall(x, y + 100) == (0, 0, 0, 0)


def test_a_collapsed_generator_is_precise_and_recalls_nothing(clouds):
    x, _ = clouds
    precision, recall, density, coverage = precision_recall(x, np.tile(x[7], (45, 1)))
    assert precision == 1
    assert recall == 0
    assert density > 0
    assert 0 < coverage < 0.5
    noise = 1e-3 * np.random.default_rng(1).normal(size=(45, 3))
    assert precision_recall(x, x[7] + noise)[:2] == (1, 1 / 60)


def test_copies_are_at_no_distance_whatever_the_rounding():
    x = np.random.default_rng(0).normal(size=(60, 64))
    for row in x[:20]:
        assert precision_recall(x, np.tile(row, (30, 1))).recall == 0
        assert precision_recall(np.tile(row, (30, 1)), x) == (0, 1, 0, 0)
    assert precision_recall(np.zeros((30, 64)), x)[0::2] == (0, 0)


def test_precision_is_of_the_fake_rows_and_recall_of_the_real_ones():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 100, 2)) + 1000 * np.arange(3)[:, None, None]
    missed = precision_recall(np.concatenate([a, b]), a + 0.01)
    assert missed.precision > 0.95
    assert missed.recall == pytest.approx(0.5, abs=0.03)
    assert missed.coverage == pytest.approx(0.5, abs=0.03)
    invented = precision_recall(a, np.concatenate([a + 0.01, c]))
    assert invented.precision == pytest.approx(0.5, abs=0.03)
    assert invented.recall > 0.95
    assert invented.coverage > 0.95


def test_swapping_the_sets_swaps_precision_and_recall(clouds):
    x, y = clouds
    assert precision_recall(x, y)[:2] == precision_recall(y, x)[1::-1]
    assert precision_recall(x, y).precision != precision_recall(x, y).recall


def test_density_and_coverage_of_equal_distributions_have_their_expectation():
    """Real and fake are exchangeable, so neighbours are drawn from both alike.

    All k nearest neighbours of a real row are real with the product below; before the
    k-th real one come k M / N fake ones, which is a density of 1.
    """
    rng = np.random.default_rng(0)
    n, m, k = 40, 30, 3
    draws = [
        precision_recall(*np.split(rng.normal(size=(n + m, 2)), [n]), k) for _ in range(300)
    ]
    missed = np.prod([(n - 1 - j) / (n + m - 1 - j) for j in range(k)])
    for name, expected in (("density", 1), ("coverage", 1 - missed)):
        values = [getattr(draw, name) for draw in draws]
        error = np.std(values) / np.sqrt(300)
        assert np.mean(values) == pytest.approx(expected, abs=4 * error)  # 4 standard errors
        assert error < 0.01


def test_rotation_order_origin_and_scale_change_nothing(clouds):
    x, y = clouds
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    value = precision_recall(x, y)
    assert 0 < value.recall < value.precision < 1
    assert precision_recall(x @ rotation, y @ rotation) == pytest.approx(value, rel=1e-12)
    assert precision_recall(x[::-1], y[::-1]) == pytest.approx(value, rel=1e-12)
    assert precision_recall(x + 1e8, y + 1e8) == pytest.approx(value, rel=1e-12)
    assert precision_recall(x * 1e-30, y * 1e-30) == pytest.approx(value, rel=1e-12)


def test_one_wild_row_spoils_no_other(clouds):
    x, y = clouds
    wild = np.concatenate([y, np.full((1, 3), 1e12)])
    assert precision_recall(x, wild).coverage == precision_recall(x, y).coverage
    assert precision_recall(x, wild).precision == pytest.approx(
        precision_recall(x, y).precision * 45 / 46
    )


def test_a_block_of_rows_changes_nothing(clouds, monkeypatch):
    value = precision_recall(*clouds)
    monkeypatch.setattr(neighbours, "_ROWS", 7)
    assert precision_recall(*clouds) == value
    assert precision_recall(clouds[0], clouds[0]) == (1, 1, 1, 1)


@pytest.mark.parametrize("k", [0, 45, -1])
def test_a_neighbour_that_is_not_there_is_refused(clouds, k):
    with pytest.raises(ValueError, match=f"k must be at least 1 and below 45 rows, not {k}"):
        precision_recall(*clouds, k)


def test_bad_features_are_refused(clouds):
    x, y = clouds
    with pytest.raises(ValueError, match="as many features"):
        precision_recall(x, y[:, :2])


def by_hand(x, y, k):
    distances = np.linalg.norm(x[None] - y[:, None], axis=2)
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, rows, axis=1), rows


@pytest.mark.parametrize("numbers", [neighbours._NUMBERS, 500])  # one part, and many
def test_nearest_rows(numbers, monkeypatch):
    monkeypatch.setattr(neighbours, "_NUMBERS", numbers)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(203, 7)), rng.normal(size=(31, 7))
    told = []
    found = neighbours.nearest(x, y, 5, tell=lambda *done: told.append(done))
    distances, rows = by_hand(x, y, 5)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)  # float32 holds x and y
    assert told[-1] == (203, 203)
    assert (len(told) > 1) == (numbers == 500)


def test_nearest_finds_copies_exactly():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (300, 4, 4, 3), np.uint8)
    y = x[[7, 250]] + np.array([0, 1], np.uint8)[:, None, None, None]
    found = neighbours.nearest(x, y, 2)
    assert found.rows[:, 0].tolist() == [7, 250]
    assert found.distances[0, 0] == 0
    wrapped = np.abs(x[250].astype(float) - y[1])
    assert found.distances[1, 0] == pytest.approx(np.sqrt(np.square(wrapped).sum()))


def test_a_row_is_no_neighbour_of_itself():
    x = np.random.default_rng(3).normal(size=(40, 3))
    own = neighbours.nearest(x, x[:9], 3, itself=np.arange(9))
    distances, rows = by_hand(x, x[:9], 4)
    np.testing.assert_array_equal(own.rows, rows[:, 1:])
    np.testing.assert_allclose(own.distances, distances[:, 1:], rtol=1e-6)
    others = neighbours.nearest(x, x[:9], 1, itself=np.full(9, -1))
    assert np.all(others.distances == 0)


def test_features_are_what_is_compared():
    x, y = np.random.default_rng(4).normal(size=(2, 30, 3))
    found = neighbours.nearest(x, y, 1, features=lambda rows: 3 * rows[:, :1])
    np.testing.assert_allclose(
        found.distances[:, 0], 3 * np.abs(x[None, :, 0] - y[:, None, 0]).min(1), atol=1e-6
    )


@pytest.mark.parametrize(
    ("x", "y", "k", "itself"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), 1, None),
        (np.zeros((3, 2)), np.zeros((3, 2)), 0, None),
        (np.zeros((3, 2)), np.zeros((3, 2)), 4, None),
        (np.zeros((3, 2)), np.zeros((3, 2)), 3, np.arange(3)),
        (np.zeros((3, 2)), np.zeros((0, 2)), 1, None),
    ],
)
def test_sets_that_have_no_nearest_rows(x, y, k, itself):
    with pytest.raises(ValueError, match="nearest of"):
        neighbours.nearest(x, y, k, itself=itself)


def test_nearness_is_that_of_mann_and_whitney():
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 20, 150), rng.integers(2, 22, 130)  # with ties
    found = neighbours.nearness(x, y, resamples=200)
    statistic = scipy.stats.mannwhitneyu(y, x).statistic
    assert found.nearer.mean == pytest.approx(statistic / (150 * 130))
    assert found.nearer.low < found.nearer.mean < found.nearer.high
    limit = np.sort(y)[6]  # the seventh of 130, of which 5 % are 6.5
    share = (6.5 - np.sum(y < limit)) / np.sum(y == limit)
    close = np.sum(x < limit) + share * np.sum(x == limit)
    assert found.close.mean == pytest.approx(close / 150)


@pytest.mark.parametrize("doubled", [0.05, 0.1, 0.5, 1.0])
def test_close_samples_where_held_out_images_are_doubled(doubled):
    rng = np.random.default_rng(8)
    held_out = np.where(np.arange(500) < 500 * doubled, 0, 1 + rng.random(500))
    alike = neighbours.nearness(rng.permutation(held_out), held_out, resamples=300)
    assert alike.close.mean == pytest.approx(0.05)
    assert alike.close.low < 0.05 < alike.close.high
    if doubled < 0.5:
        copies = np.where(np.arange(500) < 250, 0, held_out[::-1])
        found = neighbours.nearness(copies, held_out, resamples=300)
        assert found.close.low > 0.1


def test_nearness_of_copies_and_of_none():
    rng = np.random.default_rng(7)
    held_out = rng.gamma(9, size=500)
    alike = neighbours.nearness(rng.gamma(9, size=500), held_out, resamples=300)
    assert alike.nearer.low < 0.5 < alike.nearer.high
    assert alike.close.low < 0.05 < alike.close.high
    copies = np.where(rng.random(500) < 0.2, 0.01, 1.3 * rng.gamma(9, size=500))
    found = neighbours.nearness(copies, held_out, resamples=300)
    assert found.nearer.high < 0.5  # most are further away,
    assert found.close.low > 0.1  # and yet a fifth is repeated
    far = neighbours.nearness(held_out + 100, held_out, resamples=300)
    assert far.close.mean == 0
    assert 0.001 < far.close.high < 0.02  # of 500 without one, by the rule of three 0.006

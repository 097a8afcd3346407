import numpy as np
import pytest
from scipy import optimize

from jaxgan.errors import InputError
from jaxgan.metrics.intervals import Interval
from jaxgan.sefa import exchange, supervised
from tests.generators import line_of


def people(count=400, noise=0.5, seed=0):
    """Codes of unequal spread, and scores that are linear in them but for noise."""
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(count, 8)) * np.linspace(2, 0.2, 8) + 3
    truth = rng.normal(size=(3, 8))
    scores = codes @ truth.T
    return codes, scores + noise * scores.std(axis=0) * rng.normal(size=scores.shape), truth


def cosines(first, second):
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / lengths


def test_normals_are_the_ridge_regression_that_predicts_people_left_out_best():
    linear = pytest.importorskip("sklearn.linear_model")
    codes, scores, _ = people(60)
    variance = np.square(codes - codes.mean(axis=0)).sum() / codes.shape[1]
    penalties = supervised._PENALTIES * variance
    for normal, score in zip(supervised.normals(codes, scores), scores.T, strict=True):
        reference = linear.RidgeCV(alphas=penalties).fit(codes, score)
        np.testing.assert_allclose(normal, reference.coef_, rtol=1e-9)


def test_directions_are_those_that_the_scores_follow():
    codes, scores, truth = people(noise=0.1)
    found = supervised.fit(codes, scores, "abc", condition=False)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-6)
    assert (cosines(found.vectors, truth) > 0.97).all()
    assert (found.kept == 1).all()
    assert found.people == 400
    assert (found.correlation > 0.98).all()
    assert all(one.low < one.mean < one.high and one.mean > 0.9 for one in found.accuracy)


def test_scores_by_chance_are_told_by_chance():
    codes, scores, _ = people(2000)
    scores = np.random.default_rng(1).permutation(scores)
    found = supervised.fit(codes, scores, "abc")
    # Standard deviations are 0.025 and 0.05.
    assert all(abs(one.mean - 0.5) < 0.1 for one in found.accuracy)
    assert (np.abs(found.correlation) < 0.2).all()


@pytest.mark.parametrize("whiten", [False, True])
def test_a_conditioned_direction_leaves_the_other_scores(whiten):
    codes, scores, _ = people()
    metric = np.cov(codes.T)
    found = supervised.fit(codes, scores, "abc", metric if whiten else None)
    normals = supervised.normals(codes, scores)
    effects = normals @ found.vectors.T
    # float32 vectors
    np.testing.assert_allclose(effects - np.diag(np.diag(effects)), 0, atol=1e-6)
    assert (np.diag(effects) > 0).all()
    assert ((found.kept > 0) & (found.kept < 1)).all()


def test_a_conditioned_direction_is_the_steepest_of_those():
    codes, scores, _ = people()
    metric, normals = np.cov(codes.T), supervised.normals(codes, scores)
    (vector, *_), _ = supervised.conditioned(normals, metric)
    inverse = np.linalg.inv(metric)
    constraints = (
        {"type": "eq", "fun": lambda v: normals[1:] @ v},
        {"type": "eq", "fun": lambda v: v @ inverse @ v - 1},
    )
    best = optimize.minimize(
        lambda v: -normals[0] @ v, np.ones(8), method="SLSQP", constraints=constraints
    )
    assert best.success
    # Its tolerance is 1e-6 of the objective, which is flat there.
    assert cosines(vector[None], best.x[None])[0] > 1 - 1e-4


def test_whitened_is_what_it_is_in_whitened_codes():
    codes, scores, _ = people(noise=0)
    root = np.linalg.cholesky(np.cov(codes.T))
    whitened = supervised.normals(codes @ np.linalg.inv(root).T, scores)
    expected, _ = supervised.conditioned(whitened, np.eye(8))
    found = supervised.fit(codes, scores, "abc", np.cov(codes.T)).vectors
    # Without noise the penalty is the least, which shrinks by 1e-6.
    assert (cosines(found, expected @ root.T) > 1 - 1e-6).all()


def test_people_without_a_face_do_not_count():
    codes, scores, _ = people()
    whole = supervised.fit(codes, scores, "abc")
    more = np.concatenate([codes, codes[:5] + 9])
    unseen = np.concatenate([scores, np.full((5, 3), np.nan)])
    found = supervised.fit(more, unseen, "abc")
    np.testing.assert_array_equal(found.vectors, whole.vectors)
    assert found.people == 400


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda codes, scores: (codes[:49], scores[:49]), "49 of 49 people have a face"),
        (lambda codes, scores: (codes, scores * np.nan), "0 of 400 people have a face"),
        (lambda codes, scores: (codes, scores * [1, 0, 1]), "b has the same score for all"),
        (lambda codes, scores: (codes, scores[:, [0, 1, 0]]), "nothing of the direction of"),
        (lambda codes, scores: (codes, scores[:, :2]), r"not \[N, D\] and \[N, 3\]"),
    ],
)
def test_scores_that_no_direction_follows(change, says):
    with pytest.raises(InputError, match=says) as error:
        supervised.fit(*change(*people()[:2]), "abc")
    assert line_of(error)


def test_wilsons_interval():
    # 8 of 10: newcombe's tables give 0.4901 to 0.9433.
    right = np.array([1] * 4 + [0] + [1] + [0] * 4, float)
    assert supervised._accuracy(right, np.arange(10) < 5.0) == pytest.approx(
        Interval(0.8, 0.4901, 0.9433), abs=1e-4
    )


def test_changes_by_hand():
    angles = np.radians([[-60, 0, 30], [30, 90, 120]])  # of two people, at three distances
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=2)
    scores = np.array([[[1.0], [3], [6]], [[2], [2], [0]]])
    found = exchange.movement(scores, embeddings, [-1, 0, 1])
    # A chord of 60 degrees is 1 long, of 30 it is 2 sin 15; the strangers' is of 90.
    chord = (1 + 2 * np.sin(np.pi / 12)) / np.sqrt(2)
    np.testing.assert_allclose(found.identity, [chord, chord])
    np.testing.assert_array_equal(found.changes, [[5], [-2]])


def test_the_exchange_has_its_interval():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        identity = rng.uniform(0.5, 1.5, 50)
        changes = -20 * identity + rng.normal(0, 5, 50)
        one = exchange.per_identity(changes, identity, seed)
        covered += one.low < 20 < one.high
        assert one.mean == pytest.approx(-changes.mean() / identity.mean())
    assert covered > 0.88 * 200  # 95 % but for the bootstrap's own shortfall, less 3 sd


def test_one_direction_beside_another():
    rng = np.random.default_rng(0)
    identity = rng.uniform(0.5, 1.5, 50)
    first, second = 20 * identity, -10 * identity
    found = exchange.compare((first, identity), (second, identity))
    assert found == pytest.approx((2, 2, 2))
    gone = np.where(np.arange(50) == 7, np.nan, first)
    assert exchange.compare((gone, identity), (second, identity)).mean == pytest.approx(2)
    assert np.isnan(exchange.per_identity(first[:1], identity[:1])).all()

import json
import math

import numpy as np
import pytest
from scipy import stats

from jaxgan import runs
from jaxgan.errors import InputError
from jaxgan.judges.attribute import Attribute
from jaxgan.sefa import attributes, naming
from tests.generators import line_of

AGE = Attribute("age", "years", "younger", "older")
GENDER = Attribute("gender", "log-odds", "more female", "more male")
SMILE = Attribute("smile", "eye distances", "less of a smile", "more of a smile")
DISTANCES = np.array([-2.0, -1.0, 0.0, 2.0])  # not even, as they may be


def people(count, slope, noise=0.0, spread=1.0, seed=0, distances=DISTANCES):
    """Scores ``[N, T]`` of people who differ by ``spread`` and rise by ``slope``."""
    rng = np.random.default_rng(seed)
    start = spread * rng.standard_normal((count, 1))
    noise = noise * rng.standard_normal((count, len(distances)))
    return start + slope * distances + noise


def shifted(attribute=AGE, slope=0.0, count=40, noise=0.3, seed=0, spread=1.0):
    scores = people(count, slope, noise, spread, seed)
    return attributes.shift(attribute, scores, DISTANCES, spread)


def test_a_straight_line_by_hand():
    scores = np.array([[1.0, 2.0, 3.0, 5.0], [0.0, 3.0, 6.0, 12.0]])  # slopes 1 and 3
    found = attributes.shift(AGE, scores, DISTANCES, spread=4.0)
    np.testing.assert_allclose(found.slopes, [1, 3], rtol=1e-12)
    assert found.slope.mean == pytest.approx(2)
    assert [x.mean for x in found.means] == [0.5, 2.5, 4.5, 8.5]
    assert found.total.mean == 8  # 4 and 12
    assert found.in_sd == 2
    assert found.monotonicity == pytest.approx(1)
    assert (found.people, found.dropped) == (2, 0)


def test_slopes_are_those_of_least_squares():
    scores = people(5, 0.7, noise=1.0)
    found = attributes.shift(AGE, scores, DISTANCES, 1.0)
    expected = [np.polyfit(DISTANCES, row, 1)[0] for row in scores]
    np.testing.assert_allclose(found.slopes, expected, rtol=1e-9)


def test_monotonicity_is_the_mean_of_spearmans():
    scores = np.round(people(30, 0.4, noise=0.6))  # with ties
    scores[0] = 7  # never changes: counts as 0, not as unknown
    found = attributes.shift(AGE, scores, DISTANCES, 1.0)
    with np.errstate(invalid="ignore"):
        rhos = [stats.spearmanr(row, DISTANCES).statistic for row in scores[1:] if np.ptp(row)]
    assert found.monotonicity == pytest.approx(np.sum(rhos) / 30)
    assert attributes.shift(AGE, -people(9, 1.0), DISTANCES, 1.0).monotonicity == -1


def test_a_person_counts_whole_or_not_at_all():
    scores = people(10, 1.0, noise=0.1)
    holes = scores.copy()
    holes[3, 1] = holes[7] = np.nan
    found = attributes.shift(AGE, holes, DISTANCES, 1.0)
    alone = attributes.shift(AGE, np.delete(scores, [3, 7], axis=0), DISTANCES, 1.0)
    assert (found.people, found.dropped) == (8, 2)
    assert found.slope == alone.slope
    assert found.means == alone.means


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_people_have_no_interval_and_no_name(count):
    scores = people(4, 5.0)
    scores[count:] = np.nan
    found = attributes.shift(AGE, scores, DISTANCES, 1.0)
    assert (found.people, found.dropped) == (count, 4 - count)
    assert math.isnan(found.slope.low)
    assert naming.suggest_name([found], tests=1).name == ""
    assert len(naming.lines([found], DISTANCES)) == 2


def test_a_clear_effect_is_named_with_its_sign():
    rising = [shifted(AGE, 0.6), shifted(GENDER, -0.4, seed=1), shifted(SMILE, 0.02, seed=2)]
    name = naming.suggest_name(rising, tests=30)
    assert name.name == "age and gender"
    assert (
        name.plus == f"older {rising[0].in_sd:+.1f} sd, more female {rising[1].in_sd:+.1f} sd"
    )
    assert name.minus == "younger, more male"
    falling = naming.suggest_name([shifted(AGE, -0.6)], tests=30)
    assert falling.plus.startswith("younger -2.")
    assert falling.minus == "older"


@pytest.mark.slow
def test_noise_gets_no_name():
    """At most 5 % of 100 panels, of 4 directions by 3 attributes, may have any name at all.

    Effects count as notable whatever their size here, so that the interval alone decides;
    13 are 5 by chance and four standard deviations.
    """
    named = 0
    for seed in range(100):
        names = [
            naming.suggest_name(
                [shifted(AGE, seed=1000 * seed + 10 * k + a, count=20) for a in range(3)],
                tests=12,
                notable=0.0,
            ).name
            for k in range(4)
        ]
        named += any(names)
    assert named <= 13


def test_a_real_but_small_effect_gets_no_name():
    small = shifted(AGE, 0.1, noise=0.01)  # 0.4 standard deviations from end to end
    assert small.slope.low > 0
    assert naming.suggest_name([small], tests=1).name == ""
    assert naming.suggest_name([small], tests=1, notable=0.3).name == "age"


def test_a_large_but_uncertain_effect_gets_no_name():
    wild = shifted(AGE, 0.3, noise=3.0, count=8)
    assert abs(wild.in_sd) > naming.NOTABLE
    assert naming.suggest_name([wild], tests=100).name == ""


def test_a_side_effect_is_not_in_the_name():
    found = [shifted(GENDER, 0.3), shifted(AGE, 1.0)]
    assert naming.suggest_name(found, tests=2).name == "age"


def test_what_goes_together_among_people_is_named_once():
    found = [shifted(AGE, 1.0), shifted(GENDER, 0.9), shifted(SMILE, 0.8)]
    still = people(200, 0.0, distances=np.arange(3.0))
    rng = np.random.default_rng(5)
    still = np.stack([still[:, 0], -still[:, 0], rng.standard_normal(200)], axis=1)
    still[5] = np.nan
    assert naming.suggest_name(found, 3, attributes.correlations(still)).name == "age and smile"
    weaker_first = [shifted(AGE, 0.9), shifted(GENDER, 1.0), shifted(SMILE, 0.8)]
    name = naming.suggest_name(weaker_first, 3, attributes.correlations(still))
    assert name.name == "age and smile"  # the first of the panel speaks for both
    assert name.plus.startswith(f"older {weaker_first[0].in_sd:+.1f} sd")
    assert naming.suggest_name(found, 3).name == "age and gender"
    assert naming.suggest_name(found, 3, most=3).name == "age and gender and smile"


def test_what_is_the_same_for_everyone_is_like_nothing_and_unnamed():
    still = np.stack([np.ones(9), np.arange(9.0)], axis=1)
    assert attributes.correlations(still)[0, 1] == 0
    assert attributes.deviations(still)[0] == 0
    found = attributes.shift(AGE, people(9, 1.0), DISTANCES, spread=0.0)
    assert math.isnan(found.in_sd)
    assert naming.suggest_name([found], tests=1).name == ""


def test_deviations_leave_out_people_without_a_score():
    still = np.random.default_rng(0).standard_normal((30, 2))
    holes = np.concatenate([still, [[np.nan, 3.0]]])
    np.testing.assert_allclose(attributes.deviations(holes), still.std(axis=0, ddof=1))


def test_shifts_are_one_per_attribute():
    scores = np.stack([people(6, 1.0), people(6, -2.0)], axis=2)
    found = attributes.shifts([AGE, SMILE], scores, DISTANCES, np.array([1.0, 2.0]))
    assert [one.attribute for one in found] == [AGE, SMILE]
    assert found[1].in_sd == pytest.approx(-4)


def test_likeness_by_hand():
    angles = np.radians([[60, 0, 0, 90], [60, 0, 0, -90]])
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=2)
    turned[1] = turned[1, :, ::-1]  # the second stands at right angles to the first
    lost = np.full((1, 4, 2), np.nan)
    found = attributes.likeness(np.concatenate([turned, lost]), DISTANCES)
    np.testing.assert_allclose([x.mean for x in found.means], [0.5, 1, 1, 0], atol=1e-15)
    assert found.strangers == pytest.approx(0, abs=1e-15)
    assert (found.people, found.dropped) == (2, 1)


def test_the_table_can_be_kept_and_read():
    found = [shifted(SMILE, 0.1), shifted(AGE, 1.0)]
    rows = json.loads(json.dumps(runs.to_json(naming.table(found, DISTANCES))))
    assert [row["attribute"] for row in rows] == ["smile", "age"]
    assert rows[1]["slope"]["low"] < rows[1]["slope"]["mean"] < rows[1]["slope"]["high"]
    assert rows[1]["last"]["mean"] == pytest.approx(found[1].means[-1].mean)
    lines = naming.lines(found, DISTANCES)
    assert [line.split()[0] for line in lines] == ["attribute", "age", "smile"]
    assert len({len(line) for line in lines}) == 1
    assert "40/40" in lines[1]


@pytest.mark.parametrize(
    ("scores", "distances", "says"),
    [
        (np.zeros((3, 2)), [1, 2], "include 0"),
        (np.zeros((3, 3)), [1, 0, -1], "must be finite, increase"),
        (np.zeros((3, 3)), [-1, 0, np.inf], "finite"),
        (np.zeros((3, 4)), [-1, 0, 1], "do not fit 3 distances"),
        (np.zeros(3), [-1, 0, 1], "do not fit"),
    ],
)
def test_wrong_input_is_one_line(scores, distances, says):
    with pytest.raises(InputError, match=says) as error:
        attributes.shift(AGE, scores, distances, 1.0)
    assert line_of(error)


def test_attributes_must_fit_the_scores():
    with pytest.raises(InputError, match=r"are not \[N, T, 1\]"):
        attributes.shifts([AGE], np.zeros((2, 4, 2)), DISTANCES, np.ones(2))


@pytest.mark.parametrize(("lost", "name"), [(20, "age"), (21, "")])
def test_no_name_where_most_faces_are_lost(lost, name):
    scores = people(40, 1.0)
    scores[:lost, -1] = np.nan
    found = attributes.shift(AGE, scores, DISTANCES, spread=1.0)
    assert found.dropped == lost
    assert naming.suggest_name([found], tests=1).name == name

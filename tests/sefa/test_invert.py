"""Codes of pictures, found again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.sefa import draw_codes, invert
from jaxgan.sefa.invert import _part
from tests.generators import DIM, LAYERS, SIDE, line_of, linear, movable


def picture(generator, codes):
    return to_uint8(generator.images(codes))[0]


@pytest.mark.parametrize(
    ("make", "space", "shape"),
    [
        (linear, "w", (1, LAYERS, DIM)),
        (linear, None, (1, LAYERS, DIM)),  # w+
        (movable, "w", (1, LAYERS, DIM)),
        (lambda: linear(layers=0), None, (1, DIM)),
        (lambda: linear(channels=1), "w", (1, LAYERS, DIM)),
        (lambda: linear(channels=4), "w", (1, LAYERS, DIM)),
    ],
)
def test_a_generator_finds_its_own_picture(make, space, shape):
    generator = make()
    codes = draw_codes(generator, jax.random.key(3), 1)
    target = picture(generator, codes)
    mean = np.broadcast_to(generator.codes(np.zeros((1, DIM))), shape)
    start = np.abs(to_uint8(generator.images(mean))[0] - target.astype(float)).mean() / 127.5
    found = invert.invert(generator, target, space=space, steps=200, every=40, pull=0.1)
    assert found.codes.shape == shape
    assert found.error < start / 10  # the pull to the mean keeps it from 0
    np.testing.assert_array_equal(found.image, picture(generator, found.codes))
    error = np.abs(found.image.astype(float) - target).mean() / 127.5
    assert abs(error - found.error) < 1 / 255  # of whole levels
    assert found.loss[-1] < found.loss[0]


def test_a_stronger_pull_keeps_codes_nearer_to_the_mean():
    generator = linear()
    target = picture(generator, draw_codes(generator, jax.random.key(3), 1))
    mean = np.asarray(generator.mean_code)
    codes = [invert.invert(generator, target, steps=60, pull=x).codes for x in (0.1, 10.0)]
    away = [np.abs(each - mean) for each in codes]
    assert away[1].mean() < 0.7 * away[0].mean()


def test_in_w_all_layers_have_one_code_and_in_w_plus_each_its_own():
    generator = linear()
    target = picture(generator, draw_codes(generator, jax.random.key(3), 1))
    one, own = (invert.invert(generator, target, space=s, steps=60).codes for s in ("w", "w+"))
    assert np.ptp(one, axis=1).max() < 1e-6  # sums in float32
    assert np.ptp(own, axis=1).max() > 1e-3


def test_pictures_on_the_way_come_at_equal_steps():
    generator, seen = linear(), []
    target = picture(generator, draw_codes(generator, jax.random.key(3), 1))
    invert.invert(
        generator, target, steps=30, every=10, show=lambda step, x: seen.append((step, x))
    )
    assert [step for step, _ in seen] == [10, 20, 30]
    assert all(x.shape == (SIDE, SIDE, 3) and x.dtype == np.uint8 for _, x in seen)


def test_what_does_not_fit_is_one_line():
    generator = linear()
    target = np.zeros((SIDE, SIDE, 3), np.uint8)
    for wrong in (target[:2], target.astype(float)):
        with pytest.raises(InputError, match="must be \\[4, 4, 3\\] uint8, not") as error:
            invert.invert(generator, wrong)
        assert line_of(error)
    for space, of in (("z", generator), ("w+", linear(layers=0))):
        with pytest.raises(InputError, match="unknown space of linear") as error:
            invert.invert(of, target, space=space)
        assert line_of(error)
    with pytest.raises(InputError, match="steps=0 must be 1 to") as error:
        invert.invert(generator, target, steps=0)
    assert line_of(error)


def test_sides_divide():
    sides = {1024: 256, 512: 256, 256: 256, 300: 300, 1000: 500, 64: 64, 28: 28}
    assert {length: _part(length, invert.SIDE) for length in sides} == sides


def test_the_rate_rises_stays_and_falls_to_nothing():
    schedule = invert._schedule(0.5, 100)
    rates = np.array([schedule(jnp.asarray(step)) for step in range(100)])
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:60] == pytest.approx(0.5)
    assert (np.diff(rates[70:]) < 0).all()
    assert rates[-1] == 0

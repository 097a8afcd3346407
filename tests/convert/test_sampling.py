"""Numbered samples."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxgan.convert import sampling
from jaxgan.data import pixels
from tests.generators import DIM, linear, normal


@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_a_latent_follows_from_seed_and_number_alone(law):
    every = np.asarray(sampling.latents(3, 0, 37, 5, law))
    parts = [sampling.latents(3, start, 4, 5, law) for start in range(0, 37, 4)]
    np.testing.assert_array_equal(np.concatenate(parts)[:37], every)  # to the bit
    assert len(np.unique(every)) == every.size
    assert not np.isin(every, sampling.latents(4, 0, 37, 5, law)).any()


def test_the_last_numbers_have_latents_of_their_own():
    rows = sampling.latents(sampling.MOST, sampling.MOST - 1, 3, 2)
    assert np.isfinite(rows).all()
    assert len(np.unique(rows)) == 6


def test_latents_have_their_law():
    z = np.asarray(sampling.latents(0, 0, 4000, 5))
    # Of 20,000 draws the mean deviates by 0.007, the mean square by 0.01: five of each.
    assert abs(z.mean()) < 0.036
    assert abs(np.square(z).mean() - 1) < 0.05
    correlation = np.corrcoef(z[:-1].ravel(), z[1:].ravel())[0, 1]
    assert abs(correlation) < 0.036
    u = np.asarray(sampling.latents(0, 0, 4000, 5, "uniform"))
    assert -1 <= u.min() < -0.99 < 0.99 < u.max() < 1


def test_latents_are_none_that_other_draws_use():
    z = np.asarray(sampling.latents(0, 0, 8, DIM))
    others = jax.random.normal(jax.random.key(0), (8, DIM))
    assert not np.isin(z, others).any()


def test_bytes_are_those_of_the_host():
    values = np.concatenate([np.linspace(-1.2, 1.2, 9999), [np.nan, np.inf, -np.inf, 1e30]])
    images = np.tile(values.astype(np.float32), (1, 1, 3, 1)).transpose(0, 1, 3, 2)
    with np.errstate(over="ignore"):  # of what is not finite
        expected = pixels.to_uint8(images)
    np.testing.assert_array_equal(sampling.to_bytes(images), expected)
    assert sampling.to_bytes(images, 1).shape == (1, 1, 10003, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_are_the_generator_of_their_latents(channels):
    generator = linear(channels=channels)
    assert sampling.channels_of(generator) == channels
    draw = sampling.image_sampler(generator, 5, truncation=0.6)
    z = sampling.latents(5, 7, 4, DIM)
    expected = pixels.to_uint8(generator.images(generator.codes(z, 0.6)))[..., :channels]
    np.testing.assert_array_equal(draw(7, 4), expected)


def test_labels_are_taken_in_turn_whatever_the_batches():
    rows = 5 * normal(3, DIM, seed=7)
    plain = linear()

    def encode(params, z, labels):
        return plain.encode(params, z) + labels @ rows

    generator = dataclasses.replace(plain, encode=encode, num_labels=3)
    draw = sampling.image_sampler(generator.with_labels([2, 0]), 0)
    batches = [np.asarray(draw(start, 5)) for start in (0, 5)]
    expected = []
    for number in range(10):
        one = sampling.image_sampler(generator.with_labels(2 if number % 2 == 0 else 0), 0)
        expected.append(np.asarray(one(number, 1))[0])
    # Batches of one round otherwise.
    difference = np.concatenate(batches).astype(int) - np.stack(expected)
    assert np.abs(difference).max() <= 1


def test_batches_are_drawn_ahead_and_come_in_order():
    drawn = []

    def draw(start, count):
        drawn.append(start)
        return jax.numpy.arange(start, start + count)

    batches = sampling.batches(draw, range(0, 10, 2), 2)
    start, batch = next(batches)
    assert (start, batch.tolist()) == (0, [0, 1])
    assert drawn == [0, 2, 4]
    assert [(s, b.tolist()) for s, b in batches] == [(n, [n, n + 1]) for n in (2, 4, 6, 8)]
    assert list(sampling.batches(draw, [], 2)) == []

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import mlp
from jaxgan.training.epochs import _shuffled, epoch, interval, steps_per_epoch
from jaxgan.training.gan import Gan, draw_key, gan
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair


def small():
    return gan(
        mlp.Generator((8,)),
        mlp.Critic((8,)),
        objective("wgan_gp"),
        pair("adam", 1e-3),
        latent_dim=2,
    )


def recording_gan():
    """A GAN that learns nothing and reports which examples it was given."""

    def step(state, reals):
        return state.replace(step=state.step + 1), {"seen": reals}

    return Gan(None, step, None, None, 1)


def seen(state, data, monkeypatch, **options):
    monkeypatch.setattr(
        "jaxgan.training.epochs.jnp.mean", lambda x: x
    )  # keep every step's batches
    _, metrics = epoch(recording_gan(), state, data, **options)
    return np.asarray(metrics["seen"])


def test_an_epoch_is_one_pass_in_an_order_of_its_own(key, monkeypatch):
    data = jnp.arange(50)[:, None]
    state = small().init(key, jnp.zeros((1, 2)))
    options = {"batch_size": 4, "critic_steps": 3}
    first = seen(state, data, monkeypatch, **options)
    assert first.shape == (4, 3, 4, 1)  # 48 of 50 examples
    assert len(np.unique(first)) == 48
    again = seen(state, data, monkeypatch, **options)
    np.testing.assert_array_equal(first, again)
    second = seen(state.replace(step=jnp.int32(4)), data, monkeypatch, **options)
    assert len(np.unique(second)) == 48
    assert (first != second).any()
    other = seen(state.replace(key=jax.random.key(1)), data, monkeypatch, **options)
    assert (first != other).any()


def test_batches_are_prepared(key, monkeypatch):
    data = jnp.arange(8, dtype=jnp.uint8)[:, None]
    state = small().init(key, jnp.zeros((1, 2)))
    halves = seen(
        state, data, monkeypatch, batch_size=8, prepare=lambda x: x.astype(jnp.float32) / 2
    )
    np.testing.assert_array_equal(np.sort(halves.ravel()), np.arange(8) / 2)


def test_an_interval_is_its_epochs_one_after_another(key):
    g, data = small(), jax.random.normal(key, (40, 2))
    options = {"batch_size": 8, "critic_steps": 2}
    first = g.init(key, data[:1])
    state, metrics = jax.jit(
        lambda state, data: interval(
            g, state, data, epochs=3, measure=lambda s: {"step": s.step}, **options
        )
    )(first, data)
    expected = first
    for i in range(3):
        expected, one = jax.jit(lambda s, x: epoch(g, s, x, **options))(expected, data)
        np.testing.assert_allclose(metrics["critic_loss"][i], one["critic_loss"], rtol=1e-6)
    np.testing.assert_array_equal(metrics["step"], [2, 4, 6])
    jax.tree.map(
        # the same operations, perhaps fused in another way
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7),
        state.generator,
        expected.generator,
    )


def test_steps_per_epoch_drops_the_incomplete_one():
    assert steps_per_epoch(7000, 64) == 109
    assert steps_per_epoch(7000, 64, 5) == 21
    assert steps_per_epoch(10, 11) == 0


@pytest.mark.parametrize("count", [1, 2, 7, 1000, 65536, 65537])
def test_shuffled_holds_every_number_once(count, key):
    order = np.asarray(_shuffled(key, count))
    np.testing.assert_array_equal(np.sort(order), np.arange(count))


def test_every_number_is_as_likely_in_every_place():
    orders = jax.vmap(lambda key: _shuffled(key, 5))(jax.random.split(jax.random.key(0), 4000))
    counts = np.stack([(np.asarray(orders) == i).sum(axis=0) for i in range(5)])
    # 16 degrees of freedom; a fair shuffle exceeds 39.3 once in a thousand times
    assert ((counts - 800) ** 2 / 800).sum() < 39.3


def test_draws_differ_by_purpose_and_number(key):
    keys = {
        jax.random.key_data(draw_key(key, purpose, number)).tobytes()
        for purpose in range(4)
        for number in range(4)
    }
    assert len(keys) == 16

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import mlp
from jaxgan.training.epochs import _shuffled, epoch, interval, steps_per_epoch
from jaxgan.training.gan import Gan, GanState, draw_key, gan
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair
from tests.quick import normal, state_of


def small():
    return gan(
        mlp.Generator((8,)),
        mlp.Critic((8,)),
        objective("gan"),
        pair("adam", 1e-3),
        latent_dim=2,
    )


def recording(steps, key, shape, prepare=lambda batch: batch, **options):
    """Run one epoch of a fake GAN that records the batches of each step.

    It stores them in place of the generator.
    """

    def step(state, reals):
        batches = state.generator.at[state.step % steps].set(reals)
        return state.replace(step=state.step + 1, generator=batches), {}

    recorder = Gan(None, step, None, None, 1)
    options |= {"prepare": prepare}
    train = jax.jit(lambda state, data: epoch(recorder, state, data, **options)[0].generator)

    def run(data, start=0, key=key):
        state = GanState(np.int32(start), key, np.zeros(shape, np.float32), {}, {})
        return np.asarray(train(state, data))

    return run


def test_an_epoch_is_one_pass_in_an_order_of_its_own(key):
    data = np.arange(50)[:, None]
    batches = recording(4, key, (4, 3, 4, 1), batch_size=4, critic_steps=3)
    first = batches(data)
    assert len(np.unique(first)) == 48  # of 50 examples
    assert set(first.ravel()) <= set(range(50))
    np.testing.assert_array_equal(first, batches(data))
    second = batches(data, start=4)
    assert len(np.unique(second)) == 48
    assert (first != second).any()
    assert (first != batches(data, key=jax.random.key(1))).any()


def test_epochs_of_a_size_are_parts_of_one_pass(key):
    data = np.arange(50)[:, None]
    batches = recording(2, key, (2, 3, 4, 1), batch_size=4, critic_steps=3, size=24)
    parts = [batches(data, start).ravel() for start in (0, 2, 4, 6)]
    whole = recording(4, key, (4, 3, 4, 1), batch_size=4, critic_steps=3)(data)
    np.testing.assert_array_equal(np.concatenate(parts[:2]), whole.ravel())
    assert len(np.unique(np.concatenate(parts[2:]))) == 48  # the second pass
    assert (np.concatenate(parts[:2]) != np.concatenate(parts[2:])).any()


def test_batches_are_prepared(key):
    data = np.arange(8, dtype=np.uint8)[:, None]
    batches = recording(
        1, key, (1, 1, 8, 1), batch_size=8, prepare=lambda x: x.astype(jnp.float32) / 2
    )
    np.testing.assert_array_equal(np.sort(batches(data).ravel()), np.arange(8) / 2)


def test_an_interval_is_its_epochs_one_after_another(key):
    g, data = small(), normal(40, 2)
    options = {"batch_size": 8, "critic_steps": 2}
    first = state_of(g, key, data[:1])
    state, metrics = jax.jit(
        lambda state, data: interval(
            g, state, data, epochs=3, measure=lambda s: {"step": s.step}, **options
        )
    )(first, data)
    expected, one_epoch = first, jax.jit(lambda s, x: epoch(g, s, x, **options))
    for i in range(3):
        expected, one = one_epoch(expected, data)
        np.testing.assert_allclose(metrics["critic_loss"][i], one["critic_loss"], rtol=1e-6)
    np.testing.assert_array_equal(metrics["step"], [2, 4, 6])
    jax.tree.map(
        # the same operations, perhaps fused in another way
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7),
        state.generator,
        expected.generator,
    )


def test_metrics_of_an_epoch_are_means_over_its_steps(key):
    def step(state, reals):
        return state.replace(step=state.step + 1), {"sum": reals.sum()}

    state = GanState(np.int32(0), key, {}, {}, {})
    data = np.arange(12, dtype=np.float32)[:, None]
    train = jax.jit(lambda s, x: epoch(Gan(None, step, None, None, 1), s, x, batch_size=3))
    assert train(state, data)[1] == {"sum": data.sum() / 4}


def test_steps_per_epoch_drops_the_incomplete_one():
    assert steps_per_epoch(7000, 64) == 109
    assert steps_per_epoch(7000, 64, 5) == 21
    assert steps_per_epoch(10, 11) == 0


@pytest.mark.parametrize("count", [1, 2, 7, 1000, 65536, 65537])
def test_shuffled_holds_every_number_once(count, key):
    order = np.asarray(jax.jit(lambda key: _shuffled(key, count))(key))
    np.testing.assert_array_equal(np.sort(order), np.arange(count))


def test_every_number_is_as_likely_in_every_place(key):
    shuffled = jax.jit(
        lambda key: jax.vmap(lambda key: _shuffled(key, 5))(jax.random.split(key, 4000))
    )
    orders = np.asarray(shuffled(key))
    counts = np.stack([(orders == i).sum(axis=0) for i in range(5)])
    # 16 degrees of freedom; a fair shuffle exceeds 39.3 once in a thousand times
    assert ((counts - 800) ** 2 / 800).sum() < 39.3


def test_draws_differ_by_purpose_and_number(key):
    numbers = np.mgrid[:4, :4].reshape(2, -1)
    keys = jax.jit(jax.vmap(lambda purpose, number: draw_key(key, purpose, number)))(*numbers)
    assert len(np.unique(jax.random.key_data(keys), axis=0)) == 16

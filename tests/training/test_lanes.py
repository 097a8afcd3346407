import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import mlp
from jaxgan.training import devices as training_devices
from jaxgan.training.epochs import interval
from jaxgan.training.gan import gan
from jaxgan.training.lanes import over_lanes
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair


def train_one(seed, hyper, data):
    g = gan(
        mlp.Generator((16,)),
        mlp.Critic((16,)),
        objective("wgan_gp", penalty_weight=hyper["weight"], clip=hyper["clip"]),
        pair("adam", hyper["rate"]),
        latent_dim=2,
        ema=0.9,
    )
    state = g.init(jax.random.key(seed), data[:1])
    state, metrics = interval(g, state, data, epochs=2, batch_size=8, critic_steps=2)
    return state.generator.params, metrics


def lanes_of(count, key):
    hyper = {
        "rate": jnp.linspace(1e-4, 1e-2, count),
        "weight": jnp.linspace(0.1, 10, count),
        "clip": jnp.linspace(0.5, 1, count),
    }
    return jnp.arange(count), hyper, jax.random.normal(key, (count, 64, 2))


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_lane_equals_the_same_run_alone(devices, count, key):
    args = lanes_of(count, key)
    mesh = training_devices.mesh(jax.devices()[:devices])
    together = jax.jit(over_lanes(train_one, mesh))(*args)
    assert {len(x) for x in jax.tree.leaves(together)} == {count}
    for i in range(count):
        alone = jax.jit(train_one)(*jax.tree.map(lambda x, i=i: x[i], args))
        jax.tree.map(
            lambda x, y, i=i: np.testing.assert_allclose(x[i], y, rtol=1e-5, atol=1e-7),
            together,
            alone,
        )


def test_lanes_need_no_communication(key):
    args = lanes_of(8, key)
    text = jax.jit(over_lanes(train_one)).lower(*args).compile().as_text()
    for word in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert word not in text


def test_accelerator_form_gives_the_same_lanes(key):
    """What a GPU would run, run here."""
    args = lanes_of(3, key)
    expected = jax.jit(over_lanes(train_one))(*args)
    batched = jax.jit(over_lanes(train_one, in_turn=False))(*args)
    jax.tree.map(
        # batched matrix products sum in another order; eight Adam steps follow
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4),
        batched,
        expected,
    )


def test_keyword_arguments_reach_every_lane_whole(key):
    table = jax.random.normal(key, (7, 2))
    lanes = jnp.arange(5)
    out = jax.jit(over_lanes(lambda lane, table: table[lane]))(lanes, table=table)
    np.testing.assert_array_equal(out, table[:5])

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
from tests.quick import normal, user_jit

COUNT, DEVICES = 8, 4


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


def lanes_of(count):
    hyper = {
        "rate": np.linspace(1e-4, 1e-2, count, dtype=np.float32),
        "weight": np.linspace(0.1, 10, count, dtype=np.float32),
        "clip": np.linspace(0.5, 1, count, dtype=np.float32),
    }
    return np.arange(count), hyper, normal(count, 64, 2)


def mesh_of(devices):
    return training_devices.make_mesh(jax.devices()[:devices])


def alone(train, args):
    """Results of a compiled run of one lane, for every lane."""
    lanes = [train(*jax.tree.map(lambda x, i=i: x[i], args)) for i in range(len(args[0]))]
    return jax.tree.map(lambda *x: np.stack(x), *lanes)


@pytest.fixture(scope="module")
def compiled():
    """The lanes of the quick tests."""
    return jax.jit(over_lanes(train_one, mesh_of(DEVICES))).lower(*lanes_of(COUNT)).compile()


@pytest.fixture(scope="module")
def optimised():
    return user_jit(train_one)


def assert_equal(together, separate):
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-7), together, separate
    )


def test_a_lane_equals_the_same_run_alone(compiled):
    args = lanes_of(COUNT)
    assert_equal(compiled(*args), alone(jax.jit(train_one), args))


def test_lanes_need_no_communication(compiled):
    text = compiled.as_text()
    for word in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert word not in text


def test_the_form_of_a_card_gives_the_same_lanes(device):
    args = lanes_of(COUNT)
    mesh = training_devices.make_mesh(jax.devices(device.platform)[:DEVICES])
    with jax.default_device(device), jax.default_matmul_precision("highest"):
        batched = jax.jit(over_lanes(train_one, mesh, in_turn=False))(*args)
        separate = alone(jax.jit(train_one), args)
    jax.tree.map(
        # batched matrix products sum in another order; eight Adam steps follow
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4),
        batched,
        separate,
    )


@pytest.mark.slow
# six lanes are filled up to eight
@pytest.mark.parametrize(("devices", "count"), [(1, 3), (4, 6)])
def test_optimised_lanes_equal_optimised_runs(devices, count, optimised):
    args = lanes_of(count)
    together = user_jit(over_lanes(train_one, mesh_of(devices)))(*args)
    assert_equal(together, alone(optimised, args))


@pytest.mark.parametrize("in_turn", [None, False])
@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("count", [1, 3, 6, 8])
def test_any_number_of_lanes_fits_any_number_of_devices(devices, count, in_turn):
    def function(seed, hyper, table):
        return {"seed": seed, "sum": table[seed] + hyper["rate"]}

    args, table = ((np.arange(count), {"rate": normal(count)}), normal(9, 2))
    lanes = over_lanes(function, mesh_of(devices), in_turn=in_turn)
    together = jax.jit(lanes)(*args, table=table)  # keyword arguments reach every lane whole
    np.testing.assert_array_equal(together["seed"], np.arange(count))
    expected = table[:count] + args[1]["rate"][:, None]
    np.testing.assert_array_equal(together["sum"], expected)


def test_a_cpu_runs_lanes_in_turn():
    """This is the default on a CPU."""

    def loops(**options):
        lanes = over_lanes(jnp.sin, mesh_of(1), **options)
        return str(jax.make_jaxpr(lanes)(np.zeros(3, np.float32))).count("scan[")

    assert loops() == loops(in_turn=jax.default_backend() == "cpu")
    assert loops(in_turn=True) > loops(in_turn=False)

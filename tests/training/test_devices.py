import re

import jax
import numpy as np
from jax.sharding import PartitionSpec

from jaxgan.networks import mlp
from jaxgan.training import devices
from jaxgan.training.gan import gan
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair
from tests.quick import normal, quick_jit, state_of

BATCH, WIDTH = 64, 32


def make(**options):
    return gan(
        mlp.Generator((WIDTH,)),
        mlp.Critic((WIDTH,)),
        objective("wgan_gp"),
        pair("sgd", 1e-2),
        latent_dim=8,  # more than what mlp takes apart without a product
        **options,
    )


def product_rows(compiled):
    """Batch sizes of the matrix products of hidden layers."""
    return set(re.findall(rf"= f32\[(\d+),{WIDTH}\]\S* dot\(", compiled.as_text()))


def test_data_parallel_step_equals_the_serial_one(key):
    """SGD: Adam would turn the rounding of gradients near zero into whole steps."""
    reals = normal(2, BATCH, 2)
    serial, mesh = make(), devices.make_mesh()
    assert mesh.size == 4
    parallel = make(constrain=devices.constrain(mesh))
    state = state_of(serial, key, reals[0, :1])
    placed = devices.replicate(mesh, state)
    batches = devices.shard(mesh, reals, axis=1)
    assert batches.sharding.spec == PartitionSpec(None, "data")
    step = quick_jit(serial.step).lower(state, reals).compile()
    parallel_step = quick_jit(parallel.step).lower(placed, batches).compile()
    # Each device pushes its own latents through the generator, a share of the batch.
    assert str(BATCH) not in product_rows(parallel_step)
    assert str(BATCH) in product_rows(step)  # the test can fail
    for _ in range(3):
        state, expected = step(state, reals)
        placed, metrics = parallel_step(placed, batches)
    # gradients are summed in another order
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6),
        (placed.generator, placed.critic, metrics),
        (state.generator, state.critic, expected),
    )

import logging
from typing import Any, NamedTuple

import chex
import jax
import numpy as np
import pytest

from jaxgan.networks import mlp
from jaxgan.training import devices
from jaxgan.training.gan import gan
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair
from jaxgan.training.program import make_program
from tests.quick import normal


class Lane(NamedTuple):
    seed: Any


@pytest.fixture
def make():
    g = gan(
        mlp.Generator((4,)),
        mlp.Critic((4,)),
        objective("gan"),
        pair("sgd", 1e-2),
        latent_dim=2,
    )

    def make(lanes, platform="cpu", **options):
        return make_program(
            lambda lane: g,
            Lane(np.arange(lanes, dtype=np.int32)),
            normal(32, 2),
            batch_size=8,
            mesh=devices.make_mesh(jax.devices(platform)[:2]),
            **options,
        )

    return make


@pytest.mark.parametrize("lanes", [1, 2, 3])  # on one device, on both, and not evenly on both
def test_a_program_that_compiles_ahead_is_the_same(make, lanes, caplog):
    program, ahead = make(lanes), make(lanes)
    expected, metrics = program.advance(program.init(), 2)
    ahead.compile_ahead(2)
    with caplog.at_level(logging.WARNING), jax.log_compiles():
        # It is of this thread alone: what it logs was not compiled in the background.
        state, ahead_metrics = ahead.advance(ahead.init(), 2)
    assert "jit(<lambda>)" in caplog.text
    assert "jit(advance)" not in caplog.text
    same = jax.device_get(((state, ahead_metrics), (expected, metrics)))
    chex.assert_trees_all_equal(*same)
    again = (each.advance(x, 2)[0] for each, x in ((ahead, state), (program, expected)))
    chex.assert_trees_all_equal(*jax.device_get(tuple(again)))


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_shapes_are_those_of_the_first_state(make, lanes):
    program = make(lanes)
    state, shapes = program.init(), program.shapes()
    chex.assert_trees_all_equal_shapes_and_dtypes(state, shapes)
    for x, like in zip(jax.tree.leaves(state), jax.tree.leaves(shapes), strict=True):
        assert x.sharding.is_equivalent_to(like.sharding, x.ndim)


# Lanes on one device, on both, and not evenly on both.
@pytest.mark.parametrize(("lanes", "stream"), [(1, 0), (2, 0), (3, 0), (2, 1)])
def test_an_interval_moves_nothing_and_needs_no_second_state(make, lanes, stream, device):
    """There are no implicit transfers between host and devices, nor between devices.

    On a CPU, JAX does not detect transfers from the device to the host.
    """
    if stream:
        pytest.importorskip("grain", reason="needs grain, which reads streams")
    program = make(lanes, device.platform, stream=bool(stream))
    state, _ = program.advance(program.init(), 2)  # compiled, with constants of the host's
    jax.block_until_ready(state)
    weights = [x for net in (state.generator, state.critic) for x in jax.tree.leaves(net)]
    places = {
        shard.data.unsafe_buffer_pointer() for x in weights for shard in x.addressable_shards
    }
    with jax.transfer_guard("disallow"):
        after, metrics = program.advance(state, 2)
        jax.block_until_ready((after, metrics))
    assert all(x.is_deleted() for x in jax.tree.leaves(state))
    nets = [x for net in (after.generator, after.critic) for x in jax.tree.leaves(net)]
    own = {shard.data.unsafe_buffer_pointer() for x in nets for shard in x.addressable_shards}
    assert own == places

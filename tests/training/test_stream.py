"""Data that stay on the host."""

import sys
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.networks import mlp
from jaxgan.training import devices, stream
from jaxgan.training.epochs import order
from jaxgan.training.gan import gan
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair
from jaxgan.training.program import make_program
from tests.quick import normal

COUNT, BATCH = 70, 8  # eight steps of an update, or four of two; six examples are left over


class Lane(NamedTuple):
    seed: Any


class Labelled(nn.Module):
    """A network that adds the label to its output."""

    network: nn.Module

    @nn.compact
    def __call__(self, x, labels, train=False):
        y = self.network(x, train=train)
        return y + labels.reshape(-1, *[1] * (y.ndim - 1)) / COUNT


def program(data, lanes=1, shares=False, labels=None, **options):
    networks = mlp.Generator((4,)), mlp.Critic((4,))
    g = gan(
        *(networks if labels is None else map(Labelled, networks)),
        objective("wgan_gp"),
        pair("sgd", 1e-2),
        latent_dim=2,
        ema=0.5,
    )
    options = {"critic_steps": 2} | options
    return make_program(
        lambda lane: g,
        Lane(np.arange(lanes, dtype=np.int32)),
        data,
        labels=labels,
        batch_size=BATCH,
        vary=lambda key, x: x + jax.random.normal(key, (1, 1, 2)),
        measure=lambda gan, state, lane: {"step": state.step},
        mesh=devices.make_mesh(jax.devices()[:2]),
        share_batches=shares,
        **options,
    )


@pytest.fixture
def mapped(tmp_path):
    """An array mapped from a file."""
    np.save(tmp_path / "data.npy", normal(COUNT, 2))
    return np.load(tmp_path / "data.npy", mmap_mode="r")


@pytest.mark.parametrize(
    ("chunk", "lanes", "shares", "size"),  # a step at once, some steps, all
    [
        (1, 1, True, None),
        (300, 3, False, None),
        (300, 1, True, None),
        (2**25, 4, False, None),
        (300, 1, False, 33),
    ],
)
def test_streamed_training_is_the_same(mapped, monkeypatch, chunk, lanes, shares, size):
    pytest.importorskip("grain", reason="the extra data")
    monkeypatch.setattr(stream, "CHUNK", chunk)
    labels = np.arange(COUNT, dtype=np.int32) if chunk == 300 else None
    kept, streamed = (
        program(mapped, lanes, shares, labels, stream=x, epoch_size=size) for x in (False, True)
    )
    (state, metrics), (other, others) = (x.advance(x.init(), 3) for x in (kept, streamed))
    steps = np.arange(1, 4) * (2 if size else 4)
    np.testing.assert_array_equal(metrics["step"], [steps] * lanes)
    assert metrics.keys() == others.keys()
    for x, y in zip(
        jax.tree.leaves((state.generator, state.critic, state.average, metrics)),
        jax.tree.leaves((other.generator, other.critic, other.average, others)),
        strict=True,
    ):
        assert x.shape == y.shape
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    assert jax.tree.leaves(other)[0].sharding.is_equivalent_to(
        jax.tree.leaves(streamed.shapes())[0].sharding, 1
    )


@pytest.mark.parametrize("chunk", [1, 700, 2**25])
@pytest.mark.parametrize("shares", [False, True])
def test_batches_come_in_the_order_of_the_epoch(mapped, monkeypatch, chunk, shares):
    """They are the batches of an epoch with data on the devices."""
    pytest.importorskip("grain", reason="the extra data")
    monkeypatch.setattr(stream, "CHUNK", chunk)
    mesh = devices.make_mesh(jax.devices()[:2])
    place = devices.along(mesh, 3) if shares else devices.along(mesh, 0)
    labels = np.arange(COUNT, dtype=np.int32)
    orders = []
    for seed in range(2):
        state = program(mapped).init()
        first = jax.tree.map(lambda x: x[0], state)
        first = first.replace(key=jax.random.key(seed))
        orders.append(np.asarray(order(first, COUNT, batch_size=BATCH, critic_steps=2)))
    wanted = np.stack(orders)
    parts = list(stream.chunks(mapped, labels, wanted, place))
    batches = np.concatenate([np.asarray(x) for x, _ in parts], axis=1)
    np.testing.assert_array_equal(batches, mapped[wanted])
    np.testing.assert_array_equal(np.concatenate([y for _, y in parts], axis=1), wanted)
    assert (len(parts) > 1) == (chunk < 2**25)
    assert all(x.sharding.is_equivalent_to(place, x.ndim) for x, _ in parts)


def test_data_without_room_stay_on_the_host(monkeypatch):
    data = np.zeros(100, np.uint8)
    monkeypatch.setattr(stream, "memory", lambda: 200)
    assert not stream.needed(data)
    monkeypatch.setattr(stream, "memory", lambda: 199)
    assert stream.needed(data)


def test_memory_is_that_of_the_machine():
    assert 2**28 < stream.memory() < 2**50


def test_what_is_missing_is_said(mapped, monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    streamed = program(mapped, stream=True)
    with pytest.raises(InputError, match=r"need grain: pip install 'jaxgan\[data\]'"):
        streamed.advance(streamed.init(), 1)

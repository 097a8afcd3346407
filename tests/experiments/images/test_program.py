import jax
import pytest

from experiments.images import program
from experiments.images.program import Machine
from jaxgan.networks.pairs import PAIRS
from jaxgan.training import devices
from tests.experiments.images.least import LEAST


# One seed shares its batches between two devices.
@pytest.mark.parametrize(("seeds", "stream"), [(1, False), (2, True)])
def test_an_interval_of_a_run_moves_nothing(
    config_of, dataset, device, seeds, stream, monkeypatch
):
    """Between host and device or between devices, but for metrics and a stream's batches."""
    if stream:
        pytest.importorskip("grain", reason="needs grain, which reads streams")
    monkeypatch.setitem(PAIRS, "dcgan", LEAST)
    mesh = devices.make_mesh(jax.devices(device.platform)[:2])
    config = config_of(seeds=seeds, model=("dcgan",), flip=True)
    functions = program.make_program(config, dataset, machine=Machine(mesh, stream))
    state, _ = functions.advance(functions.init(), 2)
    with jax.transfer_guard("disallow"):
        after, metrics = functions.advance(state, 2)
        jax.block_until_ready((after, metrics))
    assert all(x.is_deleted() for x in jax.tree.leaves(state))

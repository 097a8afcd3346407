import jax

from experiments.points import lanes, program
from jaxgan.data import points
from jaxgan.training import devices


def test_an_interval_of_a_run_moves_nothing(config_of, device):
    """Between host and device or between devices, but for its metrics at the end."""
    config = config_of(seeds=2)
    start = lanes.lanes_of(config, points.load(config.data, config.data_key).points)
    mesh = devices.make_mesh(jax.devices(device.platform)[:2])
    functions = program.make_program(config, start, mesh)
    state, _ = functions.advance(functions.init(), 2)
    with jax.transfer_guard("disallow"):
        after, metrics = functions.advance(state, 2)
        jax.block_until_ready((after, metrics))
    assert all(x.is_deleted() for x in jax.tree.leaves(state))

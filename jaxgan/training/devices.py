"""One mesh for data parallelism and for lanes, and the start of several processes.

The mesh has one axis, ``"data"``, of type Auto: the compiler places the collectives,
and code written for one device runs unchanged on many.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

AXIS = "data"


def start(**options: Any) -> None:
    """Join the other processes of a multi-process run; call it before anything else.

    Args:
      **options: ``coordinator_address``, ``num_processes``, ``process_id``; none are
        needed on a cluster that JAX recognises. See ``jax.distributed.initialize``.
    """
    jax.distributed.initialize(**options)


def make_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh with one axis over the devices, by default all of them."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))


def replicate(mesh: Mesh, tree: Any) -> Any:
    """Put a copy of every array on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def shard(mesh: Mesh, tree: Any, axis: int = 0) -> Any:
    """Split every array along one axis, whose size the devices must divide."""
    spec = PartitionSpec(*[None] * axis, AXIS)
    return jax.device_put(tree, NamedSharding(mesh, spec))


def constrain(mesh: Mesh) -> Callable[[Array], Array]:
    """Make the ``constrain`` of ``gan`` with which each device draws its own latents.

    The compiler mostly finds this by itself, from the real examples that the fakes meet;
    where it does not, every device pushes the whole batch through the generator.
    """
    sharding = NamedSharding(mesh, PartitionSpec(AXIS))
    return lambda x: jax.lax.with_sharding_constraint(x, sharding)

"""A mesh of devices that share the lanes of a program, or the examples of each batch.

The mesh has one axis, ``"data"``, of type Auto: the compiler inserts the collectives, and
code for one device runs unchanged on many. ``jax.set_mesh`` puts a mesh in use.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec, Sharding

from jaxgan.errors import InputError

AXIS = "data"


_limit: int | None = None  # number of devices to use in each process


def limit(count: int | None) -> None:
    """Use only the first ``count`` devices of each process where no devices are given.

    Raises:
      InputError: If there are fewer devices.
    """
    global _limit
    most = jax.local_device_count() if count is not None else 0
    if count is not None and not 1 <= count <= most:
        raise InputError(f"devices={count}: must be from 1 to {most}")
    _limit = count


def make_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Make a mesh with one axis over devices; by default all up to the ``limit``.

    Examples:
      >>> import jax
      >>> from jaxgan.training import devices
      >>> devices.make_mesh(jax.devices()[:1]).size
      1
    """
    if devices is None:
        parts: dict[int, list[Any]] = {}
        for device in jax.devices():
            parts.setdefault(device.process_index, []).append(device)
        devices = [device for part in parts.values() for device in part[:_limit]]
    return jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))


def for_batches(lanes: int, mesh: Mesh | None, batch: int) -> Mesh | None:
    """Choose the devices that share every batch; ``None`` if devices should share lanes.

    Devices share batches if there are more devices than lanes, or several processes.
    Without a mesh, several processes use all devices, and one process as many devices as
    can share a batch equally, but none on a CPU: there one large operation uses all cores.

    Raises:
      InputError: If the devices cannot share a batch equally.
    """
    several = jax.process_count() > 1
    if mesh is None and several:
        mesh = make_mesh()
    elif mesh is None and jax.default_backend() != "cpu":
        every = make_mesh().devices.flat
        count = max(n for n in range(1, len(every) + 1) if batch % n == 0)
        mesh = make_mesh(list(every)[:count])
    if mesh is None or (lanes >= mesh.size and not several):
        return None
    require_parts(batch, mesh)
    return mesh


def require_parts(batch: int, mesh: Mesh) -> None:
    """Check that the devices of a mesh can share a batch equally.

    Raises:
      InputError: If they cannot; the message lists the numbers of devices that can.
    """
    if batch % mesh.size:
        fitting = ", ".join(str(n) for n in range(1, mesh.size) if batch % n == 0)
        raise InputError(
            f"devices={mesh.size} cannot share a batch of {batch} equally; {fitting} can"
        )


def everywhere(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """Return the sharding that gives every device a copy."""
    return NamedSharding(mesh, PartitionSpec())


def along(mesh: Mesh, axis: int) -> NamedSharding:
    """Return the sharding that gives every device an equal part along one axis."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXIS))


def put(tree: Any, place: Sharding) -> Any:
    """Place arrays that are equal in every process.

    Across processes, ``jax.device_put`` would send all arrays to check that they are equal.
    """
    if place.is_fully_addressable:
        return jax.device_put(tree, place)

    def one(x):
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, place, lambda index: x[index])

    return jax.tree.map(one, tree)


def sharing() -> int:
    """Return how many devices share each batch in the program that is being traced."""
    mesh = jax.sharding.get_abstract_mesh()
    shares = (
        not mesh.empty
        and dict(zip(mesh.axis_names, mesh.axis_types, strict=True)).get(AXIS) == AxisType.Auto
    )
    return mesh.shape[AXIS] if shares else 1


def _parts(batch: int) -> int:
    """Return how many devices share this batch: all if it divides equally, else 1."""
    count = sharing()
    return 1 if batch % count else count


def split(x: Array, axis: int = 0) -> Array:
    """Shard a batch along one axis if it divides equally over the devices."""
    if _parts(x.shape[axis]) == 1:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*[None] * axis, AXIS))


def by_parts(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Shard a function ``(whole, *batches) -> batch`` over its batches."""

    def parts(whole, *batches):
        part = PartitionSpec(AXIS)
        specs = (PartitionSpec(), *[part] * len(batches))
        mapped = jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=part, check_vma=False
        )
        return mapped(whole, *batches)

    return parts


def join(first: Array, second: Array) -> Array:
    """Concatenate two batches ``[B, ...]`` on each device to ``[2 B, ...]``.

    On one device this is ``jnp.concatenate``. ``part`` is the inverse.
    """
    shape = (_parts(len(first)), -1, *first.shape[1:])
    both = jnp.concatenate([first.reshape(shape), second.reshape(shape)], axis=1)
    return both.reshape(-1, *first.shape[1:])


def part(both: Array) -> tuple[Array, Array]:
    """Separate the two batches that ``join`` has joined."""
    parts = both.reshape(_parts(len(both) // 2), 2, -1, *both.shape[1:])
    first, second = (parts[:, i].reshape(-1, *both.shape[1:]) for i in range(2))
    return first, second

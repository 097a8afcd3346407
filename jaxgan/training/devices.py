"""One mesh of devices, which share the lanes of a program or the examples of each batch.

The mesh has one axis, ``"data"``, of type Auto: the compiler places the collectives,
and code written for one device runs unchanged on many. ``jax.set_mesh`` puts a mesh in use.
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


_limit: int | None = None  # devices of each process that are used


def limit(count: int | None) -> None:
    """Use that many devices of each process, the first, wherever no others are given.

    Raises:
      InputError: If there are fewer.
    """
    global _limit
    most = jax.local_device_count() if count is not None else 0
    if count is not None and not 1 <= count <= most:
        raise InputError(f"devices={count}: must be from 1 to {most}")
    _limit = count


def make_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh with one axis over the devices; by default all, or as many as ``limit`` says."""
    if devices is None:
        parts: dict[int, list[Any]] = {}
        for device in jax.devices():
            parts.setdefault(device.process_index, []).append(device)
        devices = [device for part in parts.values() for device in part[:_limit]]
    return jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))


def for_batches(lanes: int, mesh: Mesh | None, batch: int) -> Mesh | None:
    """The devices that share the batches of each lane, if there are more than lanes.

    Without a mesh they are all devices, or as many as can share a batch equally; but none of a
    CPU: its devices are cores, and large operations use all of them. Several processes always
    share batches.

    Raises:
      InputError: If the devices that are given cannot share a batch equally.
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
    """Refuse a batch that devices cannot share equally.

    Raises:
      InputError: Says which numbers of devices can.
    """
    if batch % mesh.size:
        fitting = ", ".join(str(n) for n in range(1, mesh.size) if batch % n == 0)
        raise InputError(
            f"devices={mesh.size} cannot share a batch of {batch} equally; {fitting} can"
        )


def everywhere(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """The placement of arrays of which every device has a copy."""
    return NamedSharding(mesh, PartitionSpec())


def along(mesh: Mesh, axis: int) -> NamedSharding:
    """The placement of arrays of which every device has an equal part along one axis."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXIS))


def put(tree: Any, place: Sharding) -> Any:
    """Place arrays that every process has.

    With devices of several processes, ``jax.device_put`` would send all arrays to compare them.
    """
    if place.is_fully_addressable:
        return jax.device_put(tree, place)

    def one(x):
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, place, lambda index: x[index])

    return jax.tree.map(one, tree)


def sharing() -> int:
    """Number of devices that share each batch of the program that is traced."""
    mesh = jax.sharding.get_abstract_mesh()
    shares = (
        not mesh.empty
        and dict(zip(mesh.axis_names, mesh.axis_types, strict=True)).get(AXIS) == AxisType.Auto
    )
    return mesh.shape[AXIS] if shares else 1


def _parts(batch: int) -> int:
    """The number of devices that share a batch equally, or 1."""
    count = sharing()
    return 1 if batch % count else count


def split(x: Array, axis: int = 0) -> Array:
    """Give every device an equal part of a batch, along one axis, where that is possible."""
    if _parts(x.shape[axis]) == 1:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*[None] * axis, AXIS))


def by_parts(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Let every device compute its part of a function of ``(whole, *batches) -> batch``."""

    def parts(whole, *batches):
        part = PartitionSpec(AXIS)
        specs = (PartitionSpec(), *[part] * len(batches))
        mapped = jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=part, check_vma=False
        )
        return mapped(whole, *batches)

    return parts


def join(first: Array, second: Array) -> Array:
    """Join two batches ``[B, ...]`` as ``[2 B, ...]``, device by device; ``part`` parts them.

    Without devices that share them, the second follows the first.
    """
    shape = (_parts(len(first)), -1, *first.shape[1:])
    both = jnp.concatenate([first.reshape(shape), second.reshape(shape)], axis=1)
    return both.reshape(-1, *first.shape[1:])


def part(both: Array) -> tuple[Array, Array]:
    """Part what ``join`` has joined."""
    parts = both.reshape(_parts(len(both) // 2), 2, -1, *both.shape[1:])
    first, second = (parts[:, i].reshape(-1, *both.shape[1:]) for i in range(2))
    return first, second

"""One mesh of devices, which share the lanes of a program or the examples of each batch.

The mesh has one axis, ``"data"``, of type Auto: the compiler places the collectives,
and code written for one device runs unchanged on many. ``jax.set_mesh`` puts a mesh in use.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxgan.errors import InputError

AXIS = "data"


def make_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """A mesh with one axis over the devices, by default all of them."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), (AXIS,), devices=devices, axis_types=(AxisType.Auto,))


def first(count: int) -> Mesh:
    """A mesh of the first devices, of each process where there are several.

    Raises:
      InputError: If there are fewer.
    """
    if jax.process_count() > 1 and count == jax.local_device_count():
        return make_mesh()
    if not 1 <= count <= jax.device_count():
        raise InputError(f"devices={count}: must be from 1 to {jax.device_count()}")
    return make_mesh(jax.devices()[:count])


def for_batches(lanes: int, mesh: Mesh | None) -> Mesh | None:
    """The devices that share the batches of each lane: those of a mesh with more than lanes.

    Without a mesh they are all devices, but none of a CPU: its devices are cores, and large
    operations use all of them. Several processes always share batches.
    """
    several = jax.process_count() > 1
    if mesh is None and (several or jax.default_backend() != "cpu"):
        mesh = make_mesh()
    if several:
        return mesh
    return mesh if mesh and lanes < mesh.size else None


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


def everywhere(mesh: Mesh) -> NamedSharding:
    """The placement of arrays of which every device has a copy."""
    return NamedSharding(mesh, PartitionSpec())


def along(mesh: Mesh, axis: int) -> NamedSharding:
    """The placement of arrays of which every device has an equal part along one axis."""
    return NamedSharding(mesh, PartitionSpec(*[None] * axis, AXIS))


def sharing() -> int:
    """Number of devices that share each batch of the program that is traced."""
    mesh = jax.sharding.get_abstract_mesh()
    shares = (
        not mesh.empty
        and dict(zip(mesh.axis_names, mesh.axis_types, strict=True)).get(AXIS) == AxisType.Auto
    )
    return mesh.shape[AXIS] if shares else 1


def split(x: Array, axis: int = 0) -> Array:
    """Give every device an equal part of a batch, along one axis, where that is possible."""
    count = sharing()
    if count == 1 or x.shape[axis] % count:
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
    shape = (sharing(), -1, *first.shape[1:])
    both = jnp.concatenate([first.reshape(shape), second.reshape(shape)], axis=1)
    return both.reshape(-1, *first.shape[1:])


def part(both: Array) -> tuple[Array, Array]:
    """Part what ``join`` has joined."""
    parts = both.reshape(sharing(), 2, -1, *both.shape[1:])
    first, second = (parts[:, i].reshape(-1, *both.shape[1:]) for i in range(2))
    return first, second

"""Lanes: independent training runs in one compiled program.

The lanes of a program differ in their seed, learning rate or other numbers; every array has
a leading lane axis.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxgan.training import devices
from jaxgan.training.gan import Gan, GanState


def over_lanes(
    function: Callable[..., Any], mesh: Mesh | None = None, *, in_turn: bool | None = None
) -> Callable[..., Any]:
    """Map a function over a leading axis of its arguments, spread over devices.

    A lane is one index of that axis, for example one seed. On a CPU each device runs its
    lanes one after another (``lax.map``), because small matrix products do not gain from a
    lane axis and use the cache worse. On an accelerator each device runs its lanes at once
    (``vmap``). Each lane computes what it would compute alone, and devices exchange no data.

    Args:
      function: Takes and returns pytrees of arrays.
      mesh: A mesh with one axis; by default of all devices.
      in_turn: Whether a device runs its lanes one after another; by default only on a CPU.

    Returns:
      A function whose positional arguments and results have a leading lane axis
      ``[S, ...]`` on every array. Any S works: some devices are idle if there are fewer
      lanes than devices, and a last incomplete round is padded with copies of the last lane,
      whose results are dropped. Keyword arguments have no lane axis; every lane gets all of
      them.

    Examples:
      >>> import jax, jax.numpy as jnp, jaxgan
      >>> draws = jaxgan.over_lanes(lambda seed: jax.random.normal(jax.random.key(seed), (5,)))
      >>> jax.jit(draws)(jnp.arange(3)).shape
      (3, 5)
    """
    mesh = _mesh(mesh)
    mapped = _mapped(function, mesh, in_turn)

    def run(*args, **whole):
        lanes = len(jax.tree.leaves(args)[0])
        submesh = _submesh(lanes, mesh)
        padding = -lanes % submesh.size

        def fill(x):
            return jnp.concatenate([x, *[x[-1:]] * padding]) if padding else x

        spec = PartitionSpec(devices.AXIS)
        sharded = jax.shard_map(
            mapped,
            mesh=submesh,
            in_specs=(spec, PartitionSpec()),
            out_specs=spec,
            check_vma=False,
        )
        out = sharded(jax.tree.map(fill, args), whole)
        return jax.tree.map(lambda x: x[:lanes], out)

    return run


def draw(gan: Gan, states: GanState, key: Array, count: int) -> Array:
    """Generate examples from fresh latents, by one state or by those of many seeds.

    Args:
      gan: A GAN without labels.
      states: A state, or leaves ``[S, ...]`` as ``jaxgan.fit`` returns them. With
        ``jaxgan.averaged(states)`` the moving averages of the generators are drawn from.
      key: Key of the latents, which differ from seed to seed.
      count: Number of examples of each seed.

    Returns:
      ``[count, ...]``, or ``[S, count, ...]`` where the states have a leading axis.

    Examples:
      >>> import jax, jax.numpy as jnp, jaxgan
      >>> from jaxgan.networks import mlp
      >>> g = jaxgan.gan(
      ...     mlp.Generator(widths=(8,)), mlp.Critic(widths=(8,)), jaxgan.objective("gan"),
      ...     jaxgan.pair("adam", 1e-3), latent_dim=2)
      >>> state = g.init(jax.random.key(0), jnp.zeros((1, 2)))
      >>> jaxgan.draw(g, state, jax.random.key(1), 100).shape
      (100, 2)
    """

    def one(state, key):
        return gan.sample(state, gan.latents(key, count))

    if not states.step.ndim:
        return one(states, key)
    return jax.jit(over_lanes(one))(states, jax.random.split(key, len(states.step)))


def all_on_each(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Map a function over lanes as ``over_lanes`` does, but with all devices on each lane.

    While the mesh is in use, the devices share the batches that ``devices.split`` splits.
    """
    mapped = _mapped(function, mesh, None)
    return lambda *args, **whole: mapped(args, whole)


def _mapped(
    function: Callable[..., Any], mesh: Mesh, in_turn: bool | None
) -> Callable[[Any, Any], Any]:
    """Map a function over lanes on one device, or on devices that share batches."""
    if in_turn is None:
        in_turn = mesh.devices.flat[0].platform == "cpu"

    def mapped(args, whole):
        def one(*lane):
            return function(*lane, **whole)

        return jax.lax.map(lambda lane: one(*lane), args) if in_turn else jax.vmap(one)(*args)

    return mapped


def placement(lanes: int, mesh: Mesh | None = None) -> NamedSharding:
    """Return how ``over_lanes`` shards the results of ``lanes`` lanes."""
    submesh = _submesh(lanes, _mesh(mesh))
    return NamedSharding(submesh, PartitionSpec(None if lanes % submesh.size else devices.AXIS))


def _mesh(mesh: Mesh | None) -> Mesh:
    return devices.make_mesh() if mesh is None else mesh


def _submesh(lanes: int, mesh: Mesh) -> Mesh:
    """Return the mesh of the devices that have lanes."""
    return devices.make_mesh(mesh.devices.flat[: min(lanes, mesh.size)].tolist())

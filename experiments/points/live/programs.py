"""The compiled functions of the live page, one set per choice of static settings.

Learning rates, penalty weight, clip bound, number of epochs and the cloud are arguments, so a
change of these needs no compilation. ``advance`` makes any number of the same updates as the
command line's program, in the same order.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array

from experiments.common import settings
from experiments.points.config import Config
from experiments.points.lanes import Lane, stack, with_values
from experiments.points.program import TracedLane, build, generate, measure, on_device
from jaxgan.training import epochs
from jaxgan.training.gan import Gan, GanState, draw_key
from jaxgan.training.lanes import over_lanes
from jaxgan.training.program import RARELY

ARROWS = 128  # number of samples with visible gradients
LINES, NODES = 9, 33  # of the latent grid in each direction: lines, and points per line
EDGE = 0.0125  # share of the normal distribution beyond each edge of the grid
SINGLE = 100  # random draws of single-network updates, distinct from the library's
NETWORKS = ("critic", "generator")


class Programs(NamedTuple):
    """Compiled functions for one choice of static settings; lanes come from ``lane_of``.

    Attributes:
      init: ``(lane) -> state``, leaves ``[1, ...]``.
      advance: ``(state, lane, count) -> (state, {name: []})``: ``count`` updates within an
        epoch, and the sums of their metrics.
      step: ``(state, lane, number) -> state`` by network: one update of this network alone,
        with the random draws of this number.
      picture: ``(state, lane, places [P, 2], z [L, D]) -> Picture``.
      measure: ``(state, lane) -> {name: []}``, as the command line measures an epoch.
    """

    init: Callable[..., GanState]
    advance: Callable[..., tuple[GanState, dict[str, Array]]]
    step: dict[str, Callable[..., GanState]]
    picture: Callable[..., "Picture"]
    measure: Callable[..., dict[str, Array]]


class Picture(NamedTuple):
    """The content of the picture, in units of training.

    Attributes:
      fake: Generated samples ``[N, 2]``, always of the same latents.
      scores: The critic's scores ``[P]``.
      pull: Negative gradients ``[ARROWS, 2]`` of the generator's loss by the first samples,
        times the number of samples.
      grid: The latent grid, mapped by the generator, ``[L, 2]``.
    """

    fake: Any
    scores: Any
    pull: Any
    grid: Any


def lane_of(config: Config, lane: Lane) -> TracedLane:
    """Put the only lane of a configuration on a device, with leaves ``[1, ...]``."""
    (values,) = config.combinations()
    values = {"critic_learning_rate": values["learning_rate"]} | values
    return on_device(config, stack([with_values(lane, values)]))


def programs_of(config: Config) -> Programs:
    """Return the functions of a configuration; equal static settings share them."""
    names = ("penalty_weight", "clip")
    some = {name: (1.0,) if getattr(config, name) else () for name in names}
    usual = {"data": "", "data_key": "", "columns": (), "modes": "", "standardize": True}
    same = {"epochs": 1, "seed": 0, "frame_every": 1, "checkpoint_every": 1}
    rates = {"learning_rate": (1.0,), "critic_learning_rate": 1.0}
    return _programs(replace(config, **some, **usual, **same, **rates))


@functools.lru_cache(32)
def _programs(config: Config) -> Programs:
    def compiled(function: Callable[..., Any], **options: Any) -> Any:
        """Compile ``function(gan, state, lane, *shared)`` for one lane."""

        def all_lanes(state, lane, *shared):
            def one(state, lane, shared):
                return function(build(config, lane.values), state, lane, *shared)

            return over_lanes(one)(state, lane, shared=shared)

        return jax.jit(all_lanes, **options)

    def first(function: Callable[..., Any], **options: Any) -> Any:
        """Compile in the same way, without the axis of lanes in the results."""
        run = compiled(function, **options)

        def once(state, lane, *shared):
            return jax.tree.map(lambda x: np.asarray(x)[0], run(state, lane, *shared))

        return once

    def init(lane):
        def one(lane):
            gan = build(config, lane.values)
            return gan.init(jax.random.key(lane.seed), lane.train[:1])

        return over_lanes(one)(lane)

    return Programs(
        init=jax.jit(init, compiler_options=RARELY),
        advance=compiled(functools.partial(_advance, config)),
        step={
            name: compiled(functools.partial(_step, config, name), compiler_options=RARELY)
            for name in NETWORKS
        },
        picture=first(functools.partial(_picture, config)),
        measure=first(measure),
    )


def without_clusters(lane: TracedLane) -> TracedLane:
    """Drop what only measures need, because its shape differs between clouds."""
    return lane._replace(clusters=lane.clusters[:, :1, :1])


def _advance(
    config: Config, gan: Gan, state: GanState, lane: TracedLane, count: Array
) -> tuple[GanState, dict[str, Array]]:
    order = epochs.order(
        state,
        len(lane.train),
        batch_size=config.batch_size,
        critic_steps=config.critic_steps,
    )

    def update(state):
        return epochs.step(gan, state, lane.train[order[state.step % len(order)]])

    def body(_, carry):
        state, sums = carry
        state, metrics = update(state)
        return state, jax.tree.map(jnp.add, sums, metrics)

    _, metrics = jax.eval_shape(update, state)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), metrics)
    return jax.lax.fori_loop(0, count, body, (state, zeros))


def _step(
    config: Config, network: str, gan: Gan, state: GanState, lane: TracedLane, number: Array
) -> GanState:
    """Update one network: a step of a GAN whose other network is frozen."""
    still = NETWORKS[1 - NETWORKS.index(network)]
    gan = build(config, lane.values, still)
    key = draw_key(state.key, SINGLE, number)
    rows = jax.random.randint(key, (1, config.batch_size), 0, len(lane.train))
    idle = getattr(gan.init(key, lane.train[:1]), still).opt  # contains no arrays
    nets = {still: replace(getattr(state, still), opt=idle)}
    new, _ = epochs.step(gan, replace(state, key=key, **nets), lane.train[rows])
    if network == "critic":
        return replace(state, critic=new.critic)
    return replace(new, key=state.key, critic=state.critic)


def _picture(
    config: Config, gan: Gan, state: GanState, lane: TracedLane, places: Array, z: Array
) -> Picture:
    objective, _ = settings.parts(config, lane.values)
    fake, real = generate(gan, state, lane), lane.train[:ARROWS]
    samples = fake[:ARROWS]

    def loss(x):
        return objective.generator_loss(gan.score(state, real), gan.score(state, x))

    pull = -len(samples) * jax.grad(loss)(samples)
    return Picture(fake, gan.score(state, places), pull, gan.sample(state, z))


def latent_grid(config: Config) -> np.ndarray:
    """Return latents ``[L, D]`` along the lines of a grid in the first two coordinates.

    In each direction there are ``LINES`` lines of ``NODES`` points, or one line if there is a
    single coordinate. All other coordinates are 0.
    """
    share = np.linspace(EDGE, 1 - EDGE, NODES)
    side = scipy.special.ndtri(share) if config.latent == "normal" else 2 * share - 1
    if config.latent_dim == 1:
        return side[:, None].astype(np.float32)
    lines, along = np.meshgrid(side[:: (NODES - 1) // (LINES - 1)], side, indexing="ij")
    grid = np.zeros((2, LINES, NODES, config.latent_dim), np.float32)
    grid[0, ..., 0], grid[0, ..., 1] = along, lines
    grid[1, ..., 0], grid[1, ..., 1] = lines, along
    return grid.reshape(-1, config.latent_dim)


def carried(old: GanState, new: GanState, optimizers: bool) -> tuple[GanState, list[str]]:
    """Continue with trained networks under new settings.

    Args:
      old: The trained state, leaves ``[1, ...]``.
      new: An initial state under the new settings.
      optimizers: Whether the optimizers are the same, so that their states are kept, too.

    Returns:
      The new state, with the old networks where shapes agree; and the names of what restarts.
    """
    anew = []
    nets = {}
    for name in ("generator", "critic"):
        was, net = getattr(old, name), getattr(new, name)
        if not _alike(was.params, net.params):
            anew.append(name)
            nets[name] = net
        elif optimizers and _alike(was.opt, net.opt):
            nets[name] = was
        else:
            anew.append(f"{name}'s optimizer")
            nets[name] = replace(was, opt=net.opt)
    average = new.average if "generator" in anew else old.average
    return replace(new, step=old.step, average=average, **nets), anew


def _alike(one: Any, other: Any) -> bool:
    """Return whether two trees have the same structure, shapes and dtypes."""
    layout = [jax.tree.map(lambda x: (x.shape, str(x.dtype)), x) for x in (one, other)]
    same = jax.tree.structure(one) == jax.tree.structure(other)
    return same and layout[0] == layout[1]

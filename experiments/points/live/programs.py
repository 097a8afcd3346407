"""The compiled functions of the live page, one set for each choice of static settings.

Learning rates, penalty weight, clip bound, number of epochs and the cloud are arguments, so
another of these compiles nothing. ``advance`` makes the updates of the command line's program
in their order, any number of them at a time.
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
from experiments.points.program import Traced, build, generate, measure, on_device
from jaxgan.training import epochs
from jaxgan.training.gan import Gan, GanState, draw_key
from jaxgan.training.lanes import over_lanes
from jaxgan.training.program import RARELY

ARROWS = 128  # samples whose gradients are shown
LINES, NODES = 9, 33  # of the latent grid either way: lines, and points on each of them
EDGE = 0.0125  # share of the normal law beyond either edge of the latent grid
SINGLE = 100  # purpose of draws of updates of one network, beyond those of the library
NETWORKS = ("critic", "generator")


class Programs(NamedTuple):
    """Compiled functions of one choice of static settings; a lane is what ``lane_of`` makes.

    Attributes:
      init: ``(lane) -> state``, leaves ``[1, ...]``.
      advance: ``(state, lane, count) -> (state, {name: []})``: updates within an epoch, and
        the sums of their metrics.
      step: Network to ``(state, lane, number) -> state``: one update of that network alone,
        by the draws of that number.
      picture: ``(state, lane, places [P, 2], z [L, D]) -> Picture``.
      measure: ``(state, lane) -> {name: []}``, as the command line measures an epoch.
    """

    init: Callable[..., GanState]
    advance: Callable[..., tuple[GanState, dict[str, Array]]]
    step: dict[str, Callable[..., GanState]]
    picture: Callable[..., "Picture"]
    measure: Callable[..., dict[str, Array]]


class Picture(NamedTuple):
    """What is seen, in units of training.

    Attributes:
      fake: Samples of the generator ``[N, 2]``, the same latents every time.
      scores: The critic's scores ``[P]``.
      pull: Where the generator's loss pulls the first samples, ``[ARROWS, 2]``: its negative
        gradient, times the number of samples.
      grid: Images of the latent grid ``[L, 2]``.
    """

    fake: Any
    scores: Any
    pull: Any
    grid: Any


def lane_of(config: Config, lane: Lane) -> Traced:
    """The one lane of a configuration, on a device, with leaves ``[1, ...]``."""
    (values,) = config.combinations()
    values = {"critic_learning_rate": values["learning_rate"]} | values
    return on_device(config, stack([with_values(lane, values)]))


def programs_of(config: Config) -> Programs:
    """The functions of a configuration; those of the same static settings are the same."""
    names = ("penalty_weight", "clip")
    some = {name: (1.0,) if getattr(config, name) else () for name in names}
    usual = {"data": "", "data_key": "", "columns": (), "modes": "", "standardize": True}
    same = {"epochs": 1, "seed": 0, "frame_every": 1, "checkpoint_every": 1}
    rates = {"learning_rate": (1.0,), "critic_learning_rate": 1.0}
    return _programs(replace(config, **some, **usual, **same, **rates))


@functools.lru_cache(32)
def _programs(config: Config) -> Programs:
    def compiled(function: Callable[..., Any], **options: Any) -> Any:
        """Compile ``function(gan, state, lane, *shared)`` of one lane."""

        def all_lanes(state, lane, *shared):
            def one(state, lane, shared):
                return function(build(config, lane.values), state, lane, *shared)

            return over_lanes(one)(state, lane, shared=shared)

        return jax.jit(all_lanes, **options)

    def first(function: Callable[..., Any], **options: Any) -> Any:
        """The same, without the axis of lanes in the results."""
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


def without_clusters(lane: Traced) -> Traced:
    """The lane without what only measures need, whose shape differs from cloud to cloud."""
    return lane._replace(clusters=lane.clusters[:, :1, :1])


def _advance(
    config: Config, gan: Gan, state: GanState, lane: Traced, count: Array
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
    config: Config, network: str, gan: Gan, state: GanState, lane: Traced, number: Array
) -> GanState:
    """One update of one network: a step of a GAN whose other network stands still."""
    still = NETWORKS[1 - NETWORKS.index(network)]
    gan = build(config, lane.values, still)
    key = draw_key(state.key, SINGLE, number)
    chosen = jax.random.randint(key, (1, config.batch_size), 0, len(lane.train))
    idle = getattr(gan.init(key, lane.train[:1]), still).opt  # holds no numbers
    nets = {still: replace(getattr(state, still), opt=idle)}
    new, _ = epochs.step(gan, replace(state, key=key, **nets), lane.train[chosen])
    if network == "critic":
        return replace(state, critic=new.critic)
    return replace(new, key=state.key, critic=state.critic)


def _picture(
    config: Config, gan: Gan, state: GanState, lane: Traced, places: Array, z: Array
) -> Picture:
    objective, _ = settings.parts(config, lane.values)
    fake, real = generate(gan, state, lane), lane.train[:ARROWS]
    shown = fake[:ARROWS]

    def loss(x):
        return objective.generator_loss(gan.score(state, real), gan.score(state, x))

    pull = -len(shown) * jax.grad(loss)(shown)
    return Picture(fake, gan.score(state, places), pull, gan.sample(state, z))


def latent_grid(config: Config) -> np.ndarray:
    """Latents along the lines of a grid, ``[L, D]``, the first two coordinates moving.

    There are ``LINES`` lines of ``NODES`` points each, first along the first coordinate, then
    along the second; or one line, where there is one coordinate. The other coordinates are 0.
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
    """Go on with trained networks under other settings.

    Args:
      old: As it was trained, leaves ``[1, ...]``.
      new: A first state under the new settings.
      optimizers: Whether the optimizers are the same, so that their states go on too.

    Returns:
      The new state, whose networks are the old ones where they have the same shapes; and what
      starts anew.
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
    """Whether two trees have the same structure, shapes and dtypes."""
    layout = [jax.tree.map(lambda x: (x.shape, str(x.dtype)), x) for x in (one, other)]
    same = jax.tree.structure(one) == jax.tree.structure(other)
    return same and layout[0] == layout[1]

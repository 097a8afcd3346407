"""The compiled functions of the points laboratory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from experiments.common import settings
from experiments.points import fit
from experiments.points.config import Config
from jaxgan.data import points
from jaxgan.metrics import transport
from jaxgan.networks import mlp
from jaxgan.plots import figures
from jaxgan.training import epochs as training_epochs
from jaxgan.training import gan
from jaxgan.training import lanes as training_lanes

MAX_COMPARED = 2000  # points in an exact transport problem, whose cost is cubic


DIRECTIONS = 16


def prepare(config: Config, cloud: np.ndarray) -> dict[str, Any]:
    """What each lane starts from: ``[S, ...]`` arrays of ``lane``."""
    seeds = range(config.seed, config.seed + config.seeds)
    by_seed = [start(config, cloud, seed) for seed in seeds]
    return stack([lane(cell, begin) for cell in config.cells() for begin in by_seed])


def start(config: Config, cloud: np.ndarray, seed: int) -> dict[str, Any]:
    """What every run with a seed starts from.

    Returns:
      ``seed``; ``train`` and ``test`` in the data's own units; ``mean`` and ``scale``,
      which take the units of training to these; ``centre`` and ``size``, which take these
      to the units that the program measures in (float32 has no room for a small cloud far
      from the origin); ``reference``, the held-out points that samples are compared with,
      as many as there are samples; ``floor``, the mean sliced distance of equally large
      samples of ``train`` to ``reference``, in units of ``size``.
    """
    real, held_out = points.split(cloud, config.train_size, seed)
    mean, scale = np.zeros((1, 2)), np.ones((1, 2))
    if config.standardize:
        mean, deviation = real.mean(0, keepdims=True), real.std(0, keepdims=True)
        scale = np.where(deviation > 0, deviation, 1.0)
    reference = held_out[: min(len(real), len(held_out), MAX_COMPARED)]
    centre = real.mean(0, keepdims=True)
    size = np.sqrt(((real - centre) ** 2).sum(1).mean())

    def measured(cloud):
        return ((cloud - centre) / size).astype(np.float32)

    directions = transport.circle_directions(DIRECTIONS)
    floor = np.mean(
        [
            _sliced(measured(sample), measured(reference), directions)
            for sample in fit.floor_samples(real, len(reference), seed)
        ]
    )
    return {
        "seed": np.int32(seed),
        "train": real,
        "test": held_out,
        "mean": mean,
        "scale": scale,
        "centre": centre,
        "size": size,
        "reference": reference,
        "floor": floor,
    }


_sliced = jax.jit(transport.sliced_wasserstein)


def lane(cell: Mapping[str, float], begin: Mapping[str, Any]) -> dict[str, Any]:
    """One lane: what its seed starts from, and its traced values."""
    return {**begin, **{name: np.float32(value) for name, value in cell.items()}}


def stack(lanes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lanes as ``[S, ...]`` arrays."""
    return {name: np.stack([lane[name] for lane in lanes]) for name in lanes[0]}


def build(config: Config, lane: Mapping[str, jax.Array]) -> gan.Gan:
    """The GAN of one lane, from values that may be traced."""
    made, optimizers = settings.parts(config, lane)
    return gan.gan(
        mlp.Generator(config.generator_widths),
        mlp.Critic(config.critic_widths),
        made,
        optimizers,
        latent_dim=config.latent_dim,
        ema=config.ema,
    )


class Program(NamedTuple):
    """The compiled functions of a run, over all lanes.

    Attributes:
      init: ``() -> state``, leaves ``[S, ...]``.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``; the state is donated.
      sample: ``state -> (generated, generated_ema)``, ``[S, DRAWS, N, 2]`` in units of
        training.
      look: ``state -> (generated [N, 2], scores [P])`` of the first lane, for a frame.
      draw: ``state -> generated [S, N, 2]``, the sample that is measured every epoch.
    """

    init: Callable[[], gan.GanState]
    advance: Callable[[gan.GanState, int], tuple[gan.GanState, dict[str, jax.Array]]]
    sample: Callable[[gan.GanState], tuple[jax.Array, ...]]
    look: Callable[[gan.GanState], tuple[jax.Array, jax.Array]]
    draw: Callable[[gan.GanState], jax.Array]


def make_program(
    config: Config,
    lanes: Mapping[str, np.ndarray],
    extent: figures.Extent,
    mesh: Mesh | None = None,
) -> Program:
    """Build the functions of a run; each compiles when first called.

    Args:
      config: What is static. Seeds and traced values are those of the lanes.
      lanes: As ``stack`` makes them.
      extent: Where ``look`` scores.
      mesh: Devices to spread the lanes over; by default all.
    """
    directions = transport.circle_directions(DIRECTIONS)
    grid = (figures.field_points(extent) - lanes["mean"][0]) / lanes["scale"][0]
    grid = grid.astype(np.float32)
    centre, size = lanes["centre"], lanes["size"][:, None, None]
    arrays = {name: values for name, values in lanes.items() if name != "test"}
    arrays["train"] = (lanes["train"] - lanes["mean"]) / lanes["scale"]
    arrays["reference"] = (lanes["reference"] - centre) / size
    arrays["stretch"] = lanes["scale"] / size
    arrays["shift"] = (lanes["mean"] - centre) / size
    arrays = {
        name: jnp.asarray(values, None if values.dtype.kind == "i" else jnp.float32)
        for name, values in arrays.items()
    }

    def generate(state, lane, number):
        key = gan.draw_key(state.key, gan.EVALUATE, number)
        z = gan.latents(key, len(lane["reference"]), config.latent_dim)
        return build(config, lane).sample(state, z)

    def init(lane):
        key = jax.random.key(lane["seed"])
        return build(config, lane).init(key, lane["train"][:1])

    def measure(state, lane):
        metrics = {}
        for suffix, version in (("", state), ("_ema", gan.averaged(state))):
            fake = generate(version, lane, 0) * lane["stretch"] + lane["shift"]
            distance = transport.sliced_wasserstein(fake, lane["reference"], directions)
            metrics[f"sliced_ratio{suffix}"] = distance / lane["floor"]
            if not suffix:
                spread = jnp.sqrt(fake.var(axis=0).sum())
                metrics["spread"] = spread / jnp.sqrt(lane["reference"].var(axis=0).sum())
        return metrics

    def advance(state, lane, epochs):
        return training_epochs.interval(
            build(config, lane),
            state,
            lane["train"],
            epochs=epochs,
            batch_size=config.batch_size,
            critic_steps=config.critic_steps,
            measure=lambda state: measure(state, lane),
        )

    def sample(state, lane):
        def draws(version):
            numbers = jnp.arange(1, fit.DRAWS + 1)
            return jax.lax.map(lambda number: generate(version, lane, number), numbers)

        return draws(state), draws(gan.averaged(state))

    def look(state, lanes):
        state, lane = jax.tree.map(lambda x: x[0], (state, lanes))
        return generate(state, lane, 0), build(config, lane).score(state, grid)

    def advance_all(state, lanes, epochs):
        each = training_lanes.over_lanes(lambda state, lane: advance(state, lane, epochs), mesh)
        return each(state, lanes)

    jitted_init = jax.jit(training_lanes.over_lanes(init, mesh))
    jitted_advance = jax.jit(advance_all, static_argnums=2, donate_argnums=0)
    jitted_sample = jax.jit(training_lanes.over_lanes(sample, mesh))
    jitted_look = jax.jit(look)
    draw = training_lanes.over_lanes(lambda state, lane: generate(state, lane, 0), mesh)
    jitted_draw = jax.jit(draw)
    return Program(
        init=lambda: jitted_init(arrays),
        advance=lambda state, epochs: jitted_advance(state, arrays, epochs),
        sample=lambda state: jitted_sample(state, arrays),
        look=lambda state: jitted_look(state, arrays),
        draw=lambda state: jitted_draw(state, arrays),
    )

"""Training, measures and pictures of the points laboratory as compiled functions."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from experiments.common import settings
from experiments.points.config import Config
from experiments.points.lanes import DIRECTIONS, Lane, at
from jaxgan.convert import clouds
from jaxgan.metrics import clusters, transport
from jaxgan.metrics.fit_ratio import DRAWS
from jaxgan.networks import mlp
from jaxgan.training import program
from jaxgan.training.gan import EVALUATE, Gan, averaged, draw_key
from jaxgan.training.gan import gan as make_gan


class TracedLane(NamedTuple):
    """A lane on a device; ``stretch`` and ``shift`` convert training units to measures'."""

    seed: Any
    train: Any  # in units of training
    reference: Any  # in units of measures
    stretch: Any
    shift: Any
    floor: Any
    clusters: Any  # in units of measures
    values: dict[str, Any]


def on_device(config: Config, lanes: Lane) -> TracedLane:
    """Put lanes on a device, in the units of the computation."""
    units = lanes.units
    traced = TracedLane(
        seed=lanes.seed,
        train=units.to_training(lanes.train),
        reference=units.to_measure(lanes.reference),
        stretch=units.scale / units.size,
        shift=(units.mean - units.centre) / units.size,
        floor=lanes.floor,
        clusters=(lanes.clusters - units.centre[:, None]) / units.size[:, None],
        values=settings.with_updates(config, lanes.values),
    )
    return jax.tree.map(
        lambda x: jnp.asarray(x if x.dtype.kind == "i" else x.astype(np.float32)), traced
    )


def build(config: Config, values: Mapping[str, Any], still: str = "") -> Gan:
    """Build the GAN of one lane.

    Args:
      config: Static settings.
      values: Traced settings of the lane.
      still: ``generator`` or ``critic``, to freeze one of them.
    """
    objective, optimizers = settings.parts(config, values)
    if still:
        optimizers = optimizers._replace(**{still: optax.set_to_zero()})
    return make_gan(
        mlp.Generator(config.generator_widths),
        mlp.Critic(config.critic_widths),
        objective,
        optimizers,
        latent_dim=config.latent_dim,
        ema=config.ema,
        law=config.latent,
        pack=config.pack,
    )


def make_program(config: Config, lanes: Lane, mesh: Mesh | None = None) -> program.Program:
    """Build the functions of a run.

    Args:
      config: Static settings. Seeds and traced settings come from the lanes.
      lanes: Lanes, as ``stack`` returns them.
      mesh: Devices to distribute the lanes over; by default all.
    """
    return program.make_program(
        lambda lane: build(config, lane.values),
        on_device(config, lanes),
        batch_size=config.batch_size,
        critic_steps=config.critic_steps,
        measure=measure,
        mesh=mesh,
    )


def generate(gan: Gan, state: Any, lane: TracedLane, number: Any = 0) -> jax.Array:
    """Draw as many samples as the lane compares, ``[N, 2]`` in units of training."""
    key = draw_key(state.key, EVALUATE, number)
    return gan.sample(state, gan.latents(key, len(lane.reference)))


def measure(gan: Gan, state: Any, lane: TracedLane) -> dict[str, jax.Array]:
    """Measure sliced distance / floor, spread / that of the data, and clusters reached."""
    directions = jnp.asarray(transport.circle_directions(DIRECTIONS))
    metrics = {}
    for suffix, version in (("", state), ("_ema", averaged(state))):
        fake = generate(gan, version, lane) * lane.stretch + lane.shift
        distance = transport.sliced_wasserstein(fake, lane.reference, directions)
        metrics[f"sliced_ratio{suffix}"] = distance / lane.floor
        if not suffix:
            spread = jnp.sqrt(fake.var(axis=0).sum())
            metrics["spread"] = spread / jnp.sqrt(lane.reference.var(axis=0).sum())
            count = clusters.reached(fake, lane.clusters)
            metrics["clusters"] = jnp.where(jnp.isfinite(spread), count, jnp.nan)
    return metrics


def final_samples(gan: Gan, state: Any, lane: TracedLane) -> tuple[jax.Array, jax.Array]:
    """Draw samples of the generator and its moving average, each ``[DRAWS, N, 2]``."""

    def draws(version):
        numbers = jnp.arange(1, DRAWS + 1)
        return jax.lax.map(lambda number: generate(gan, version, lane, number), numbers)

    return draws(state), draws(averaged(state))


def save_generator(path: Path, config: Config, lanes: Lane, state: Any) -> None:
    """Write the moving average of the first lane's generator, and the units of its data."""
    settings = {
        "model": clouds.MODEL,
        "widths": list(config.generator_widths),
        "latent_dim": config.latent_dim,
        "latent": config.latent,
    }
    units = at(lanes, 0).units
    variables = jax.tree.map(lambda x: np.asarray(x[0]), averaged(state).generator.variables)
    params = {"variables": variables, "mean": units.mean, "scale": units.scale}
    clouds.save(path, clouds.Cloud(settings, params))


def make_view(
    config: Config, lanes: Lane, grid: np.ndarray
) -> Callable[[Any], tuple[np.ndarray, np.ndarray]]:
    """Make a function that computes the content of a frame, for the first lane.

    Args:
      config: Configuration of the run.
      lanes: Lanes of the run.
      grid: Points ``[P, 2]`` in the data's units, where the critic is evaluated.

    Returns:
      Function ``state -> (generated [N, 2] in the data's units, scores [P])``.
    """
    units = at(lanes, 0).units
    places = jnp.asarray(units.to_training(grid), jnp.float32)
    arrays = on_device(config, lanes)

    @functools.partial(jax.jit, compiler_options=program.RARELY)
    def look(state, lanes):
        state, lane = jax.tree.map(lambda x: x[0], (state, lanes))
        gan = build(config, lane.values)
        return generate(gan, state, lane), gan.score(state, places)

    def view(state):
        samples, scores = (np.asarray(x, float) for x in look(state, arrays))
        return units.to_data(samples), scores

    return view

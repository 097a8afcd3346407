"""The compiled functions of an image laboratory."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common import settings
from experiments.images.config import Config, Dataset
from jaxgan.data.pixels import to_float, to_uint8
from jaxgan.networks.layers import compiler_options
from jaxgan.networks.pairs import PAIRS
from jaxgan.training import epochs as training_epochs
from jaxgan.training import gan
from jaxgan.training import lanes as training_lanes

SPREAD_SAMPLES = 256


def build(config: Config, lane: Mapping[str, jax.Array], channels: int) -> gan.Gan:
    """The GAN of one lane, from values that may be traced."""
    pair = PAIRS[config.model]
    made, optimizers = settings.parts(config, lane)
    return gan.gan(
        pair.generator(config.size, config.width, channels, config.norm),
        pair.critic(config.size, config.width, config.critic_norm),
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
      generate: ``(state, z [N, D]) -> [S, N, H, W, C]`` float in [-1, 1], of the moving
        average.
    """

    init: Callable[[], gan.GanState]
    advance: Callable[[gan.GanState, int], tuple[gan.GanState, dict[str, jax.Array]]]
    generate: Callable[[gan.GanState, jax.Array], jax.Array]


def lanes_of(config: Config) -> dict[str, np.ndarray]:
    """Seed and traced values of every lane, ``[S]``."""
    lanes = [
        {"seed": np.int32(seed)} | {name: np.float32(x) for name, x in cell.items()}
        for cell in config.cells()
        for seed in range(config.seed, config.seed + config.seeds)
    ]
    return {name: np.stack([lane[name] for lane in lanes]) for name in lanes[0]}


def make_program(
    config: Config, dataset: Dataset, lanes: Mapping[str, np.ndarray] | None = None
) -> Program:
    """Build the functions of a run; each compiles when first called.

    Args:
      config: What to train.
      dataset: What to train on.
      lanes: Seed and traced values of every lane, ``[S]``; by default ``lanes_of(config)``.
    """
    images = dataset.images[: config.train_size]
    channels = images.shape[-1]
    lanes = jax.tree.map(jnp.asarray, dict(lanes_of(config) if lanes is None else lanes))
    sample = to_float(jnp.asarray(images[: 8 * SPREAD_SAMPLES]))
    real_spread = jnp.sqrt(sample.var(axis=0).mean())
    data = jnp.asarray(images)

    def init(lane):
        state = build(config, lane, channels)
        return state.init(jax.random.key(lane["seed"]), sample[:1])

    def measure(state, lane):
        key = gan.draw_key(state.key, gan.EVALUATE)
        z = gan.latents(key, SPREAD_SAMPLES, config.latent_dim)
        fake = build(config, lane, channels).sample(state, z)
        return {"spread": jnp.sqrt(fake.var(axis=0).mean()) / real_spread}

    def advance_all(state, data, epochs):
        def advance(state, lane, data):
            return training_epochs.interval(
                build(config, lane, channels),
                state,
                data,
                epochs=epochs,
                batch_size=config.batch_size,
                critic_steps=config.critic_steps,
                prepare=to_float,
                measure=lambda state: measure(state, lane),
            )

        return training_lanes.over_lanes(advance)(state, lanes, data=data)

    def generate_all(state, z):
        def generate(state, lane, z):
            return build(config, lane, channels).sample(gan.averaged(state), z)

        return training_lanes.over_lanes(generate)(state, lanes, z=z)

    jitted_init = jax.jit(training_lanes.over_lanes(init))
    compiled = functools.partial(jax.jit, compiler_options=compiler_options())
    jitted_advance = compiled(advance_all, static_argnums=2, donate_argnums=0)
    return Program(
        init=lambda: jitted_init(lanes),
        advance=lambda state, epochs: jitted_advance(state, data, epochs),
        generate=compiled(generate_all),
    )


def fixed_latents(config: Config, count: int, purpose: int = 0) -> jax.Array:
    """Latents ``[count, D]`` that depend on the first lane's seed alone."""
    key = gan.draw_key(jax.random.key(config.seed), gan.EVALUATE, 1 + purpose)
    return gan.latents(key, count, config.latent_dim)


def generate(
    program: Program, state: gan.GanState, z: jax.Array, batch: int = 250
) -> np.ndarray:
    """Images of every lane, ``[S, N, H, W, C]`` uint8, made in batches."""
    parts = [
        to_uint8(program.generate(state, z[i : i + batch])) for i in range(0, len(z), batch)
    ]
    return np.concatenate(parts, axis=1)

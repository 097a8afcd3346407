"""The training of an image laboratory as compiled functions."""

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common import settings
from experiments.images.config import SPREAD_IMAGES, Config, Dataset
from jaxgan.data.pixels import to_float, to_uint8
from jaxgan.metrics.distinctness import distinctness
from jaxgan.networks.layers import compiler_options
from jaxgan.networks.pairs import PAIRS
from jaxgan.training import program
from jaxgan.training.gan import EVALUATE, Gan, GanState, averaged, draw_key, latents
from jaxgan.training.gan import gan as make_gan

SPREAD_SAMPLES = 256


class Lane(NamedTuple):
    """Seed and traced settings of a run; over lanes every leaf has a leading axis S."""

    seed: Any
    values: dict[str, Any]


def stack(lanes: Sequence[Lane]) -> Lane:
    """Join lanes: leaves ``[S]``."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *lanes)


def lane_of(values: Mapping[str, float], seed: int) -> Lane:
    """Make the lane of a combination of settings with a seed."""
    return Lane(np.int32(seed), {name: np.float32(x) for name, x in values.items()})


def lanes_of(config: Config) -> Lane:
    """All lanes of a program: every combination of settings with every seed."""
    seeds = range(config.seed, config.seed + config.seeds)
    return stack([lane_of(values, seed) for values in config.combinations() for seed in seeds])


def build(config: Config, values: Mapping[str, Any], channels: int) -> Gan:
    """Build the GAN of one lane from its traced settings."""
    pair = PAIRS[config.model]
    objective, optimizers = settings.parts(config, values)
    critic_width = config.width if config.critic_width is None else config.critic_width
    return make_gan(
        pair.generator(config.size, config.width, channels, config.norm),
        pair.critic(config.size, critic_width, config.critic_norm),
        objective,
        optimizers,
        latent_dim=config.latent_dim,
        ema=config.ema,
        pack=config.pack,
    )


def make_program(
    config: Config, dataset: Dataset, lanes: Lane | None = None
) -> program.Program:
    """Build the functions of a run.

    Args:
      config: What to train.
      dataset: What to train on.
      lanes: By default ``lanes_of(config)``.
    """
    images = dataset.images[: config.train_size]
    real_spread = _spread(to_float(jnp.asarray(images[:SPREAD_IMAGES])))
    few = _few(images)
    real_distinct = distinctness(to_float(jnp.asarray(few))) if len(few) else None

    def measure(gan, state, lane):
        z = latents(draw_key(state.key, EVALUATE), SPREAD_SAMPLES, config.latent_dim)
        fake = gan.sample(state, z)
        metrics = {"spread": _spread(fake) / real_spread}
        if real_distinct is not None:
            metrics["distinct"] = distinctness(fake[: len(few)]) / real_distinct
        return metrics

    return program.make_program(
        lambda lane: build(config, lane.values, images.shape[-1]),
        lanes_of(config) if lanes is None else lanes,
        images,
        batch_size=config.batch_size,
        critic_steps=config.critic_steps,
        prepare=to_float,
        measure=measure,
        compiler_options=compiler_options(),
    )


def _spread(images: jax.Array) -> jax.Array:
    return jnp.sqrt(images.var(axis=0).mean())


def _few(images: np.ndarray) -> np.ndarray:
    """A few images, of which even a perfect generator rarely draws one twice.

    None where they are too few, or repeat, so that their distances say little.
    """
    count = min(SPREAD_SAMPLES, len(images) // 4)
    chosen = images[np.random.default_rng(0).permutation(len(images))[: 2 * count]]
    _, first = np.unique(chosen.reshape(len(chosen), -1), axis=0, return_index=True)
    enough = count >= 8 and len(first) > 0.9 * len(chosen)
    return chosen[np.sort(first)[: count * enough]]


class LatentSet(enum.IntEnum):
    """Independent sets of fixed latents."""

    GRID = 1  # the frames, and the curves of a study
    SAMPLES = 2  # samples.npz, and the edits of a study
    MEASURES = 3
    TRAVERSAL = 4


def fixed_latents(config: Config, count: int, which: LatentSet) -> jax.Array:
    """Draw latents ``[count, D]`` that depend on the first seed and the set alone."""
    key = draw_key(jax.random.key(config.seed), EVALUATE, which)
    return latents(key, count, config.latent_dim)


Sampler = Callable[[GanState, Any], np.ndarray]


def make_sampler(functions: program.Program, batch: int = 250) -> Sampler:
    """Make the function from a state and latents ``[N, D]`` to images.

    The images of all lanes are ``[S, N, H, W, C]`` uint8, by the moving averages of their
    generators, ``batch`` at once.
    """
    generate = functions.each(lambda gan, state, lane, z: gan.sample(averaged(state), z))

    def sample(state, z):
        starts = range(0, len(z), batch)
        parts = [to_uint8(generate(state, z[start : start + batch])) for start in starts]
        return np.concatenate(parts, axis=1)

    return sample

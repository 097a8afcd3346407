"""Training and sampling of the image laboratories as compiled functions."""

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from experiments.common import settings
from experiments.images.config import PRECISIONS, SPREAD_IMAGES, Config, Dataset
from jaxgan.convert import own
from jaxgan.data.pixels import to_float, to_uint8
from jaxgan.metrics.distinctness import distinctness
from jaxgan.networks.layers import compiler_options
from jaxgan.networks.pairs import PAIRS
from jaxgan.runs import processes
from jaxgan.training import devices, program, stream
from jaxgan.training.augment import augment, flip
from jaxgan.training.gan import EVALUATE, Gan, GanState, averaged, draw_key, latents
from jaxgan.training.gan import gan as make_gan

SPREAD_SAMPLES = 256


class Machine(NamedTuple):
    """The devices to train on, and where the images are kept.

    Attributes:
      mesh: Devices, which share the lanes, or each batch if there are more devices than lanes.
        By default all, except that CPU cores do not share batches.
      stream: Whether images stay on the host; by default only if a device has no room.
    """

    mesh: Mesh | None = None
    stream: bool | None = None

    def streams(self, images: np.ndarray) -> bool:
        """Return whether these images stay on the host.

        Raises:
          InputError: If they do and grain is not installed.
        """
        streams = stream.needed(images) if self.stream is None else self.stream
        if streams:
            stream.grain()
        return streams


DEFAULT = Machine()


class Lane(NamedTuple):
    """Seed and traced settings of a run; several lanes have a leading axis S."""

    seed: Any
    values: dict[str, Any]


def stack(lanes: Sequence[Lane]) -> Lane:
    """Stack lanes: leaves ``[S]``."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *lanes)


def lane_of(values: Mapping[str, float], seed: int) -> Lane:
    """Make the lane of a combination of settings and a seed."""
    return Lane(np.int32(seed), {name: np.float32(x) for name, x in values.items()})


def lanes_of(config: Config) -> Lane:
    """Return all lanes of a program: every combination of settings with every seed."""
    seeds = range(config.seed, config.seed + config.seeds)
    return stack([lane_of(values, seed) for values in config.combinations() for seed in seeds])


def build(config: Config, values: Mapping[str, Any], channels: int, classes: int = 0) -> Gan:
    """Build the GAN of one lane from its traced settings; 0 classes mean no labels."""
    pair = PAIRS[config.model]
    form: dict[str, Any] = {"classes": classes} if config.conditional else {}
    if config.precision != "float32":
        form["dtype"] = PRECISIONS[config.precision]
    objective, optimizers = settings.parts(config, values)
    critic_width = config.width if config.critic_width is None else config.critic_width
    return make_gan(
        pair.generator(config.size, config.width, channels, config.norm, **form),
        pair.critic(config.size, critic_width, config.critic_norm, **form),
        objective,
        optimizers,
        latent_dim=config.latent_dim,
        ema=config.ema,
        pack=config.pack,
        augment=augment(config.augment),
    )


def shared_by(config: Config, lanes: int, machine: Machine) -> Mesh | None:
    """Return the devices that share each batch; None if devices share the lanes instead.

    Raises:
      InputError: If the batch does not divide equally.
    """
    return devices.for_batches(lanes, machine.mesh, config.batch_size // config.pack)


def check_machine(configs: Sequence[Config], dataset: Dataset, machine: Machine) -> None:
    """Check devices and other processes before anything is written.

    Raises:
      InputError: If a batch does not divide equally among devices, grain is missing for
        images on the host, or another process trains something else.
    """
    same = []
    for config in configs:
        shared_by(config, len(lanes_of(config).seed), machine)
        streams = machine.streams(dataset.images[: config.train_size])
        same.append(dataclasses.asdict(config) | {"data": dataset.key, "stream": streams})
    processes.require_same(json.dumps(same, sort_keys=True))


def make_program(
    config: Config,
    dataset: Dataset,
    lanes: Lane | None = None,
    machine: Machine = DEFAULT,
) -> program.Program:
    """Build the functions of a run.

    Args:
      config: Configuration of the program.
      dataset: Images to train on.
      lanes: Lanes; by default ``lanes_of(config)``.
      machine: Devices, and where the images are kept.
    """
    images = dataset.images[: config.train_size]
    real_spread = _spread_of(to_float(jnp.asarray(images[:SPREAD_IMAGES])))
    few = _few(images)
    real_distinct = distinctness(to_float(jnp.asarray(few))) if len(few) else None

    labels = fixed_labels(config, dataset, SPREAD_SAMPLES, LatentSet.MEASURES)
    lanes = lanes_of(config) if lanes is None else lanes

    def measure(gan, state, lane):
        z = latents(draw_key(state.key, EVALUATE), SPREAD_SAMPLES, config.latent_dim)
        fake = gan.sample(state, z, labels)
        metrics = {"spread": _spread_of(fake) / real_spread}
        if real_distinct is not None:
            metrics["distinct"] = distinctness(fake[: len(few)]) / real_distinct
        return metrics

    batch_mesh = shared_by(config, len(lanes.seed), machine)
    return program.make_program(
        lambda lane: build(config, lane.values, images.shape[-1], len(dataset.classes)),
        lanes._replace(values=settings.with_updates(config, lanes.values)),
        images,
        batch_size=config.batch_size,
        critic_steps=config.critic_steps,
        prepare=to_float,
        vary=flip if config.flip else None,
        labels=_labels(config, dataset),
        measure=measure,
        mesh=batch_mesh or machine.mesh,
        share_batches=batch_mesh is not None,
        stream=machine.streams(images),
        epoch_size=config.epoch_size,
        compiler_options=compiler_options(),
    )


def _spread_of(images: jax.Array) -> jax.Array:
    return jnp.sqrt(images.var(axis=0).mean())


def _few(images: np.ndarray) -> np.ndarray:
    """Return a few images to compare distances with, to detect repeated samples.

    There are none if the images are too few or repeat themselves: even a perfect generator
    would then repeat images.
    """
    count = min(SPREAD_SAMPLES, len(images) // 4)
    sample = images[np.random.default_rng(0).permutation(len(images))[: 2 * count]]
    _, first = np.unique(sample.reshape(len(sample), -1), axis=0, return_index=True)
    enough = count >= 8 and len(first) > 0.9 * len(sample)
    return sample[np.sort(first)[: count * enough]]


class LatentSet(enum.IntEnum):
    """Independent sets of fixed latents."""

    GRID = 1  # frames, and the curves of a study
    SAMPLES = 2  # samples.npz, and the edits of a study
    MEASURES = 3
    TRAVERSAL = 4
    CLASSES = 5


def fixed_latents(config: Config, count: int, which: LatentSet) -> jax.Array:
    """Draw latents ``[count, D]`` that depend only on the first seed and the set."""
    key = draw_key(jax.random.key(config.seed), EVALUATE, which)
    return latents(key, count, config.latent_dim)


def _labels(config: Config, dataset: Dataset) -> np.ndarray | None:
    """Return labels ``[train_size]`` of the training images, if the run is conditional."""
    if not config.conditional or dataset.labels is None:
        return None
    return np.asarray(dataset.labels[: config.train_size], np.int32)


def fixed_labels(
    config: Config, dataset: Dataset, count: int, which: LatentSet
) -> np.ndarray | None:
    """Draw labels ``[count]`` from those of the data, if the run is conditional.

    They belong to ``fixed_latents`` and are drawn without replacement if there are enough.
    """
    labels = _labels(config, dataset)
    if labels is None:
        return None
    return np.resize(np.random.default_rng((config.seed, which)).permutation(labels), count)


def by_class(z: jax.Array, classes: int) -> tuple[jax.Array, np.ndarray]:
    """Repeat latents ``[N, D]`` for every class: ``[classes * N, D]``, with labels."""
    labels = np.repeat(np.arange(classes, dtype=np.int32), len(z))
    return jnp.tile(z, (classes, 1)), labels


def without_average(state: GanState) -> GanState:
    """Return the state with the generator itself in place of its moving average."""
    return dataclasses.replace(state, average=state.generator.variables)


class Sampler(Protocol):
    """Draws images ``[S, N, H, W, C]`` uint8 with the moving averages of all lanes.

    It takes a state, latents ``[N, D]`` and, for conditional runs, labels ``[N]``.
    """

    def __call__(self, state: GanState, z: Any, labels: np.ndarray | None = None) -> np.ndarray:
        """Draw the images."""
        ...


def make_sampler(functions: program.Program, batch: int = 250) -> Sampler:
    """Make the sampler of the generators' moving averages with ``batch`` images per call."""
    generate = functions.each(
        lambda gan, state, lane, z, labels: gan.sample(averaged(state), z, labels)
    )

    def sample(state, z, labels=None):
        parts = []
        for start in range(0, len(z), batch):
            some = slice(start, start + batch)
            of_some = None if labels is None else labels[some]
            parts.append(to_uint8(generate(state, z[some], of_some)))
        return np.concatenate(parts, axis=1)

    return sample


def save_generator(path: Path, config: Config, dataset: Dataset, state: GanState) -> None:
    """Write the moving average of the first lane's generator."""
    classes = len(dataset.classes) if config.conditional else 0
    about = {"channels": dataset.images.shape[-1], "classes": classes}
    settings = dataclasses.asdict(config) | about
    first = jax.tree.map(lambda x: x[0], averaged(state).generator.variables)
    own.save(path, settings, first)

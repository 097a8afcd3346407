"""The source of samples: a run of a laboratory, or any generator that jaxgan can load."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from experiments.generate import data, own_runs
from experiments.generate.config import WEIGHTS, Config
from experiments.generate.own_runs import OwnRun, Selection
from jaxgan import convert
from jaxgan.convert import options, sampling
from jaxgan.convert.generator import Pretrained
from jaxgan.convert.sampling import Draw
from jaxgan.errors import InputError
from jaxgan.networks import mlp
from jaxgan.runs.progress import say
from jaxgan.training import devices

_PIXELS = 2**22  # pixels of a batch, by default
_MOST_AT_ONCE = 256
_POINTS_AT_ONCE = 4096


class Source(NamedTuple):
    """A source of samples.

    Attributes:
      draw: ``(start, count) -> [count, ...]``: draws samples by number on a device.
      shape: Shape of a sample: ``[H, W, C]`` for images, ``[2]`` for points.
      dtype: Type of the samples that ``finish`` returns.
      finish: Converts a batch on the host.
      batch_size: Samples per batch.
      digest: SHA-256 of all parameters.
      dim: Length of a latent.
      generator: The generator, if it makes images.
      run: The run that the generator belongs to, if any.
      labels: Labels that samples take in turn, ``[M]`` classes or ``[M, K]`` rows.
      real: For points, the training points ``[N, 2]``.
    """

    draw: Draw
    shape: tuple[int, ...]
    dtype: np.dtype
    finish: Callable[[np.ndarray], np.ndarray]
    batch_size: int
    digest: str
    dim: int
    generator: Pretrained | None = None
    run: OwnRun | None = None
    labels: np.ndarray | None = None
    real: np.ndarray | None = None

    def images(self, what: str) -> Pretrained:
        """Return the generator, for features that exist only for images.

        Raises:
          InputError: If the generator makes points.
        """
        if self.generator is None:
            raise InputError(f"{what} is for generators of images, and this one makes points")
        return self.generator


def open_source(config: Config, mesh: Mesh | None) -> Source:
    """Open the run or generator in the settings.

    Raises:
      InputError: If there is no such run or generator, or a setting does not fit it.
    """
    path = Path(config.run)
    run = own_runs.read(path) if path.is_dir() else None
    selection = _selection(config, run)
    if run is not None and run.laboratory == own_runs.POINTS:
        return _of_points(config, run, selection)
    if run is not None:
        generator = own_runs.image_generator(run, selection, lambda: data.form_of(run))
    else:
        settings = None if config.settings is None else options.read_settings(config.settings)
        generator = convert.load(config.run, say, weights=config.weights, settings=settings)
    return _of_images(config, run, generator, mesh)


def _selection(config: Config, run: OwnRun | None) -> Selection:
    if run is None:
        for name in ("lane", "epoch"):
            if getattr(config, name) != getattr(Config, name):
                raise InputError(
                    f"--{name} is for runs of jaxgan's laboratories, and {config.run} is none"
                )
        return Selection()
    if config.weights not in (None, *WEIGHTS):
        raise InputError(f"--weights={config.weights}: of a run must be average or raw")
    if config.settings is not None:
        raise InputError("--settings has no meaning for a run, which has its own")
    return Selection(config.lane, config.weights == "raw", config.epoch)


def _of_images(
    config: Config, run: OwnRun | None, generator: Pretrained, mesh: Mesh | None
) -> Source:
    if config.truncation != 1 and not generator.num_layers:
        raise InputError(
            f"--truncation={config.truncation:g}: the {generator.flavour} has no codes w to "
            "truncate"
        )
    labels = _labels(config, generator)
    if labels is not None:
        generator = generator.with_labels(labels)
    batch_mesh = devices.for_batches(1, mesh, 0)
    generator = dataclasses.replace(generator, mesh=batch_mesh)
    side = generator.resolution
    size = config.batch_size or min(_MOST_AT_ONCE, max(1, _PIXELS // side**2))
    return Source(
        draw=sampling.image_sampler(generator, config.seed, config.truncation),
        shape=(side, side, sampling.channels_of(generator)),
        dtype=np.dtype(np.uint8),
        finish=lambda batch: batch,
        batch_size=size + -size % (batch_mesh.size if batch_mesh else 1),
        digest=_digest(generator.params),
        dim=generator.z_dim,
        generator=generator,
        run=run,
        labels=labels,
    )


def _labels(config: Config, generator: Pretrained) -> np.ndarray | None:
    """Return the labels to take in turn: the given ones, or all."""
    if config.labels is not None:
        return options.read_labels(config.labels)
    if config.label:
        return np.array(config.label)
    if not generator.num_labels:
        return None
    say(
        f"{config.run} is conditional: samples take its {generator.num_labels} labels in "
        "turn; --label=0 makes those of one"
    )
    return np.arange(generator.num_labels)


def _of_points(config: Config, run: OwnRun, selection: Selection) -> Source:
    for name, reason in (
        ("truncation", "has no codes w to truncate"),
        ("label", "takes no label"),
        ("labels", "takes no label"),
    ):
        if getattr(config, name) != getattr(Config, name):
            raise InputError(f"--{name}: a generator of points {reason}")
    variables = own_runs.point_variables(run, selection)
    real, units = data.points_of(run, config.lane)
    settings, network = run.config, mlp.Generator(run.config.generator_widths)

    @jax.jit
    def apply(variables, z):
        return network.apply(variables, z)

    device_variables = jax.device_put(variables)

    def draw(start, count):
        z = sampling.latents(config.seed, start, count, settings.latent_dim, settings.latent)
        return apply(device_variables, z)

    return Source(
        draw=draw,
        shape=(2,),
        dtype=np.dtype(np.float64),
        finish=lambda batch: units.to_data(batch.astype(np.float64)),
        batch_size=config.batch_size or _POINTS_AT_ONCE,
        digest=_digest(variables),
        dim=settings.latent_dim,
        run=run,
        real=real,
    )


def _digest(params: Any) -> str:
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(params):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()

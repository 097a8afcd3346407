"""Read runs of the laboratories: settings, and generators from checkpoints."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.settings import Training
from experiments.images import program as images
from experiments.images.config import Config as ImageConfig
from experiments.points import program as points
from experiments.points.config import Config as PointConfig
from jaxgan.convert import own
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.runs import checkpoint
from jaxgan.runs.progress import say
from jaxgan.training.gan import Gan, averaged

POINTS, FACES, FASHION, STACKED = "points", "faces", "fashion_mnist", "stacked_mnist"
_HANDWRITTEN = 28  # pixels of images in fashion_mnist and stacked_mnist
_MOST_BYTES = 2**24  # most bytes of a run's configuration
_MOST = {"latent_dim": 65536, "seeds": 65536, "size": 128, "width": 1024}


class OwnRun(NamedTuple):
    """A run of a laboratory.

    Attributes:
      directory: Its folder.
      laboratory: ``points``, ``faces``, ``fashion_mnist`` or ``stacked_mnist``.
      config: Its settings.
      settings: The settings in ``config.json``, which also identify the data.
    """

    directory: Path
    laboratory: str
    config: Any
    settings: dict[str, Any]

    @property
    def lanes(self) -> int:
        """Number of its lanes."""
        return len(self.config.combinations()) * self.config.seeds


class Selection(NamedTuple):
    """Which generator of a run: lane, averaged or not, and epoch."""

    lane: int = 0
    raw: bool = False
    epoch: int | None = None


def content_of(path: Path) -> dict[str, Any] | None:
    """Return the content of a run's ``config.json``; ``None`` if there is no such file.

    Raises:
      InputError: If the file cannot be read, or is not JSON.
    """
    file = path / "config.json"
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ValueError
        content = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _no_settings(file) from error
    is_run = isinstance(content, dict) and isinstance(content.get("settings"), dict)
    return content if is_run else None


def _no_settings(file: Path) -> InputError:
    return InputError(f"{file} does not hold the settings of a run of jaxgan")


def read(path: Path) -> OwnRun | None:
    """Read the run in a folder; ``None`` if it is not a run of a laboratory.

    Raises:
      InputError: If it holds several runs, or invalid settings.
    """
    content = content_of(path)
    if content is None:
        return None
    settings, command = content["settings"], str(content.get("command"))
    try:
        if "programs" in settings:
            names = ", ".join(str(path / str(name)) for name in settings["programs"])
            raise InputError(f"{path} holds several runs; choose one of {names}")
        kind = PointConfig if "generator_widths" in settings else ImageConfig
        if kind is ImageConfig and "model" not in settings:
            return None
        config = _config(kind, settings)
        laboratory = _laboratory(path, config, command)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _no_settings(path / "config.json") from error
    return OwnRun(path, laboratory, config, settings)


def _config(kind: type[Training], settings: dict[str, Any]) -> Any:
    """Restore a configuration; settings at their class's default are not in the file."""
    names = {field.name for field in dataclasses.fields(kind)} & settings.keys()
    values: dict[str, Any] = {name: settings[name] for name in names}
    values = {n: tuple(x) if isinstance(x, list) else x for n, x in values.items()}
    config = kind(**values)
    whole = ["latent_dim", "seeds", "epochs", "train_size"]
    for name in whole + ["size"] * (kind is ImageConfig):
        if not isinstance(getattr(config, name), int) or getattr(config, name) < 1:
            raise TypeError(name)
    for name, most in _MOST.items():
        if not 0 < getattr(config, name, 1) <= most:
            raise ValueError(name)
    return config


def _laboratory(path: Path, config: Any, command: str) -> str:
    if isinstance(config, PointConfig):
        return POINTS
    if config.size != _HANDWRITTEN:
        return FACES
    channels = _own_settings(path).get("channels")
    stacked = channels == 3 if channels else STACKED in command
    return STACKED if stacked else FASHION


def _own_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a run's ``generator.npz``; empty if there is no such file."""
    file = path / own.FILE
    return own.settings_of(file) if file.is_file() else {}


def image_generator(
    run: OwnRun, selection: Selection, form: Callable[[], tuple[int, int]]
) -> Pretrained:
    """Load a generator from an image laboratory's run.

    Args:
      run: The run.
      selection: Which of its generators.
      form: Returns the number of channels and of classes of the images; called only for a run
        without ``generator.npz``.

    Raises:
      InputError: If there is no such generator, or no readable checkpoint.
    """
    config: ImageConfig = run.config
    settings = _own_settings(run.directory)
    if selection == Selection() and settings:
        return own.load(run.directory)
    channels, classes = (settings.get("channels"), settings.get("classes", 0))
    if channels is None:
        channels, classes = form()
    classes = classes if config.conditional else 0
    shape = (1, config.size, config.size, channels)
    example = [jax.ShapeDtypeStruct(shape, jnp.float32)]
    labels = [jax.ShapeDtypeStruct((1,), jnp.int32)] if config.conditional else []

    def build(values):
        return images.build(config, values, channels, classes)

    variables = _variables(run, selection, build, *example, *labels)
    form_of_images = {"channels": channels, "classes": classes}
    about = dataclasses.asdict(config) | form_of_images
    return own.from_variables(str(run.directory), about, variables)


def point_variables(run: OwnRun, selection: Selection) -> Any:
    """Load the variables of a generator from a points run; arguments as for images."""

    def build(values):
        return points.build(run.config, values)

    return _variables(run, selection, build, jax.ShapeDtypeStruct((1, 2), jnp.float32))


def _variables(
    run: OwnRun, selection: Selection, build: Callable[[dict[str, Any]], Gan], *example: Any
) -> Any:
    """Load the variables of one lane's generator from the newest or a given checkpoint."""
    try:
        gan = build(run.config.combinations()[0])
        one = jax.eval_shape(gan.init, jax.eval_shape(jax.random.key, 0), *example)
        lanes = run.lanes
    except Exception as error:  # damaged settings can raise any error
        raise _no_settings(run.directory / "config.json") from error
    if not 0 <= selection.lane < lanes:
        raise InputError(
            f"--lane={selection.lane}: the lanes of {run.directory} are 0 to {lanes - 1}"
        )
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((lanes, *x.shape), x.dtype), one)
    folder = run.directory / "checkpoints"
    epoch = selection.epoch
    restored = checkpoint.restore(folder, like, lambda step: epoch in (None, step))
    for line in restored.damaged:
        say(f"{run.directory}: {line}")
    if restored.step is None:
        epochs = ", ".join(str(step) for step in _epochs(folder)) or "none"
        of = "" if epoch is None else f" of epoch {epoch}"
        raise InputError(
            f"{run.directory} has no checkpoint{of} that can be read; those kept: {epochs}"
        )
    if restored.step < run.config.epochs:
        say(f"{run.directory}: epoch {restored.step} of {run.config.epochs}")
    state = restored.tree if selection.raw else averaged(restored.tree)
    return jax.tree.map(lambda x: np.asarray(x[selection.lane]), state.generator.variables)


def _epochs(folder: Path) -> list[int]:
    """Return the epochs of all checkpoints in a folder, including damaged ones."""
    names = [path.name for path in folder.glob("step_*")]
    return sorted(int(name[5:]) for name in names if name[5:].isdigit())

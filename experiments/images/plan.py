"""The output of ``--dry_run`` in an image laboratory: settings and device memory."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from experiments.common.flags import show_plan
from experiments.images import run
from experiments.images.config import Config, Dataset
from experiments.images.program import Machine, build, check_machine, lanes_of, shared_by
from jaxgan.runs import jobs
from jaxgan.runs.progress import say
from jaxgan.training import devices
from jaxgan.training.traffic import traffic


def show(
    folders: Mapping[Path, Config],
    directory: Path,
    dataset: Dataset,
    machine: Machine,
    *,
    fresh: bool = False,
) -> None:
    """Check a command as ``run_all`` does, and print what it would do."""
    identify = functools.partial(run.settings, dataset)
    jobs.check_all(folders, directory, identify, fresh=fresh)
    check_machine(list(folders.values()), dataset, machine)
    show_plan(folders)
    for folder, config in folders.items():
        say(f"{folder}: {describe(config, dataset, machine)}")


def describe(config: Config, dataset: Dataset, machine: Machine) -> str:
    """Describe what each device holds, and the communication per step."""
    lanes = len(lanes_of(config).seed)
    batch_mesh = shared_by(config, lanes, machine)
    count = (batch_mesh or machine.mesh or devices.make_mesh()).size
    state = _shapes(config, dataset)
    images = dataset.images[: config.train_size]
    data_text = f"all images ({_spell(images.nbytes)})"
    if machine.streams(images):
        data_text = (
            f"some batches of the {_spell(images.nbytes)} of images, which stay on the host,"
        )
    arrays = jax.tree.leaves(state.replace(key=state.step))
    size = _spell(sum(x.size * x.dtype.itemsize for x in arrays))
    if not batch_mesh:
        active = min(count, lanes)
        lanes_of_one = _plural(-(-lanes // active), "lane")
        return (
            f"devices={active}: {lanes_of_one} on each, at most; each holds {data_text} and "
            f"a state of {size} for every lane; nothing passes between devices"
        )
    sums = traffic(
        state, config.penalty, config.critic_steps, relativistic=config.variant == "rpgan"
    )
    return (
        f"devices={count}: {config.batch_size // count} of the {config.batch_size} images of a "
        f"batch on each; each holds {data_text} and {_plural(lanes, 'state')} of {size}; "
        f"in a step of a lane they sum {_spell(sums.gradients)} of gradients and "
        f"{_spell(sums.statistics)} of batch statistics"
    )


def _shapes(config: Config, dataset: Dataset) -> Any:
    """Return the shapes of one lane's state."""
    gan = build(
        config, config.combinations()[0], dataset.images.shape[-1], len(dataset.classes)
    )
    example = [jnp.zeros((1, *dataset.images.shape[1:]))]
    labels = [jnp.zeros(1, jnp.int32)] if config.conditional else []
    return jax.eval_shape(gan.init, jax.random.key(0), *example, *labels)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _spell(size: int) -> str:
    """Format a number of bytes."""
    unit = "KiB" if size < 2**20 else "MiB"
    return f"{size / (2**10 if unit == 'KiB' else 2**20):.1f} {unit}"

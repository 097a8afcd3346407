"""Flags of every laboratory that trains a GAN; ``flags`` has the rest."""

import dataclasses
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.common.flags import CommandLine
from experiments.common.settings import Defaults, Recipe, Training
from jaxgan.runs import jobs
from jaxgan.runs.trackers import TRACKERS
from jaxgan.training.objectives import OBJECTIVES, PENALTIES
from jaxgan.training.optimizers import OPTIMIZERS, SCHEDULES

_CHOICES = {
    "variant": f"Loss and penalty: {', '.join(OBJECTIVES)}; a list.",
    "optimizer": f"Optimizer: {', '.join(OPTIMIZERS)}, or one of optax's, such as optax.lion "
    "or optax.adamw:b1=0.5,weight_decay=1e-3, with the learning rate of adam unless one is "
    "given, and its own b1 and b2 unless they, --betas or those of a recipe are; a list.",
    "schedule": f"Schedule of the learning rates: {', '.join(SCHEDULES)} (of both networks).",
    "penalty": f"Penalty instead of the variant's own: {', '.join(PENALTIES)}.",
}


@dataclasses.dataclass(frozen=True)
class Extras:
    """Flags of what a training also writes.

    Attributes:
      tensorboard: Also write the numbers and pictures for TensorBoard.
      wandb: Also for Weights & Biases, offline unless $WANDB_MODE says otherwise.
      aim: Also for Aim, in a repository in the folder above the run's.
      export: Also write the generator for others' tools, to the folder export of its run, as
        experiments.export does.
    """

    tensorboard: bool = False
    wandb: bool = False
    aim: bool = False
    export: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Options of ``jobs.run``."""
        trackers = tuple(name for name in TRACKERS if getattr(self, name))
        return {"tensorboard": self.tensorboard, "trackers": trackers}


@dataclasses.dataclass(frozen=True)
class _RecipeFlag:
    """The flag of a recipe.

    Attributes:
      recipe: Use a report's own values.
    """

    recipe: str | None = None


def define(
    line: CommandLine,
    config: type[Training],
    defaults: Defaults,
    recipes: Mapping[str, Recipe],
    texts: Mapping[str, str],
    *,
    without: Collection[str] = (),
    choices: Mapping[str, Collection[str]] = types.MappingProxyType({}),
) -> Callable[[], dict[str, Any]]:
    """Define a flag for every setting of a laboratory, and ``--recipe``.

    Args:
      line: The laboratory's command line.
      config: The laboratory's configuration.
      defaults: Shown in the flags' help.
      recipes: Choices of ``--recipe``.
      texts: Help texts that replace those of the configuration's docstring.
      without: Settings that have no flag.
      choices: Values of further settings that a shell may complete.

    Returns:
      Reads the flags that are given.
    """
    settings = line.define(
        config,
        defaults.common,
        {**_CHOICES, **texts},
        lists=("variant", "optimizer", "model"),
        without=without,
        choices={
            "variant": OBJECTIVES,
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "penalty": PENALTIES,
            **choices,
        },
    )
    names = f"Use the settings of a report, a paper or a purpose: {', '.join(recipes)}."
    recipe = line.define(_RecipeFlag, texts={"recipe": names}, choices={"recipe": recipes})
    return lambda: _with_whole_names(settings()) | recipe()


def _with_whole_names(overrides: dict[str, Any]) -> dict[str, Any]:
    """Join the settings of an optimizer, which commas part as they do a list, to its name."""
    names: list[str] = []
    for word in overrides.get("optimizer", ()):
        if names and ":" in names[-1] and "=" in word and ":" not in word:
            names[-1] += f",{word}"
        else:
            names.append(word)
    return overrides | ({"optimizer": tuple(names)} if "optimizer" in overrides else {})


def default_name(overrides: Mapping[str, Any], variant: Sequence[str]) -> str:
    """Make a folder's name from the settings that are given.

    Args:
      overrides: Flags as read.
      variant: Trained where neither a variant nor a recipe is given.
    """
    parts = [overrides.get("recipe")]
    if "data" in overrides:
        parts.append(Path(overrides["data"]).stem)
    parts.append("+".join(overrides.get("model", ())))
    variants = overrides.get("variant") or ([] if "recipe" in overrides else variant)
    parts += ["+".join(variants), "+".join(overrides.get("optimizer", ()))]
    return jobs.plain("-".join(part for part in parts if part))[:120]

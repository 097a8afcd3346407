"""Flags of all laboratories that train a GAN, in addition to those of ``flags``."""

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
    "variant": f"Variant of the GAN (loss and penalty), or a list of: {', '.join(OBJECTIVES)}.",
    "optimizer": f"Optimizer of both networks, or a list of: {', '.join(OPTIMIZERS)}, or one "
    "of optax, such as optax.lion or optax.adamw:b1=0.5,weight_decay=1e-3. Optax's optimizers "
    "use the learning rate of adam and their own b1 and b2, unless these are given.",
    "schedule": f"Schedule of both networks' learning rates: {', '.join(SCHEDULES)}.",
    "penalty": f"Penalty to use instead of the variant's own: {', '.join(PENALTIES)}.",
}


@dataclasses.dataclass(frozen=True)
class Extras:
    """Flags of further outputs of a training.

    Attributes:
      tensorboard: Also write numbers and pictures for TensorBoard.
      wandb: Also log to Weights & Biases, offline unless $WANDB_MODE says otherwise.
      aim: Also log to Aim, in a repository in the folder above the run's.
      export: Also export the generator to the folder export of its run, as experiments.export
        does.
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
      recipe: Use the settings of a report.
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
      config: The laboratory's configuration class.
      defaults: Defaults to show in the help.
      recipes: Choices of ``--recipe``.
      texts: Help texts that replace those of the configuration's docstring.
      without: Settings that get no flag.
      choices: Values of further settings, for completion in a shell.

    Returns:
      A function that returns the given flags by name.
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
    names = f"Start from the settings of a report, a paper or a purpose: {', '.join(recipes)}."
    recipe = line.define(_RecipeFlag, texts={"recipe": names}, choices={"recipe": recipes})
    return lambda: _with_whole_names(settings()) | recipe()


def _with_whole_names(overrides: dict[str, Any]) -> dict[str, Any]:
    """Join the settings of an optimizer to its name: commas separate them, too."""
    names: list[str] = []
    for word in overrides.get("optimizer", ()):
        if names and ":" in names[-1] and "=" in word and ":" not in word:
            names[-1] += f",{word}"
        else:
            names.append(word)
    return overrides | ({"optimizer": tuple(names)} if "optimizer" in overrides else {})


def default_name(overrides: Mapping[str, Any], variant: Sequence[str]) -> str:
    """Make a folder's name from the given settings.

    Args:
      overrides: The given flags.
      variant: Default variants, for commands without a variant and a recipe.
    """
    parts = [overrides.get("recipe")]
    if "data" in overrides:
        parts.append(Path(overrides["data"]).stem)
    parts.append("+".join(overrides.get("model", ())))
    variants = overrides.get("variant") or ([] if "recipe" in overrides else variant)
    parts += ["+".join(variants), "+".join(overrides.get("optimizer", ()))]
    return jobs.plain("-".join(part for part in parts if part))[:120]

"""Flags of every laboratory that trains a GAN; ``flags`` has the rest."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.common.flags import CommandLine
from experiments.common.settings import Defaults, Recipe, Training
from jaxgan.training.objectives import OBJECTIVES, PENALTIES
from jaxgan.training.optimizers import OPTIMIZERS, SCHEDULES

_CHOICES = {
    "variant": f"Loss and penalty: {', '.join(OBJECTIVES)}; a list.",
    "optimizer": f"Optimizer: {', '.join(OPTIMIZERS)}; a list.",
    "schedule": f"Schedule of the learning rates: {', '.join(SCHEDULES)} (of both networks).",
    "penalty": f"Penalty instead of the variant's own: {', '.join(PENALTIES)}.",
}


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
) -> Callable[[], dict[str, Any]]:
    """Define a flag for every setting of a laboratory, and ``--recipe``.

    Args:
      line: The laboratory's command line.
      config: The laboratory's configuration.
      defaults: Shown in the flags' help.
      recipes: Choices of ``--recipe``.
      texts: Help texts that replace those of the configuration's docstring.
      without: Settings that have no flag.

    Returns:
      Reads the flags that are given.
    """
    settings = line.define(
        config,
        defaults.common,
        {**_CHOICES, **texts},
        lists=("variant", "optimizer", "model"),
        without=without,
    )
    names = f"Use a report's own values: {', '.join(recipes)}."
    recipe = line.define(_RecipeFlag, texts={"recipe": names})
    return lambda: settings() | recipe()


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
    name = "-".join(part for part in parts if part)
    return "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)[:120]

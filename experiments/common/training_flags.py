"""Flags of every laboratory that trains a GAN; ``experiments.flags`` has the rest."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags as absl_flags

from experiments.common.flags import CommandLine, _parsed
from experiments.common.settings import Defaults, Recipe
from jaxgan.training.objectives import OBJECTIVES, PENALTIES
from jaxgan.training.optimizers import OPTIMIZERS, SCHEDULES


class Flags(NamedTuple):
    """Names of flags with what they mean, by the kind of their values."""

    names: dict[str, str] = {}
    numbers: dict[str, str] = {}
    integers: dict[str, str] = {}
    texts: dict[str, str] = {}
    number: dict[str, str] = {}
    integer: dict[str, str] = {}
    switch: dict[str, str] = {}


SHARED = Flags(
    names={
        "variant": f"Of {', '.join(OBJECTIVES)}; a list.",
        "optimizer": f"Of {', '.join(OPTIMIZERS)}; a list.",
    },
    numbers={
        "learning_rate": "Of the generator; a list.",
        "penalty_weight": "Weight of the penalty; a list.",
        "clip": "Bound on the critic's weights, for variants that clip; a list.",
        "betas": "Of Adam and its kin, two numbers.",
    },
    texts={
        "schedule": f"Of the generator's learning rate: {', '.join(SCHEDULES)}.",
        "penalty": f"Instead of the variant's own: {', '.join(PENALTIES)}.",
    },
    number={
        "critic_learning_rate": "Of the critic; by default the generator's.",
        "ema": "Decay of the generator's moving average; 0 is none.",
    },
    integer={
        "critic_steps": "Critic updates per generator update.",
        "latent_dim": "Latent dimensions.",
        "batch_size": "Examples in a batch.",
        "epochs": "Passes over the training data.",
        "seed": "Of the first lane.",
        "seeds": "Lanes per combination of settings.",
        "frame_every": "Epochs between two frames.",
        "checkpoint_every": "Epochs between two checkpoints.",
    },
)


_MAKERS: dict[str, Callable[..., Any]] = {
    "names": absl_flags.DEFINE_list,
    "numbers": absl_flags.DEFINE_list,
    "integers": absl_flags.DEFINE_list,
    "texts": absl_flags.DEFINE_string,
    "number": absl_flags.DEFINE_float,
    "integer": absl_flags.DEFINE_integer,
    "switch": absl_flags.DEFINE_bool,
}


def define(
    line: CommandLine, defaults: Defaults, recipes: Mapping[str, Recipe], own: Flags
) -> Callable[[], dict[str, Any]]:
    """Define the shared flags and a laboratory's own.

    Args:
      line: The laboratory's command line.
      defaults: Shown in the flags' descriptions.
      recipes: Choices of ``--recipe``.
      own: The laboratory's flags; one of a shared name replaces it.

    Returns:
      Reads the flags, those not given as ``None``.
    """

    def describe(name: str, text: str) -> str:
        default = defaults.common.get(name)
        if default is None:
            return text
        value = ",".join(map(str, default)) if isinstance(default, tuple) else default
        return f"{text} Default: {value}."

    kinds = {kind: getattr(SHARED, kind) | getattr(own, kind) for kind in Flags._fields}
    kinds["texts"]["recipe"] = f"A report's own values: {', '.join(recipes)}."
    holders = {}
    for kind, flags_of_kind in kinds.items():
        for name, text in flags_of_kind.items():
            holders[name] = _MAKERS[kind](
                name,
                None,
                describe(name, text),
                flag_values=line.values,
                module_name=line.experiment,
            )

    def read() -> dict[str, Any]:
        given = {name: holder.value for name, holder in holders.items()}
        for name in kinds["numbers"]:
            given[name] = _parsed(name, tuple[float, ...], given[name])
        for name in kinds["integers"]:
            given[name] = _parsed(name, tuple[int, ...], given[name])
        return given

    return read


def default_name(given: Mapping[str, Any], variant: Sequence[str]) -> str:
    """A folder name from the settings that were given.

    Args:
      given: As read.
      variant: Trained where neither a variant nor a recipe is given.
    """
    parts = [given["recipe"]]
    if given["data"] is not None:
        parts.append(Path(given["data"]).stem)
    if given.get("model"):
        parts.append("+".join(given["model"]))
    variants = given["variant"] or ([] if given["recipe"] else variant)
    parts += ["+".join(variants), "+".join(given["optimizer"] or [])]
    name = "-".join(part for part in parts if part)
    return "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)[:120]

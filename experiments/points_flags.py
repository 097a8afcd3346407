"""The points laboratory's own flags; those it shares are in ``experiments.flags``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from absl import flags as absl_flags

from experiments import flags
from experiments.points_config import DEFAULTS, RECIPES
from jaxgan.data import points
from jaxgan.objectives import OBJECTIVES, PENALTIES
from jaxgan.optimizers import OPTIMIZERS, SCHEDULES


def define() -> Callable[[], dict[str, Any]]:
    """Define this experiment's flags; returns what reads those that were given."""
    lists = {
        "variant": f"Of {', '.join(OBJECTIVES)}.",
        "optimizer": f"Of {', '.join(OPTIMIZERS)}.",
        "learning_rate": "Of the generator.",
        "penalty_weight": "Weight of the penalty.",
        "clip": "Bound on the critic's weights, for variants that clip.",
        "betas": "Of Adam and its kin, two numbers.",
        "generator_widths": "Hidden widths.",
        "critic_widths": "Hidden widths.",
    }
    integers = {
        "critic_steps": "Critic updates per generator update.",
        "latent_dim": "Latent dimensions.",
        "batch_size": "Examples in a batch.",
        "epochs": "Passes over the training points.",
        "train_size": "Points to train on; the others are held out.",
        "seed": "Of the first lane.",
        "seeds": "Lanes per combination of settings.",
        "frame_every": "Epochs between two frames.",
        "checkpoint_every": "Epochs between two checkpoints.",
    }
    texts = {
        "data": f"One of {', '.join(points.POINT_CLOUDS)}, or a .mat, .npy or .csv file.",
        "data_key": "Variable of a .mat file.",
        "recipe": f"A report's own values: {', '.join(RECIPES)}.",
        "schedule": f"Of the learning rates: {', '.join(SCHEDULES)}.",
        "penalty": f"Instead of the variant's own: {', '.join(PENALTIES)}.",
    }
    numbers = {
        "critic_learning_rate": "Of the critic; by default the generator's.",
        "ema": "Decay of the generator's moving average; 0 is none.",
    }

    def describe(name: str, text: str) -> str:
        default = DEFAULTS.get(name)
        if default is None:
            return text
        value = ",".join(map(str, default)) if isinstance(default, tuple) else default
        return f"{text} Default: {value}."

    holders = {}
    for define, group in (
        (absl_flags.DEFINE_list, lists),
        (absl_flags.DEFINE_integer, integers),
        (absl_flags.DEFINE_string, texts),
        (absl_flags.DEFINE_float, numbers),
    ):
        for name, text in group.items():
            holders[name] = define(name, None, describe(name, text))
    holders["standardize"] = absl_flags.DEFINE_bool(
        "standardize", None, "Train on points of mean 0 and standard deviation 1."
    )

    def read() -> dict[str, Any]:
        given = {name: holder.value for name, holder in holders.items()}
        for name in ("learning_rate", "penalty_weight", "clip", "betas"):
            given[name] = flags.numbers(name, given[name])
        for name in ("generator_widths", "critic_widths"):
            given[name] = flags.numbers(name, given[name], whole=True)
        return given

    return read


def default_name(given: Mapping[str, Any]) -> str:
    """A folder name from the settings that were given."""
    parts = [given["recipe"]]
    if given["data"] is not None:
        parts.append(Path(given["data"]).stem)
    variants = given["variant"] or ([] if given["recipe"] else ["wgan_gp"])
    parts += ["+".join(variants), "+".join(given["optimizer"] or [])]
    name = "-".join(part for part in parts if part)
    return "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)[:120]

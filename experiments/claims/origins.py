"""Who filled in what: the settings of a cell that its report gives, and those that are ours."""

from collections.abc import Collection, Mapping
from typing import Any

from experiments.common.settings import Training
from jaxgan.metrics.claims import Origins

ANY = None  # any value is the report's
# Setting to the values that are the report's; one that is not there is ours.
ReportValues = Mapping[str, Collection[Any] | None]

_SETTINGS = (
    *("variant", "optimizer", "learning_rate", "critic_learning_rate", "betas", "schedule"),
    *("critic_steps", "penalty", "penalty_weight", "clip", "batch_size", "epochs"),
    *("latent_dim", "train_size", "standardize", "generator_widths", "critic_widths"),
    *("model", "size", "width", "norm", "critic_norm"),
)
_WITH_BETAS = ("adam", "optimistic_adam")


def origins(config: Training, report: ReportValues) -> Origins:
    """Sort the settings of a cell by who chose them."""
    result = Origins({}, {})
    for name in _SETTINGS:
        value = getattr(config, name, None)
        if value in (None, (), "none") or (
            name == "betas" and config.optimizer not in _WITH_BETAS
        ):
            continue
        values = report.get(name, ())
        side = result.report if values is ANY or value in values else result.ours
        side[name.replace("_", " ")] = _spell(value)
    return result


def _spell(value: Any) -> str:
    if isinstance(value, tuple):
        return " and ".join(map(_spell, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)

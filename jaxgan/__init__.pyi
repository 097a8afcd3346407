from . import convert, data, judges, metrics, networks, plots, runs, sefa, training
from .convert import load
from .errors import InputError
from .runs.fit import Fit, fit
from .runtime import setup
from .training.epochs import epoch, interval
from .training.gan import Gan, GanState, NetState, averaged, gan, latents
from .training.lanes import draw, over_lanes
from .training.objectives import OBJECTIVES, PENALTIES, Objective, objective
from .training.optimizers import OPTIMIZERS, SCHEDULES, Optimizers, clip_weights, pair

__version__: str

__all__ = [
    "OBJECTIVES",
    "OPTIMIZERS",
    "PENALTIES",
    "SCHEDULES",
    "Fit",
    "Gan",
    "GanState",
    "InputError",
    "NetState",
    "Objective",
    "Optimizers",
    "averaged",
    "clip_weights",
    "convert",
    "data",
    "draw",
    "epoch",
    "fit",
    "gan",
    "interval",
    "judges",
    "latents",
    "load",
    "metrics",
    "networks",
    "objective",
    "over_lanes",
    "pair",
    "plots",
    "runs",
    "sefa",
    "setup",
    "training",
]

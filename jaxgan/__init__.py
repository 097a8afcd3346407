"""jaxgan: a laboratory for generative adversarial networks in JAX.

The names below load on first use, so that ``import jaxgan`` alone costs nothing. The
modules hold more: ``jaxgan.gan.gan`` builds a GAN, ``jaxgan.metrics`` measures it.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
    "InputError": "errors",
    "Gan": "gan",
    "GanState": "gan",
    "NetState": "gan",
    "averaged": "gan",
    "OBJECTIVES": "objectives",
    "Objective": "objectives",
    "PENALTIES": "objectives",
    "objective": "objectives",
    "OPTIMIZERS": "optimizers",
    "Optimizers": "optimizers",
    "SCHEDULES": "optimizers",
    "clip_weights": "optimizers",
    "pair": "optimizers",
    "over_lanes": "sweep",
    "epoch": "train",
    "interval": "train",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'jaxgan' has no attribute {name!r}")
    return getattr(importlib.import_module(f"jaxgan.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])

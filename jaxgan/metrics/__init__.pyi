from . import (
    claims,
    colour,
    coverage,
    frechet,
    images,
    intervals,
    kernels,
    neighbours,
    pyramid,
    transport,
    verdicts,
)
from .images import fid, kid, prdc
from .kernels import KernelDistance
from .neighbours import PRDC

__all__ = [
    "PRDC",
    "KernelDistance",
    "claims",
    "colour",
    "coverage",
    "fid",
    "frechet",
    "images",
    "intervals",
    "kernels",
    "kid",
    "neighbours",
    "prdc",
    "pyramid",
    "transport",
    "verdicts",
]

from . import (
    claims,
    colour,
    coverage,
    distinctness,
    fit_ratio,
    frechet,
    images,
    intervals,
    kernels,
    neighbours,
    pyramid,
    transport,
    two_sample,
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
    "distinctness",
    "fit_ratio",
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
    "two_sample",
    "verdicts",
]

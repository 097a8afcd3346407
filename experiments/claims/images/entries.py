"""The claims about images, by name and scale."""

from typing import Any

from experiments.claims.images import face_entries, fashion_entries
from experiments.claims.rules import Claim

# What is trained. "small" is what two CPU cores can do; "report" has the reports' sizes.
SCALES: dict[str, dict[str, dict[str, Any]]] = {
    "small": {
        "faces": {"size": 32, "width": 16, "batch_size": 32, "train_size": 2048},
        "dense": {"width": 128, "train_size": 60_000},
        "conv": {"width": 16, "train_size": 12_800},
    },
    "report": {
        "faces": {"size": 64, "width": 64, "batch_size": 512, "train_size": 20_480},
        "dense": {"width": 128, "train_size": 60_000},
        "conv": {"width": 128, "train_size": 60_000},
    },
}

CLAIMS = sorted([*face_entries.CLAIMS, *fashion_entries.CLAIMS])  # D, E, S


def claim(name: str, scale: str) -> Claim:
    """A claim about images.

    Args:
      name: In ``CLAIMS``.
      scale: In ``SCALES``.

    Raises:
      InputError: If it needs Fashion-MNIST, which is not there.
    """
    sizes = SCALES[scale]
    if name in fashion_entries.CLAIMS:
        return fashion_entries.claim(name, sizes)
    return face_entries.claim(name, sizes["faces"])

"""Save and load directions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxgan.convert.formats import npz
from jaxgan.convert.formats._inert import legible
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.runtime import replacing
from jaxgan.sefa.factorize import NORMALISATIONS, TO_RGB, Directions

MAX_NAME = 10_000  # characters


def save(path: Path, directions: Directions, names: Sequence[str]) -> None:
    """Write directions to an ``.npz`` that ``load`` and NumPy can read.

    ``docs/sefa.md`` describes the arrays.
    """
    count = 1 + max((max(layers, default=-1) for layers in directions.layers), default=-1)
    masks = np.array([np.isin(np.arange(count), layers) for layers in directions.layers])
    arrays = directions._asdict() | {"layers": masks, "names": np.array(names)}
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def load(path: str | Path, generator: Pretrained) -> tuple[Directions, tuple[str, ...]]:
    """Read directions of this generator that ``save`` wrote.

    Returns:
      The directions, and their names; the name is empty if a direction has none.

    Raises:
      InputError: If the file is not of this kind, or belongs to another generator.

    Examples:
      ``found, names = files.load("runs/sefa/directions.npz", generator)``
    """
    arrays = npz.read(path)
    missing = [x for x in (*Directions._fields, "names") if x not in arrays]
    if missing:
        raise InputError(f"{path} is not a file of directions: it lacks {missing[0]}")
    fingerprint = str(arrays["fingerprint"])
    if fingerprint != generator.fingerprint:
        raise InputError(
            f"{path} holds directions of the generator {legible(fingerprint[:16])}, not of "
            f"{generator.fingerprint}"
        )
    vectors, masks = arrays["vectors"], arrays["layers"]
    count = len(vectors) if vectors.ndim == 2 else 0
    numbers = ("values", "shares")
    sound = (
        count > 0
        and vectors.shape[1] == generator.latent_dim
        and vectors.dtype.kind == "f"
        and np.isfinite(vectors).all()
        and all(arrays[name].shape == (count,) for name in (*numbers, "names"))
        and arrays["names"].dtype.kind == "U"
        and all(arrays[name].dtype.kind == "f" for name in numbers)
        and all(np.isfinite(arrays[name]).all() for name in numbers)
        and masks.dtype == bool
        and masks.ndim == 2
        and len(masks) == count
        and masks.shape[1] <= generator.num_layers
        and (generator.num_layers == 0 or masks.any(axis=1).all())
        and str(arrays["to_rgb"]) in TO_RGB
        and str(arrays["normalisation"]) in NORMALISATIONS
        and arrays["whitened"].dtype == bool
        and arrays["whitened"].shape == ()
    )
    if not sound:
        raise InputError(f"{path} is a damaged file of directions")
    directions = Directions(
        vectors=vectors.astype(np.float32),
        **{name: arrays[name] for name in numbers},
        layers=tuple(tuple(np.flatnonzero(row).tolist()) for row in masks),
        normalisation=str(arrays["normalisation"]),
        to_rgb=str(arrays["to_rgb"]),
        whitened=bool(arrays["whitened"]),
        fingerprint=fingerprint,
    )
    return directions, tuple(str(name)[:MAX_NAME] for name in arrays["names"])

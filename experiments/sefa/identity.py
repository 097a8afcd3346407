"""The identity of a run of the SeFa laboratory."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.sefa.config import SUPERVISED_SETTINGS, Config
from jaxgan import sefa
from jaxgan.convert.generator import Pretrained
from jaxgan.data import image_folder
from jaxgan.data.labels import read_labels
from jaxgan.judges.attributes import PACK_SIZE
from jaxgan.judges.oracles import Oracle


def settings(
    config: Config,
    generator: Pretrained,
    directions: sefa.Directions,
    codes: np.ndarray,
    judges: Sequence[Oracle] = (),
) -> dict[str, Any]:
    """Return everything that determines a run: settings, hashes of files, and oracles.

    With ``--photo``, ``codes`` are the cropped photographs.
    """
    params = _digest(*jax.tree.leaves(generator.params))
    digest = hashlib.sha256("".join(judge.source for judge in judges).encode())
    for array in (*jax.tree.leaves(generator.params), codes, directions.vectors):
        digest.update(np.ascontiguousarray(array).tobytes())
    values = dataclasses.asdict(config) | {"checkpoint_sha256": params}
    if config.codes is not None:
        values["codes_sha256"] = _digest(codes)
    if config.photo:
        values["photo_sha256"] = _digest(codes)
    if config.directions_file is not None:
        values["directions_file_sha256"] = _digest(directions.vectors)
    if config.labels is not None:
        values["labels_sha256"] = _digest(np.fromfile(config.labels, np.uint8))
    if config.settings is not None and config.settings.endswith(".json"):
        digest.update(Path(config.settings).read_bytes())
        values["settings_sha256"] = _digest(np.fromfile(config.settings, np.uint8))
    if config.attribute_data is not None and config.attribute_labels is not None:
        images = image_folder.pack(config.attribute_data, PACK_SIZE)  # as the oracle does
        values["attribute_data_sha256"] = images.key
        names, words, answers = read_labels(config.attribute_labels)
        values["attribute_labels_sha256"] = _digest(np.array(names), np.array(words), answers)
    values["content"] = digest.hexdigest()[:16]
    idle = {"batch_size"} | (
        set() if config.supervised else {"supervised", *SUPERVISED_SETTINGS}
    )
    idle |= set() if config.attributes else {"likeness"}
    return {name: value for name, value in values.items() if name not in idle}


def _digest(*arrays: Any) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

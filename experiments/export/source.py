"""Load a generator to export, with the settings and measures of its run."""

import json
import os
from pathlib import Path
from typing import Any

from jaxgan import convert
from jaxgan.convert import clouds, options, zoo
from jaxgan.convert.clouds import Cloud
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.export import card
from jaxgan.export.folder import Story
from jaxgan.runs.progress import say

_RUN_FILES = ("config.json", "metrics.jsonl")
_MOST_BYTES = 2**26  # most bytes of a JSON file of a run


def open_generator(
    source: str, weights: str | None, settings: str | None
) -> Pretrained | Cloud:
    """Load a run, a file, or a generator by name.

    Raises:
      InputError: If it cannot be loaded, or is an incomplete run.
    """
    path = Path(source)
    run = path.is_dir() and all((path / name).is_file() for name in _RUN_FILES)
    if run and not (path / clouds.FILE).exists():
        raise InputError(
            f"{path} has no generator.npz: only complete runs of images and points have one"
        )
    file = path / clouds.FILE if path.is_dir() else path
    cloud = clouds.load(file) if file.suffix == ".npz" and file.exists() else None
    if cloud is not None:
        if weights is not None or settings is not None:
            raise InputError("--weights and --settings are for files of other tools")
        return cloud
    values = None if settings is None else options.read_settings(settings)
    return convert.load(source, say, weights=weights, settings=values)


def of(source: str, generator: Pretrained | Cloud) -> Story:
    """Collect the card's settings and measures; the latter are of the last generator."""
    path = Path(source)
    if source in zoo.GENERATORS and not os.path.exists(source):
        return Story(source, licence=zoo.SOURCES[source].licence)
    folder = path if path.is_dir() else path.parent
    if not all((folder / name).is_file() for name in _RUN_FILES):
        return Story(path.resolve().stem)
    picture = folder / "samples.png"
    # The summary does not describe generator_best.
    last = path.is_dir() or path.name == clouds.FILE
    return Story(
        folder.resolve().name,
        card.settings_of(_json(folder / "config.json")),
        card.numbers_of(_json(folder / "summary.json")) if last else {},
        picture=picture if picture.is_file() else None,
    )


def _json(path: Path) -> Any:
    """Read a JSON file of a run; None, with a message, if this fails."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        say(f"{path} cannot be read: the card lacks its content")
        return None

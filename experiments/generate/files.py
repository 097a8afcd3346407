"""Write samples as PNG, npz and pictures, with the settings inside."""

import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from experiments.generate.config import Config
from experiments.generate.source import Source
from jaxgan.plots import figures, raster
from jaxgan.runs.progress import say
from jaxgan.runtime import replacing

_SETTINGS = "jaxgan"  # entry of a file for its settings
_CHUNK = 2**24  # bytes per copy


def bytes_of(source: Source, count: int) -> int:
    """Return the size of uncompressed samples in bytes."""
    return count * math.prod(source.shape) * source.dtype.itemsize


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image ``[H, W, C]`` atomically."""
    with replacing(path) as temporary:
        _picture(image).save(temporary, format="PNG")


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def label_rows(source: Source, count: int) -> np.ndarray | None:
    """Return the label of every sample; ``None`` without labels."""
    labels = source.labels
    return None if labels is None else labels[np.arange(count) % len(labels)]


def write_npz(path: Path, source: Source, samples: np.ndarray, about: str) -> None:
    """Write samples as an uncompressed .npz in chunks."""
    name = "images" if source.generator else "points"
    others = {_SETTINGS: np.array(about)}
    labels = label_rows(source, len(samples))
    if labels is not None:
        others["labels"] = labels
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
            header = io.BytesIO()
            about_array = np.lib.format.header_data_from_array_1_0(samples)
            np.lib.format.write_array_header_1_0(header, about_array)
            file.write(header.getvalue())
            rows = max(1, _CHUNK // bytes_of(source, 1))
            for start in range(0, len(samples), rows):
                file.write(np.ascontiguousarray(samples[start : start + rows]).data)
        for other, array in others.items():
            with archive.open(zipfile.ZipInfo(f"{other}.npy"), "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def write_picture(
    path: Path, source: Source, samples: np.ndarray, config: Config, about: str
) -> None:
    """Write a grid of images or a picture of points, with the settings inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        if source.generator:
            scale = 2 if source.shape[0] < 128 else 1
            raster.image_grid(temporary, samples, scale=scale)
        else:
            real = np.asarray(source.real)
            finite = samples[np.isfinite(samples).all(axis=1)]  # the lane may have diverged
            panels = {"real": (real, figures.REAL), "generated": (finite, figures.FAKE)}
            extent = figures.extent_of(np.concatenate([real, finite]))
            title = f"{len(samples)} points of {Path(config.run).name}"
            if len(finite) < len(samples):
                title += f", {len(samples) - len(finite)} of them not finite"
                say(f"{len(samples) - len(finite)} of {len(samples)} points are not finite")
            figures.clouds(temporary, panels, extent, title)
        text = PngImagePlugin.PngInfo()
        text.add_text(_SETTINGS, about)
        with Image.open(temporary) as image:
            image.load()
        image.save(temporary, format="PNG", pnginfo=text)


def settings_in(path: Path) -> dict[str, Any] | None:
    """Return the settings in an output of this command; ``None`` for other files."""
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                text = str(file[_SETTINGS])
        else:
            with Image.open(path) as image:
                text = image.info[_SETTINGS]
        settings = json.loads(text)
    except Exception:  # a file of another kind can raise any error
        return None
    return settings if isinstance(settings, dict) else None

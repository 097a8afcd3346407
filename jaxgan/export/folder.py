"""Export a generator to a folder laid out as a Hugging Face repository."""

import contextlib
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.convert import exported
from jaxgan.convert.clouds import Cloud
from jaxgan.convert.generator import Pretrained
from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.export import card, programs, sampler
from jaxgan.plots import raster
from jaxgan.runs.directory import write_json, write_text

FORMATS = {
    "safetensors": "safetensors",
    "onnx": "onnx",
    "jax": "jax",
}  # each with the library that it needs
WEIGHTS, CONFIG = exported.WEIGHTS, exported.CONFIG
_FILES = {
    WEIGHTS: "all arrays, named by their paths in the Flax tree; jaxgan reads them with "
    "`config.json`",
    CONFIG: "the network and the settings of its training",
    "generator.onnx": "maps latents to {}, with the weights inside, for any batch size",
    "sampler.jax": "the same as a program of `jax.export`, for CPU and CUDA",
    "samples.png": "samples",
    "README.md": "this card",
}
_GRID, _WIDEST = 64, 1024  # most images in samples.png, and most pixels of its side
_LARGEST = 256  # most pixels of the side of one image in it


class Story(NamedTuple):
    """What the model card says apart from the network.

    Attributes:
      title: Name of the generator.
      settings: Settings of the training.
      numbers: Measures by name.
      licence: Licence of the weights, if it is known.
      picture: Picture of samples to copy; needed only for a generator of points.
    """

    title: str
    settings: Mapping[str, Any] = {}
    numbers: Mapping[str, float] = {}
    licence: str = ""
    picture: Path | None = None


def check(folder: Path, formats: Sequence[str], *, fresh: bool = False) -> None:
    """Check that the formats can be written and that the folder may be replaced.

    Args:
      folder: Folder to write.
      formats: Names in ``FORMATS``.
      fresh: Whether the folder may hold an earlier export.

    Raises:
      InputError: If a format is unknown or its library is not installed, or if the folder
        holds something else.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats or len(set(formats)) < len(formats):
        choices = ", ".join(FORMATS)
        raise InputError(f"formats {','.join(formats)!r}: must be some of {choices}, each once")
    for name in formats:
        if not available(name):
            extra = "export" if name == "safetensors" else name
            raise InputError(f"{name} needs the {extra} extra: pip install 'jaxgan[{extra}]'")
    if not os.path.lexists(folder):
        return
    if folder.is_symlink():
        raise InputError(f"{folder} is a link; give the folder itself")
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    names = {path.name for path in folder.iterdir()}
    if names and not fresh:
        raise InputError(f"{folder} is not empty; give another folder, or --fresh")
    if names - _FILES.keys() or (names and not exported.is_export(folder)):
        raise InputError(f"{folder} holds more than an export of jaxgan; give another folder")


def available(name: str) -> bool:
    """Whether the libraries of a format are installed."""
    libraries = [FORMATS[name]] + (["onnxruntime"] if name == "onnx" else [])
    return all(importlib.util.find_spec(library) for library in libraries)


def write(
    generator: Pretrained | Cloud,
    folder: Path,
    story: Story,
    formats: Sequence[str] = tuple(FORMATS),
    *,
    say: Callable[[str], None] = lambda line: None,
    fresh: bool = False,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Write a generator. The folder is complete, or unchanged if there is an error.

    Args:
      generator: The generator to export.
      folder: Folder to write; it is created if missing.
      story: Text for the model card.
      formats: Names in ``FORMATS``.
      say: Called with one line per program: its accuracy, or why it cannot be written.
      fresh: Replace an earlier export.
      between: Called between files. It may raise to stop; the folder then stays unchanged.

    Raises:
      InputError: As ``check`` does, or if none of the formats can be written.

    Examples:
      ``folder.write(jaxgan.load(path), Path("export"), folder.Story("my generator"))``;
      ``python -m experiments.export`` does the same.
    """
    check(folder, formats, fresh=fresh)
    function = sampler.of(generator)
    about, arrays = exported.describe(generator)
    between()
    with _whole(folder) as new:
        problems = _write_programs(new, function, formats, say, between)
        if len(problems) == len(formats):
            raise InputError("; ".join(problems))
        if "safetensors" in formats:
            from safetensors.numpy import (
                save,
            )  # save_file makes a file that only its owner can read

            (new / WEIGHTS).write_bytes(save(arrays, metadata={"format": "flax"}))
        inputs = {
            name: ["batch" if n is None else n for n in shape]
            for name, shape in function.inputs.items()
        }
        about |= {"jaxgan_version": metadata.version("jaxgan"), "inputs": inputs}
        write_json(new / CONFIG, about | {"training": dict(story.settings)})
        _picture(new / "samples.png", function, story, between)
        names = [x for x in _FILES if (new / x).exists() or x == "README.md"]
        files = {name: _FILES[name].format(function.output) for name in names}
        text = card.card(
            story.title,
            _what(generator),
            files,
            function,
            story.settings,
            story.numbers,
            story.licence,
        )
        write_text(new / "README.md", text)
        between()


def _write_programs(
    folder: Path,
    function: sampler.Sampler,
    formats: Sequence[str],
    say: Callable[[str], None],
    between: Callable[[], None],
) -> list[str]:
    """Write the programs; return why some cannot be written."""
    ways = {
        "onnx": (programs.write_onnx, "generator.onnx"),
        "jax": (programs.write_jax, "sampler.jax"),
    }
    problems = []
    for name, (way, file) in ways.items():
        if name not in formats:
            continue
        try:
            error = way(folder / file, function)
            say(f"{file}: differs from jaxgan's {function.output} by at most {error:.2g}")
        except InputError as error:
            say(f"{file} is left out: {error}")
            problems.append(str(error))
        between()
    return problems


def _what(generator: Pretrained | Cloud) -> str:
    if isinstance(generator, Cloud):
        widths = ", ".join(map(str, generator.settings["widths"]))
        return f"dense layers of widths {widths}, with {generator.latent_dim} latents"
    size = f"{generator.resolution} x {generator.resolution} pixels"
    labels = f" and {generator.num_labels} label inputs" if generator.num_labels else ""
    return f"{generator.flavour}, {size}, with {generator.z_dim} latents{labels}"


def _picture(
    path: Path, function: sampler.Sampler, story: Story, between: Callable[[], None]
) -> None:
    """Write a picture of samples; for points, copy the one in ``story``."""
    if function.output == "points":
        if story.picture is not None:
            shutil.copyfile(story.picture, path)
        return
    one = np.asarray(function.reference(*function.draw(1)))
    factor = max(1, one.shape[1] // _LARGEST)
    side = one.shape[1] // factor
    count = min(_GRID, max(1, _WIDEST // side) ** 2)
    parts = []
    for start in range(0, count, 4):
        arguments = function.draw(min(4, count - start), seed=start)
        between()
        parts.append(_smaller(np.asarray(function.reference(*arguments)), factor))
    scale = 2 if side <= _WIDEST // 16 else 1
    raster.image_grid(path, to_uint8(np.concatenate(parts)), scale=scale)


def _smaller(images: np.ndarray, factor: int) -> np.ndarray:
    n, side = images.shape[0], images.shape[1] // factor
    return images.reshape(n, side, factor, side, factor, 3).mean(axis=(2, 4))


@contextlib.contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder, which replaces ``folder`` at the end."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f"tmp_{os.getpid()}_{folder.name}")
    new.mkdir()
    try:
        yield new
        if folder.is_dir():
            shutil.rmtree(folder)
        os.replace(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)

"""Find people of the user's photographs in the generator: crop, optimise, store codes."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from experiments.sefa.config import Config
from jaxgan import runtime
from jaxgan.convert import inception, zoo
from jaxgan.convert.formats import npz
from jaxgan.convert.generator import Pretrained
from jaxgan.data import photographs
from jaxgan.errors import InputError
from jaxgan.judges import faces
from jaxgan.plots import raster
from jaxgan.runs import progress
from jaxgan.sefa import invert

PICTURES = 5  # pictures of the search for a person, including the last
PICTURE_SIZE = 128  # side of each in pixels
SOURCE = "found in photographs"  # source of the samples, for the page
WIDE = 8  # shortest side of a photograph with --noalign, pixels

Say = Callable[[str], None]
Framer = Callable[[np.ndarray, Say], np.ndarray]


class People(NamedTuple):
    """The people that were found.

    Attributes:
      codes: ``[N, L, D]`` or ``[N, D]``.
      errors: ``[N]``, mean absolute errors of their pictures, for pixels in [-1, 1].
    """

    codes: np.ndarray
    errors: np.ndarray


def framer(generator: Pretrained, noalign: bool) -> Framer:
    """Make a function that crops a photograph ``[H, W, 3]`` to a target ``[S, S, 3]``.

    Its second argument is a function that receives lines about what was done.

    Args:
      generator: The generator; its pictures are compared at S pixels.
      noalign: Use the centred square instead of the face.

    Raises:
      InputError: If the networks that find faces are not available.
    """
    side = invert.side_of(generator)
    find = None if noalign else faces.finder()

    def frame(pixels: np.ndarray, say: Say) -> np.ndarray:
        if find is not None:
            face = find(pixels, side)
            for remark in face.remarks:
                say(remark)
            return face.image
        short = min(pixels.shape[:2])
        if short < WIDE:
            raise InputError(f"{short} pixels are too few; at least {WIDE} are needed")
        top, left = ((length - short) // 2 for length in pixels.shape[:2])
        square = Image.fromarray(pixels[top : top + short, left : left + short])
        return np.asarray(square.resize((side, side), Image.Resampling.LANCZOS))

    return frame


def targets(config: Config, generator: Pretrained) -> np.ndarray:
    """Read and crop the photographs: ``[N, S, S, 3]`` uint8.

    This also checks the requirements of the search, before anything is written.

    Raises:
      InputError: If a photograph cannot be read or has no face (the message names it), the
        generator lacks the space, or the network of the features is not available.
    """
    invert.space_of(generator, config.space)
    paths = photographs.listed(config.photo)
    frame, images = framer(generator, config.noalign), []
    for path in paths:
        try:
            images.append(frame(photographs.read(path), functools.partial(_say, path)))
        except InputError as error:
            has_path = str(error).startswith(f"{path}: ")
            raise error if has_path else InputError(f"{path}: {error}") from error
    fetch_features()
    return np.stack(images)


def _say(path: Path, line: str) -> None:
    progress.say(progress.printable(f"{path}: {line}"))


def fetch_features() -> Path:
    """Return the file of the network of features; it is downloaded once."""
    return zoo.inception(progress.say)


def features() -> Any:
    """Load the parameters of the network of features."""
    return jax.device_put(inception.load(fetch_features()))


def find(
    config: Config,
    directory: Path,
    generator: Pretrained,
    pictures: np.ndarray,
    check: Callable[[], None],
) -> People:
    """Find the people in pictures; ``codes.npz`` stores each, so that a run can resume.

    Args:
      config: The settings.
      directory: The run directory.
      generator: The generator to search.
      pictures: Result of ``targets``.
      check: Called where it is safe to stop; it may raise.
    """
    path = directory / "codes.npz"
    codes, errors = _read_codes(path, generator, len(pictures))
    if len(codes) == len(pictures):
        return People(np.stack(codes), np.array(errors))
    steps, done = config.photo_steps, len(codes)
    search = invert.inverter(
        generator,
        space=config.space,
        steps=steps,
        features=features(),
        every=-(-steps // PICTURES),
    )
    bar = progress.progress(done * steps, len(pictures) * steps, "step")
    with bar:
        for number, picture in enumerate(pictures[done:], done + 1):
            way: list[np.ndarray] = []

            def show(step: int, image: np.ndarray, number=number, way=way) -> None:
                bar.update((number - 1) * steps + min(step, steps) - bar.n)
                way.append(image)
                check()

            result = search(picture, show)
            codes.append(result.codes[0])
            errors.append(result.error)
            progress.say(f"photo {number}: found, with an error of {result.error:.3f}")
            _draw(directory / f"photo_{number}.png", way, picture, config.keep_photo)
            _keep(path, generator, codes, errors)
    return People(np.stack(codes), np.array(errors))


def beside(images: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Add the photographs ``[N, S, S, 3]`` to images ``[K, N, T, h, w, 3]``, as people.

    They stay the same along every direction.
    """
    size = images.shape[3]
    small = np.stack([np.asarray(Image.fromarray(p).resize((size, size))) for p in pictures])
    shape = (len(images), len(small), images.shape[2], *small.shape[1:])
    still = np.broadcast_to(small[None, :, None], shape)
    return np.concatenate([images, still], axis=1)


def names(config: Config, count: int) -> list[str]:
    """Return the names of the people on the page; the photographs come last."""
    if not config.photo:
        return [f"sample {i + 1}" for i in range(count)]
    searches = count // (1 + config.keep_photo)
    people = [f"photo {i + 1}, found" for i in range(searches)]
    return people + [f"photo {i + 1}, as it is" for i in range(count - searches)]


def _draw(path: Path, way: list[np.ndarray], picture: np.ndarray, keep: bool) -> None:
    images = [*way, picture] if keep else way
    size = min(PICTURE_SIZE, len(picture))
    small = np.stack(
        [np.asarray(Image.fromarray(image).resize((size, size))) for image in images]
    )
    title = "the way to the person found" + ", and the photo" * keep
    raster.image_rows(path, {path.stem.replace("_", " "): small}, title, scale=1)


def _keep(
    path: Path, generator: Pretrained, codes: list[np.ndarray], errors: list[float]
) -> None:
    arrays = code_arrays(generator, np.stack(codes)) | {"errors": np.array(errors)}
    with runtime.replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read_codes(
    path: Path, generator: Pretrained, most: int
) -> tuple[list[np.ndarray], list[float]]:
    """Return the people that an earlier start of the run found."""
    try:
        arrays = npz.read(path)
        if generator.num_layers:
            codes = list(arrays["w+"])
        else:  # each was searched for alone, with the first label
            codes = [np.asarray(generator.codes(z[None])[0]) for z in arrays["z"]]
        errors = arrays["errors"].tolist()
    except (InputError, KeyError):
        return [], []
    return (codes, errors) if len(codes) == len(errors) <= most else ([], [])


def code_arrays(generator: Pretrained, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays of a file of codes, as ``--codes`` reads them.

    Args:
      generator: The codes are its own.
      codes: ``[N, L, D]``, or ``[N, D]`` of a generator without layers, whose label, if it has
        one, stands behind the latents and is left out.
    """
    return {"w+": codes} if generator.num_layers else {"z": codes[:, : generator.z_dim]}

"""Draw images of codes, unmoved and moved along directions, and write pictures of them.

``experiments/sefa/run.py`` shows the functions at work.
"""

import hashlib
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from jaxgan.convert.generator import Pretrained
from jaxgan.convert.transforms import placement
from jaxgan.data.pixels import to_uint8
from jaxgan.plots import raster
from jaxgan.sefa import edit
from jaxgan.sefa.factorize import Directions
from jaxgan.sefa.page import Row

QUALITY = 90  # of JPEGs
TURN, SHIFT = 30.0, 0.125  # at the ends of a path: degrees, and share of the width
PICTURE, GIF_SIZE = 128, 96  # largest side of an image in a picture and in the GIF


def draw(
    generator: Pretrained,
    codes: np.ndarray,
    size: int,
    batch_size: int,
    check: Callable[[], None] = lambda: None,
    transforms: np.ndarray | None = None,
) -> np.ndarray:
    """Draw images ``[M, h, w, 3]`` uint8 of codes ``[M, ...]``, reduced to at most ``size``.

    Transforms are ``[M, 3, 3]``. The last batch is padded, so that one program serves all,
    and batches divide evenly among the generator's devices.
    """
    batch_size = min(batch_size, len(codes))
    batch_size += -batch_size % (generator.mesh.size if generator.mesh else 1)
    images = []
    bar = tqdm(
        total=len(codes), unit="image", disable=not sys.stderr.isatty(), dynamic_ncols=True
    )
    with bar:
        for start in range(0, len(codes), batch_size):
            check()
            at = np.arange(start, start + batch_size)
            at = np.where(at < len(codes), at, start)
            transform = () if transforms is None else (transforms[at],)
            pixels = to_uint8(generator.images(codes[at], *transform))[: len(codes) - start]
            images += [reduce(image, size) for image in pixels]
            bar.update(len(pixels))
    return np.stack(images)


def reduce(image: np.ndarray, size: int) -> np.ndarray:
    """Reduce an image ``[H, W, 3]`` uint8 to a side of at most ``size`` pixels."""
    if len(image) <= size:
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BOX))


def encode(images: np.ndarray) -> list[list[list[bytes]]]:
    """Encode images ``[K, N, T, h, w, 3]`` as JPEGs; equal images are encoded once."""
    jpegs: dict[bytes, bytes] = {}

    def once(image: np.ndarray) -> bytes:
        digest = hashlib.sha256(image.tobytes()).digest()
        if digest not in jpegs:
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, format="JPEG", quality=QUALITY, optimize=True)
            jpegs[digest] = stream.getvalue()
        return jpegs[digest]

    return [[[once(image) for image in path] for path in row] for row in images]


def draw_moved(
    generator: Pretrained,
    codes: np.ndarray,
    directions: Directions,
    distances: np.ndarray,
    size: int,
    batch_size: int,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Draw images ``[K, N, T, h, w, 3]`` uint8: N codes moved along K directions.

    Args:
      generator: The generator of the images.
      codes: ``[N, ...]``.
      directions: The K directions.
      distances: ``[K, T]``; the unmoved image, at distance 0, is drawn only once.
      size: Largest side of an image in pixels.
      batch_size: Images per batch.
      check: Called between batches; it may raise to stop.
    """
    parts = [codes]
    for vector, away, layers in zip(
        directions.vectors, distances, directions.layers, strict=True
    ):
        ends = np.asarray(edit.path(codes, vector, away[away != 0], layers))
        parts.append(ends.reshape(-1, *codes.shape[1:]))
    images = draw(generator, np.concatenate(parts), size, batch_size, check)
    count, at = len(codes), len(codes)
    out = np.empty((*distances.shape, count, *images.shape[1:]), np.uint8)
    for k, t in np.ndindex(distances.shape):
        if distances[k, t] == 0:
            out[k, t] = images[:count]
        else:
            out[k, t] = images[at : at + count]
            at += count
    return out.swapaxes(1, 2)


def add_places(
    generator: Pretrained,
    codes: np.ndarray,
    images: np.ndarray,
    size: int,
    batch_size: int,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Add images that rotate and shift, if the generator supports it (StyleGAN3).

    Args:
      generator: The generator of the images.
      codes: ``[N, ...]``.
      images: Result of ``draw_moved``, with the unmoved images in the middle.
      size: Largest side of an image in pixels.
      batch_size: Images per batch.
      check: Called between batches; it may raise to stop.

    Returns:
      ``[K + P, N, T, h, w, 3]``, with P rows of ``place_rows``.
    """
    if not generator.transforms:
        return images
    middle = images.shape[2] // 2
    shares = np.delete(np.linspace(-1, 1, images.shape[2]), middle)
    places = [
        at for share in shares for at in (placement(TURN * share), placement(0, SHIFT * share))
    ]
    rows = draw(
        generator,
        np.concatenate([codes] * len(places)),
        size,
        batch_size,
        check,
        np.repeat(places, len(codes), axis=0),
    )
    rows = rows.reshape(len(shares), 2, len(codes), *rows.shape[1:])
    rows = np.insert(rows, middle, images[0, :, middle], axis=0)
    return np.concatenate([images, rows.transpose(1, 2, 0, 3, 4, 5)])


def place_rows(generator: Pretrained, distance: float) -> list[Row]:
    """Return the page's rows for ``add_places``; ``distance`` is that of the ends."""
    if not generator.transforms:
        return []
    turn = f"{TURN / distance:.3g} degrees counter-clockwise"
    shift = f"{SHIFT / distance:.3g} of the image's width to the right"
    return [Row("turn", {"one unit": turn}), Row("shift", {"one unit": shift})]


def write_pictures(
    folder: Path,
    names: Sequence[str],
    images: np.ndarray,
    distances: np.ndarray,
    people: Sequence[str] = (),
) -> None:
    """Write ``direction_1.png``, ``direction_2.png``, ... and ``directions.gif``.

    Args:
      folder: Folder of the pictures; its subfolder ``frames`` gets the frames of the GIF.
      names: ``[K]`` names of the directions.
      images: ``[K, N, T, h, w, 3]`` uint8.
      distances: ``[T]``, shown in the titles.
      people: ``[N]`` names of the people; by default their numbers.
    """
    people = people or [f"sample {n + 1}" for n in range(images.shape[1])]
    ends = f"{distances[0]:g} to {distances[-1]:g}"
    for k, paths in enumerate(images):
        rows = {
            person: np.stack([reduce(image, PICTURE) for image in path])
            for person, path in zip(people, paths[:10], strict=False)
        }
        title = f"{names[k][:80]}, {ends}"
        scale = max(1, PICTURE // images.shape[3])
        raster.image_rows(folder / f"direction_{k + 1}.png", rows, title, scale=scale)
    short = [name[:14] for name in names]
    if len(set(short)) < len(short):
        short = [f"{k + 1} {name}"[:14] for k, name in enumerate(names)]
    frames = []
    for t, distance in enumerate(distances):
        rows = {
            short[k]: np.stack([reduce(path[t], GIF_SIZE) for path in paths[:6]])
            for k, paths in enumerate(images[:6])
        }
        frame = folder / "frames" / f"step_{t:04d}.png"
        scale = max(1, GIF_SIZE // images.shape[3])
        raster.image_rows(frame, rows, f"distance {distance:+.2f}", scale=scale)
        frames.append(frame)
    raster.gif(folder / "directions.gif", [*frames, *frames[-2::-1]], seconds=3)

"""Images of codes, as they are and moved along directions."""

import io
import sys
from collections.abc import Callable

import numpy as np
from PIL import Image
from tqdm import tqdm

from jaxgan import sefa
from jaxgan.convert.generator import Pretrained
from jaxgan.sefa import edit

QUALITY = 90  # of JPEGs


def draw(
    generator: Pretrained,
    codes: np.ndarray,
    size: int,
    batch_size: int,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Images ``[M, h, w, 3]`` uint8 of codes ``[M, ...]``, reduced to at most ``size``.

    All batches are of one size, so that there is one program.
    """
    batch_size = min(batch_size, len(codes))
    made = []
    bar = tqdm(
        total=len(codes), unit="image", disable=not sys.stderr.isatty(), dynamic_ncols=True
    )
    with bar:
        for start in range(0, len(codes), batch_size):
            check()
            part = codes[start : start + batch_size]
            short = batch_size - len(part)
            padded = np.concatenate([part, np.repeat(part[:1], short, axis=0)])
            images = np.asarray(generator.images(padded))[: len(part)]
            levels = np.floor(np.clip(images * 127.5 + 128, 0, 255)).astype(np.uint8)
            made += [reduce(image, size) for image in levels]
            bar.update(len(part))
    return np.stack(made)


def reduce(image: np.ndarray, size: int) -> np.ndarray:
    """An image of at most ``size`` pixels a side."""
    if len(image) <= size:
        return image
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BOX))


def encode(image: np.ndarray) -> bytes:
    """An image as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=QUALITY, optimize=True)
    return stream.getvalue()


def edited(
    generator: Pretrained,
    codes: np.ndarray,
    found: sefa.Directions,
    distances: np.ndarray,
    size: int,
    batch_size: int,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """Images ``[K, N, T, h, w, 3]`` uint8: N codes moved along K directions.

    Args:
      generator: Of the images.
      codes: ``[N, ...]``.
      found: The directions.
      distances: ``[K, T]``; where one is 0, the unmoved image is made only once.
      size: Pixels, at most.
      batch_size: Images made at once.
      check: Called where it is safe to stop.
    """
    moved = [codes]
    for vector, far, layers in zip(found.vectors, distances, found.layers, strict=True):
        there = np.asarray(edit.path(codes, vector, far[far != 0], layers))
        moved.append(there.reshape(-1, *codes.shape[1:]))
    images = draw(generator, np.concatenate(moved), size, batch_size, check)
    count, at = len(codes), len(codes)
    out = np.empty((*distances.shape, count, *images.shape[1:]), np.uint8)
    for k, t in np.ndindex(distances.shape):
        if distances[k, t] == 0:
            out[k, t] = images[:count]
        else:
            out[k, t] = images[at : at + count]
            at += count
    return out.swapaxes(1, 2)

"""Single photographs as upright RGB arrays, not cropped."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxgan.data import _image_sources, _square_images
from jaxgan.errors import InputError

MAX_SIDE = 2048  # larger photographs are reduced to this longer side
MAX_PHOTOGRAPHS = 1000


def decode(content: bytes, most: int = MAX_SIDE) -> np.ndarray:
    """Decode an image file to ``[H, W, 3]`` uint8, rotated by its EXIF orientation.

    Transparent parts become white. An animation gives its first image. The largest value of
    an image with more than 8 bits becomes white. Other metadata is ignored.

    Args:
      content: Bytes of the file.
      most: Longer side in pixels to which larger images are reduced.

    Raises:
      InputError: If it is not a readable image; the message does not name the file.
    """
    pixels = _square_images.whole(content, most)
    if isinstance(pixels, str):
        raise InputError(pixels)
    return pixels


def read(path: str | os.PathLike, most: int = MAX_SIDE) -> np.ndarray:
    """Read a photograph as ``decode`` does, for example in ``experiments/sefa/photo.py``.

    Raises:
      InputError: If it cannot be read; the message begins with the path.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _image_sources.HEIF and not _image_sources.reads_heif():
        raise InputError(f"{path}: {suffix} needs PyPI's pillow-heif")
    try:
        return decode(_image_sources.read_file(os.fspath(path)), most)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (InputError, _image_sources.Skip) as error:
        raise InputError(f"{path}: {error}") from error


def listed(paths: tuple[str, ...]) -> list[Path]:
    """List photographs by paths of files or folders; those of a folder are sorted by name.

    Raises:
      InputError: If a path does not exist, a folder has no images, or there are too many.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(_images(path))
            if not inside:
                raise InputError(f"{path}: a folder without images")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    if len(files) > MAX_PHOTOGRAPHS:
        raise InputError(f"{len(files)} photographs: at most {MAX_PHOTOGRAPHS} are taken")
    return files


def _images(folder: Path) -> Iterator[Path]:
    suffixes = {*_image_sources.FORMATS, *_image_sources.HEIF}
    for path in folder.iterdir():
        if path.is_file() and path.suffix.lower() in suffixes and path.name[0] != ".":
            yield path

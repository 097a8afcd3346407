"""Decoding of image files to square RGB images."""

import functools
import importlib
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from jaxgan.data._image_sources import FORMATS, Skip, read_file, reads_heif, reason_of

MAX_PIXELS = 4096 * 4096  # limit of one image
_TOO_LARGE = "too large: more than 4096 by 4096 pixels"
_TURNS = {  # EXIF orientation to the turn that undoes it; 1 is upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Deep(NamedTuple):
    """The range of an image with more than 8 bits per channel.

    Attributes:
      kind: ``int`` or ``float`` for one channel; ``colour`` for 16 bits per colour, whose
        upper 8 bits Pillow reads.
      peak: Largest value of the whole image, before it is cropped.
      negative: Whether there are values below 0.
    """

    kind: str
    peak: float
    negative: bool = False


class Square(NamedTuple):
    """A decoded image.

    Attributes:
      pixels: ``[size, size, 3]`` uint8.
      deep: The range of the image, if it has more than 8 bits.
    """

    pixels: np.ndarray
    deep: Deep | None


# The value that becomes white by default, by kind.
FULL = {"int": 2.0**16, "float": 1.0, "colour": 2.0**8}


def white_of(ranges: Iterable[Deep]) -> dict[str, float]:
    """Choose the value that becomes white, by kind, so that 12-bit data is not too dark.

    For integers it is the largest value of 8, 10, 12, 14 or 16 bits, whichever is the
    smallest that covers all images.
    """
    peaks: dict[str, float] = {}
    for deep in ranges:
        peaks[deep.kind] = max(deep.peak, peaks.get(deep.kind, 0))
    white = dict(FULL)
    if peaks.get("int", 0) > 0:
        white["int"] = _power(peaks["int"], (8, 10, 12, 14, 16))
    if peaks.get("colour", 0) > 0:
        white["colour"] = _power(peaks["colour"], (2, 4, 6, 8))
    if peaks.get("float", 0) > 1:
        white["float"] = 255.0 if peaks["float"] <= 255 else peaks["float"]
    return white


def _power(peak: float, depths: tuple[int, ...]) -> float:
    return next((2.0**depth for depth in depths if peak < 2**depth), peak + 1)


@functools.cache
def _formats() -> tuple[str, ...]:
    formats = set(FORMATS.values())
    if reads_heif():
        importlib.import_module("pillow_heif").register_heif_opener()
        formats.add("HEIF")
    return tuple(sorted(formats))


def decode(content: bytes | str, size: int, white: Mapping[str, float] = FULL) -> Square | str:
    """Decode an image to a square; an animation gives its first image.

    Args:
      content: Content of the file, or its path.
      size: Height and width of the result in pixels.
      white: The value that becomes white, by kind of images with more than 8 bits.

    Returns:
      The image, or the reason why it cannot be read.
    """
    return _decode_with(content, lambda image: _square(image, size, white))


def whole(content: bytes, most: int) -> np.ndarray | str:
    """Decode an image without cropping it.

    Args:
      content: Content of the file.
      most: Longer side in pixels to which larger images are reduced.

    Returns:
      ``[H, W, 3]`` uint8, or the reason why it cannot be read.
    """

    def reduced(image: Image.Image) -> np.ndarray:
        kind, turn, deep = _load(image, most)
        white = white_of([] if deep is None else [deep])
        colours = _rgb(image, kind, white)
        colours.thumbnail((most, most), Image.Resampling.LANCZOS, reducing_gap=2.0)
        return np.asarray(colours if turn is None else colours.transpose(turn))

    return _decode_with(content, reduced)


def _decode_with(content: bytes | str, read: Callable[[Image.Image], Any]) -> Any:
    """Open an image and call a function with it; return the result or what went wrong."""
    try:
        if isinstance(content, str):
            content = read_file(content)
        with Image.open(io.BytesIO(content), formats=_formats()) as image:
            return read(image)
    except Skip as skip:
        return str(skip)
    except UnidentifiedImageError:
        return "not a readable image" if content else "an empty file"
    except Image.DecompressionBombError:
        return _TOO_LARGE
    except Exception as error:  # a damaged image may raise anything
        return f"damaged: {reason_of(error)}"


def _load(
    image: Image.Image, size: int
) -> tuple[str | None, Image.Transpose | None, Deep | None]:
    """Load an image for a result of ``size`` pixels; return its kind, turn and range."""
    if image.width * image.height > MAX_PIXELS:
        raise Skip(_TOO_LARGE)
    kind = _kind(image)  # before the image is loaded
    image.draft(None, (2 * size, 2 * size))  # decodes a JPEG at less than full size
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata of an intact image
        turn = None
    return kind, turn, None if kind is None else _range(image, kind)


def _square(image: Image.Image, size: int, white: Mapping[str, float]) -> Square:
    kind, turn, deep = _load(image, size)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    square = _rgb(square, kind, white)
    square = square.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Square(np.asarray(square if turn is None else square.transpose(turn)), deep)


def _kind(image: Image.Image) -> str | None:
    """Return the kind of an image with more than 8 bits, before it is loaded."""
    if image.mode.startswith("I"):
        return "int"
    if image.mode == "F":
        return "float"
    layout = str([tile[3] for tile in getattr(image, "tile", ())])
    return "colour" if ";16" in layout else None


def _range(image: Image.Image, kind: str) -> Deep:
    values = np.asarray(image)
    if image.mode in ("RGBA", "LA"):
        values = values[..., :-1]  # without the alpha channel
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    return Deep(kind, float(values.max(initial=0)), bool(values.min(initial=0) < 0))


def _rgb(image: Image.Image, kind: str | None, white: Mapping[str, float]) -> Image.Image:
    if kind in ("int", "float"):  # PIL would clip these to the lowest 8 bits
        values = np.nan_to_num(np.asarray(image).astype(np.float64) / white[kind])
        levels = values * (256 if kind == "int" else 255) + (0 if kind == "int" else 0.5)
        grey = np.clip(levels, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.has_transparency_data:
        opaque = image.convert("RGBA")
        if kind == "colour":
            opaque = _brighten(opaque, white[kind])
        background = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(background, opaque).convert("RGB")
    colours = image.convert("RGB")
    return _brighten(colours, white[kind]) if kind == "colour" else colours


def _brighten(image: Image.Image, white: float) -> Image.Image:
    """Multiply the colours, but not the alpha channel."""
    if white >= FULL["colour"]:
        return image
    values = np.array(image)
    values[..., :3] = np.minimum(values[..., :3] * (255 / (white - 1)), 255)
    return Image.fromarray(values)

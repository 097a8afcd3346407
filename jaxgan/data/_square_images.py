"""Decoding of an image file to a square of RGB bytes."""

import io

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from jaxgan.data._image_sources import Skip, read_file, reason_of

MAX_PIXELS = 4096 * 4096  # of one image
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


def decode(content: bytes | str, size: int) -> np.ndarray | str:
    """Decode the bytes or the path of an image.

    Returns:
      ``[size, size, 3]`` uint8, or the reason why the image cannot be read.
    """
    try:
        if isinstance(content, str):
            content = read_file(content)
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            return _square(image, size)
    except Skip as skip:
        return str(skip)
    except UnidentifiedImageError:
        return "not a readable JPEG, PNG or WebP image" if content else "an empty file"
    except Image.DecompressionBombError:
        return _TOO_LARGE
    except Exception as error:  # a damaged image raises nearly anything
        return f"damaged: {reason_of(error)}"


def _square(image: Image.Image, size: int) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS:
        raise Skip(_TOO_LARGE)
    image.draft(None, (2 * size, 2 * size))  # a JPEG file can be decoded at less than full size
    image.load()
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged metadata; the image itself is whole
        turn = None
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = _rgb(image.crop((left, top, left + side, top + side)))
    square = square.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(square if turn is None else square.transpose(turn))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, which PIL would clip to the lowest 8
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, colours).convert("RGB")
    return image.convert("RGB")

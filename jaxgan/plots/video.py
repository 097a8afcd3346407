"""Videos from a stream of frames: mp4 with PyAV, GIF with Pillow.

PyAV (the extra ``video``) includes the libraries of FFmpeg; no other program is needed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxgan.errors import InputError
from jaxgan.runtime import replacing

_QUALITY = "17"  # x264's rate factor: visually almost lossless
MISSING = "an mp4 needs PyAV: pip install 'jaxgan[video]'"


def available() -> bool:
    """Tell whether an mp4 can be written."""
    try:
        _av()
    except InputError:
        return False
    return True


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise InputError(MISSING) from error
    return av


Add = Callable[[np.ndarray], None]


@contextmanager
def mp4(path: Path, fps: int, height: int, width: int) -> Iterator[Add]:
    """Write an mp4 one frame at a time: H.264 in 4:2:0, which all browsers and players show.

    Args:
      path: File to write.
      fps: Frames per second.
      height: H in pixels. The format needs even sides, so the last row or column of an odd
        side is repeated.
      width: W in pixels.

    Example: ``experiments/generate/films.py``.

    Yields:
      A function that adds a frame ``[H, W, 3]`` uint8.

    Raises:
      InputError: If PyAV is not installed.
    """
    av, options = _av(), {"movflags": "faststart"}
    with (
        replacing(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options=options) as film,
    ):
        stream = film.add_stream("libx264", rate=fps, options={"crf": _QUALITY})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = height + height % 2, width + width % 2
        # Without a declared colour space, players guess it by the size of the video.
        context = stream.codec_context
        context.colorspace, context.color_range = 1, 1  # BT.709, from 16 to 235

        def add(frame: np.ndarray) -> None:
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), "rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace=1)
            film.mux(stream.encode(picture))

        yield add
        film.mux(stream.encode())


def gif(path: Path, frames: Iterator[np.ndarray], seconds: float, colours: int = 256) -> None:
    """Write an endless GIF one frame at a time.

    Args:
      path: File to write.
      frames: One or more frames ``[H, W, 3]`` uint8; memory is a byte per pixel and frame.
      seconds: Duration of a frame; the format counts hundredths of a second.
      colours: Colours of a frame, at most 256.

    Examples:
      >>> import numpy as np, pathlib, tempfile
      >>> from jaxgan.plots import video
      >>> frames = (np.full((8, 8, 3), level, np.uint8) for level in (0, 255))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "a.gif")
      ...     video.gif(path, frames, seconds=0.5)
      ...     path.read_bytes()[:6]
      b'GIF89a'
    """

    def quantized() -> Iterator[Image.Image]:
        for frame in frames:
            yield Image.fromarray(frame).quantize(colours)

    images = quantized()
    first = next(images)
    duration = max(20, 10 * round(100 * seconds))
    with replacing(path) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=images,
            duration=duration,
            loop=0,
        )

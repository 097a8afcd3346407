"""Fonts for names in any script."""

import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import ImageFont

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
_FOLDERS += ("/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts")
_CJK = ("*CJK*", "wqy*", "unifont*", "*Hiragino*", "PingFang*", "msyh*", "msgothic*", "malgun*")
_NOWHERE = "\U0010fffe"  # no font has this character: it is drawn as a box


def font(text: str, size: int = 13) -> Any:
    """Choose a font that has the characters of a text.

    Pillow's own has ASCII only; DejaVu Sans, which comes with matplotlib, has the letters of
    Europe and the Near East; Chinese, Japanese and Korean need a font of the system.

    Args:
      text: What is to be drawn.
      size: In pixels.
    """
    best, fewest = ImageFont.load_default(size), len(text) + 1
    for path in ("", *_files()):
        try:
            candidate = ImageFont.truetype(path, size) if path else best
        except OSError:
            continue
        missing = _missing(candidate, text)
        if missing < fewest:
            best, fewest = candidate, missing
        if not fewest:
            break
    return best


def _missing(candidate: Any, text: str) -> int:
    box = bytes(candidate.getmask(_NOWHERE))
    letters = {x for x in text if not x.isspace()}
    return sum(bytes(candidate.getmask(x)) == box for x in letters)


@functools.cache
def _files() -> tuple[str, ...]:
    return tuple(map(str, [*_bundled(), *_installed()]))


def _bundled() -> Iterator[Path]:
    spec = importlib.util.find_spec("matplotlib")  # imports nothing
    if spec and spec.origin:
        yield Path(spec.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"


def _installed() -> Iterator[Path]:
    for folder in _FOLDERS:
        for pattern in _CJK:
            for ending in (".ttc", ".ttf", ".otf"):
                yield from sorted(Path(folder).expanduser().rglob(pattern + ending))[:3]

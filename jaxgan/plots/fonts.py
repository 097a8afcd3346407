"""Text of pictures in any script: fonts that have its characters, or readable substitutes."""

import functools
import importlib.util
import itertools
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
_FOLDERS += ("/System/Library/Fonts", "/Library/Fonts", "C:/Windows/Fonts")
_CJK = ("*CJK*", "wqy*", "unifont*", "*Hiragino*", "PingFang*", "msyh*", "msgothic*", "malgun*")
_ENDINGS = (".ttc", ".ttf", ".otf")
_NOWHERE = "\U0010fffe"  # no font has this character: it is drawn as a box
_NONE = ""  # the file of a character that no font has
OWN = "Pillow"  # its own font, which is no file
_files: dict[str, str] = {}  # character to the first font file that has it


class Run(NamedTuple):
    """A part of a line that one font has.

    Attributes:
      text: The part.
      path: The font's file.
    """

    text: str
    path: str


def draw(
    image: Image.Image, at: tuple[int, int], text: str, *, size: int = 13, middle: bool = False
) -> None:
    """Write lines of text on an image, in dark grey.

    Args:
      image: Is changed.
      at: Point halfway up the text, at its left edge.
      text: May have several lines.
      size: In pixels.
      middle: Whether the point is in the middle of the lines, not at their left.
    """
    pen, lines = ImageDraw.Draw(image), text.split("\n")
    for number, line in enumerate(lines):
        left = at[0] - width(line, size) / 2 if middle else at[0]
        height = at[1] + (number - (len(lines) - 1) / 2) * (size + 2)
        for run in runs(line):
            font = _font(run.path, size)
            pen.text((left, height), run.text, "#222222", font, anchor="lm")
            left += font.getlength(run.text)


def width(line: str, size: int = 13) -> float:
    """Width of a line in pixels."""
    return sum(_font(run.path, size).getlength(run.text) for run in runs(line))


def runs(line: str) -> list[Run]:
    r"""Split a line into runs of one font each.

    ASCII is in Pillow's own font. DejaVu Sans, which comes with matplotlib, has the letters of
    Europe and the Near East; other scripts need a font of the system. Characters that no font
    has are written as ``\u5916``.
    """
    if line.isascii() and line.isprintable():
        return [Run(line, OWN)]
    line = readable(line)
    paths: list[str] = []
    for character in line:
        path = _files[character] or OWN
        if paths and (character.isspace() or unicodedata.category(character) == "Cf"):
            path = paths[-1]  # blanks and joiners stay with the letters before them
        paths.append(path)
    groups = itertools.groupby(zip(line, paths, strict=True), key=lambda pair: pair[1])
    return [Run("".join(x for x, _ in group), path) for path, group in groups]


def readable(line: str) -> str:
    """Replace the characters of a line that cannot be drawn by their escapes."""
    if line.isascii() and line.isprintable():
        return line
    _locate(line)
    line = "".join(x if _files[x] else _escape(x) for x in line)
    _locate(line)
    return line


def _escape(character: str) -> str:
    # Joiners and selectors of variants are nothing to see.
    joins = unicodedata.category(character) == "Cf"
    selects = "VARIATION SELECTOR" in unicodedata.name(character, "")
    return "" if joins or selects else character.encode("unicode_escape").decode()


def _locate(text: str) -> None:
    """Look for fonts of the characters of a text that are not known."""
    missing = set(text) - _files.keys()
    for x in [x for x in missing if unicodedata.category(x) in ("Cc", "Cs", "Cn", "Co")]:
        _files[x] = _NONE
        missing.remove(x)
    for path in _candidates():
        if not missing:
            return
        try:
            font: Any = ImageFont.truetype(path, 13, layout_engine=ImageFont.Layout.BASIC)
        except OSError:
            continue
        box = bytes(font.getmask(_NOWHERE))
        for x in [x for x in missing if x.isspace() or bytes(font.getmask(x)) != box]:
            _files[x] = path
            missing.remove(x)
    _files.update(dict.fromkeys(missing, _NONE))


@functools.lru_cache(maxsize=16)
def _font(path: str, size: int) -> Any:
    return ImageFont.load_default(size) if path == OWN else ImageFont.truetype(path, size)


@functools.cache
def _candidates() -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, [*_bundled(), *_installed()])))


def _bundled() -> Iterator[Path]:
    spec = importlib.util.find_spec("matplotlib")  # imports nothing
    if spec and spec.origin:
        yield Path(spec.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"


def _installed() -> Iterator[Path]:
    """Font files of the system, those of many characters first."""
    folders = [Path(folder).expanduser() for folder in _FOLDERS]
    for folder, pattern, ending in itertools.product(folders, _CJK, _ENDINGS):
        yield from sorted(folder.rglob(pattern + ending))[:3]
    for folder, ending in itertools.product(folders, _ENDINGS):
        # The last resort of macOS has a box for every character.
        files = [x for x in folder.rglob("*" + ending) if "LastResort" not in x.name]
        yield from sorted(files, key=lambda x: ("Regular" not in x.name, x.name))

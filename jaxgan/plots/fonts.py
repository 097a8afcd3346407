"""Text in pictures in any script: finds fonts with its characters, or escapes them."""

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
_NONE = ""  # stands for the file of a character that no font has
OWN = "Pillow"  # stands for Pillow's built-in font, which has no file
_files: dict[str, str] = {}  # first font file with a character, by character


class Run(NamedTuple):
    """A part of a line in one font.

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
      image: The image, which is changed.
      at: Point at half the height of the text, at its left edge.
      text: One or more lines.
      size: Size of the text in pixels.
      middle: Whether the point is in the middle of the lines instead of at their left.
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
    """Return the width of a line in pixels."""
    return sum(_font(run.path, size).getlength(run.text) for run in runs(line))


def runs(line: str) -> list[Run]:
    r"""Split a line into runs of one font each.

    ASCII uses Pillow's built-in font. DejaVu Sans, which comes with matplotlib, covers the
    scripts of Europe and the Near East; other scripts need a font of the system. Characters
    that no font has are escaped, as in ``\u5916``.
    """
    if line.isascii() and line.isprintable():
        return [Run(line, OWN)]
    line = readable(line)
    paths: list[str] = []
    for character in line:
        path = _files[character] or OWN
        if paths and (character.isspace() or unicodedata.category(character) == "Cf"):
            path = paths[-1]  # blanks and joiners use the font of the letter before them
        paths.append(path)
    groups = itertools.groupby(zip(line, paths, strict=True), key=lambda pair: pair[1])
    return [Run("".join(x for x, _ in group), path) for path, group in groups]


def readable(line: str) -> str:
    """Escape the characters of a line that cannot be drawn."""
    if line.isascii() and line.isprintable():
        return line
    _locate(line)
    line = "".join(x if _files[x] else _escape(x) for x in line)
    _locate(line)
    return line


def _escape(character: str) -> str:
    # Joiners and variation selectors are invisible.
    joins = unicodedata.category(character) == "Cf"
    selects = "VARIATION SELECTOR" in unicodedata.name(character, "")
    return "" if joins or selects else character.encode("unicode_escape").decode()


def _locate(text: str) -> None:
    """Find fonts for the new characters of a text."""
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
    return tuple(dict.fromkeys(map(str, [*_bundled_fonts(), *_installed_fonts()])))


def _bundled_fonts() -> Iterator[Path]:
    spec = importlib.util.find_spec("matplotlib")  # imports nothing
    if spec and spec.origin:
        yield Path(spec.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"


def _installed_fonts() -> Iterator[Path]:
    """Yield the system's font files; those with many characters come first."""
    folders = [Path(folder).expanduser() for folder in _FOLDERS]
    for folder, pattern, ending in itertools.product(folders, _CJK, _ENDINGS):
        yield from sorted(folder.rglob(pattern + ending))[:3]
    for folder, ending in itertools.product(folders, _ENDINGS):
        # The LastResort font of macOS has a box for every character.
        files = [x for x in folder.rglob("*" + ending) if "LastResort" not in x.name]
        yield from sorted(files, key=lambda x: ("Regular" not in x.name, x.name))

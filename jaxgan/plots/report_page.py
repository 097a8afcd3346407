"""One self-contained page of a study: what came out, a table, how it was found, the entries.

It opens from a file, needs no network, runs no script, and can be printed.
"""

import base64
import string
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgan.plots import pages, raster

LINE = 28  # lines of a table with fewer characters are not broken
COLOURS = 40  # colours of a picture
FILM_COLOURS, FILM_WIDTH, FILM_FRAMES = 16, 360, 8
# Words at the start of a table cell's line that are shown with a colour and a sign: class.
MARKS = {"holds": "holds", "does not hold": "fails", "undecided": "undecided"}


class Picture(NamedTuple):
    """A picture of a page.

    Attributes:
      caption: What it shows.
      image: Bytes of a PNG or GIF file.
    """

    caption: str
    image: bytes


class Table(NamedTuple):
    """A table of text; lines that begin with one of ``MARKS`` get its colour and sign.

    Attributes:
      head: Names of the columns.
      rows: Rows of cells.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Details(NamedTuple):
    """A table that opens with a click.

    Attributes:
      title: The text to click on.
      table: The table.
    """

    title: str
    table: Table


class Notes(NamedTuple):
    """Text below the table on top: how a study was made, or what its words mean.

    Attributes:
      title: Heading.
      paragraphs: Below it.
      terms: Words with their meanings, below these.
    """

    title: str
    paragraphs: Sequence[str] = ()
    terms: Mapping[str, str] = {}


class Section(NamedTuple):
    """An entry of a study.

    Attributes:
      name: A short name; a row of the top table whose first cell has this name links here.
      sentence: What the entry is about.
      verdict: Text that begins with one of ``MARKS``, or is empty.
      notes: Paragraphs.
      table: The numbers.
      pictures: Pictures below the table.
      command: The command that runs only this entry.
      details: A table below the notes.
    """

    name: str
    sentence: str
    verdict: str
    notes: Sequence[str]
    table: Table
    pictures: Sequence[Picture]
    command: str
    details: Details | None = None


def report_page(
    title: str,
    lead: Sequence[str],
    table: Table,
    sections: Sequence[Section],
    facts: Mapping[str, str],
    method: Sequence[Notes] = (),
) -> str:
    """Return the page as HTML, to be saved as UTF-8; all text is escaped.

    Example: ``experiments/claims/study.py``.

    Args:
      title: Of the page.
      lead: Paragraphs above all: what was tested, and what came out.
      table: One row per entry.
      sections: The entries.
      facts: What was run; the value of ``"command"`` is set as code.
      method: Between the table and the entries: how it was tested.
    """
    folder = resources.files("jaxgan.plots")
    html, style = ((folder / f"report_page.{x}").read_text("utf-8") for x in ("html", "css"))
    names = [section.name for section in sections]
    anchors = {x: x if x.isidentifier() else f"entry{i}" for i, x in enumerate(names)}
    return string.Template(html).substitute(
        policy=pages.policy(style),
        style=style,
        title=pages.text(title),
        lead=_paragraphs(lead),
        table=_table(table, anchors),
        method="\n".join(map(_notes, method)),
        sections="\n".join(_section(x, anchors[x.name]) for x in sections),
        facts=pages.facts(facts),
    )


def _paragraphs(lines: Sequence[str]) -> str:
    return "\n".join(f"<p>{pages.text(line)}</p>" for line in lines)


def _notes(notes: Notes) -> str:
    parts = _paragraphs(notes.paragraphs), pages.facts(notes.terms)
    return f"<aside><h2>{pages.text(notes.title)}</h2>{''.join(parts)}</aside>"


def _table(table: Table, anchors: Mapping[str, str]) -> str:
    head = "".join(f'<th scope="col">{pages.text(name)}</th>' for name in table.head)
    lines = []
    for row in table.rows:
        cells = [_marked(cell) for cell in row]
        if row[0] in anchors:
            cells[0] = f'<a href="#{anchors[row[0]]}">{cells[0]}</a>'
        kinds = (" class=long" if _is_long(cell) else "" for cell in row)
        cells = [f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, cells, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _is_long(cell: str) -> bool:
    return max(map(len, cell.split("\n"))) > LINE


def _marked(cell: str) -> str:
    """Return a cell's text, with the words in ``MARKS`` marked."""
    lines = []
    for line in cell.split("\n"):
        mark = next((word for word in MARKS if line.startswith(word)), None)
        html = pages.text(line.removeprefix(mark or ""))
        if mark:
            html = f'<span class="{MARKS[mark]}">{pages.text(mark)}</span>{html}'
        lines.append(html)
    return "<br>".join(lines)


def _section(section: Section, anchor: str) -> str:
    figures = "\n".join(_figure(picture, section.name) for picture in section.pictures)
    verdict = f"<p>{_marked(section.verdict)}</p>" if section.verdict else ""
    command = f"<p class='soft'>To run this part alone: {pages.code(section.command)}</p>"
    return (
        f'<section id="{anchor}"><h2>{pages.text(section.name)}: '
        f"{pages.text(section.sentence)}</h2>{verdict}"
        f'<div class="wide">{_table(section.table, {})}</div>{_paragraphs(section.notes)}'
        f"{_details(section.details)}{figures}{command}</section>"
    )


def _details(details: Details | None) -> str:
    if details is None:
        return ""
    table = f'<div class="wide">{_table(details.table, {})}</div>'
    return f"<details><summary>{pages.text(details.title)}</summary>{table}</details>"


def _figure(picture: Picture, name: str) -> str:
    moving = picture.image[:4] == b"GIF8"
    kind = "gif" if moving else "png"
    data = base64.b64encode(picture.image).decode()
    caption = pages.text(picture.caption)
    return (
        f'<figure{" class=moving" if moving else ""}><div class="wide">'
        f'<img alt="{pages.text(name)}: {caption}" src="data:image/{kind};base64,{data}"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def pictures(
    *drawings: tuple[str, str, Callable[[Path], None]], colours: int = COLOURS
) -> list[Picture]:
    """Draw pictures that are small enough for a page.

    Args:
      *drawings: File name, caption, and the function that writes the file.
      colours: Number of colours of a PNG.
    """
    result = []
    with tempfile.TemporaryDirectory() as folder:
        for name, caption, write in drawings:
            path = Path(folder) / name
            write(path)
            if path.suffix == ".png":
                raster.reduce_colours(path, colours)
            result.append(Picture(caption, path.read_bytes()))
    return result


def film(
    path: Path, count: int, draw: Callable[[Path, int], None], colours: int = FILM_COLOURS
) -> None:
    """Draw a GIF that is small enough for a page.

    Args:
      path: GIF to write.
      count: Number of frames; some of them are drawn, including the first and the last.
      draw: ``(path, number)``: draws the frame of that number as a PNG.
      colours: Number of colours of a frame.
    """
    frames = []
    for number in np.unique(np.linspace(0, count - 1, FILM_FRAMES).astype(int)):
        frames.append(path.with_name(f"frame_{number:04d}.png"))
        draw(frames[-1], int(number))
    raster.gif(path, frames, colours=colours, width=FILM_WIDTH)

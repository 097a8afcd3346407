"""One self-contained page of a study: a table on top, then a section for each entry.

It opens from a file, asks no network for anything, runs no script, and can be printed.
"""

import base64
import string
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple

from experiments.claims.page.pictures import Picture
from jaxgan.metrics import verdicts
from jaxgan.plots import pages

LINE = 28  # characters: no shorter line of a table is broken

_CLASSES = {verdicts.HOLDS: "holds", verdicts.FAILS: "fails", verdicts.UNDECIDED: "undecided"}


class Table(NamedTuple):
    """A table of text; a line of a cell that begins with a verdict gets its colour and sign."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(NamedTuple):
    """One entry of a study, with pictures below its table."""

    name: str  # short; the top table links here from first cells that are equal to it
    sentence: str
    verdict: str  # or empty
    notes: Sequence[str]  # paragraphs
    table: Table
    pictures: Sequence[Picture]
    command: str  # runs just this entry


def page(
    title: str,
    lead: Sequence[str],
    table: Table,
    sections: Sequence[Section],
    facts: Mapping[str, str],
) -> str:
    """The page as HTML, to be written in UTF-8; any text is shown as it is.

    The ``lead`` stands above the table, which has a row per entry. The value of the fact
    ``command`` is set as code.
    """
    folder = resources.files("experiments.claims.page")
    template, style = ((folder / f"page.{kind}").read_text("utf-8") for kind in ("html", "css"))
    names = [section.name for section in sections]
    anchors = {x: x if x.isidentifier() else f"entry{i}" for i, x in enumerate(names)}
    return string.Template(template).substitute(
        policy=pages.policy(style),
        style=style,
        title=pages.text(title),
        lead=_paragraphs(lead),
        table=_table(table, anchors),
        sections="\n".join(_section(x, anchors[x.name]) for x in sections),
        facts=pages.facts(facts),
    )


def _paragraphs(lines: Sequence[str]) -> str:
    return "\n".join(f"<p>{pages.text(line)}</p>" for line in lines)


def _table(table: Table, anchors: Mapping[str, str]) -> str:
    head = "".join(f'<th scope="col">{pages.text(name)}</th>' for name in table.head)
    lines = []
    for row in table.rows:
        cells = [_shown(cell) for cell in row]
        if row[0] in anchors:
            cells[0] = f'<a href="#{anchors[row[0]]}">{cells[0]}</a>'
        kinds = (" class=long" if _is_long(cell) else "" for cell in row)
        cells = [f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, cells, strict=True)]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _is_long(cell: str) -> bool:
    return max(map(len, cell.split("\n"))) > LINE


def _shown(cell: str) -> str:
    """A cell's text; each of its lines that is a verdict, or begins with one, is marked."""
    lines = []
    for line in cell.split("\n"):
        known = next((word for word in _CLASSES if line.startswith(word)), None)
        shown = pages.text(line.removeprefix(known or ""))
        if known:
            shown = f'<span class="{_CLASSES[known]}">{pages.text(known)}</span>{shown}'
        lines.append(shown)
    return "<br>".join(lines)


def _section(section: Section, anchor: str) -> str:
    figures = "\n".join(_figure(picture, section.name) for picture in section.pictures)
    judged = f"<p>{_shown(section.verdict)}</p>" if section.verdict else ""
    return (
        f'<section id="{anchor}"><h2>{pages.text(section.name)}: '
        f"{pages.text(section.sentence)}</h2>{judged}"
        f'<div class="wide">{_table(section.table, {})}</div>{_paragraphs(section.notes)}'
        f"{figures}<p class='soft'>Just this: {pages.code(section.command)}</p></section>"
    )


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

"""A self-contained HTML page that shows how directions change a generator's images.

The page opens from a file and loads nothing else. Where scripts are disabled, and in print,
it shows still images. It works for directions of SeFa (Shen and Zhou, arXiv 2007.06600) and
for any others.
"""

import base64
import json
import string
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError
from jaxgan.plots import pages

STILL_STEPS = 5  # steps of a direction that are shown without scripts and in print


class Row(NamedTuple):
    """One direction.

    Attributes:
      name: Its name.
      facts: Facts shown beside its slider, such as its share of the spectrum.
    """

    name: str
    facts: Mapping[str, str] = {}


def page(
    title: str,
    frames: Sequence[Sequence[Sequence[bytes]]],
    rows: Sequence[Row],
    samples: Sequence[str],
    distances: Sequence[float] | np.ndarray,
    facts: Mapping[str, str],
) -> str:
    """Make the page: HTML, to be saved in UTF-8, with about 4/3 of the images' bytes.

    All text is escaped. ``experiments/sefa/run.py`` shows it at work.

    Args:
      title: Title of the page.
      frames: ``[K][N][T]`` encoded images, JPEG, PNG or WebP: sample n moved along direction
        k by distance t. Equal images are stored once.
      rows: The K directions.
      samples: Names of the N samples.
      distances: ``[T]``, increasing; the sliders start at the one nearest to 0.
      facts: Facts about the run; the value of ``"command"`` is set as code.

    Raises:
      InputError: If the sizes differ, there is no direction, no sample or a single distance,
        the distances do not increase, or an image has an unknown type.
    """
    _check_sizes(frames, rows, samples, distances)
    labels = _labels(distances)
    numbers: dict[bytes, int] = {}  # index of each image in the page
    index = [
        [[numbers.setdefault(image, len(numbers)) for image in steps] for steps in row]
        for row in frames
    ]
    data = {
        "rows": [{"name": row.name, "facts": list(row.facts.items())} for row in rows],
        "samples": list(samples),
        "labels": labels,
        "zero": int(np.argmin(np.abs(distances))),
        "frames": index,
    }
    folder = resources.files("jaxgan.sefa")
    template, style, script = (
        (folder / f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js")
    )
    return string.Template(template).substitute(
        policy=pages.policy(style, script),
        title=pages.text(title),
        style=style,
        script=script,
        facts=pages.facts(facts),
        data=_json(data),
        images="\n".join(_store_tag(image, number) for image, number in numbers.items()),
        still="\n".join(_still(row, samples, labels, index[k]) for k, row in enumerate(rows)),
    )


def _check_sizes(frames, rows, samples, distances) -> None:
    if not len(frames):
        raise InputError("there is no direction to show")
    if len(rows) != len(frames):
        raise InputError(f"{len(rows)} rows for {len(frames)} directions of frames")
    if not len(samples):
        raise InputError("there is no sample to show")
    for k, row in enumerate(frames):
        if len(row) != len(samples):
            raise InputError(f"frames[{k}] holds {len(row)} samples, not {len(samples)}")
        for n, steps in enumerate(row):
            if len(steps) != len(distances):
                raise InputError(
                    f"frames[{k}][{n}] holds {len(steps)} images for {len(distances)} distances"
                )
            for t, image in enumerate(steps):
                if _type(image) is None:
                    raise InputError(f"frames[{k}][{n}][{t}] is not a JPEG, PNG or WebP image")
    values = np.asarray(distances, np.float64)
    if len(values) < 2 or not np.isfinite(values).all() or not (np.diff(values) > 0).all():
        raise InputError(
            f"distances must be two or more finite numbers that rise, not {list(distances)}"
        )


def _type(image: bytes) -> str | None:
    """Return the media type of an image by its first bytes."""
    if image[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if image[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return None


def _labels(distances) -> list[str]:
    """Format distances: ``-1.8``, ``0``, ``+1.8``."""
    values = np.asarray(distances, np.float64)
    tiny = 1e-9 * np.abs(values).max()  # a 0 after rounding
    return [f"{value:+.4g}" if abs(value) > tiny else "0" for value in values]


def _json(data) -> str:
    """Encode JSON in ASCII, so that nothing in it can close its ``<script>``."""
    text = json.dumps(data, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _store_tag(image: bytes, number: int) -> str:
    uri = f"data:{_type(image)};base64,{base64.b64encode(image).decode()}"
    return f'<image id="i{number}" width="1" height="1" href="{uri}"/>'


def _still(row: Row, samples: Sequence[str], labels: list[str], index) -> str:
    """Return a direction as an HTML table of samples by a few steps."""
    last = len(labels) - 1
    steps = np.unique(np.linspace(0, last, STILL_STEPS).round().astype(int))
    head = "".join(f'<th scope="col">{labels[t]}</th>' for t in steps)
    lines = []
    for sample, images in zip(samples, index, strict=True):
        cells = "".join(
            f'<td><svg viewBox="0 0 1 1" role="img" aria-label="{labels[t]}">'
            f'<use href="#i{images[t]}"/></svg></td>'
            for t in steps
        )
        lines.append(f'<tr><th scope="row" dir="auto">{pages.text(sample)}</th>{cells}</tr>')
    return (
        f'<section><h2 dir="auto">{pages.text(row.name)}</h2>{pages.facts(row.facts)}'
        f"<table><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></section>"
    )

"""The explorer's page: its controls, and its answers to what a person does."""

import functools
import html
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from experiments.explore import server, upload
from experiments.explore.pictures import figure, painter, png, state_of
from experiments.sefa import run
from experiments.sefa.config import Config
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.runs import progress
from jaxgan.sefa import Directions, files, known
from jaxgan.sefa.naming import titles

SEEDS = 1_000_000  # persons that the button chooses from
PLACES = {"Turn, in degrees": 180, "Shift, in widths": 0.5}  # sliders, and how far they go
WAITING = 8  # moves behind the one in work
UNKEPT = {"cache-control": "no-store"}  # a browser keeps no person on its disk
CHOOSER = """
<label class="choose">Choose or drop a photograph of one face
<input type="file" accept="image/*"></label>
<p>It stays on this machine, and nothing of it is written. The search takes some minutes.</p>
"""


def legible(names: Iterable[str]) -> list[str]:
    """Replace what JSON and a line of text cannot hold."""
    return [progress.printable(name) for name in names]


def save(directory: Path, directions: Directions, texts: Sequence[str | None]) -> list[str]:
    """Write directions under the names that were typed, and return their titles.

    A direction without a name, or with the one that it has anyway, has none in the file.

    Raises:
      InputError: If a name is too long.
    """
    names = [name.strip() for name in legible(name or "" for name in texts)]
    for k, name in enumerate(names, 1):
        if len(name) > files.MAX_NAME:
            long = f"name {k} has {len(name)} characters"
            raise InputError(f"{long}; up to {files.MAX_NAME} are allowed")
    suggestions = known.names(known.recognise(directions))
    usual = titles([""] * len(names), directions.layers, suggestions)
    names = ["" if name == own else name for name, own in zip(names, usual, strict=True)]
    files.save(directory / "directions.npz", directions, names)
    return list(titles(names, directions.layers, suggestions))


def note(entry: Mapping[str, Any] | None) -> str:
    """HTML of what a direction does, from its entry of ``known.recognise``."""
    if entry is None or not entry["name"]:
        return ""
    return html.escape(f"+: {entry['plus']}; -: {entry['minus']}")


class Answers:
    """What the page shows after each act of a person.

    Controls are the values of person, truncation, layers and K sliders, in this order; and of
    two more sliders if the generator can turn and shift what it draws.

    Args:
      config: The settings.
      directory: Where names are saved.
      generator: Makes the images.
      directions: The K directions.
      names: Their titles at the start.
      noalign: Take the centred squares of photographs that are uploaded, not the faces.
    """

    def __init__(
        self,
        config: Config,
        directory: Path,
        generator: Pretrained,
        directions: Directions,
        names: Sequence[str],
        noalign: bool = False,
    ):
        self.config, self.directory, self.directions = config, directory, directions
        self.names, self.gradio = list(names), server.gradio()
        of_file = None if config.codes is None else run.codes_of(config, generator)
        self.photographs = upload.Photographs(generator, noalign)
        self.paint = painter(config, generator, directions, of_file, self.photographs.codes)
        self.people = SEEDS if of_file is None else len(of_file)
        self.count = len(names) + len(PLACES) * generator.transforms
        self.read = functools.partial(state_of, generator, self.count)

    def draw(self, *controls: Any, full: bool = False) -> str:
        """HTML of the picture; raises ``InputError`` if a control holds something else."""
        state = self.read(*controls)
        return figure(self.paint(state), state, None if full else self.config.size)

    def show(self, *controls: Any, full: bool = False) -> tuple[Any, str]:
        """The picture and an empty message, or the last picture and why it stays."""
        try:
            return self.draw(*controls, full=full), ""
        except InputError as error:
            return self.gradio.skip(), _status(error)

    def another(self) -> str:
        """Another person."""
        return str(random.randrange(self.people))

    def reset(self) -> list[float] | float:
        """Sliders at 0; a list would be the value of a single one."""
        return [0.0] * self.count if self.count > 1 else 0.0

    def find(self, url: Any, mine: Any, *controls: Any) -> Iterator[tuple[Any, ...]]:
        """What the box for photographs shows; at the end the person and their picture.

        Args:
          url: The photograph, a data URL, which the page is told to forget.
          mine: Names of the page's people of photographs.
          *controls: Those between the person and the sliders.
        """
        for text, names, person in self.photographs.find(url, mine):
            outputs = [self.gradio.skip()] * (3 + self.count)
            if person is not None:
                zeros = [0.0] * self.count
                outputs = [person, *zeros, *self.show(person, *controls, *zeros)]
            yield "", text, names, *outputs

    def rename(self, *texts: Any) -> tuple[Any, ...]:
        """Save the names; a message, names, and labels of the sliders."""
        try:
            self.names = save(self.directory, self.directions, texts)
        except (InputError, OSError) as error:
            return _status(error), *[self.gradio.skip()] * 2 * len(self.names)
        return _status(f"Saved in {self.directory / 'directions.npz'}"), *self.labels()

    def labels(self) -> tuple[Any, ...]:
        """Names, and labels of the sliders."""
        return *self.names, *[self.gradio.update(label=name) for name in self.names]

    def picture(
        self, seed: str = "", truncation: str = "", layers: str = "", distances: str = ""
    ) -> tuple[bytes, int, str]:
        """The full picture of a link's query: content, HTTP status and media type."""
        try:
            values = distances.split(",", self.count)
            state = self.read(seed, truncation, layers, *values)
        except InputError as error:
            return str(error).encode(), 400, "text/plain"
        return png(self.paint(state)), 200, "image/png"

    def code(self, person: str = "") -> tuple[bytes, int, str]:
        """The file of a link's person of a photograph, as ``picture`` gives its own."""
        try:
            return self.photographs.file(person), 200, "application/zip"
        except InputError as error:
            return str(error).encode(), 400, "text/plain"


def _status(text: object) -> str:
    return f'<p role="status">{html.escape(str(text))}</p>'


def _layout(answers: Answers, generator: Pretrained) -> Any:
    """Gradio's blocks: the controls, and which answer each of them gets."""
    gr, config = answers.gradio, answers.config
    last = generator.num_layers - 1
    whole = all(len(layers) > last for layers in answers.directions.layers)
    moving = "all" if whole else "own"
    away = float(f"{config.distance:.2g}")  # so that steps of a slider meet 0
    share = config.truncation

    def slider(least: float, most: float, value: float, label: str, **options: Any) -> Any:
        step = 10.0 ** math.floor(math.log10(most / 20))
        return gr.Slider(least, most, value, step=step, label=label, buttons=[], **options)

    with gr.Blocks(analytics_enabled=False, title="jaxgan") as blocks, gr.Row():
        with gr.Column(scale=6, elem_id="left"):
            first = answers.draw(config.seed, share, moving, *[0.0] * answers.count)
            picture, message = gr.HTML(first, elem_id="picture"), gr.HTML("", elem_id="message")
        with gr.Column(scale=5):
            with gr.Row(elem_classes="line"):
                seed = gr.Textbox(
                    str(config.seed), label="Person", min_width=160, elem_id="person"
                )
                other = gr.Button("Another person", variant="primary", min_width=80)
            with gr.Row(elem_classes="line", visible=last >= 0):
                has_truncation = config.codes is None  # codes of a file stay as they are
                ends = min(0, share), max(1.5, share)
                truncation = slider(*ends, share, "Truncation", visible=has_truncation)
                layers = gr.Textbox(moving, label=f"Layers: own, all, or of 0-{last}")
            with gr.Accordion("Your own photograph", open=False, elem_id="photo"):
                own = _photo_box(answers)
            boxes, sliders, measures = [], [], known.recognise(answers.directions)
            for k, name in enumerate(answers.names, 1):
                with gr.Group(elem_classes="direction"):
                    box = gr.Textbox(name, label=f"Name {k}", show_label=False, container=False)
                    boxes.append(box)
                    sliders.append(slider(-away, away, 0, name, show_label=False))
                if text := note(measures[k - 1]):
                    gr.HTML(text, elem_classes="note")
            places = []
            if generator.transforms:
                places = [slider(-most, most, 0, label) for label, most in PLACES.items()]
            with gr.Row():
                zero, keep = (gr.Button(x, min_width=80) for x in ("Reset", "Save names"))
                larger = generator.resolution > config.size
                full = gr.Button("Full resolution", min_width=80, visible=larger)
        controls, out = [seed, truncation, layers, *sliders, *places], [picture, message]
        once: dict[str, Any] = {"concurrency_id": "image", "concurrency_limit": 1}
        once |= {"show_progress": "hidden", "api_visibility": "private"}
        moves = [x.input for x in (truncation, *sliders, *places)]
        moves += [event for x in (seed, layers) for event in (x.submit, x.blur)]
        gr.on(moves, answers.show, controls, out, trigger_mode="always_last", **once)
        # Then the picture: a box that loses the focus asks for one too, of the old controls.
        changed = other.click(answers.another, None, seed, **once)
        changed.then(answers.show, controls, out, trigger_mode="always_last", **once)
        changed = zero.click(answers.reset, None, [*sliders, *places], **once)
        changed.then(answers.show, controls, out, trigger_mode="always_last", **once)
        full.click(functools.partial(answers.show, full=True), controls, out, **once)
        keep.click(answers.rename, boxes, [message, *boxes, *sliders], **once)
        if own:
            photo, status, mine, stop = own
            inputs = [photo, mine, *controls[1:3]]
            outputs = [photo, status, mine, seed, *sliders, *places, *out]
            # Each page has its own turn: a second one is told that a search is running.
            find = once | {"concurrency_id": "photo", "concurrency_limit": WAITING}
            photo.submit(answers.find, inputs, outputs, **find)
            stop.click(answers.photographs.stop, mine, None, **find)
        blocks.load(answers.labels, None, [*boxes, *sliders], **once)
    return blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)


def _photo_box(answers: Answers) -> list[Any]:
    """The box for the visitor's photograph; without its parts if it can find none."""
    gr = answers.gradio
    if lacking := answers.photographs.lacks():
        gr.HTML(_status(lacking))
        return []
    script = resources.files("experiments.explore").joinpath("upload.js").read_text("utf-8")
    longest = server.MAX_BODY - 2**14  # the rest is for the event's other texts
    photo = gr.HTML(
        "", html_template=CHOOSER, js_on_load=script, side=upload.SIDE, longest=longest
    )
    status = gr.HTML("", elem_id="found")
    mine = gr.Textbox("", visible="hidden")
    return [photo, status, mine, gr.Button("Stop", elem_id="stop")]


def application(answers: Answers, generator: Pretrained) -> Any:
    """The page and its pictures, an ASGI application that is yet to be guarded."""
    from fastapi import FastAPI, Response

    gr, app = answers.gradio, FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    blocks = _layout(answers, generator)

    @app.get("/picture.png")
    def picture(seed: str = "", truncation: str = "", layers: str = "", distances: str = ""):
        content, status, kind = answers.picture(seed, truncation, layers, distances)
        return Response(content, status, UNKEPT, media_type=kind)

    @app.get("/codes.npz")
    def code(person: str = ""):
        content, status, kind = answers.code(person)
        return Response(content, status, UNKEPT, media_type=kind)

    style = resources.files("experiments.explore").joinpath("page.css").read_text("utf-8")
    theme = gr.themes.Default(font=("system-ui", "sans-serif"), font_mono=("monospace",))
    look = {"css": style, "theme": theme, "footer_links": [], "blocked_paths": ["/"]}
    off = dict.fromkeys(("run_history", "show_error", "ssr_mode", "mcp_server"), False)
    page = gr.mount_gradio_app(app, blocks, "/", **look, **off)
    blocks.has_launched = True  # until then Gradio allows all paths
    return page

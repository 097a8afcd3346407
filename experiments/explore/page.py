"""The explorer's page and its pictures."""

import base64
import dataclasses
import functools
import html
import io
import math
import random
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from experiments.explore import server
from experiments.sefa import run
from experiments.sefa.config import Config
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.runs import progress
from jaxgan.sefa import Directions, files, move, select_layers, spreads
from jaxgan.sefa.render import reduce

KEPT = 8  # persons and images


SEEDS = 1_000_000  # persons that the button chooses from


WAITING = 8  # moves behind the one in work


MOST = 1000.0  # distance or truncation


STYLE = """
footer {display: none !important}
.gradio-container {overflow: clip !important}
#picture .prose {position: relative; line-height: 0}
#picture img {width: 100%; height: auto; margin: 0; border-radius: 12px;
  max-height: calc(100vh - 130px); object-fit: contain}
#picture a {position: absolute; right: 12px; bottom: 12px; padding: 8px 12px; line-height: 1;
  color: #fff; background: #000a; border-radius: 8px; text-decoration: none}
#message {min-height: 1.5em; overflow-wrap: anywhere}
#left {position: sticky; top: 16px; align-self: flex-start; gap: 8px}
#left .html-container {padding: 0}
.line {align-items: end}
.direction, .direction .styler, .direction .form, .direction .block {background: none;
  border: 0; box-shadow: none; overflow: visible}
.direction {position: relative}
.direction .styler > .block {position: absolute; z-index: 1; left: 0; width: calc(100% - 110px)}
.direction textarea {font-weight: 600; padding: 2px 8px; border: 1px solid transparent;
  border-bottom: 1px dashed var(--border-color-primary);
  box-shadow: none; background: none; white-space: nowrap; overflow: hidden !important}
.direction textarea:is(:hover, :focus) {border-color: var(--border-color-primary)}
.direction .form .block {padding: 2px 8px}
.direction input[type=range] {--range_progress: 0% !important}
input[type=range]::-webkit-slider-thumb {background: var(--slider-color) !important}
input[type=range]::-moz-range-thumb {background: var(--slider-color) !important}
@media (max-width: 700px) {
  #left {top: 0; z-index: 100; background: var(--body-background-fill)}
  #picture img {max-height: 38vh}
}
"""


class State(NamedTuple):
    """What the controls say: ``layers`` is None where each of K directions moves its own."""

    seed: int
    truncation: float
    layers: tuple[int, ...] | None
    distances: tuple[float, ...]


def state_of(
    generator: Pretrained, count: int, seed: Any, truncation: Any, layers: Any, *distances: Any
) -> State:
    """Read the controls of ``count`` directions, which hold whatever was typed.

    Raises:
      InputError: If one is not what it should be.
    """
    text, chosen = str(seed).strip(), str(layers).strip()
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) >= 2**31:
        raise InputError(f"person {text[:40]!r} must be a whole number from 0 to {2**31 - 1}")
    if len(chosen) > MOST:
        raise InputError(
            f"layers of {len(chosen)} characters; write own, all, or 0-1,6 or such"
        )
    try:
        kept, *far = np.array([truncation, *distances], float).tolist()
    except (TypeError, ValueError):
        kept, far = np.nan, []
    if len(far) != count or not np.abs([kept, *far]).max() <= MOST:
        raise InputError(f"truncation and sliders must be {count + 1} numbers, -1000 to 1000")
    moving = None if chosen == "own" else select_layers(chosen, generator.num_layers)
    return State(int(text), kept, moving, tuple(far))


def painter(
    config: Config, generator: Pretrained, found: Directions
) -> Callable[[State], np.ndarray]:
    """Make the function from a state to an image ``[H, W, 3]`` uint8 of full resolution.

    It makes one at a time, as a batch of one, and keeps the last few.
    """
    lock, steps = threading.Lock(), found.vectors
    levels = jax.jit(lambda x: jnp.clip(x * 127.5 + 128, 0, 255).astype(jnp.uint8))
    if config.unit == "std":
        steps = (spreads(generator, steps)[:, None] * steps).astype(np.float32)

    @functools.lru_cache(KEPT)
    def person(seed: int, truncation: float) -> np.ndarray:
        one = dataclasses.replace(config, seed=seed, truncation=truncation, samples=1)
        return run.codes_of(one, generator)

    @functools.lru_cache(KEPT)
    def image(state: State) -> np.ndarray:
        codes = person(state.seed, state.truncation)
        for step, distance, own in zip(steps, state.distances, found.layers, strict=True):
            layers = own if state.layers is None else state.layers
            codes = move(codes, step, distance, layers) if distance else codes
        return np.asarray(levels(generator.images(codes)[0]))

    def alone(state: State) -> np.ndarray:
        with lock:
            return image(state)

    return alone


def png(image: np.ndarray) -> bytes:
    """An image as PNG."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def figure(image: np.ndarray, state: State, size: int | None) -> str:
    """HTML of an image ``[H, W, 3]``, of ``size`` pixels at most, linked to the full one."""
    layers = "own" if state.layers is None else ",".join(map(str, state.layers))
    told = state._asdict() | {
        "layers": layers,
        "distances": ",".join(map(str, state.distances)),
    }
    link = html.escape(f"/picture.png?{urlencode(told)}")
    source = link
    if size is not None:
        data = base64.b64encode(png(reduce(image, size))).decode()
        source = f"data:image/png;base64,{data}"
    sides = f'width="{image.shape[1]}" height="{image.shape[0]}"'
    return (
        f'<img src="{source}" {sides} alt="Person {state.seed}">'
        f'<a href="{link}" download="person_{state.seed}.png">Download PNG</a>'
    )


def legible(names: Iterable[str]) -> list[str]:
    """Names without what JSON and a line of text cannot hold."""
    return [progress.printable(name) for name in names]


def save(directory: Path, found: Directions, typed: Sequence[str | None]) -> list[str]:
    """Write directions under new names, and give what they are called now.

    Whatever has no name, or that which its number gives it, keeps none in the file.

    Raises:
      InputError: If a name is too long.
    """
    names = [name.strip() for name in legible(name or "" for name in typed)]
    for k, name in enumerate(names, 1):
        if len(name) > files.MAX_NAME:
            long = f"name {k} has {len(name)} characters"
            raise InputError(f"{long}; up to {files.MAX_NAME} are allowed")
    numbered = run.titles([""] * len(names), found, None)
    names = ["" if name == usual else name for name, usual in zip(names, numbered, strict=True)]
    files.save(directory / "directions.npz", found, names)
    return list(run.titles(names, found, None))


def application(
    config: Config, directory: Path, generator: Pretrained, found: Directions, names: list[str]
) -> Any:
    """The page and its pictures, an ASGI application that is yet to be guarded."""
    from fastapi import FastAPI, Response

    gr = server.gradio()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    paint, read = painter(config, generator, found), functools.partial(state_of, generator)
    last, zeros = generator.num_layers - 1, [0.0] * len(names)
    moving = "all" if all(len(layers) > last for layers in found.layers) else "own"

    def draw(*controls: Any, size: int | None = config.size) -> str:
        state = read(len(names), *controls)
        return figure(paint(state), state, size)

    def said(text: object) -> str:
        return f'<p role="status">{html.escape(str(text))}</p>'

    def show(*controls: Any, size: int | None = config.size) -> tuple[Any, str]:
        try:
            return draw(*controls, size=size), ""
        except InputError as error:
            return gr.skip(), said(error)

    def another(_: Any, *controls: Any) -> tuple[Any, ...]:
        seed = str(random.randrange(SEEDS))
        return seed, *show(seed, *controls)

    def reset(*controls: Any) -> tuple[Any, ...]:
        return *zeros, *show(*controls, *zeros)

    def rename(*typed: Any) -> tuple[Any, ...]:
        try:
            names[:] = save(directory, found, typed)
        except (InputError, OSError) as error:
            return said(error), *[gr.skip()] * 2 * len(names)
        return said(f"Saved in {directory / 'directions.npz'}"), *named()

    def named() -> tuple[Any, ...]:
        return *names, *[gr.update(label=name) for name in names]

    def slider(least: float, most: float, value: float, label: str, **options: Any) -> Any:
        step = 10.0 ** math.floor(math.log10(most / 20))
        return gr.Slider(least, most, value, step=step, label=label, buttons=[], **options)

    with gr.Blocks(analytics_enabled=False, title="jaxgan") as demo, gr.Row():
        with gr.Column(scale=6, elem_id="left"):
            first = draw(config.seed, config.truncation, moving, *zeros)
            picture, message = gr.HTML(first, elem_id="picture"), gr.HTML("", elem_id="message")
        with gr.Column(scale=5):
            kept = config.truncation
            with gr.Row(elem_classes="line"):
                seed = gr.Textbox(str(config.seed), label="Person", min_width=80)
                other = gr.Button("Another person", variant="primary", min_width=80)
            with gr.Row(elem_classes="line", visible=last >= 0):
                truncation = slider(min(0, kept), max(1.5, kept), kept, "Truncation")
                layers = gr.Textbox(moving, label=f"Layers: own, all, or of 0-{last}")
            boxes, sliders = [], []
            far = float(f"{config.distance:.2g}")  # so that steps of a slider meet 0
            for k, name in enumerate(names, 1):
                with gr.Group(elem_classes="direction"):
                    box = gr.Textbox(name, label=f"Name {k}", show_label=False, container=False)
                    boxes.append(box)
                    sliders.append(slider(-far, far, 0, name, show_label=False))
            with gr.Row():
                zero, keep = (gr.Button(x, min_width=80) for x in ("Reset", "Save names"))
                larger = generator.resolution > config.size
                full = gr.Button("Full resolution", min_width=80, visible=larger)
        controls, out = [seed, truncation, layers, *sliders], [picture, message]
        once: dict[str, Any] = {"concurrency_id": "image", "concurrency_limit": 1}
        once |= {"show_progress": "hidden", "api_visibility": "private"}
        moves = [x.input for x in (truncation, *sliders)]
        moves += [f for x in (seed, layers) for f in (x.submit, x.blur)]
        gr.on(moves, show, controls, out, trigger_mode="always_last", **once)
        other.click(another, controls, [seed, *out], **once)
        zero.click(reset, controls[:3], [*sliders, *out], **once)
        full.click(functools.partial(show, size=None), controls, out, **once)
        keep.click(rename, boxes, [message, *boxes, *sliders], **once)
        demo.load(named, None, [*boxes, *sliders], **once)
    demo.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)

    @app.get("/picture.png")
    def picture_of(seed: str = "", truncation: str = "", layers: str = "", distances: str = ""):
        try:
            values = distances.split(",", len(names))
            state = read(len(names), seed, truncation, layers, *values)
        except InputError as error:
            return Response(str(error), 400, media_type="text/plain")
        return Response(png(paint(state)), media_type="image/png")

    theme = gr.themes.Default(font=("system-ui", "sans-serif"), font_mono=("monospace",))
    look = {"css": STYLE, "theme": theme, "footer_links": [], "blocked_paths": ["/"]}
    off = dict.fromkeys(("run_history", "show_error", "ssr_mode", "mcp_server"), False)
    mounted = gr.mount_gradio_app(app, demo, "/", **look, **off)
    demo.has_launched = True  # until then Gradio allows all paths
    return mounted

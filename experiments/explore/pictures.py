"""The explorer's pictures: from what the controls hold to an image and its link."""

import base64
import dataclasses
import functools
import html
import io
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
from PIL import Image

from experiments.sefa import run
from experiments.sefa.config import Config
from jaxgan.convert.generator import Pretrained
from jaxgan.convert.transforms import placement
from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.sefa import Directions, move, select_layers, spreads
from jaxgan.sefa.render import reduce

CACHE_SIZE = 8  # persons and images
MOST = 1000.0  # distance or truncation
PHOTO_NAME = "photo-[0-9a-f]{8}"  # names of people who were found in photographs


class State(NamedTuple):
    """The state of the controls.

    Attributes:
      seed: The person; of one who was found in a photograph the name.
      truncation: Share of the way from the mean code.
      layers: Layers to move; None if each direction moves its own.
      distances: ``[K]``, one for each direction. A generator that can turn and shift what it
        draws has two more: degrees, and a share of the image's width.
    """

    seed: int | str
    truncation: float
    layers: tuple[int, ...] | None
    distances: tuple[float, ...]


def state_of(
    generator: Pretrained, count: int, seed: Any, truncation: Any, layers: Any, *distances: Any
) -> State:
    """Read the controls, ``count`` distances among them, which may hold any text.

    Raises:
      InputError: If one does not hold what it should.
    """
    person_text, layers_text = str(seed).strip(), str(layers).strip()
    person = person_text if re.fullmatch(PHOTO_NAME, person_text) else _number(person_text)
    if person is None:
        raise InputError(
            f"person {person_text[:40]!r} must be a whole number from 0 to {2**31 - 1}"
        )
    if len(layers_text) > MOST:
        raise InputError(
            f"layers of {len(layers_text)} characters; write own, all, or 0-1,6 or such"
        )
    try:
        share, *away = np.array([truncation, *distances], float).tolist()
    except (TypeError, ValueError):
        share, away = np.nan, []
    if len(away) != count or not np.abs([share, *away]).max() <= MOST:
        raise InputError(f"truncation and sliders must be {count + 1} numbers, -1000 to 1000")
    moving = None if layers_text == "own" else select_layers(layers_text, generator.num_layers)
    return State(person, share, moving, tuple(away))


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,10}", text) and int(text) < 2**31 else None


def _unknown(name: str) -> np.ndarray:
    raise InputError(f"person {name} is not known")


def painter(
    config: Config,
    generator: Pretrained,
    directions: Directions,
    of_file: np.ndarray | None = None,
    code_of: Callable[[str], np.ndarray] = _unknown,
) -> Callable[[State], np.ndarray]:
    """Build the function from a state to an image ``[H, W, 3]`` uint8 of full resolution.

    It makes one image at a time, as a batch of one, and remembers the last few. Where there
    are codes of a file, people are its rows; it raises ``InputError`` beyond them. ``code_of``
    gives the code of a person of a name, which is not truncated, or raises ``InputError``.
    """
    lock, steps = threading.Lock(), directions.vectors
    if config.unit == "std":
        steps = (spreads(generator, steps)[:, None] * steps).astype(np.float32)

    @functools.lru_cache(CACHE_SIZE)
    def person(seed: int | str, truncation: float) -> np.ndarray:
        if isinstance(seed, str):
            return code_of(seed)
        if of_file is not None:
            if seed >= len(of_file):
                last, file = len(of_file) - 1, Path(str(config.codes)).name
                raise InputError(f"person {seed} must be 0 to {last}, of {file}")
            return of_file[seed : seed + 1]
        one = dataclasses.replace(config, seed=seed, truncation=truncation, samples=1)
        return run.codes_of(one, generator)

    @functools.lru_cache(CACHE_SIZE)
    def image(state: State) -> np.ndarray:
        codes = person(state.seed, state.truncation)
        distances, place = state.distances[: len(steps)], state.distances[len(steps) :]
        for step, distance, own in zip(steps, distances, directions.layers, strict=True):
            layers = own if state.layers is None else state.layers
            codes = move(codes, step, distance, layers) if distance else codes
        transform = (placement(*place),) if place else ()
        return to_uint8(generator.images(codes, *transform))[0]

    def alone(state: State) -> np.ndarray:
        with lock:
            return image(state)

    return alone


def png(image: np.ndarray) -> bytes:
    """Encode an image as PNG."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def figure(image: np.ndarray, state: State, size: int | None) -> str:
    """HTML of an image ``[H, W, 3]``, of ``size`` pixels at most, linked to the full one."""
    query = state._asdict() | {
        "layers": "own" if state.layers is None else ",".join(map(str, state.layers)),
        "distances": ",".join(map(str, state.distances)),
    }
    link = html.escape(f"/picture.png?{urlencode(query)}")
    source = link
    if size is not None:
        data = base64.b64encode(png(reduce(image, size))).decode()
        source = f"data:image/png;base64,{data}"
    sides = f'width="{image.shape[1]}" height="{image.shape[0]}"'
    return (
        f'<img src="{source}" {sides} alt="Person {state.seed}">'
        f'<a href="{link}" download="person_{state.seed}.png">Download PNG</a>'
    )

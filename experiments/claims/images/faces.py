"""The cells of cartoon faces: what directions of latents change, and what an update costs."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.claims import lanes as claims_lanes
from experiments.claims.images import cells
from experiments.claims.lanes import Arrays
from experiments.images import program
from experiments.images.config import Config, Dataset
from jaxgan.convert.flavours import dcgan
from jaxgan.convert.generator import Style
from jaxgan.data import cartoon_faces
from jaxgan.judges import cartoons
from jaxgan.metrics import colour
from jaxgan.networks.pairs import PAIRS
from jaxgan.runs.records import Laboratory, Lane, Record, Work
from jaxgan.sefa import factorize
from jaxgan.training.gan import GanState, averaged

HELD_OUT = 1000  # cartoons that are not trained on
TIMED_UPDATES, TIMINGS = 24, 3  # generator updates in a timing, and timings of a run
DIRECTIONS, STEP = 5, 2.0  # semantic directions, and how far along them, in deviations


class Faces(NamedTuple):
    """A configuration on cartoon faces.

    Attributes:
      config: What is trained.
      beside: What an update is timed against.
    """

    config: Config
    beside: Config


def identity(cell: Faces) -> dict[str, Any]:
    """All that decides a result but the seed."""
    return {
        **claims_lanes.settings(cell.config),
        "beside": claims_lanes.settings(cell.beside),
        "data": "cartoons",
        "evaluated": cells.EVALUATION_COUNT,
        "held_out": HELD_OUT,
        "shown": cells.FRAME_IMAGES,
        "spread_samples": program.SPREAD_SAMPLES,
        "timed": [TIMED_UPDATES, TIMINGS],
        "directions": [DIRECTIONS, STEP, cells.MOVE_COUNT, cells.EDIT_COUNT],
    }


def shapes(cell: Faces) -> dict[str, tuple[int | None, ...]]:
    """Shapes of the arrays of a record."""
    factors, size = len(cartoon_faces.FACTORS), cell.config.size
    return cells.shapes(cell.config, 3) | {
        "hue_bits": (cell.config.epochs,),
        "relative_cost": (),
        "shifts": (2, DIRECTIONS, factors),
        "edits": (DIRECTIONS, cells.EDIT_COUNT, 3, size, size, 3),
    }


@lru_cache(maxsize=2)
def _cartoons(count: int, size: int) -> Dataset:
    return Dataset(cartoon_faces.load(count, size=size).images, f"{count}-{size}")


def train(lanes: Sequence[Lane], work: Work) -> Iterator[Record]:
    """Train and measure lanes of one program, from where an earlier process stopped.

    Beside what ``cells.run`` says, with a ``curve`` on the features of a network that reads
    the factors of cartoons, a record holds ``hue_bits`` ``[E]``, the entropy of the samples'
    dominant hues; ``relative_cost``, the time of an update over that of ``beside``;
    ``shifts`` ``[2, K, F]``, how many standard deviations of the data each factor changes
    between ``STEP`` standard deviations below and above, along the K leading SeFa directions
    and along K random ones; and ``edits`` ``[K, EDIT_COUNT, 3, H, W, 3]``, samples lowered,
    as drawn and raised along the former.
    """
    config, beside = lanes[0].cell.config
    dataset = _cartoons(config.train_size + HELD_OUT, config.size)
    params = cartoons.load_or_train(config.size).params
    train_images, held_out = np.split(dataset.images, [config.train_size])
    scorer = cells.make_scorer(
        lambda images: cartoons.read(params, images)[1],
        held_out,
        train_images,
        hue_bits=lambda images: colour.hue_entropy(images).images,
    )
    sample = cells.make_sample(config, dataset)
    race = cache(lambda: _race(config, beside, dataset))  # compiles, after the training

    def measure(state: GanState) -> Arrays:
        return {"relative_cost": race()(), **_edit(config, params, sample, state)}

    configs = [lane.cell.config.config for lane in lanes]
    return cells.run(configs, lanes, dataset, scorer, measure, work)


def _race(config: Config, beside: Config, dataset: Dataset) -> Callable[[], np.ndarray]:
    """A function that times updates of two configurations in turn: their ratio."""
    short = dataset.images[: TIMED_UPDATES * config.batch_size * config.critic_steps]
    racers = []
    for one in (config, beside):
        one = dataclasses.replace(one, train_size=len(short), seeds=1)
        functions = program.make_program(one, Dataset(short, ""))
        racers.append([functions, functions.init(), one.steps_per_epoch])

    def update(racer) -> float:
        functions, state, steps = racer
        began = time.perf_counter()
        racer[1] = jax.block_until_ready(functions.advance(state, 1)[0])
        return (time.perf_counter() - began) / steps

    for racer in racers:
        update(racer)  # compiles

    def race() -> np.ndarray:
        ratios = [update(racers[0]) / update(racers[1]) for _ in range(TIMINGS)]
        return np.array(np.median(ratios))

    return race


def _edit(config: Config, params: Any, sample: cells.Sample, state: GanState) -> Arrays:
    """``shifts`` and ``edits`` of one lane."""
    z = cells.moved_latents(config)
    images = sample(state, z)
    rng = np.random.default_rng(0)
    others = np.linalg.qr(rng.normal(size=(config.latent_dim, DIRECTIONS)))[0].T
    shifts, edits = [], []
    for vector in np.concatenate([_leading(config, state), others]).astype(np.float32):
        low, high = (sample(state, z + step * vector) for step in (-STEP, STEP))
        before, after = (cartoons.read(params, end)[0] for end in (low, high))
        shifts.append((after - before).mean(axis=0))
        edits.append(np.stack([low, images, high], axis=1)[: cells.EDIT_COUNT])
    return {
        "shifts": np.reshape(shifts, (2, DIRECTIONS, -1)),
        "edits": np.stack(edits[:DIRECTIONS]),
    }


def _leading(config: Config, state: GanState) -> np.ndarray:
    """The leading SeFa directions ``[K, D]`` of one lane's generator."""
    variables = jax.tree.map(np.asarray, averaged(state).generator.variables)
    kernel = np.nan_to_num(variables["params"]["ConvTranspose_0"]["kernel"])
    if not kernel.any() or np.abs(kernel).max() > 1e30:  # diverged: there are no directions
        return np.zeros((DIRECTIONS, config.latent_dim))
    generator = dcgan.pretrained(
        "jaxgan report_dcgan",
        config.size,
        config.latent_dim,
        PAIRS["report_dcgan"].generator(config.size, config.width, 3, config.norm),
        variables,
        (Style("ConvTranspose_0.kernel", 0, kernel.reshape(-1, config.latent_dim)),),
    )
    return factorize.directions(generator, k=DIRECTIONS).vectors


FACES = Laboratory(
    "faces",
    1,
    identity,
    train,
    program=lambda cell: claims_lanes.static(identity(cell), cell.config),
    cost=lambda cell: cells.cost(cell.config),
    shapes=shapes,
)

"""The points laboratory's part in a study: its cells trained, measured and kept."""

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import jaxgan.data.points as points_data
from experiments.claims import training
from experiments.claims.cells import Laboratory, Lane, Record
from experiments.common import settings as common_settings
from experiments.points import fit
from experiments.points import program as points_program
from experiments.points.config import Config
from jaxgan.errors import InputError
from jaxgan.metrics import transport, verdicts
from jaxgan.networks import mlp
from jaxgan.plots import figures
from jaxgan.training import epochs, gan, objectives, optimizers
from jaxgan.training import lanes as training_lanes

FRAMES = 20  # of an animation at least, if there are as many epochs; fewer than twice this
SHOWN = 500  # points in a frame
ROUGH = 2.5  # largest sliced ratio at which the strokes of the M can be told
# What decides no result: how often is looked at, and where the data, whose digest is in the
# identity, was read from.
_ASIDE = {"seed", "seeds", "frame_every", "checkpoint_every", "data", "data_key"}
_TRACED = {"learning_rate", "critic_learning_rate", "penalty_weight", "clip"}


def identity(config: Config) -> dict[str, Any]:
    """All that decides a result but the seed."""
    settings = dataclasses.asdict(config).items()
    kept = {name: value for name, value in settings if name not in _ASIDE}
    return kept | _constants() | {"data_sha256": digest(config.data, config.data_key)}


def _constants() -> dict[str, int]:
    """What decides a result and is no setting; a digest of functions does not see it."""
    return {
        "directions": points_program.DIRECTIONS,
        "max_compared": points_program.MAX_COMPARED,
        "draws": fit.DRAWS,
        "frames": FRAMES,
        "shown": SHOWN,
    }


@lru_cache(maxsize=16)
def digest(source: str, key: str) -> str:
    """The sha256 of the points themselves."""
    cloud = points_data.load(source, key).points
    return hashlib.sha256(np.ascontiguousarray(cloud).tobytes()).hexdigest()


def program(config: Config) -> tuple[Any, ...]:
    """What is static: everything but the seed and the traced values."""
    kept = [(n, x) for n, x in identity(config).items() if n not in _TRACED]
    return (*kept, tuple(config.cells()[0]))


def cost(config: Config) -> float:
    """Seconds of one core for a run, roughly.

    From timings of a fixed part and a part that grows with weights times examples, of each
    critic update; then exact distances.
    """
    sizes = (2, *config.critic_widths, 1), (config.latent_dim, *config.generator_widths, 2)
    weights = sum(a * b for size in sizes for a, b in zip(size, size[1:], strict=False))
    updates = config.epochs * config.train_size / config.batch_size
    return updates * (7e-5 + 1.5e-10 * weights * config.batch_size) + 3


def capped(records: Sequence[Record]) -> np.ndarray:
    """Sliced ratios ``[S, E]``, none above the worst, which diverged runs get."""
    curves, worst = (
        np.stack([record.arrays[name] for record in records])
        for name in ("curve", "worst_sliced")
    )
    return verdicts.at_worst(curves, worst[:, np.newaxis])


def shapes(config: Config) -> dict[str, tuple[int | None, ...]]:
    """Shapes of the arrays of a record; ``None`` for any length."""
    frames = len(_marks(config))
    return {
        "fit_ratio": (),
        "worst_ratio": (),
        "worst_sliced": (),
        "curve": (config.epochs,),
        "diverged_at": (),
        "sample": (None, 2),
        "reference": (None, 2),
        "frames": (frames, SHOWN, 2),
        "frame_epochs": (frames,),
    }


def train_lanes(
    lanes: Sequence[Lane],
    directory: Path,
    tell: Callable[[float], None],
    check: Callable[[], None],
) -> Iterator[Record]:
    """Train and measure lanes of one program, from where ``directory`` has them.

    A record holds ``fit_ratio``, the exact fit at the end (see ``points_fit.evaluate``;
    infinite where the run diverged); ``worst_ratio``, that of a generator that puts every
    point on the mean of the data, and ``worst_sliced``, its sliced ratio; ``curve``
    ``[E]``, the sliced ratio after each epoch, not a number from where the run diverged;
    ``diverged_at``, that epoch, or 0; ``sample`` and ``reference`` ``[N, 2]``, generated
    and held-out points; and ``frames`` ``[F, SHOWN, 2]`` of the training after the epochs
    ``frame_epochs``.

    Raises:
      InputError: Before training, if held-out points equal samples of the training points.
    """
    config = lanes[0].cell.config
    cloud = points_data.load(config.data, config.data_key)
    seeds = dict.fromkeys(lane.seed for lane in lanes)
    starts = {seed: _start(config, cloud.points, seed) for seed in seeds}
    arrays = points_program.stack(
        [points_program.lane(x.cell.config.cells()[0], starts[x.seed]) for x in lanes]
    )
    made = points_program.make_program(config, arrays, figures.extent_of(cloud.points))
    state, notes = _train(config, arrays, made, directory, tell, check)
    began = time.monotonic()
    generated = _in_units(arrays, np.asarray(made.sample(state)[0], float))

    def measure(i: int) -> Record:
        check()
        lane = {name: x[i] for name, x in arrays.items()}
        noted = {name: notes[name][i] for name in ("finite", "curve", "frames")}
        return Record(_measure(config, lane, noted, generated[i]), {})

    trained = float(notes["seconds"][0]) / len(lanes)
    with ThreadPoolExecutor() as pool:
        for record in pool.map(measure, range(len(lanes))):
            now = time.monotonic()
            yield record._replace(facts={"seconds": trained + now - began})
            began = now


def _start(config: Config, cloud: np.ndarray, seed: int) -> dict[str, Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        begin = points_program.start(config, cloud, seed)
    if not begin["floor"] > 0:  # and where the exact floor is 0, this one is
        raise InputError(
            f"{config.data}: with seed {seed} too many points are equal: samples of the "
            "training points are the held-out ones, so that no fit has a scale"
        )
    return begin


def _measure(config: Config, lane, noted, generated: np.ndarray) -> dict[str, Any]:
    """The arrays of a record, from samples ``[DRAWS, N, 2]`` in the data's units."""
    finite = noted["finite"].astype(bool)
    finite[-1] &= np.isfinite(generated).all()
    whole = bool(finite.all())
    real, reference = lane["train"], lane["reference"]
    floor = fit.floor(real, reference, int(lane["seed"]))
    distance = fit.mean_distance(generated, reference) if whole else math.inf
    worst = np.linalg.norm(reference - lane["centre"], axis=1).mean()
    return {
        "fit_ratio": np.array(distance / floor),
        "worst_ratio": np.array(worst / floor),
        "worst_sliced": np.array(_worst_sliced(lane)),
        "curve": np.where(np.logical_and.accumulate(finite), noted["curve"], np.nan),
        "diverged_at": np.array(0 if whole else np.argmin(finite) + 1),
        "sample": generated[0].astype(np.float32),
        "reference": reference.astype(np.float32),
        "frames": noted["frames"],
        "frame_epochs": np.array(_marks(config)),
    }


def _worst_sliced(lane) -> float:
    """The sliced ratio of a generator that puts every point on the mean of the data."""
    held_out = ((lane["reference"] - lane["centre"]) / lane["size"]).astype(np.float32)
    directions = transport.circle_directions(points_program.DIRECTIONS)
    distance = points_program._sliced(np.zeros_like(held_out), held_out, directions)
    return float(distance / lane["floor"])


def _marks(config: Config) -> list[int]:
    """Epochs after which a frame is kept, 0 among them; all but the last at one distance."""
    every = max(1, config.epochs // FRAMES)
    return [*range(0, config.epochs, every), config.epochs]


def _in_units(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Points ``[S, ..., N, 2]`` in units of training, in the data's own."""
    shape = (len(x), *[1] * (x.ndim - 2), 2)
    return x * arrays["scale"].reshape(shape) + arrays["mean"].reshape(shape)


def _train(config, arrays, made: points_program.Program, directory: Path, tell, check):
    """The last state, and by lane and epoch what was seen on the way."""
    marks, count = _marks(config), len(arrays["seed"])
    notes = {
        "finite": np.zeros((count, config.epochs), np.int32),
        "curve": np.full((count, config.epochs), np.nan, np.float32),
        "frames": np.full((count, len(marks), SHOWN, 2), np.nan, np.float32),
    }

    def keep_frame(state, number):
        shown = _in_units(arrays, np.asarray(made.draw(state), float))[:, :SHOWN]
        shown = np.where(np.isfinite(shown), shown, np.nan)
        notes["frames"][:, number, : shown.shape[1]] = shown

    def advance(state, epoch):
        if epoch == 0:
            keep_frame(state, 0)
        number = marks.index(epoch) + 1
        state, metrics = made.advance(state, marks[number] - epoch)
        metrics = {name: np.asarray(x) for name, x in metrics.items()}
        watched = [metrics[x] for x in ("critic_loss", "generator_loss", "spread")]
        finite = np.logical_and.reduce([np.isfinite(x) for x in watched])
        now = slice(epoch, marks[number])
        notes["finite"][:, now] = finite
        notes["curve"][:, now] = metrics["sliced_ratio"]
        keep_frame(state, number)
        return state, marks[number], bool(finite[:, -1].any())

    state = training.train(made.init(), notes, advance, config.epochs, directory, tell, check)
    return state, notes


POINTS = Laboratory(
    identity=identity,
    program=program,
    cost=cost,
    code=(
        gan,
        mlp,
        objectives,
        optimizers,
        epochs,
        training_lanes,
        transport,
        points_data.split,
        fit.floor_samples,
        fit.mean_distance,
        fit.floor,
        fit._floor,
        points_program.start,
        points_program._sliced,
        points_program.lane,
        points_program.stack,
        points_program.build,
        points_program.make_program,
        common_settings.Training,
        common_settings.parts,
        training.train,
        train_lanes,
        _start,
        _train,
        _measure,
        _worst_sliced,
        _marks,
        _in_units,
    ),
    shapes=shapes,
    train=train_lanes,
)

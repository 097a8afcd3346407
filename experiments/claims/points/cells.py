"""The points laboratory's part in the study: its cells trained and measured."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from experiments.claims import lanes as claims_lanes
from experiments.common.settings import identity as settings_of
from experiments.points import lanes, program
from experiments.points.config import Config
from jaxgan.data import points
from jaxgan.errors import InputError
from jaxgan.metrics import fit_ratio
from jaxgan.runs.records import Laboratory, Lane, Record, Work

FRAMES = 20  # of an animation at least, if there are as many epochs; fewer than twice this
FRAME_POINTS = 500  # points in a frame


def identity(config: Config) -> dict[str, Any]:
    """All that decides a result but the seed."""
    constants = {
        "directions": lanes.DIRECTIONS,
        "max_compared": lanes.MAX_POINTS,
        "draws": fit_ratio.DRAWS,
        "frames": FRAMES,
        "shown": FRAME_POINTS,
    }
    data = {"data_sha256": digest(config.data, config.data_key, config.columns)}
    names = settings_of(config)
    settings = {n: x for n, x in claims_lanes.settings(config).items() if n in names}
    return settings | constants | data


@lru_cache(maxsize=16)
def digest(source: str, key: str, columns: tuple[str, ...] = ()) -> str:
    """The sha256 of the points themselves."""
    return points.digest(points.load(source, key, columns).points)


def cost(config: Config) -> float:
    """Seconds of one core for a run, roughly."""
    # From timings: each critic update has a fixed part and one that grows with weights times
    # examples; then exact distances.
    sizes = (2, *config.critic_widths, 1), (config.latent_dim, *config.generator_widths, 2)
    weights = sum(a * b for size in sizes for a, b in zip(size, size[1:], strict=False))
    updates = config.epochs * config.train_size / config.batch_size
    return updates * (7e-5 + 1.5e-10 * weights * config.batch_size) + 3


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
        "frames": (frames, FRAME_POINTS, 2),
        "frame_epochs": (frames,),
    }


def _every(config: Config) -> int:
    return max(1, config.epochs // FRAMES)


def _marks(config: Config) -> list[int]:
    """Epochs with a frame, 0 among them; all but the last are at one distance."""
    return [*range(0, config.epochs, _every(config)), config.epochs]


def train(own_lanes: Sequence[Lane], work: Work) -> Iterator[Record]:
    """Train and measure lanes of one program, from where an earlier process stopped.

    A record holds ``fit_ratio``, the exact fit at the end (see ``metrics.fit_ratio``; infinite
    where the run diverged); ``worst_ratio``, that of a generator that puts every point on
    the mean of the data, and ``worst_sliced``, its sliced ratio; ``curve`` ``[E]``, the
    sliced ratio after each epoch, not a number from where the run diverged;
    ``diverged_at``, that epoch, or 0; ``sample`` and ``reference`` ``[N, 2]``, generated
    and held-out points; and ``frames`` ``[F, FRAME_POINTS, 2]`` of the training after the
    epochs ``frame_epochs``.

    Raises:
      InputError: Before training, if held-out points equal samples of the training points.
    """
    config = own_lanes[0].cell.config
    cloud = points.load(config.data, config.data_key, config.columns).points
    seeds = [lane.seed for lane in own_lanes]
    starts = {seed: _start(config, cloud, seed) for seed in dict.fromkeys(seeds)}
    each = [
        lanes.with_values(starts[lane.seed], lane.cell.config.combinations()[0])
        for lane in own_lanes
    ]
    together = lanes.stack(each)
    functions = program.make_program(config, together)
    generate, marks = functions.each(program.generate), _marks(config)

    def watch(epoch, state, metrics, notes):
        samples = together.units.to_data(np.asarray(generate(state), float))[:, :FRAME_POINTS]
        samples = np.where(np.isfinite(samples), samples, np.nan)
        notes["frames"][:, marks.index(epoch), : samples.shape[1]] = samples
        if metrics:
            curve = metrics["sliced_ratio"]
            notes["curve"][:, epoch - curve.shape[1] : epoch] = curve

    count = len(own_lanes)
    notes = {
        "curve": np.full((count, config.epochs), np.nan, np.float32),
        "frames": np.full((count, len(marks), FRAME_POINTS, 2), np.nan, np.float32),
    }
    every = _every(config)
    state, notes = claims_lanes.train(functions, notes, watch, config.epochs, every, work)
    samples = np.asarray(functions.each(program.final_samples)(state)[0], float)
    finite = notes["finite"].copy()
    finite[:, -1] &= np.isfinite(samples).all(axis=(1, 2, 3))
    before, diverged_at = claims_lanes.divergence(finite)

    def measure(i: int) -> dict[str, np.ndarray]:
        return _measure(each[i], samples[i], bool(diverged_at[i])) | {
            "curve": np.where(before[i], notes["curve"][i], np.nan),
            "diverged_at": diverged_at[i],
            "frames": notes["frames"][i],
            "frame_epochs": np.array(marks),
        }

    pool = ThreadPoolExecutor()
    try:
        yield from claims_lanes.records(pool.map(measure, range(count)), notes, work.check)
    finally:  # an exact distance does not stop before it is done
        pool.shutdown(wait=False, cancel_futures=True)


def _start(config: Config, cloud: np.ndarray, seed: int) -> lanes.Lane:
    with np.errstate(divide="ignore", invalid="ignore"):
        lane = lanes.start(config, cloud, seed)
    if not lane.floor > 0:  # and where the exact floor is 0, this one is
        raise InputError(
            f"{config.data}: with seed {seed} too many points are equal: samples of the "
            "training points are the held-out ones, so that no fit has a scale"
        )
    return lane


def _measure(lane: lanes.Lane, samples: np.ndarray, diverged: bool) -> dict[str, np.ndarray]:
    """Measure the samples ``[DRAWS, N, 2]`` of one lane, in units of training."""
    units, reference = lane.units, lane.reference
    clouds = units.to_data(samples)
    data = lane.train, reference, int(lane.seed)
    ratio = math.inf if diverged else fit_ratio.fit_ratio(clouds, *data)
    centres = np.broadcast_to(units.centre, reference.shape)
    worst = np.linalg.norm(reference - centres, axis=1).mean()
    return {
        "fit_ratio": np.array(ratio),
        "worst_ratio": np.array(worst / fit_ratio.floor(*data)),
        "worst_sliced": np.array(
            lanes.sliced_distance(units, centres, reference) / lane.floor, float
        ),
        "sample": clouds[0].astype(np.float32),
        "reference": reference.astype(np.float32),
    }


POINTS = Laboratory(
    "points",
    1,
    identity,
    train,
    program=lambda config: claims_lanes.static(identity(config), config),
    cost=cost,
    shapes=shapes,
)

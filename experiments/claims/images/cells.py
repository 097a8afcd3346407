"""The code that cells of images share: how they are trained, scored and measured.

Networks that were trained on the real images judge what is generated: one reads the factors
of the built-in cartoon faces, one tells the classes of Fashion-MNIST.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from experiments.claims import lanes as claims_lanes
from experiments.claims.lanes import Arrays
from experiments.images import program
from experiments.images.config import Config, Dataset
from jaxgan.data.pixels import to_uint8
from jaxgan.metrics import frechet
from jaxgan.runs.records import Lane, Record, Work
from jaxgan.training.gan import GanState, averaged

EVALUATION_COUNT = 500  # generated images that are measured after each epoch
FRAME_IMAGES = 16  # images in a frame
MOVE_COUNT = 128  # latents that are moved, of which EDIT_COUNT are kept as pictures
EDIT_COUNT = 4
LOSSES = ("critic_loss", "generator_loss")

Sample = Callable[[GanState, np.ndarray], np.ndarray]  # of one lane: (state, z) -> images


def cost(config: Config) -> float:
    """Seconds of one core for a run, roughly: from timings of one width of each network."""
    per_image = {"report_dense": 2.5e-5, "report_conv": 4e-4, "report_dcgan": 8e-4}[
        config.model
    ]
    work = (config.width / (128 if config.model == "report_dense" else 16)) ** 1.5
    work *= (config.size / (32 if config.model == "report_dcgan" else 28)) ** 2
    if config.penalty != "none":
        work *= 1.5
    return config.epochs * (config.train_size * per_image * work + 1)


def shapes(config: Config, channels: int) -> dict[str, tuple[int | None, ...]]:
    """Shapes of the arrays that every record has."""
    return {
        **dict.fromkeys((*LOSSES, "curve"), (config.epochs,)),
        **dict.fromkeys(("worst_ratio", "floor", "diverged_at"), ()),
        "frames": (config.epochs + 1, FRAME_IMAGES, config.size, config.size, channels),
    }


class Scorer(NamedTuple):
    """Scores samples by their distance to real images.

    Attributes:
      features: Of uint8 images, ``[N, F]``.
      real: Features of real images that are not trained on.
      floor: The Fréchet distance between these and as many that are.
      also: Further numbers of every epoch, from uint8 images.
    """

    features: Callable[[np.ndarray], np.ndarray]
    real: np.ndarray
    floor: float
    also: Mapping[str, Callable[[np.ndarray], float]] = {}

    def ratio(self, images: np.ndarray) -> float:
        """The Fréchet distance of images to real ones over the floor."""
        return frechet.frechet_distance(self.real, self.features(images)) / self.floor

    def worst(self) -> float:
        """The ratio of a generator all of whose images have the real ones' mean features."""
        return float(self.real.var(axis=0, ddof=1).sum() / self.floor)


def make_scorer(features, held_out: np.ndarray, train: np.ndarray, **also) -> Scorer:
    """A scorer from images held out and images to train on."""
    real = features(held_out[:EVALUATION_COUNT])
    floor = frechet.frechet_distance(real, features(train[:EVALUATION_COUNT]))
    return Scorer(features, real, floor, also)


def run(
    configs: Sequence[Config],
    own_lanes: Sequence[Lane],
    dataset: Dataset,
    scorer: Scorer,
    measure: Callable[[GanState], Arrays],
    work: Work,
) -> Iterator[Record]:
    """Train lanes of one program, each with its configuration, and make their records.

    ``measure`` adds to a record what it makes of the lane's final state. The rest is
    ``critic_loss``, ``generator_loss``, ``curve``, the score, and the scorer's further
    numbers, all ``[E]`` and not a number from where the run diverged; ``diverged_at``, that
    epoch, or 0; ``worst_ratio`` and ``floor`` of the scorer; and ``frames``
    ``[E + 1, FRAME_IMAGES, H, W, C]``.
    """
    config, count = configs[0], len(own_lanes)
    pairs = zip(configs, own_lanes, strict=True)
    lanes = program.stack(
        [program.lane_of(x.combinations()[0], lane.seed) for x, lane in pairs]
    )
    functions = program.make_program(config, dataset, lanes)
    sample = program.make_sampler(functions)
    latents = program.fixed_latents(config, EVALUATION_COUNT, program.LatentSet.GRID)

    def watch(epoch, state, metrics, notes):
        images = sample(state, latents)
        notes["frames"][:, epoch] = images[:, :FRAME_IMAGES]
        if metrics:
            for name in LOSSES:
                notes[name][:, epoch - 1] = metrics[name][:, 0]
            for i in np.flatnonzero(notes["finite"][:, epoch - 1]):
                notes["curve"][i, epoch - 1] = scorer.ratio(images[i])
                for name, number in scorer.also.items():
                    notes[name][i, epoch - 1] = number(images[i])

    names = (*LOSSES, "curve", *scorer.also)
    empty = np.full((count, config.epochs), np.nan, np.float32)
    frames = np.zeros(
        (count, config.epochs + 1, FRAME_IMAGES, *dataset.images.shape[1:]), np.uint8
    )
    notes = {name: empty.copy() for name in names} | {"frames": frames}
    state, notes = claims_lanes.train(functions, notes, watch, config.epochs, 1, work)
    before, diverged_at = claims_lanes.divergence(notes["finite"])

    def arrays(i: int) -> Arrays:
        return {
            **{name: np.where(before[i], notes[name][i], np.nan) for name in names},
            "worst_ratio": np.array(scorer.worst()),
            "floor": np.array(scorer.floor),
            "diverged_at": diverged_at[i],
            "frames": notes["frames"][i],
            **measure(jax.tree.map(lambda x: x[i], state)),
        }

    return claims_lanes.records(map(arrays, range(count)), notes, work.check)


def make_sample(config: Config, dataset: Dataset) -> Sample:
    """Make the function from one lane's state and latents ``[N, D]`` to uint8 images."""
    gan = program.build(config, config.combinations()[0], dataset.images.shape[-1])
    sample = jax.jit(lambda state, z: gan.sample(averaged(state), z))
    return lambda state, z: to_uint8(sample(state, z))


def moved_latents(config: Config) -> np.ndarray:
    """Latents ``[MOVE_COUNT, D]`` from which samples are moved."""
    return np.asarray(program.fixed_latents(config, MOVE_COUNT, program.LatentSet.SAMPLES))

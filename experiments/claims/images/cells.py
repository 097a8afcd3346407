"""The image laboratories' part in a study: their cells trained, measured and kept.

What is shown is judged by networks that were trained on the real images: one that reads the
factors of the built-in cartoon faces, and one that tells the classes of Fashion-MNIST.
"""

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxgan.data.fashion_mnist as fashion_mnist_data
from experiments.claims import training
from experiments.claims.cells import Laboratory, Lane, Record
from experiments.common import settings as common_settings
from experiments.fashion_mnist import config as fashion_mnist_config
from experiments.images import config as images_config
from experiments.images import program as images_program
from jaxgan.convert.flavours import dcgan as flavours_dcgan
from jaxgan.convert.generator import Style
from jaxgan.data import cartoon_faces, pixels
from jaxgan.judges import cartoons, fitting
from jaxgan.judges import fashion as judges_fashion
from jaxgan.judges.attributes import Network
from jaxgan.metrics import colour, frechet, verdicts
from jaxgan.networks import dcgan, fashion, layers, pairs
from jaxgan.sefa import factorize
from jaxgan.training import epochs, gan, objectives, optimizers
from jaxgan.training import lanes as training_lanes

EVALUATED = 500  # generated images that are measured after each epoch
HELD_OUT = 1000  # cartoons that are not trained on
SHOWN = 16  # images in a frame
TIMED_UPDATES, TIMINGS = 24, 3  # generator updates in a timing, and timings of a run
DIRECTIONS, STEP = 5, 2.0  # semantic directions, and how far along them, in deviations
MOVED = 128  # latents that are moved, of which EDITED are kept as pictures
EDITED = 4
# Dimensions of latents that report E moves, and how far.
TRAVERSED, TRAVERSED_BY = (20, 50, 60, 70, 90), 10.0
_ASIDE = {"seed", "seeds", "frame_every", "checkpoint_every", "data"}
_TRACED = {"learning_rate", "critic_learning_rate", "penalty_weight", "clip"}


class Faces(NamedTuple):
    """A configuration on cartoon faces.

    Attributes:
      config: What is trained.
      beside: What an update is timed against.
    """

    config: images_config.Config
    beside: images_config.Config


def faces_data(config: images_config.Config) -> images_config.Dataset:
    """Cartoons to train on, and after them those held out."""
    return _cartoons(config.train_size + HELD_OUT, config.size)


@lru_cache(maxsize=2)
def _cartoons(count: int, size: int) -> images_config.Dataset:
    return images_config.Dataset(cartoon_faces.load(count, size=size).images, f"{count}-{size}")


@lru_cache(maxsize=1)
def garments() -> tuple[fashion_mnist_data.Images, images_config.Dataset]:
    """Fashion-MNIST with labels, and its images to train on."""
    return fashion_mnist_config.load("fashion-mnist")


def _settings(config: images_config.Config) -> dict[str, Any]:
    settings = dataclasses.asdict(config).items()
    return {name: value for name, value in settings if name not in _ASIDE}


def _faces_identity(cell: Faces) -> dict[str, Any]:
    constants = {
        "evaluated": EVALUATED,
        "held_out": HELD_OUT,
        "shown": SHOWN,
        "spread_samples": images_program.SPREAD_SAMPLES,
        "timed": [TIMED_UPDATES, TIMINGS],
        "directions": [DIRECTIONS, STEP, MOVED, EDITED],
    }
    beside = _settings(cell.beside)
    return {**_settings(cell.config), "beside": beside, "data": "cartoons", **constants}


def _fashion_identity(config: images_config.Config) -> dict[str, Any]:
    constants = {
        "evaluated": EVALUATED,
        "shown": SHOWN,
        "spread_samples": images_program.SPREAD_SAMPLES,
        "traversed": [TRAVERSED, TRAVERSED_BY, MOVED, EDITED],
    }
    return _settings(config) | {"data_sha256": garments()[1].key} | constants


def _program(identity: Mapping[str, Any], config: images_config.Config) -> Hashable:
    """What is static: everything but the seed and the traced values."""
    kept = [(name, value) for name, value in identity.items() if name not in _TRACED]
    return repr(kept), tuple(config.cells()[0])


def _cost(config: images_config.Config) -> float:
    """Seconds of one core for a run, roughly: from timings of one width of each network."""
    per_image = {"dense": 2.5e-5, "conv": 4e-4, "dcgan": 8e-4}[config.model]
    work = (config.width / {"dense": 128, "conv": 16, "dcgan": 16}[config.model]) ** 1.5
    work *= (config.size / {"dense": 28, "conv": 28, "dcgan": 32}[config.model]) ** 2
    if config.penalty != "none":
        work *= 1.5
    return config.epochs * (config.train_size * per_image * work + 1)


def _shapes(config: images_config.Config, channels: int) -> dict[str, tuple[int | None, ...]]:
    sides = (config.size, config.size, channels)
    return {
        "critic_loss": (config.epochs,),
        "generator_loss": (config.epochs,),
        "curve": (config.epochs,),
        "worst_ratio": (),
        "floor": (),
        "diverged_at": (),
        "frames": (config.epochs + 1, SHOWN, *sides),
    }


def _faces_shapes(cell: Faces) -> dict[str, tuple[int | None, ...]]:
    factors, size = len(cartoon_faces.FACTORS), cell.config.size
    return _shapes(cell.config, 3) | {
        "hue_bits": (cell.config.epochs,),
        "relative_cost": (),
        "shifts": (2, DIRECTIONS, factors),
        "edits": (DIRECTIONS, EDITED, 3, size, size, 3),
    }


def _fashion_shapes(config: images_config.Config) -> dict[str, tuple[int | None, ...]]:
    return _shapes(config, 1) | {
        "shares": (len(TRAVERSED), 3, 10),
        "edits": (len(TRAVERSED), EDITED, 3, 28, 28, 1),
    }


def capped(records: Sequence[Record]) -> np.ndarray:
    """Fréchet ratios ``[S, E]``, none above the worst, which diverged runs get."""
    curves, worst = (
        np.stack([record.arrays[name] for record in records])
        for name in ("curve", "worst_ratio")
    )
    return verdicts.at_worst(curves, worst[:, np.newaxis])


# Training.


class Watched(NamedTuple):
    """How samples are judged.

    Attributes:
      features: Of uint8 images, ``[N, F]``.
      real: Features of real images that are not trained on.
      floor: The Fréchet distance between these and as many that are.
      also: Of uint8 images, other numbers that are kept of every epoch.
    """

    features: Callable[[np.ndarray], np.ndarray]
    real: np.ndarray
    floor: float
    also: Callable[[np.ndarray], dict[str, float]] = lambda made: {}

    def ratio(self, made: np.ndarray) -> float:
        """The Fréchet distance of images to real ones over the floor."""
        return frechet.frechet_distance(self.real, self.features(made)) / self.floor

    def worst(self) -> float:
        """The ratio of a generator all of whose images have the real ones' mean features."""
        return float(self.real.var(axis=0, ddof=1).sum() / self.floor)


def _watched(features, held_out, seen, **also) -> Watched:
    real = features(held_out[:EVALUATED])
    floor = frechet.frechet_distance(real, features(seen[:EVALUATED]))
    return Watched(features, real, floor, **also)


class Trained(NamedTuple):
    """Lanes at the end of their training.

    Attributes:
      state: Leaves ``[S, ...]``.
      arrays: What all records have, ``[S, ...]``.
      seconds: That a lane took.
    """

    state: gan.GanState
    arrays: dict[str, np.ndarray]
    seconds: float


def _train(
    config: images_config.Config,
    lanes: Sequence[Lane],
    dataset: images_config.Dataset,
    watched: Watched,
    directory: Path,
    tell: Callable[[float], None],
    check: Callable[[], None],
) -> Trained:
    """Train lanes of one program, from where ``directory`` has them."""
    program = images_program.make_program(config, dataset, _arrays(lanes))
    latents = images_program.fixed_latents(config, EVALUATED)
    notes = _notes(config, len(lanes), dataset.images.shape[1:], watched)

    def look(state, epoch):
        made = images_program.generate(program, state, latents)
        notes["frames"][:, epoch] = made[:, :SHOWN]
        return made

    def advance(state, epoch):
        if epoch == 0:
            look(state, 0)
        state, metrics = program.advance(state, 1)
        losses = ("critic_loss", "generator_loss")
        for name in losses:
            notes[name][:, epoch] = np.asarray(metrics[name])[:, 0]
        finite = np.isfinite([metrics[n][:, 0] for n in (*losses, "spread")]).all(axis=0)
        notes["finite"][:, epoch] = finite
        made = look(state, epoch + 1)
        for i in np.flatnonzero(finite):
            numbers = {"curve": watched.ratio(made[i]), **watched.also(made[i])}
            for name, value in numbers.items():
                notes[name][i, epoch] = value
        return state, epoch + 1, bool(finite.any())

    state = training.train(
        program.init(), notes, advance, config.epochs, directory, tell, check
    )
    return Trained(state, _common(notes, watched), float(notes["seconds"][0]) / len(lanes))


def _arrays(lanes: Sequence[Lane]) -> dict[str, np.ndarray]:
    rows = []
    for lane in lanes:
        config = getattr(lane.cell.config, "config", lane.cell.config)
        values = {name: np.float32(x) for name, x in config.cells()[0].items()}
        rows.append({"seed": np.int32(lane.seed)} | values)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _notes(config, count: int, shape: Sequence[int], watched: Watched) -> dict[str, np.ndarray]:
    tried = np.stack([np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)])
    names = ["critic_loss", "generator_loss", "curve", *watched.also(tried)]
    return {
        **{name: np.full((count, config.epochs), np.nan, np.float32) for name in names},
        "finite": np.zeros((count, config.epochs), np.int32),
        "frames": np.zeros((count, config.epochs + 1, SHOWN, *shape), np.uint8),
    }


def _common(notes: dict[str, np.ndarray], watched: Watched) -> dict[str, np.ndarray]:
    """What records hold: numbers of epochs are none from where a run diverged."""
    finite = np.logical_and.accumulate(notes["finite"].astype(bool), axis=1)
    kept = {
        name: np.where(finite, x, np.nan)
        for name, x in notes.items()
        if x.shape == finite.shape and name != "finite"
    }
    whole = finite.all(axis=1)
    return kept | {
        "worst_ratio": np.full(len(finite), watched.worst()),
        "floor": np.full(len(finite), watched.floor),
        "diverged_at": np.where(whole, 0, np.argmin(finite, axis=1) + 1),
        "frames": notes["frames"],
    }


def _records(
    trained: Trained,
    lanes: Sequence[Lane],
    measure: Callable[[Any], dict[str, np.ndarray]],
    check: Callable[[], None],
) -> Iterator[Record]:
    """The records, one after the other, with what is measured of each lane's state."""
    began = time.monotonic()
    for i in range(len(lanes)):
        check()
        state = jax.tree.map(lambda x, i=i: x[i], trained.state)
        arrays = {name: x[i] for name, x in trained.arrays.items()} | measure(state)
        now = time.monotonic()
        yield Record(arrays, {"seconds": trained.seconds + now - began})
        began = now


def _sampler(
    config: images_config.Config, dataset: images_config.Dataset, lane
) -> Callable[..., np.ndarray]:
    """Images uint8 of latents ``[N, D]`` and one lane's state."""
    values = {name: x[0] for name, x in _arrays([lane]).items()}
    made = images_program.build(config, values, dataset.images.shape[-1])
    sample = jax.jit(lambda state, z: made.sample(gan.averaged(state), z))
    return lambda state, z: pixels.to_uint8(sample(state, z))


_SHARED = (
    training.train,
    fitting,
    frechet,
    gan,
    images_program.build,
    images_program.fixed_latents,
    images_program.generate,
    images_program.make_program,
    pixels.to_uint8,
    pixels.to_float,
    layers,
    objectives,
    optimizers,
    pairs,
    training_lanes,
    epochs,
    common_settings.Training,
    common_settings.parts,
    _watched,
    Watched,
    _train,
    _arrays,
    _notes,
    _common,
    _sampler,
)


# Cartoon faces.


def _train_faces(
    lanes: Sequence[Lane],
    directory: Path,
    tell: Callable[[float], None],
    check: Callable[[], None],
) -> Iterator[Record]:
    """Train and measure lanes of one program, from where ``directory`` has them.

    A record holds, by epoch, ``critic_loss``, ``generator_loss``, ``curve``, the Fréchet
    distance to held-out cartoons over its floor, on the features of a network that reads
    the factors of cartoons, and ``hue_bits``, the entropy of the samples' dominant hues,
    all not a number from where the run diverged; ``floor``; ``worst_ratio``, that of a
    generator all of whose images have the mean features of real ones; ``diverged_at``, that
    epoch, or 0;
    ``frames`` ``[E + 1, SHOWN, H, W, 3]``; ``relative_cost``, the time of an update over
    that of ``beside``; ``shifts`` ``[2, K, F]``, how many standard deviations of the data
    each factor changes between ``STEP`` standard deviations below and above, along the K
    leading SeFa directions and along K random ones; and ``edits`` ``[K, EDITED, 3, H, W,
    3]``, samples lowered, as drawn and raised along the former.
    """
    config, beside = lanes[0].cell.config
    dataset = faces_data(config)
    judge = cartoons.load_or_train(config.size)
    seen, held_out = np.split(dataset.images, [config.train_size])
    watched = _watched(
        lambda made: cartoons.read(judge.params, made)[1],
        held_out,
        seen,
        also=lambda made: {"hue_bits": colour.hue_entropy(made).images},
    )
    trained = _train(config, lanes, dataset, watched, directory, tell, check)
    sample = _sampler(config, dataset, lanes[0])
    race = _race(config, beside, dataset)

    def measure(state) -> dict[str, np.ndarray]:
        return {"relative_cost": race(), **_edited(config, judge, sample, state)}

    yield from _records(trained, lanes, measure, check)


def _race(config, beside, dataset: images_config.Dataset) -> Callable[[], np.ndarray]:
    """A function that times updates of two configurations in turn: their ratio."""
    short = dataset.images[: TIMED_UPDATES * config.batch_size * config.critic_steps]
    programs = []
    for one in (config, beside):
        one = dataclasses.replace(one, train_size=len(short), seeds=1)
        program = images_program.make_program(one, images_config.Dataset(short, ""))
        programs.append([program, program.init(), one.steps_per_epoch])

    def update(racer) -> float:
        program, state, steps = racer
        began = time.perf_counter()
        racer[1] = jax.block_until_ready(program.advance(state, 1)[0])
        return (time.perf_counter() - began) / steps

    for racer in programs:
        update(racer)  # compiles

    def race() -> np.ndarray:
        ratios = [update(programs[0]) / update(programs[1]) for _ in range(TIMINGS)]
        return np.array(np.median(ratios))

    return race


def _edited(config, judge, sample, state) -> dict[str, np.ndarray]:
    """``shifts`` and ``edits`` of one lane."""
    z = np.asarray(images_program.fixed_latents(config, MOVED, 1))
    drawn = sample(state, z)
    rng = np.random.default_rng(0)
    others = np.linalg.qr(rng.normal(size=(config.latent_dim, DIRECTIONS)))[0].T
    shifts, edits = [], []
    for vector in np.concatenate([_leading(config, state), others]).astype(np.float32):
        low, high = (sample(state, z + step * vector) for step in (-STEP, STEP))
        before, after = (cartoons.read(judge.params, end)[0] for end in (low, high))
        shifts.append((after - before).mean(axis=0))
        edits.append(np.stack([low, drawn, high], axis=1)[:EDITED])
    return {
        "shifts": np.reshape(shifts, (2, DIRECTIONS, -1)),
        "edits": np.stack(edits[:DIRECTIONS]),
    }


def _leading(config: images_config.Config, state: gan.GanState) -> np.ndarray:
    """The leading SeFa directions ``[K, D]`` of one lane's generator."""
    variables = jax.tree.map(np.asarray, gan.averaged(state).generator.variables)
    kernel = np.nan_to_num(variables["params"]["ConvTranspose_0"]["kernel"])
    if not kernel.any() or np.abs(kernel).max() > 1e30:  # diverged: there are no directions
        return np.zeros((DIRECTIONS, config.latent_dim))
    generator = flavours_dcgan.pretrained(
        "jaxgan dcgan",
        config.size,
        variables,
        pairs.PAIRS["dcgan"].generator(config.size, config.width, 3, config.norm),
        Style("ConvTranspose_0.kernel", 0, kernel.reshape(-1, config.latent_dim)),
    )
    return factorize.directions(generator, k=DIRECTIONS).vectors


FACES = Laboratory(
    identity=_faces_identity,
    program=lambda cell: _program(_faces_identity(cell), cell.config),
    cost=lambda cell: _cost(cell.config),
    code=(
        *_SHARED,
        Network,
        cartoon_faces,
        colour,
        flavours_dcgan.pretrained,
        dcgan,
        cartoons,
        factorize,
        faces_data,
        _cartoons.__wrapped__,
        _train_faces,
        _race,
        _edited,
        _leading,
    ),
    shapes=_faces_shapes,
    train=_train_faces,
)


# Fashion-MNIST.


def _train_fashion(
    lanes: Sequence[Lane],
    directory: Path,
    tell: Callable[[float], None],
    check: Callable[[], None],
) -> Iterator[Record]:
    """Train and measure lanes of one program, from where ``directory`` has them.

    A record holds ``critic_loss``, ``generator_loss``, ``curve``, ``worst_ratio``,
    ``diverged_at`` and ``frames`` as one of cartoon faces does, ``curve`` on the features
    of a classifier; ``floor``, what ``curve`` was divided by; ``shares`` ``[T, 3, 10]``,
    those of each class among samples with each of the
    dimensions ``TRAVERSED`` lowered, as drawn and raised by ``TRAVERSED_BY``; and
    ``edits`` ``[T, EDITED, 3, 28, 28, 1]``, some of these.
    """
    config = lanes[0].cell.config
    data, dataset = garments()
    params = judges_fashion.load_or_train(data).params
    watched = _watched(
        lambda made: judges_fashion.classify(params, made, EVALUATED)[1],
        data.test_images,
        dataset.images,
    )
    trained = _train(config, lanes, dataset, watched, directory, tell, check)
    sample = _sampler(config, dataset, lanes[0])

    def measure(state) -> dict[str, np.ndarray]:
        return _traversed(config, params, sample, state)

    yield from _records(trained, lanes, measure, check)


def _traversed(config, params, sample, state) -> dict[str, np.ndarray]:
    """``shares`` and ``edits`` of one lane."""
    z = np.asarray(images_program.fixed_latents(config, MOVED, 1))
    shares, edits = [], []
    for dimension in TRAVERSED:
        step = TRAVERSED_BY * np.eye(config.latent_dim, dtype=np.float32)[dimension]
        ends = [sample(state, z + sign * step) for sign in (-1, 0, 1)]
        told = [judges_fashion.classify(params, end, MOVED)[0].mean(axis=0) for end in ends]
        shares.append(told)
        edits.append(np.stack(ends, axis=1)[:EDITED])
    return {"shares": np.stack(shares), "edits": np.stack(edits)}


FASHION = Laboratory(
    identity=_fashion_identity,
    program=lambda config: _program(_fashion_identity(config), config),
    cost=_cost,
    code=(*_SHARED, judges_fashion, fashion, _train_fashion, _traversed),
    shapes=_fashion_shapes,
    train=_train_fashion,
)

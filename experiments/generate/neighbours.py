"""Compare samples with the nearest real images: does a generator repeat its data?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from experiments.generate import samples
from experiments.generate.config import Config
from experiments.generate.real import Real
from experiments.generate.record import Check, Output
from experiments.generate.source import Source
from jaxgan.convert import sampling
from jaxgan.errors import InputError
from jaxgan.metrics import neighbours as metrics
from jaxgan.metrics.intervals import Interval
from jaxgan.plots import raster
from jaxgan.runs import to_json, write_json
from jaxgan.runs.directory import write_csv
from jaxgan.runs.progress import duration, progress

BASELINE = 4  # held-out images in a picture
_TILE = 64  # least side in pixels of an image in a picture
_CHECK_EVERY = 50  # images between two checks for signals
_SECONDS = 0.12  # seconds per image of Inception-v3 on two idle cores
_MOST_CLOSE = 3 * metrics.CLOSE  # share of close samples above which some images are repeated
_FEWEST = 20  # fewest images to hold out
PICTURES = ("neighbours.png", "nearest.png")
FILES = (*PICTURES, "neighbours.csv", "neighbours.json")


class Comparison(NamedTuple):
    """Nearest real images by one kind of features.

    Attributes:
      samples: Nearest images of the samples.
      held_out: Nearest images of held-out images.
      nearness: Comparison of the samples with the held-out images.
    """

    samples: metrics.Nearest
    held_out: metrics.Nearest
    nearness: metrics.Nearness


def run(output: Output, real: Real) -> dict[str, Any]:
    """Compare samples with real images, and write pictures and numbers to a folder.

    Returns:
      The summary, as in ``summary.json``.

    Raises:
      InputError: If there are too few images, or the folder holds something else.
    """
    config, folder, check = output.config, output.place, output.check
    if len(real.train) <= config.nearest + _FEWEST:
        raise InputError(
            f"{real.about} are {len(real.train)} images, too few for --nearest={config.nearest}"
        )
    count, features = samples.count_of(config, folder), real.features()
    with output.run(folder) as record:
        summary = record.summary()
        if summary and all((folder / name).exists() for name in FILES):
            return summary
        fakes = _draw(output.source, real.train.shape[1:], count, check)
        held_out, itself = _held_out(real, count, config.seed)
        comparisons = {
            name: _find(config, real, each, fakes, held_out, itself, name, check)
            for name, each in features.items()
        }
        _write_table(folder / "neighbours.csv", comparisons)
        _write_pages(folder, config, real, comparisons, fakes, held_out)
        summary = to_json(
            {
                "samples": count,
                "real_images": len(real.train),
                "held_out": len(held_out),
                "about": real.about,
                "baseline": real.baseline,
                "by": {name: _numbers(x.nearness) for name, x in comparisons.items()},
                "lines": [
                    line for name, x in comparisons.items() for line in _lines(name, x, real)
                ],
                "verdict": verdict({name: x.nearness for name, x in comparisons.items()}),
            }
        )
        write_json(folder / "neighbours.json", summary)
        record.finish(summary)
    return summary


def cost(config: Config, real: Real) -> str:
    """Describe the comparison, for ``--dry_run``."""
    text = (
        f"{config.count} samples against {len(real.train)} real images and {real.baseline}, by "
        f"{' and '.join(real.makers)}"
    )
    if config.inception is None:
        return text
    images = len(real.train) + 2 * (config.count or 0)
    return f"{text}; on two cores {duration(_SECONDS * images)}"


def _draw(source: Source, shape: Sequence[int], count: int, check: Check) -> np.ndarray:
    """Draw samples ``[N, h, w, C]``, resized to the real images."""
    images = np.empty((count, *shape), np.uint8)
    size = source.batch_size
    with progress(0, count, unit="sample") as bar:
        for start, batch in sampling.batches(source.draw, range(0, count, size), size):
            check()
            for number, image in enumerate(batch[: count - start], start):
                images[number] = _fitted(image, shape)
            bar.update(min(size, count - start))
    return images


def _fitted(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resize an image to the shape of the real ones, like images of a folder."""
    if image.shape[2] != shape[2]:
        image = np.broadcast_to(image, (*image.shape[:2], shape[2]))
    if image.shape == tuple(shape):
        return image
    picture = Image.fromarray(image[..., 0] if shape[2] == 1 else np.ascontiguousarray(image))
    small = picture.resize((shape[1], shape[0]), Image.Resampling.LANCZOS)
    return np.asarray(small).reshape(shape)


def _held_out(real: Real, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images ``[M, ...]`` for the baseline, and the index of each in the real ones."""
    rng = np.random.default_rng(seed)
    if real.held_out is not None:
        rows = np.sort(rng.permutation(len(real.held_out))[:count])
        return np.asarray(real.held_out[rows]), np.full(len(rows), -1)
    rows = np.sort(rng.permutation(len(real.train))[:count])
    return np.asarray(real.train[rows]), rows


def _find(
    config: Config,
    real: Real,
    features: Callable[[np.ndarray], Any],
    fakes: np.ndarray,
    held_out: np.ndarray,
    itself: np.ndarray,
    name: str,
    check: Check,
) -> Comparison:
    with progress(0, len(real.train), unit="image", desc=f"by {name}") as bar:

        def tell(done: int, total: int) -> None:
            check()
            bar.update(done - bar.n)

        def checking(rows: np.ndarray) -> np.ndarray:
            parts = []
            for start in range(0, len(rows), _CHECK_EVERY):
                check()
                parts.append(np.asarray(features(rows[start : start + _CHECK_EVERY])))
            return np.concatenate(parts)

        nearest = metrics.nearest(
            real.train,
            np.concatenate([fakes, held_out]),
            config.nearest,
            features=checking,
            itself=np.concatenate([np.full(len(fakes), -1), itself]),
            tell=tell,
        )
    count = len(fakes)
    ours, theirs = (
        metrics.Nearest(*(z[some] for z in nearest))
        for some in (slice(count), slice(count, None))
    )
    nearness = metrics.nearness(ours.distances[:, 0], theirs.distances[:, 0], seed=config.seed)
    return Comparison(ours, theirs, nearness)


def held_out_shares(comparison: Comparison) -> np.ndarray:
    """Return, per sample, the share of held-out images that are nearer to a real image."""
    distances = np.sort(comparison.held_out.distances[:, 0])
    return np.searchsorted(distances, comparison.samples.distances[:, 0]) / len(distances)


def _write_table(path: Path, comparisons: Mapping[str, Comparison]) -> None:
    rows = []
    shares = {name: held_out_shares(x) for name, x in comparisons.items()}
    for number in range(len(next(iter(comparisons.values())).samples.rows)):
        row: dict[str, Any] = {"sample": number}
        for name, x in comparisons.items():
            word = name.replace(" ", "_")
            row[f"nearest_by_{word}"] = int(x.samples.rows[number, 0])
            row[f"distance_by_{word}"] = f"{x.samples.distances[number, 0]:.6g}"
            row[f"held_out_nearer_by_{word}"] = f"{shares[name][number]:.4f}"
        rows.append(row)
    write_csv(path, rows)


def _write_pages(
    folder: Path,
    config: Config,
    real: Real,
    comparisons: Mapping[str, Comparison],
    fakes: np.ndarray,
    held_out: np.ndarray,
) -> None:
    """Write two pictures: the first samples, and the samples that are nearest of all."""
    shares = {name: held_out_shares(x) for name, x in comparisons.items()}
    count = min(config.neighbours or 1, len(fakes))
    suspicious = np.argsort(np.min(list(shares.values()), axis=0), kind="stable")[:count]
    scale = max(1, _TILE // fakes.shape[1])
    blank = np.full_like(fakes[:1], 255)

    def line(image: np.ndarray, nearest: Mapping[str, np.ndarray]) -> np.ndarray:
        parts = [image[None]]
        for rows in nearest.values():
            parts += [blank, np.asarray(real.train[rows])]
        return np.concatenate(parts)

    def label(number: int) -> str:
        words = [f"sample {number}"]
        return "\n".join(
            words + [f"{shares[name][number]:.0%} by {name}" for name in comparisons]
        )

    headers = ", ".join(f"{config.nearest} by {name}" for name in comparisons)
    for name, numbers in zip(PICTURES, (np.arange(count), suspicious), strict=True):
        rows = {
            label(int(i)): line(
                fakes[i], {n: x.samples.rows[i] for n, x in comparisons.items()}
            )
            for i in numbers
        }
        rows |= {
            f"held out {i}": line(
                held_out[i], {n: x.held_out.rows[i] for n, x in comparisons.items()}
            )
            for i in range(min(BASELINE, len(held_out)))
        }
        which = "samples" if name == PICTURES[0] else "nearest samples of all"
        title = f"{which} beside the nearest real images: {headers}; % held out that are nearer"
        raster.image_rows(folder / name, rows, title, scale=scale)


def _numbers(nearness: metrics.Nearness) -> dict[str, list[float]]:
    return {name: list(interval) for name, interval in nearness._asdict().items()}


def _share(interval: Interval) -> str:
    return f"{interval.mean:.1%} ({interval.low:.1%}, {interval.high:.1%})"


def _lines(name: str, comparison: Comparison, real: Real) -> list[str]:
    nearer, close = comparison.nearness
    return [
        f"by {name}: in {_share(nearer)} of pairs the sample is nearer to a real image than "
        f"{real.baseline} is; 50 % if both have the same distribution",
        f"by {name}: {_share(close)} of samples are nearer than 95 % of these; 5 % is expected",
    ]


def verdict(nearness: Mapping[str, metrics.Nearness]) -> str:
    """Return one line about whether samples repeat real images.

    The share of close samples decides: a generator that repeats some images has more of them,
    however far away its other samples are.
    """
    near = "of samples are as near to a real image as the nearest 5 % of images held out"
    by = {name: x.close for name, x in nearness.items() if x.close.low > metrics.CLOSE}
    if by:
        name, most = max(by.items(), key=lambda pair: pair[1].low)
        return f"suspicious: by {name}, {_share(most)} {near}; look at {PICTURES[1]}"
    name, most = max(nearness.items(), key=lambda pair: pair[1].close.high)
    if most.close.high > _MOST_CLOSE:
        return f"these samples are too few to tell: by {name}, {_share(most.close)} {near}"
    return f"no sign of repeated images: by {name}, {_share(most.close)} {near}"

"""Traversal: what each latent dimension does to the classes of garments."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.images import config as images_config
from experiments.images import program as images_program
from experiments.images import run
from jaxgan import runs
from jaxgan.data import fashion_mnist
from jaxgan.errors import InputError
from jaxgan.judges import fashion
from jaxgan.metrics import frechet, intervals, kid, prdc
from jaxgan.plots import figures, raster

SHOWN, MOVED = 10, 100  # samples in a figure, and in a measurement
TRAVERSE = (20, 50, 60, 70, 90)  # the report's


def finish(data: fashion_mnist.Images, judge: fashion.Trained, count: int = 2000) -> run.Finish:
    """Measures of every lane's samples on the classifier's features.

    ``classifier_frechet`` is a Frechet distance between these features, not a FID.
    """
    _, real = fashion.classify(judge.params, data.test_images[:count])

    def measure(config, program, state, directory):
        made = images_program.generate(
            program, state, images_program.fixed_latents(config, count, 2)
        )
        rows = []
        for lane in made:
            _, fake = fashion.classify(judge.params, lane)
            rows.append(
                {
                    "classifier_frechet": frechet.frechet_distance(real, fake),
                    "classifier_kid": kid.kernel_distance(real, fake).mean,
                    **prdc.prdc(real, fake)._asdict(),
                }
            )
        by_lane = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        return {"classifier_accuracy": judge.accuracy, **by_lane}

    return measure


def traverse(
    config: images_config.Config,
    directory: Path,
    dataset: images_config.Dataset,
    judge: fashion.Trained,
    dimensions: Sequence[int],
    by: float,
) -> dict[str, Any]:
    """Move one latent dimension at a time, and see what becomes of the classes.

    Writes ``traversal/dimension_020.png`` for each dimension, ``traversal/classes.png``
    and ``traversal/traversal.json``.

    Args:
      config: Of the run.
      directory: Of the run, which must be complete.
      dataset: As it was trained on.
      judge: Says what an image shows.
      dimensions: To draw; all are ranked.
      by: Added and subtracted.

    Returns:
      What the JSON file holds: the classes' shares with each dimension lowered, as drawn
      and raised, and all dimensions ranked by the total variation distance between the
      shares lowered and raised, with a bootstrap 95 % interval over samples.
    """
    folder = directory / "traversal"
    program = images_program.make_program(config, dataset)
    state = run.last_state(directory, program)
    z = images_program.fixed_latents(config, MOVED, 3)

    def moved(dimension: int, step: float) -> np.ndarray:
        return images_program.generate(program, state, z.at[:, dimension].add(step))[0]

    drawn = images_program.generate(program, state, z)[0]
    plain, _ = fashion.classify(judge.params, drawn)
    shares: dict[int, dict[str, np.ndarray]] = {}
    ranking = []
    rng = np.random.default_rng(0)
    resamples = rng.integers(0, MOVED, (400, MOVED))
    for dimension in range(config.latent_dim):
        low, high = moved(dimension, -by), moved(dimension, by)
        lowered, _ = fashion.classify(judge.params, low)
        raised, _ = fashion.classify(judge.params, high)
        shift = raised - lowered
        distance = np.abs(shift.mean(axis=0)).sum() / 2
        spread = np.abs(shift[resamples].mean(axis=1)).sum(axis=1) / 2
        ranking.append(
            {
                "dimension": dimension,
                "moved": distance,
                "interval": intervals.percentile(distance, spread)[1:],
                "lowered_to": fashion_mnist.CLASSES[lowered.mean(axis=0).argmax()],
                "raised_to": fashion_mnist.CLASSES[raised.mean(axis=0).argmax()],
            }
        )
        shares[dimension] = {
            "lowered": lowered.mean(axis=0),
            "as drawn": plain.mean(axis=0),
            "raised": raised.mean(axis=0),
        }
        if dimension in dimensions:
            raster.image_rows(
                folder / f"dimension_{dimension:03d}.png",
                {
                    "lowered": low[:SHOWN],
                    "as drawn": drawn[:SHOWN],
                    "raised": high[:SHOWN],
                },
                f"{run.title_of(config)}: dimension {dimension} by {by:g}",
            )
    figures.shares(
        folder / "classes.png",
        fashion_mnist.CLASSES,
        {f"dimension {number}": shares[number] for number in dimensions},
        f"{run.title_of(config)}: share of each class as a dimension moves by {by:g}",
    )
    result = {
        "by": by,
        "samples": MOVED,
        "classifier_accuracy": judge.accuracy,
        "classes": fashion_mnist.CLASSES,
        "shares": {number: shares[number] for number in dimensions},
        "ranking": sorted(ranking, key=lambda row: -row["moved"]),
    }
    runs.write_json(folder / "traversal.json", result)
    return runs.to_json(result)


def _dimensions(
    chosen: Sequence[int] | None, by: float, configs: Sequence[images_config.Config]
) -> tuple[int, ...]:
    size = configs[0].latent_dim
    if chosen is None:
        return tuple(number for number in TRAVERSE if number < size) or (0,)
    if not np.isfinite(by) or by == 0:
        raise InputError(f"--traverse_by={by:g} must be a finite number other than 0")
    for number in chosen:
        if not 0 <= number < size:
            raise InputError(f"--traverse={number}: latent dimensions go from 0 to {size - 1}")
    return tuple(chosen)


def _report(title: str, result: Mapping[str, Any]) -> None:
    accuracy = result["classifier_accuracy"]
    print(f"{title}: dimensions that move the classes most (classifier {accuracy:.1%} right)")
    for row in result["ranking"][:5]:
        low, high = row["interval"]
        print(
            f"  {row['dimension']:3d}  {row['moved']:.2f} [{low:.2f}, {high:.2f}]  "
            f"{row['lowered_to']} to {row['raised_to']}"
        )

"""Fashion-MNIST: dense against convolutional, and what one latent dimension moves.

    python -m experiments.fashion_mnist --model=dense --epochs=10
    python -m experiments.fashion_mnist --model=dense,conv --recipe=report_e

The images come from ``--data``, ``$JAXGAN_DATA``, Debian's package
``dataset-fashion-mnist``, or a download. After training, each latent dimension of
``--traverse`` is lowered and raised: a figure each, and what it does to the classes, in the
judgement of a classifier that is trained once on the real images.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags as absl_flags

from experiments import classifier, flags, images, training_flags
from experiments.training import Defaults, Recipe, recipe_of
from experiments.training_flags import Flags
from jaxgan import plots, runs
from jaxgan.data import fashion_mnist
from jaxgan.errors import InputError, lookup
from jaxgan.metrics import frechet, kid, prdc

DEFAULTS = Defaults(
    common={
        "variant": ("gan",),
        "optimizer": "adam",
        "schedule": "constant",
        "betas": (0.5, 0.999),
        "critic_steps": 1,
        "ema": 0.999,
        "latent_dim": 100,
        "batch_size": 64,
        "epochs": 10,
        "data": "fashion-mnist",
        "seed": 0,
        "seeds": 1,
        "frame_every": 1,
        "checkpoint_every": 1,
        "model": ("dense",),
        "size": 28,
        "width": 128,
        "norm": "batch",
    },
    by_optimizer={
        "sgd": {"learning_rate": (1e-2,)},
        "adam": {"learning_rate": (2e-4,)},
        "rmsprop": {"learning_rate": (1e-4,)},
        "optimistic_adam": {"learning_rate": (2e-4,)},
    },
    by_variant={"wgan": {"optimizer": "rmsprop", "learning_rate": (1e-4,)}},
)
RECIPES = {
    "report_e": Recipe(
        {
            "model": ("dense", "conv"),
            "optimizer": ("adam",),
            "learning_rate": (2e-4,),
            "epochs": 10,
            "latent_dim": 100,
            "width": 128,
            "batch_size": 64,  # ours
            "betas": (0.5, 0.999),  # ours
        }
    )
}
FLAGS = Flags(
    names={"model": "Of dense, conv; a list."},
    texts={
        "data": "Folder of the four IDX files; fashion-mnist finds or downloads them.",
        "norm": "Of the convolutional generator: batch, layer or none.",
        "critic_norm": "Of the convolutional critic; by default batch, or none with a penalty.",
    },
    integer={
        "width": "Channels or units of the networks' widest layers.",
        "train_size": "Images to train on, the first ones; by default all.",
    },
)
TRAVERSE = (20, 50, 60, 70, 90)  # the report's
SHOWN, MOVED = 10, 100  # samples in a figure, and in a measurement


def load(source: str) -> tuple[fashion_mnist.Images, images.Dataset]:
    """The images, and those to train on."""
    data = fashion_mnist.load(None if source == "fashion-mnist" else source)
    key = hashlib.sha256(data.train_images.tobytes()).hexdigest()
    return data, images.Dataset(data.train_images, key)


def finish(
    data: fashion_mnist.Images, judge: classifier.Trained, count: int = 2000
) -> images.Finish:
    """Measures of every lane's samples on the classifier's features.

    ``classifier_frechet`` is a Frechet distance between these features, not a FID.
    """
    _, real = classifier.classify(judge.params, data.test_images[:count])

    def measure(config, program, state, directory):
        made = images.generate(program, state, images.fixed_latents(config, count, 2))
        rows = []
        for lane in made:
            _, fake = classifier.classify(judge.params, lane)
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
    config: images.Config,
    directory: Path,
    dataset: images.Dataset,
    judge: classifier.Trained,
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
    program = images.make_program(config, dataset)
    state = images.last_state(directory, program)
    z = images.fixed_latents(config, MOVED, 3)

    def moved(dimension: int, step: float) -> np.ndarray:
        return images.generate(program, state, z.at[:, dimension].add(step))[0]

    drawn = images.generate(program, state, z)[0]
    plain, _ = classifier.classify(judge.params, drawn)
    shares: dict[int, dict[str, np.ndarray]] = {}
    ranking = []
    rng = np.random.default_rng(0)
    resamples = rng.integers(0, MOVED, (400, MOVED))
    for dimension in range(config.latent_dim):
        low, high = moved(dimension, -by), moved(dimension, by)
        lowered, _ = classifier.classify(judge.params, low)
        raised, _ = classifier.classify(judge.params, high)
        shift = raised - lowered
        spread = np.abs(shift[resamples].mean(axis=1)).sum(axis=1) / 2
        ranking.append(
            {
                "dimension": dimension,
                "moved": np.abs(shift.mean(axis=0)).sum() / 2,
                "interval": np.quantile(spread, (0.025, 0.975)),
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
            plots.image_rows(
                folder / f"dimension_{dimension:03d}.png",
                {
                    "lowered": low[:SHOWN],
                    "as drawn": drawn[:SHOWN],
                    "raised": high[:SHOWN],
                },
                f"{images.title_of(config)}: dimension {dimension} by {by:g}",
            )
    plots.shares(
        folder / "classes.png",
        fashion_mnist.CLASSES,
        {f"dimension {number}": shares[number] for number in dimensions},
        f"{images.title_of(config)}: share of each class as a dimension moves by {by:g}",
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


def main() -> None:
    """Run from the command line."""
    read = training_flags.define(DEFAULTS, RECIPES, FLAGS)
    dimensions_flag = absl_flags.DEFINE_list(
        "traverse", None, f"Latent dimensions to move. Default: {','.join(map(str, TRAVERSE))}."
    )
    by_flag = absl_flags.DEFINE_float("traverse_by", 10.0, "How far to move them.")

    def command(check: Callable[[], None]) -> None:
        given = {name: value for name, value in read().items() if value is not None}
        name = training_flags.default_name(read(), DEFAULTS.common["variant"])
        directory = flags.run_directory("fashion_mnist", name)
        recipe = recipe_of(given.pop("recipe", None), RECIPES)
        for model in given.get("model", ()):
            lookup("model", model, {"dense": 0, "conv": 0})
        data, dataset = load(given.get("data", DEFAULTS.common["data"]))
        configs = images.configure(DEFAULTS, recipe, given, dataset)
        chosen = flags.numbers("traverse", dimensions_flag.value, whole=True)
        dimensions = _dimensions(chosen, by_flag.value, configs)
        folders = images.folders_of(configs, directory)
        if flags.DRY_RUN.value:
            images.check_folders(folders, directory, dataset, fresh=flags.FRESH.value)
            flags.show_plan(folders)
            return
        flags.start_jax()
        judge = None

        def measured(*args) -> Mapping[str, Any]:
            nonlocal judge
            judge = judge or classifier.trained(data)
            return finish(data, judge)(*args)

        summaries = images.run_all(
            configs,
            directory,
            dataset,
            finish=measured,
            fresh=flags.FRESH.value,
            tensorboard=flags.TENSORBOARD.value,
            check=check,
        )
        judge = judge or classifier.trained(data)
        for folder, config in folders.items():
            if not (folder / "summary.json").exists():
                continue
            result = traverse(config, folder, dataset, judge, dimensions, by_flag.value)
            check()
            _report(images.title_of(config), result)
        images.show(summaries)
        print(directory)

    flags.main("fashion_mnist", command)


def _dimensions(
    chosen: Sequence[int] | None, by: float, configs: Sequence[images.Config]
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


if __name__ == "__main__":
    main()

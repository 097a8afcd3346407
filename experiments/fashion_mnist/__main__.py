"""Fashion-MNIST: dense and convolutional GANs, and the effect of single latent dimensions.

    python -m experiments.fashion_mnist --model=report_dense --epochs=10
    python -m experiments.fashion_mnist --recipe=report_e

The images come from ``--data`` (which may also hold MNIST or EMNIST), ``$JAXGAN_DATA``,
Debian's package ``dataset-fashion-mnist``, or a download. After training, the run lowers and
raises each latent dimension of ``--traverse``, draws the images, and measures how their
classes change with a classifier that is trained once on the real images.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.common import ending, flags, training_flags
from experiments.common.settings import recipe_of
from experiments.fashion_mnist import traverse
from experiments.fashion_mnist.config import DEFAULTS, MODELS, RECIPES, TEXTS, load
from experiments.images import plan, run
from experiments.images.config import Config, configure
from experiments.images.program import Machine
from experiments.images.quality import Quality
from jaxgan import runs
from jaxgan.data.fashion_mnist import read_names
from jaxgan.errors import InputError, lookup
from jaxgan.judges import fashion
from jaxgan.runs import jobs
from jaxgan.runs.progress import say


@dataclasses.dataclass(frozen=True)
class Traversal:
    """Flags of the traversal after training.

    Attributes:
      traverse: Latent dimensions to lower and raise after training, a list of numbers from 0.
      traverse_by: How far to lower and raise them.
      class_names: File of the classes' names, one per line, in the order of the labels; by
        default those of the data set, or numbers.
    """

    traverse: tuple[int, ...] = traverse.TRAVERSE
    traverse_by: float = 10.0
    class_names: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine("fashion_mnist", __doc__, trains_images=True)
    read_extras = line.define(training_flags.Extras)
    read = training_flags.define(
        line, Config, DEFAULTS, RECIPES, TEXTS, without=("size",), choices={"model": MODELS}
    )
    read_traversal, read_quality = line.define(Traversal), line.define(Quality)

    def command(check: Callable[[], None]) -> None:
        extras = training_flags.Extras(**read_extras())
        overrides: dict[str, Any] = read()
        machine = Machine(line.start(), line.stream)
        name = training_flags.default_name(overrides, DEFAULTS.common["variant"])
        directory = line.run_directory(name)
        recipe = recipe_of(overrides.pop("recipe", None), RECIPES)
        for model in overrides.get("model", ()):
            lookup("model", model, MODELS)
        data, dataset = load(overrides.get("data", DEFAULTS.common["data"]))
        configs = configure(DEFAULTS, recipe, overrides, dataset)
        quality = Quality(**read_quality())
        quality.check(configs)
        if quality.inception and not quality.fid:
            raise InputError("--inception needs --fid, the number of images")
        moves = read_traversal()
        by = moves.get("traverse_by", Traversal.traverse_by)
        latent_dim = configs[0].latent_dim
        dimensions = traverse.dimensions_of(moves.get("traverse"), by, latent_dim)
        names = data.classes
        if "class_names" in moves:
            names = read_names(moves["class_names"], len(names))
        folders = jobs.folders_of(configs, directory, run.name_of)
        if line.shared.dry_run:
            plan.show(folders, directory, dataset, machine, fresh=line.shared.fresh)
            quality.show_cost(configs, len(data.test_images))
            return
        say(f"{data.about}: {len(names)} classes, {names[0]} to {names[-1]}")

        @functools.cache
        def classifier() -> fashion.GarmentClassifier:
            return fashion.load_or_train(data)

        def end(*arguments) -> Mapping[str, Any]:
            return traverse.finish(data, dataset, classifier())(*arguments)

        def move(folder, config) -> dict[str, Any]:
            judge = classifier()
            return traverse.traverse(
                config, folder, dataset, judge, dimensions, by, names, machine
            )

        summaries = run.run_all(
            configs,
            directory,
            dataset,
            finish=end,
            machine=machine,
            judge=quality.judge(data.test_images, "test images", check),
            fresh=line.shared.fresh,
            **extras.options,
            check=check,
        )
        for folder, config in folders.items():
            if not (folder / "summary.json").exists():
                continue
            result = runs.stoppable(functools.partial(move, folder, config), check)
            check()
            traverse.show(run.title_of(config), result)
        run.show(summaries)
        if extras.export:
            ending.export(directory)
        ending.finish(directory, ending.after_training(directory, sefa=True))

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Fashion-MNIST: dense against convolutional, and what one latent dimension moves.

    python -m experiments.fashion_mnist --model=dense --epochs=10
    python -m experiments.fashion_mnist --model=dense,conv --recipe=report_e

The images come from ``--data``, ``$JAXGAN_DATA``, Debian's package
``dataset-fashion-mnist``, or a download. After training, each latent dimension of
``--traverse`` is lowered and raised: a figure each, and what it does to the classes, in the
judgement of a classifier that is trained once on the real images.
"""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.common import flags, training_flags
from experiments.common.settings import recipe_of
from experiments.fashion_mnist.config import DEFAULTS, FLAGS, RECIPES, load
from experiments.fashion_mnist.traverse import TRAVERSE, _dimensions, _report, finish, traverse
from experiments.images import config as images_config
from experiments.images import run
from jaxgan import runtime
from jaxgan.errors import lookup
from jaxgan.judges import fashion


@dataclasses.dataclass(frozen=True)
class Options:
    """Which latent dimensions are moved, and how far.

    Attributes:
      traverse: Latent dimensions to move.
      traverse_by: How far to move them.
    """

    traverse: tuple[int, ...] = TRAVERSE
    traverse_by: float = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine("fashion_mnist", __doc__)
    read = training_flags.define(line, DEFAULTS, RECIPES, FLAGS)
    read_options = line.define(Options)

    def command(check: Callable[[], None]) -> None:
        given = {name: value for name, value in read().items() if value is not None}
        name = training_flags.default_name(read(), DEFAULTS.common["variant"])
        directory = line.run_directory(name)
        recipe = recipe_of(given.pop("recipe", None), RECIPES)
        for model in given.get("model", ()):
            lookup("model", model, {"dense": 0, "conv": 0})
        data, dataset = load(given.get("data", DEFAULTS.common["data"]))
        configs = images_config.configure(DEFAULTS, recipe, given, dataset)
        options = read_options()
        by = Options.traverse_by if options["traverse_by"] is None else options["traverse_by"]
        dimensions = _dimensions(options["traverse"], by, configs)
        folders = run.folders_of(configs, directory)
        if line.shared.dry_run:
            run.check_folders(folders, directory, dataset, fresh=line.shared.fresh)
            flags.show_plan(folders)
            return
        runtime.setup()
        judge = None

        def measured(*args) -> Mapping[str, Any]:
            nonlocal judge
            judge = judge or fashion.trained(data)
            return finish(data, judge)(*args)

        summaries = run.run_all(
            configs,
            directory,
            dataset,
            finish=measured,
            fresh=line.shared.fresh,
            tensorboard=line.shared.tensorboard,
            check=check,
        )
        judge = judge or fashion.trained(data)
        for folder, config in folders.items():
            if not (folder / "summary.json").exists():
                continue
            result = traverse(config, folder, dataset, judge, dimensions, by)
            check()
            _report(run.title_of(config), result)
        run.show(summaries)
        print(directory)

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

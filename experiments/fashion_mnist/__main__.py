"""Fashion-MNIST: dense against convolutional, and what one latent dimension moves.

    python -m experiments.fashion_mnist --model=dense --epochs=10
    python -m experiments.fashion_mnist --model=dense,conv --recipe=report_e

The images come from ``--data``, ``$JAXGAN_DATA``, Debian's package
``dataset-fashion-mnist``, or a download. After training, each latent dimension of
``--traverse`` is lowered and raised: a figure each, and what it does to the classes, in the
judgement of a classifier that is trained once on the real images.
"""

from collections.abc import Callable, Mapping
from typing import Any

from absl import flags as absl_flags

from experiments.common import flags, training_flags
from experiments.common.settings import recipe_of
from experiments.fashion_mnist.config import DEFAULTS, FLAGS, RECIPES, load
from experiments.fashion_mnist.traverse import TRAVERSE, _dimensions, _report, finish, traverse
from experiments.images import config as images_config
from experiments.images import run
from jaxgan.errors import lookup
from jaxgan.judges import fashion


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
        configs = images_config.configure(DEFAULTS, recipe, given, dataset)
        chosen = flags.numbers("traverse", dimensions_flag.value, whole=True)
        dimensions = _dimensions(chosen, by_flag.value, configs)
        folders = run.folders_of(configs, directory)
        if flags.DRY_RUN.value:
            run.check_folders(folders, directory, dataset, fresh=flags.FRESH.value)
            flags.show_plan(folders)
            return
        flags.start_jax()
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
            fresh=flags.FRESH.value,
            tensorboard=flags.TENSORBOARD.value,
            check=check,
        )
        judge = judge or fashion.trained(data)
        for folder, config in folders.items():
            if not (folder / "summary.json").exists():
                continue
            result = traverse(config, folder, dataset, judge, dimensions, by_flag.value)
            check()
            _report(run.title_of(config), result)
        run.show(summaries)
        print(directory)

    flags.main("fashion_mnist", command)


if __name__ == "__main__":
    main()

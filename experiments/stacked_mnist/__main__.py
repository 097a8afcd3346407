"""Stacked MNIST: which of 1,000 modes a generator reaches.

    python -m experiments.stacked_mnist
    python -m experiments.stacked_mnist --variant=gan,rpgan --seeds=4
    python -m experiments.stacked_mnist --data=FOLDER_OF_MNIST --recipe=pacdcgan2

A stack has three channels; each is an image from ``--data`` (as in ``fashion_mnist``), so ten
classes make 1,000 modes. At the end, a classifier that is trained once on single images labels
each channel of 26,000 stacks, from the generator and from its moving average. ``modes`` counts
the modes that occur; ``reverse_kl`` is the KL divergence of their shares from equal shares;
``modes.csv`` has both for every seed. The recipes use the batch size, learning rates and number
of updates of PacGAN and are meant for a GPU; PacGAN's networks are larger.
"""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from experiments.common import ending, flags, training_flags
from experiments.common.settings import recipe_of
from experiments.images import plan, run
from experiments.images.config import Config, configure
from experiments.images.program import Machine
from experiments.stacked_mnist import measure
from experiments.stacked_mnist.config import DEFAULTS, MODELS, RECIPES, TEXTS, load
from jaxgan.data.stacks import CHANNELS
from jaxgan.errors import lookup
from jaxgan.judges import fashion
from jaxgan.runs import jobs
from jaxgan.runs.directory import write_csv
from jaxgan.runs.progress import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine("stacked_mnist", __doc__, trains_images=True)
    without = ("size", "conditional")
    read_extras = line.define(training_flags.Extras)
    read = training_flags.define(
        line, Config, DEFAULTS, RECIPES, TEXTS, without=without, choices={"model": MODELS}
    )

    def command(check: Callable[[], None]) -> None:
        extras = training_flags.Extras(**read_extras())
        overrides: dict[str, Any] = read()
        machine = Machine(line.start(), line.stream)
        name = training_flags.default_name(overrides, DEFAULTS.common["variant"])
        directory = line.run_directory(name)
        recipe = recipe_of(overrides.pop("recipe", None), RECIPES)
        for model in overrides.get("model", ()):
            lookup("model", model, MODELS)
        source = {**DEFAULTS.common, **recipe.settings, **overrides}
        data, dataset = load(source["data"], source["train_size"])
        configs = configure(DEFAULTS, recipe, overrides, dataset)
        folders = jobs.folders_of(configs, directory, run.name_of)
        if line.shared.dry_run:
            plan.show(folders, directory, dataset, machine, fresh=line.shared.fresh)
            return
        classes = len(data.classes)
        say(f"{data.about}: {classes} classes, {classes**CHANNELS} modes of stacks")

        @functools.cache
        def measures() -> run.Finish:
            return measure.finish(data, fashion.load_or_train(data))

        def end(*arguments) -> Mapping[str, Any]:
            return measures()(*arguments)

        summaries = run.run_all(
            configs,
            directory,
            dataset,
            finish=end,
            machine=machine,
            fresh=line.shared.fresh,
            **extras.options,
            check=check,
        )
        table = [
            row for folder, config in folders.items() for row in measure.rows(config, folder)
        ]
        write_csv(directory / "modes.csv", table)
        run.show(summaries)
        if extras.export:
            ending.export(directory)
        ending.finish(directory, ending.after_training(directory, sefa=True))

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Faces: DCGAN trained as a GAN and as a WGAN-GP, side by side.

    python -m experiments.faces --variant=gan,wgan_gp --epochs=5
    python -m experiments.faces --data=FOLDER_OR_ARCHIVE --variant=gan,wgan_gp --epochs=30
    python -m experiments.faces --recipe=report_d_gan --data=FOLDER_OR_ARCHIVE

Without ``--data`` the faces are cartoons drawn from known factors. Images are cropped to
centred squares of ``--size`` pixels and stored once in the cache; ``skipped.txt`` lists files
that could not be used. Report D's networks have ``--width=64``; the default 32 is for CPUs.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from experiments.common import ending, flags, training_flags
from experiments.common.settings import recipe_of
from experiments.faces.compare import compare, finish
from experiments.faces.config import DEFAULTS, MODELS, RECIPES, TEXTS, check_place, load
from experiments.images import plan, run
from experiments.images.config import Config, configure
from experiments.images.program import Machine
from experiments.images.quality import Quality
from jaxgan import runs
from jaxgan.convert import inception as convert_inception
from jaxgan.errors import lookup
from jaxgan.networks import inception
from jaxgan.runs import jobs
from jaxgan.runs.progress import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine("faces", __doc__, trains_images=True)
    read_extras = line.define(training_flags.Extras)
    read = training_flags.define(
        line, Config, DEFAULTS, RECIPES, TEXTS, choices={"model": MODELS}
    )
    read_quality = line.define(Quality)

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
        check_place(source["data"], directory)
        quality = Quality(**read_quality())
        few = quality.inception if not quality.fid else None
        weights = convert_inception.load(few) if few else None
        dataset, skipped, lines = load(source["data"], source["size"])
        configs = configure(DEFAULTS, recipe, overrides, dataset)
        quality.check(configs)
        folders = jobs.folders_of(configs, directory, run.name_of)
        if line.shared.dry_run:
            plan.show(folders, directory, dataset, machine, fresh=line.shared.fresh)
            quality.show_cost(configs, len(dataset.images))
            return
        measure = finish(dataset, inception.extractor(weights) if weights else None)

        def end(config, sample, state, folder):
            if skipped:
                text = [f"{file}: {reason}\n" for file, reason in skipped]
                runs.write_text(folder / "skipped.txt", "".join(text))
            return measure(config, sample, state, folder)

        for text in lines:
            say(text)
        if skipped:
            say(f"{len(skipped)} files are left out: see skipped.txt")
        summaries = run.run_all(
            configs,
            directory,
            dataset,
            finish=end,
            machine=machine,
            judge=quality.judge(dataset.images, "images of the data", check),
            fresh=line.shared.fresh,
            **extras.options,
            check=check,
        )
        if len(folders) > 1:
            runs.stoppable(lambda: compare(folders, directory), check)
        run.show(summaries)
        if extras.export:
            ending.export(directory)
        ending.finish(directory, ending.after_training(directory, sefa=True))

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

"""Faces: DCGAN trained as a GAN and as a WGAN-GP, side by side.

    python -m experiments.faces --variant=gan,wgan_gp --epochs=5
    python -m experiments.faces --data=FOLDER_OR_ARCHIVE --variant=gan,wgan_gp --epochs=30
    python -m experiments.faces --recipe=report_d_gan --data=FOLDER_OR_ARCHIVE

Without ``--data`` the faces are cartoons drawn from known factors. Images are cut to
centred squares of ``--size`` pixels and packed once; those that cannot be read are listed
in ``skipped.txt``. Report D's networks are ``--width=64``; the default of 32 is for a CPU.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

from experiments.common import flags, training_flags
from experiments.common.settings import recipe_of
from experiments.faces.compare import compare, finish
from experiments.faces.config import DEFAULTS, FLAGS, RECIPES, load
from experiments.images import config as images_config
from experiments.images import run
from jaxgan import runs, runtime
from jaxgan.convert import inception as convert_inception
from jaxgan.networks import inception
from jaxgan.runs import progress


@dataclasses.dataclass(frozen=True)
class Options:
    """What is measured.

    Attributes:
      inception: File of the FID's Inception-v3 weights; measures the FID too.
    """

    inception: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine("faces", __doc__)
    read = training_flags.define(line, DEFAULTS, RECIPES, FLAGS)
    read_options = line.define(Options)

    def command(check: Callable[[], None]) -> None:
        given: dict[str, Any] = {k: v for k, v in read().items() if v is not None}
        name = training_flags.default_name(read(), DEFAULTS.common["variant"])
        directory = line.run_directory(name)
        recipe = recipe_of(given.pop("recipe", None), RECIPES)
        settings = {**DEFAULTS.common, **recipe.settings, **given}
        inception_file = read_options()["inception"]
        weights = inception_file and convert_inception.load(inception_file)
        dataset, skipped = load(settings["data"], settings["size"])
        configs = images_config.configure(DEFAULTS, recipe, given, dataset)
        folders = run.folders_of(configs, directory)
        if line.shared.dry_run:
            run.check_folders(folders, directory, dataset, fresh=line.shared.fresh)
            flags.show_plan(folders)
            return
        runtime.setup()
        features = inception.extractor(weights) if weights else None

        def measured(config, program, state, folder):
            if skipped:
                lines = [f"{file}: {reason}\n" for file, reason in skipped]
                runs.write_text(folder / "skipped.txt", "".join(lines))
            return finish(dataset, features)(config, program, state, folder)

        if skipped:
            progress.say(f"{len(skipped)} files are not readable images: see skipped.txt")
        summaries = run.run_all(
            configs,
            directory,
            dataset,
            finish=measured,
            fresh=line.shared.fresh,
            tensorboard=line.shared.tensorboard,
            check=check,
        )
        if len(folders) > 1:
            compare(folders, directory)
        run.show(summaries)
        print(directory)

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

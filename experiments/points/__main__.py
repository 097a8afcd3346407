"""Points: a GAN learns a cloud of points in the plane, and you watch.

    python -m experiments.points --variant=wgan_gp
    python -m experiments.points --variant=gan,wgan,wgan_gp --optimizer=sgd,adam,rmsprop \
        --seeds=8 --epochs=50
    python -m experiments.points --recipe=report_b --data=points.mat

The first command takes one to two minutes on two CPU cores and ends with a fit
ratio (see ``points_fit.evaluate``) near 1, which a perfect generator scores. The run
directory holds the settings, the metrics, the samples, the pictures and the checkpoints.
The same command again goes on where it stopped.
"""

from collections.abc import Callable

from experiments import STARTED
from experiments.common import flags, training_flags
from experiments.points import tables
from experiments.points.config import DEFAULTS, FLAGS, RECIPES, configure
from experiments.points.run import check_folders, folders_of, run_all


def main() -> None:
    """Run from the command line."""
    read = training_flags.define(DEFAULTS, RECIPES, FLAGS)

    def command(check: Callable[[], None]) -> None:
        given = read()
        configs = configure(**given)
        directory = flags.run_directory(
            "points", training_flags.default_name(given, DEFAULTS.common["variant"])
        )
        folders = folders_of(configs, directory)
        if flags.DRY_RUN.value:
            check_folders(folders, directory, fresh=flags.FRESH.value)
            flags.show_plan(folders)
            return
        flags.start_jax()
        rows = run_all(
            configs,
            directory,
            fresh=flags.FRESH.value,
            tensorboard=flags.TENSORBOARD.value,
            check=check,
            began=STARTED,
        )
        tables.show(rows)
        print(directory)

    flags.main("points", command)


if __name__ == "__main__":
    main()

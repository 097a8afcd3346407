"""Points: a GAN learns a cloud of points in the plane, and you watch.

    python -m experiments.points --variant=wgan_gp
    python -m experiments.points --variant=gan,wgan_gp --optimizer=adam,rmsprop --seeds=8
    python -m experiments.points --recipe=report_b --data=points.mat
    python -m experiments.points --live

The first command takes one to two minutes on two CPU cores and ends with a fit ratio near 1,
the score of a perfect generator (see ``jaxgan.metrics.fit_ratio``). The run's folder holds
settings, metrics, samples, pictures and checkpoints. Run the same command again to resume an
interrupted training. The last command opens a page in the browser where you watch and steer
one training (docs/live.md).
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Sequence

from experiments import START_TIME
from experiments.common import ending, flags, training_flags
from experiments.points import modes, tables
from experiments.points.config import DEFAULTS, TEXTS, Config, configure
from experiments.points.live import command as live
from experiments.points.recipes import RECIPES
from experiments.points.run import name_of, run_all, settings
from jaxgan.data import points
from jaxgan.errors import InputError
from jaxgan.runs import jobs
from jaxgan.runs.progress import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine("points", __doc__)
    read_extras = line.define(training_flags.Extras)
    read = training_flags.define(
        line, Config, DEFAULTS, RECIPES, TEXTS, choices={"data": points.POINT_CLOUDS}
    )
    read_live = line.define(live.Options)

    def command(check: Callable[[], None]) -> None:
        extras = training_flags.Extras(**read_extras())
        overrides, options = read(), live.Options(**read_live())
        if not options.live and read_live().keys() - {"live"}:
            raise InputError("--port needs --live")

        @functools.cache
        def load(data, key, columns):
            cloud = points.load(data, key, columns)
            return modes.add(cloud, overrides.get("modes", ""), key, columns)

        configs = configure(**overrides, load=load)
        cloud = load(configs[0].data, configs[0].data_key, configs[0].columns)
        for note in cloud.notes:
            say(note)
        if configs[0].data not in points.POINT_CLOUDS:
            count, size = len(cloud.points), configs[0].train_size
            say(f"{configs[0].data}: trains on {size} points, holds out {count - size}")
        variant = DEFAULTS.common["variant"]
        name = training_flags.default_name(overrides, variant)
        directory = line.run_directory(f"{name}-live" if options.live else name)
        if options.live:
            extra_flags = {"fresh": line.shared.fresh} | dataclasses.asdict(extras)
            config = live.check(configs, extra_flags, options.port)
            if not line.shared.dry_run:
                line.start()
                live.serve(config, cloud, directory, options.port, check)
                return
        if line.shared.dry_run:
            folders = jobs.folders_of(configs, directory, name_of)
            identify = functools.partial(settings, cloud)
            jobs.check_all(folders, directory, identify, fresh=line.shared.fresh)
            flags.show_plan(folders)
            return
        line.start()
        rows = run_all(
            configs,
            directory,
            cloud,
            fresh=line.shared.fresh,
            **extras.options,
            check=check,
            began=START_TIME,
        )
        tables.show(rows)
        if extras.export:
            ending.export(directory)
        ending.finish(directory, ending.after_training(directory))

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

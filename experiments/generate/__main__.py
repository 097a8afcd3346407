"""Generate: more from a finished run, or from a pretrained generator.

    python -m experiments.generate RUN --count=50000 --seed=1 --out=FOLDER
    python -m experiments.generate RUN --count=50000 --out=samples.npz
    python -m experiments.generate RUN --out=grid.png
    python -m experiments.generate RUN --walk
    python -m experiments.generate mobilestylegan-ffhq --mix --truncation=0.7
    python -m experiments.generate RUN --neighbours

RUN is the folder of a run of any laboratory, a file of a generator, or the name of one that is
downloaded once. A folder gets a PNG file for each image, numbered from 0, as tools for FID
take them; an .npz gets one array; a .png a grid. ``--walk`` writes a closed walk through
latent space as a GIF and an mp4, ``--mix`` tables in which columns give some layers of the
styles of rows, ``--neighbours`` samples beside the real images that are nearest to them,
and whether they are nearer than images that were held out.

A command that was stopped goes on when it is given again. Sample i follows from ``--seed``
and i alone.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.common import flags
from experiments.faces.config import check_place
from experiments.generate import films, neighbours, real, record, samples
from experiments.generate.config import Config, command_of, define, place_of, with_values
from experiments.generate.config import check as check_config
from experiments.generate.source import Source, open_source
from jaxgan import runtime
from jaxgan.errors import InputError
from jaxgan.runs.progress import duration, say

_TEXTS = {
    "out": "What to write: a folder; of samples also an .npz or a .png. By default a folder in "
    "RUN/generated, or in runs/generate.",
    "dry_run": "Print the settings and what would be written; write nothing.",
    "devices": "Devices that share each batch of images; by default all but cores of a CPU.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine(
        "generate",
        __doc__,
        shared=flags.Shared(out=""),
        texts=_TEXTS,
        without=("name",),
        arguments=1,
    )
    read = define(line)

    def command(check: Callable[[], None]) -> None:
        config = read()
        check_config(config)
        place = place_of(config, line.shared.out)
        line.check_inputs(place)
        if config.data is not None:
            check_place(config.data, place)
        runtime.keep_memory()
        source = open_source(config, line.start())
        weights = config.weights or ("average" if source.run else None)
        config = dataclasses.replace(config, batch_size=source.batch_size, weights=weights)
        if config.kind in ("samples", "neighbours"):
            config = dataclasses.replace(config, count=samples.count_of(config, place))
        if config.kind == "samples":
            _samples(line.shared, config, source, place, check)
        else:
            _folder(line.shared, config, source, place, check)

    return line.run(command, with_values(sys.argv[1:] if argv is None else argv))


def _samples(
    shared: flags.Shared,
    config: Config,
    source: Source,
    place: Path,
    check: Callable[[], None],
) -> None:
    count = samples.count_of(config, place)
    samples.require_fit(source, place, count)
    settings = record.settings(config, source)
    samples.compare(place, settings, fresh=shared.fresh)
    if shared.dry_run:
        flags.show_plan({place: config})
        say(f"{place}: {samples.cost(source, place, count)}")
        return
    pace = samples.Pace()
    made = samples.make(
        config, source, place, settings, fresh=shared.fresh, pace=pace, check=check
    )
    if pace.seconds:
        rate = pace.count / pace.seconds
        say(f"{rate:.3g} samples a second, {pace.count} in {duration(pace.seconds)}")
    say(f"wrote {count} samples to {place}" if made else f"{place}: already complete")
    if source.generator:
        flags_of = ["--neighbours"] + ["--data=FOLDER"] * (source.run is None)
        if source.run and config.weights == "average":  # the default of runs
            config = dataclasses.replace(config, weights=None)
        say(f"next: {command_of(config, *flags_of)}")
    print(place)


def _folder(
    shared: flags.Shared,
    config: Config,
    source: Source,
    place: Path,
    check: Callable[[], None],
) -> None:
    """Fill a folder with what is no samples."""
    if place.suffix in samples.FILES:
        raise InputError(f"--out={place}: --{config.kind} needs the name of a folder")
    contents = {}
    images = None
    if config.kind == "neighbours":
        images = real.load(config, source)
        contents["data_sha256"] = images.key
    else:
        films.require(config, source)
    settings = record.settings(config, source, contents)
    record.compare(place, settings, fresh=shared.fresh)
    if shared.dry_run:
        flags.show_plan({place: config})
        cost = neighbours.cost(config, images) if images else films.cost(config, source)
        say(f"{place}: {cost}")
        return
    if images:
        summary = neighbours.run(
            config, source, images, place, settings, fresh=shared.fresh, check=check
        )
        print("\n".join([*summary["lines"], summary["verdict"]]))
        say(f"wrote {', '.join(neighbours.PICTURES)}, neighbours.csv in {place}")
    else:
        make = films.walk if config.kind == "walk" else films.mix
        paths = make(config, source, place, settings, fresh=shared.fresh, check=check)
        names = ", ".join(path.name for path in paths or ())
        say(f"wrote {names} in {place}" if paths else f"{place}: already complete")
    print(place)


if __name__ == "__main__":
    sys.exit(main())

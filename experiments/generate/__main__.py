"""Generate: samples and more from a finished run or a pretrained generator.

    python -m experiments.generate RUN --count=50000 --seed=1 --out=FOLDER
    python -m experiments.generate RUN --count=50000 --out=samples.npz
    python -m experiments.generate RUN --out=grid.png
    python -m experiments.generate RUN --walk
    python -m experiments.generate mobilestylegan-ffhq --mix --truncation=0.7
    python -m experiments.generate RUN --neighbours

RUN is the folder of a run of any laboratory, a file of a generator, or the name of one that is
downloaded once. A folder gets one numbered PNG file per image, as tools for FID expect; an .npz
gets one array; a .png gets a grid. ``--walk`` writes a closed walk through latent space as a
GIF and an mp4. ``--mix`` writes tables that mix the styles of two sets of samples.
``--neighbours`` shows samples beside the nearest real images, and tests whether they are nearer
than held-out images are.

Run the same command again to resume an interrupted one. Sample i depends only on ``--seed`` and
i.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence

from experiments.common import flags
from experiments.faces.config import check_place
from experiments.generate import films, neighbours, real, record, samples
from experiments.generate.config import check as check_config
from experiments.generate.config import command_of, define, place_of, with_values
from experiments.generate.source import open_source
from jaxgan import runtime
from jaxgan.errors import InputError
from jaxgan.runs.progress import duration, say

_TEXTS = {
    "out": "Output: a folder, or for samples also an .npz or .png file. By default a folder in "
    "RUN/generated or runs/generate.",
    "dry_run": "Print the settings and what would be written, without writing.",
    "devices": "Number of devices that share each batch of images; by default all. CPU cores "
    "share batches only if this flag is given.",
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
        output = record.Output(config, source, place, line.shared.fresh, check)
        make = _samples if config.kind == "samples" else _folder
        make(output, line.shared.dry_run)

    return line.run(command, with_values(sys.argv[1:] if argv is None else argv))


def _samples(output: record.Output, dry_run: bool) -> None:
    """Write samples to a folder or a file."""
    config, source, place = output.config, output.source, output.place
    count = samples.count_of(config, place)
    samples.require_fit(source, place, count)
    output = output.identified()
    samples.compare(place, output.settings, fresh=output.fresh)
    if dry_run:
        flags.show_plan({place: config})
        say(f"{place}: {samples.cost(source, place, count)}")
        return
    pace = samples.Pace()
    is_new = samples.make(output, pace)
    if pace.seconds:
        rate = pace.count / pace.seconds
        say(f"{rate:.3g} samples a second, {pace.count} in {duration(pace.seconds)}")
    say(f"wrote {count} samples to {place}" if is_new else f"{place}: already complete")
    if source.generator:
        flags_of = ["--neighbours"] + ["--data=FOLDER"] * (source.run is None)
        if source.run and config.weights == "average":  # the default for runs
            config = dataclasses.replace(config, weights=None)
        say(f"next: {command_of(config, *flags_of)}")
    print(place)


def _folder(output: record.Output, dry_run: bool) -> None:
    """Write a walk, tables or neighbours to a folder."""
    config, source, place = output.config, output.source, output.place
    if place.suffix in samples.FILES:
        raise InputError(f"--out={place}: --{config.kind} needs the name of a folder")
    contents = {}
    images = None
    if config.kind == "neighbours":
        images = real.load(config, source)
        contents["data_sha256"] = images.key
    else:
        films.require(config, source)
    output = output.identified(contents)
    record.compare(place, output.settings, fresh=output.fresh)
    if dry_run:
        flags.show_plan({place: config})
        cost = neighbours.cost(config, images) if images else films.cost(config, source)
        say(f"{place}: {cost}")
        return
    if images:
        summary = neighbours.run(output, images)
        print("\n".join([*summary["lines"], summary["verdict"]]))
        say(f"wrote {', '.join(neighbours.PICTURES)}, neighbours.csv in {place}")
    else:
        paths = films.walk(output) if config.kind == "walk" else films.mix(output)
        names = ", ".join(path.name for path in paths or ())
        say(f"wrote {names} in {place}" if paths else f"{place}: already complete")
    print(place)


if __name__ == "__main__":
    sys.exit(main())

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
from experiments.generate import samples
from experiments.generate.config import check as check_config
from experiments.generate.config import command_of, define, place_of, with_values
from experiments.generate.record import settings as settings_of
from experiments.generate.source import Source, open_source
from jaxgan import runtime
from jaxgan.runs.progress import duration, say

_TEXTS = {
    "out": "What to write: a folder, an .npz or a .png. By default a folder generated/... in "
    "that of the run, or under runs/generate.",
    "dry_run": "Print the settings and what would be written; write nothing.",
    "devices": "Devices that share each batch of images.",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    shared = flags.Shared(out="")
    without = ("name", "tensorboard")
    line = flags.CommandLine(
        "generate", __doc__, shared=shared, texts=_TEXTS, without=without, arguments=1
    )
    read = define(line)

    def command(check: Callable[[], None]) -> None:
        config = read()
        check_config(config)
        place = place_of(config, line.shared.out)
        runtime.keep_memory()
        mesh = line.start()
        source = open_source(config, mesh)
        config = dataclasses.replace(
            config, count=samples.count_of(config, place), batch_size=source.batch_size
        )
        _samples(line, config, source, place, check)

    words = sys.argv[1:] if argv is None else argv
    return line.run(command, with_values(words))


def _samples(
    line: flags.CommandLine,
    config,
    source: Source,
    place: Path,
    check: Callable[[], None],
) -> None:
    count = samples.count_of(config, place)
    samples.require_fit(source, place, count)
    settings = settings_of(config, source)
    shared = line.shared
    samples.compare(place, settings, fresh=shared.fresh)
    if shared.dry_run:
        flags.show_plan({place: config})
        say(f"{count} samples of {list(source.shape)}: {samples.bytes_of(source, count)} bytes")
        return
    made = samples.make(config, source, place, settings, fresh=shared.fresh, check=check)
    if made is None:
        say(f"{place}: already complete")
    elif made.count:
        say(f"{made.count / made.seconds:.0f} samples per second ({duration(made.seconds)})")
    print(place)
    say(f"next: {command_of(config, '--neighbours')}")


if __name__ == "__main__":
    sys.exit(main())

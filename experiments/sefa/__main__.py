"""SeFa: semantic directions of a pretrained face generator, found in its weights alone.

    python -m experiments.sefa
    python -m experiments.sefa --attributes --supervised=age,gender
    python -m experiments.sefa --checkpoint=FILE --layers=0-1 --distance=3 --steps=11
    python -m experiments.sefa --checkpoint=FILE --like=genforce --unit=code
    python -m experiments.sefa --checkpoint=runs/faces/RUN --unit=image
    python -m experiments.sefa --checkpoint=FILE --weights=g --label=3
    python -m experiments.sefa --photo=me.jpg,FOLDER

Without a checkpoint it downloads one of real faces, once. A checkpoint is of PyTorch,
TensorFlow or OpenVINO, none of which is needed to read it, or a run of jaxgan's own image
laboratories. Writes a picture of every direction, a GIF, ``directions.npz`` and ``sefa.html``,
a page with a slider per direction that needs no network. With ``--attributes`` other networks
score what each direction does to age, gender, pose and expression, and to whatever else there
are labelled photographs of; names come from these scores. With ``--supervised`` there are
directions that follow such scores, beside those that are found in the weights. With ``--photo``
the people are those of your own photographs, which never leave this machine.

On 2 CPU cores, a DCGAN of 64 pixels takes 10 s, a StyleGAN2 of 256 pixels 160 s and the
MobileStyleGAN of 1024 pixels, which is the default, 2 min.
"""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.common import ending, flags
from experiments.sefa.config import check_flags, check_ranges, define
from experiments.sefa.load import load
from experiments.sefa.run import find, people_of, run, settings, show
from jaxgan import runs, runtime
from jaxgan.training import devices


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine("sefa", __doc__)
    read_config = define(line)

    def command(check: Callable[[], None]) -> None:
        config = read_config()
        check_ranges(config)
        check_flags(config)
        name = Path(config.checkpoint).resolve().stem
        name = "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)[:120]
        name += "_photo" * bool(config.photo) + "_codes" * (config.codes is not None)
        directory = line.run_directory(name + "_attributes" * config.attributes)
        runtime.keep_memory()
        mesh = line.start()
        generator = dataclasses.replace(load(config), mesh=devices.for_batches(1, mesh, 0))
        if line.shared.dry_run:
            directions, _ = find(config, generator)
            identity = settings(config, generator, directions, people_of(config, generator))
            runs.compare(directory, identity, fresh=line.shared.fresh)
            flags.show_plan({directory: config})
            return
        summary = run(config, directory, generator, fresh=line.shared.fresh, check=check)
        show(summary)
        page = shlex.join(
            [
                f"--checkpoint={config.checkpoint}",
                f"--directions_file={directory / 'directions.npz'}",
            ]
        )
        ending.finish(
            directory,
            [
                f"open {directory / 'sefa.html'} in a browser",
                f"python -m experiments.explore {page}",
            ],
        )

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

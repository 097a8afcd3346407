"""SeFa: semantic directions of a pretrained face generator, from its weights alone.

    python -m experiments.sefa
    python -m experiments.sefa --attributes --supervised=age,gender
    python -m experiments.sefa --checkpoint=FILE --layers=0-1 --distance=3 --steps=11
    python -m experiments.sefa --checkpoint=FILE --like=genforce --unit=code
    python -m experiments.sefa --checkpoint=runs/faces/RUN --unit=image
    python -m experiments.sefa --checkpoint=FILE --weights=g --label=3
    python -m experiments.sefa --photo=me.jpg,FOLDER

Without ``--checkpoint``, it downloads a generator of real faces once. A checkpoint is a file of
PyTorch, TensorFlow or OpenVINO (none of these needs to be installed), or a run of jaxgan's
image laboratories. The outputs are a picture of every direction, a GIF, ``directions.npz`` and
``sefa.html``, an offline page with a slider per direction.

With ``--attributes``, other networks score how each direction changes age, gender, pose,
expression, and attributes of your own labelled photographs; directions get names from these
scores. ``--supervised`` adds directions that are fitted to such scores. ``--photo`` edits the
people in your own photographs, which never leave this machine.

On 2 CPU cores, a DCGAN of 64 pixels takes 10 s, a StyleGAN2 of 256 pixels 160 s, and the
default MobileStyleGAN of 1024 pixels 2 min.
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

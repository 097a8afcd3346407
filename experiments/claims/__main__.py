"""The claims study: what five reports say about GANs, tested.

    python -m experiments.claims --data=points.mat --seeds=8
    python -m experiments.claims --seeds=4 --only=B1,B2
    python -m experiments.claims --study=grid --seeds=8 --only=gan,wgan_gp

The second command takes 4 minutes on two CPU cores; ``--dry_run``
estimates what another takes. The grid is all variants and optimizers, each at eight learning
rates: thousands of runs. ``--out`` holds
``claims.html``, one page with a verdict on each claim, and the numbers in ``claims.json``
and ``claims.csv`` (``grid.html`` and so on), of what the last command chose. No run is ever
made twice in one folder: the same command goes on where it stopped, and with more seeds it
adds those that are missing.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.claims import entries as claims_entries
from experiments.claims import grid
from experiments.claims.images import entries as images_entries
from experiments.claims.points import entries as points_entries
from experiments.claims.study import (
    FOLDER,
    MAX_SEEDS,
    command_of,
    run,
    show_plan,
    study_of_claims,
    study_of_grid,
)
from experiments.common import flags
from jaxgan import runtime
from jaxgan.errors import InputError


@dataclasses.dataclass(frozen=True)
class Options:
    """What is studied.

    Attributes:
      study: One of claims, grid.
      seeds: Runs of every cell, with seeds from 0.
      data: A built-in cloud, or a .mat, .npy or .csv file.
      data_key: Variable of a .mat file.
      scale: Of image runs: one of SCALES.
      epochs: Of the runs of a grid.
      only: Names of claims; of a grid, variants and optimizers.
    """

    study: str = "claims"
    seeds: int = 8
    data: str = "m"
    data_key: str = "xx"
    scale: str = "small"
    epochs: int = grid.EPOCHS
    only: tuple[str, ...] | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine(
        "claims",
        __doc__,
        shared=flags.Shared(out=FOLDER),
        texts={"out": "Folder of the study: its page, its numbers, its runs."},
        without=("name", "tensorboard"),
    )
    read = line.define(
        Options, texts={"scale": f"Of image runs: one of {', '.join(images_entries.SCALES)}."}
    )

    def command(check: Callable[[], None]) -> None:
        given = {name: value for name, value in read().items() if value is not None}
        options = Options(**given)

        def command_line(entry: str) -> str:
            shown = {*given, "seeds"} - {"only"}
            named = {x: y for x, y in dataclasses.asdict(options).items() if x in shown}
            out = line.shared.out if line.values["out"].present else ""
            return command_of(named, options.only or [], out, entry)

        if not 0 < options.seeds <= MAX_SEEDS:
            raise InputError(f"--seeds={options.seeds}: must be from 1 to {MAX_SEEDS}")
        if options.only == ():
            raise InputError("--only needs a value")
        data = options.data, options.data_key
        if options.study == "grid":
            if "scale" in given:
                raise InputError("--scale goes with --study=claims; a grid is about points")
            chosen = study_of_grid(grid.grid(*data, *grid.chosen(options.only), options.epochs))
        elif options.study == "claims":
            if "epochs" in given:
                raise InputError("--epochs goes with --study=grid; a claim says its own")
            chosen = study_of_claims(
                claims_entries.claims(*data, options.only, scale=options.scale)
            )
        else:
            raise InputError(f"--study={options.study}: choose from claims, grid")
        directory = Path(line.shared.out)
        if line.shared.dry_run:
            show_plan(chosen, directory, options.seeds, fresh=line.shared.fresh)
            return
        runtime.setup()
        of_points = set(options.only or claims_entries.NAMES) & {*points_entries.BUILDERS}
        made = run(
            chosen,
            directory,
            seeds=options.seeds,
            command=command_line,
            source=options.data if options.study == "grid" or of_points else "",
            fresh=line.shared.fresh,
            check=check,
        )
        for row in made.table.rows:
            print("  ".join(cell.replace("\n", ", ") for cell in row))
        print(directory / f"{chosen.name}.html")

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.claims import entries, study
from experiments.claims.points import grid
from experiments.claims.points.cells import POINTS
from experiments.claims.study import FOLDER, MAX_SEEDS, Study
from experiments.common import flags
from jaxgan.data import points
from jaxgan.errors import InputError
from jaxgan.runs.progress import say


@dataclasses.dataclass(frozen=True)
class Options:
    """Settings of a study.

    Attributes:
      study: One of claims, grid.
      seeds: Runs of every cell, with seeds from 0.
      data: A built-in cloud, or a .mat, .npy or .csv file.
      data_key: Variable of a .mat file.
      columns: Two columns of a .csv file: names, or numbers from 0; a list.
      scale: Of image runs: one of SCALES.
      epochs: Of the runs of a grid.
      only: Names of claims; of a grid, variants and optimizers.
    """

    study: str = "claims"
    seeds: int = 8
    data: str = "m"
    data_key: str = "xx"
    columns: tuple[str, ...] = ()
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
        without=("name",),
    )
    scales = f"Of image runs: one of {', '.join(entries.SCALES)}."
    read = line.define(Options, texts={"scale": scales})

    def command(check: Callable[[], None]) -> None:
        present = read()
        options = Options(**present)
        selection = _choose(options, present, fetch=not line.shared.dry_run)
        directory, fresh = Path(line.shared.out), line.shared.fresh
        line.check_inputs(directory)
        of_points = any(cell.laboratory is POINTS for cell in selection.cells)
        if of_points:
            for note in points.load(options.data, options.data_key, options.columns).notes:
                say(note)
        if line.shared.dry_run:
            study.show_plan(selection, directory, options.seeds, fresh=fresh)
            return

        def command_of(entry: str) -> str:
            settings = {x: y for x, y in dataclasses.asdict(options).items() if x in names}
            out = line.shared.out if line.values["out"].present else ""
            return study.command_of(settings, options.only or [], out, entry)

        names = {*present, "seeds"} - {"only"}
        line.start()
        report = study.run(
            selection,
            directory,
            seeds=options.seeds,
            command=command_of,
            source=options.data if of_points else "",
            fresh=fresh,
            check=check,
        )
        for words in report.lines:
            print(words)
        say(f"next: open the page in a browser; {selection.name}.json has its numbers")
        print(directory / f"{selection.name}.html")

    return line.run(command, argv)


def _choose(options: Options, present: Mapping[str, Any], *, fetch: bool) -> Study:
    """The study that the flags ask for."""
    if not 0 < options.seeds <= MAX_SEEDS:
        raise InputError(f"--seeds={options.seeds}: must be from 1 to {MAX_SEEDS}")
    if options.only == ():
        raise InputError("--only needs a value")
    data = options.data, options.data_key
    if options.study == "grid":
        if "scale" in present:
            raise InputError("--scale goes with --study=claims; a grid is about points")
        names = grid.choose(options.only)
        cells = grid.grid(*data, *names, options.epochs, columns=options.columns)
        return grid.study(cells)
    if options.study == "claims":
        if "epochs" in present:
            raise InputError("--epochs goes with --study=grid; a claim says its own")
        more = {"scale": options.scale, "columns": options.columns, "fetch": fetch}
        return entries.study(entries.claims(*data, options.only, **more))
    raise InputError(f"--study={options.study}: choose from claims, grid")


if __name__ == "__main__":
    sys.exit(main())

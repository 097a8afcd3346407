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

from collections.abc import Callable
from pathlib import Path

from absl import flags as absl_flags

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
from jaxgan.errors import InputError


def main() -> None:
    """Run from the command line."""
    define = absl_flags
    study = define.DEFINE_string("study", "claims", "One of claims, grid.")
    seeds = define.DEFINE_integer("seeds", 8, "Runs of every cell, with seeds from 0.")
    only = define.DEFINE_list(
        "only", None, "Names of claims; of a grid, variants and optimizers."
    )
    data = define.DEFINE_string("data", "m", "A built-in cloud, or a .mat, .npy or .csv file.")
    key = define.DEFINE_string("data_key", "xx", "Variable of a .mat file.")
    scale = define.DEFINE_string(
        "scale", "small", f"Of image runs: one of {', '.join(images_entries.SCALES)}."
    )
    epochs = define.DEFINE_integer("epochs", grid.EPOCHS, "Of the runs of a grid.")
    define.FLAGS.set_default("out", FOLDER)
    define.FLAGS["out"].help = "Folder of the study: its page, its numbers, its runs."
    given = {
        "study": study,
        "seeds": seeds,
        "data": data,
        "data_key": key,
        "scale": scale,
        "epochs": epochs,
    }

    def command_line(entry: str) -> str:
        named = {n: x.value for n, x in given.items() if x.present or n == "seeds"}
        out = flags.OUT.value if flags.OUT.present else ""
        return command_of(named, only.value or [], out, entry)

    def command(check: Callable[[], None]) -> None:
        if not 0 < seeds.value <= MAX_SEEDS:
            raise InputError(f"--seeds={seeds.value}: must be from 1 to {MAX_SEEDS}")
        if only.value == []:
            raise InputError("--only needs a value")
        if study.value == "grid":
            if scale.present:
                raise InputError("--scale goes with --study=claims; a grid is about points")
            variants, optimizers = grid.chosen(only.value)
            entries = grid.grid(data.value, key.value, variants, optimizers, epochs.value)
            chosen = study_of_grid(entries)
        elif study.value == "claims":
            if epochs.present:
                raise InputError("--epochs goes with --study=grid; a claim says its own")
            chosen = study_of_claims(
                claims_entries.claims(data.value, key.value, only.value, scale=scale.value)
            )
        else:
            raise InputError(f"--study={study.value}: choose from claims, grid")
        directory = Path(flags.OUT.value)
        if flags.DRY_RUN.value:
            show_plan(chosen, directory, seeds.value, fresh=flags.FRESH.value)
            return
        flags.start_jax()
        of_points = set(only.value or claims_entries.NAMES) & {*points_entries.BUILDERS}
        made = run(
            chosen,
            directory,
            seeds=seeds.value,
            command=command_line,
            source=data.value if study.value == "grid" or of_points else "",
            fresh=flags.FRESH.value,
            check=check,
        )
        for row in made.table.rows:
            print("  ".join(cell.replace("\n", ", ") for cell in row))
        print(directory / f"{chosen.name}.html")

    flags.main("claims", command, without=(flags.NAME, flags.TENSORBOARD))


if __name__ == "__main__":
    main()

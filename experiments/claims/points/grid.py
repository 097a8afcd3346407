"""The study beyond the reports: all variants and optimizers, each at eight learning rates.

A verdict on an optimizer at one learning rate is a verdict on the rate. So every variant is
trained with every optimizer at eight rates, traced values of one program, and compared at
the best of them. The rate is chosen on the seeds with even numbers, and the fit reported of
the others, so that the choice does not flatter.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.claims.points.cells import POINTS
from experiments.claims.points.parts import FIT, SLIGHTLY
from experiments.claims.points.pictures import draw_points
from experiments.claims.report import Report
from experiments.claims.study import Study
from experiments.claims.words import interval, number, plural
from experiments.points.config import configure, train_size_of
from jaxgan.data import points
from jaxgan.errors import InputError
from jaxgan.metrics import intervals, verdicts
from jaxgan.metrics.claims import diverged
from jaxgan.metrics.intervals import Interval, bootstrap_t
from jaxgan.metrics.verdicts import Range
from jaxgan.plots import figures
from jaxgan.plots.report_page import Notes, Picture, Section, Table, pictures
from jaxgan.runs.progress import say
from jaxgan.runs.records import Cell, Records
from jaxgan.training.objectives import OBJECTIVES
from jaxgan.training.optimizers import OPTIMIZERS

EPOCHS = 200
_RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
# Plain gradient steps are far smaller than those of an optimizer that divides by their size.
RATES = dict.fromkeys(OPTIMIZERS, _RATES) | {"sgd": tuple(100 * rate for rate in _RATES)}
_SETTINGS: dict[str, Any] = {  # those of report B where it has some
    "schedule": "constant",
    "betas": (0.9, 0.999),
    "critic_steps": 1,
    "latent_dim": 2,
    "generator_widths": (256, 64),
    "critic_widths": (256, 64),
    "batch_size": 256,
}

METHOD = [
    Notes(
        "How it was tested",
        [
            "Every variant and optimizer is judged at the best of eight learning rates. The "
            "rate, and the leader of all, are chosen on the seeds with even numbers; all "
            "numbers in the table are of the seeds with odd ones, so that the choice does "
            "not flatter. Where the best rate is the first or the last of the eight, a "
            "better one may lie beyond.",
            "The column “worse than it” tells whether an entry ends with a fit ratio that "
            f"exceeds the leader's by over {SLIGHTLY:g}: it holds where the whole 95 % "
            "interval over seeds (bootstrap-t) lies above, does not hold where all of it "
            "lies below, and is undecided in between.",
            "No run is left out. One that diverged, so that its numbers became infinite, "
            "counts as a generator that puts every point on the mean of the data.",
        ],
        {
            "fit ratio": "The exact 1-Wasserstein distance of generated points to held-out "
            "ones, divided by that of as many training points to the same held-out ones. A "
            "perfect generator scores 1.",
        },
    )
]

Entry = tuple[str, str]  # variant and optimizer
Grid = Mapping[Entry, Mapping[float, Cell]]
Fits = Mapping[Entry, Mapping[float, np.ndarray]]


def choose(names: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Variants and optimizers by name; all of a kind of which none is named.

    Raises:
      InputError: If a name is neither.
    """
    names = list(names or [])
    for name in names:
        if name not in OBJECTIVES and name not in OPTIMIZERS:
            choices = ", ".join([*OBJECTIVES, *OPTIMIZERS])
            raise InputError(f"--only: no variant or optimizer {name!r}; choose from {choices}")
    variants = [name for name in OBJECTIVES if name in names]
    optimizers = [name for name in OPTIMIZERS if name in names]
    return variants or list(OBJECTIVES), optimizers or list(OPTIMIZERS)


def grid(
    data: str,
    data_key: str,
    variants: Sequence[str],
    optimizers: Sequence[str],
    epochs: int = EPOCHS,
    **settings: Any,
) -> dict[Entry, dict[float, Cell]]:
    """Cells by (variant, optimizer) and learning rate.

    Penalty weights and clip bounds are the points laboratory's defaults of a variant; other
    ``settings`` replace report B's. A batch that is too large for the data is made to fit, and
    a line says it.
    """
    common = _SETTINGS | {"epochs": epochs, "data": data, "data_key": data_key} | settings
    room = train_size_of(len(points.load(data, data_key, common.get("columns", ())).points))
    if "batch_size" not in settings and room < common["batch_size"]:
        common["batch_size"] = room
        say(f"batch_size={room}: there are {room} points to train on")

    def cell(variant: str, optimizer: str, rate: float) -> Cell:
        own = {"variant": (variant,), "optimizer": (optimizer,), "learning_rate": (rate,)}
        (config,) = configure(**common | own)
        return Cell(POINTS, config)

    return {
        (variant, optimizer): {
            rate: cell(variant, optimizer, rate) for rate in RATES[optimizer]
        }
        for optimizer in optimizers
        for variant in variants
    }


def study(entries: Grid) -> Study:
    """The study of a grid."""
    return Study(
        "grid",
        [cell for rates in entries.values() for cell in rates.values()],
        2 * intervals.MIN_SEEDS,  # every other seed chooses
        lambda records, command: report(entries, records, command),
    )


def report(entries: Grid, records: Records, command: Callable[[str], str]) -> Report:
    """Rank variants and optimizers by the best rate of each.

    ``command`` is the command that runs one optimizer, by its name and those of variants.
    """
    fits = {
        entry: {rate: FIT.values(records[cell]) for rate, cell in rates.items()}
        for entry, rates in entries.items()
    }
    best = {entry: best_rate(by_rate) for entry, by_rate in fits.items()}
    rows = _rank(entries, records, fits, best)
    numbers = [
        row
        | {"by_rate": {f"{r:g}": x for r, x in fits[row["variant"], row["optimizer"]].items()}}
        for row in rows
    ]
    variants = list(dict.fromkeys(variant for variant, _ in entries))
    some = variants if len(variants) < len(OBJECTIVES) else []
    sections = []
    for optimizer in dict.fromkeys(optimizer for _, optimizer in entries):
        own = {entry: rates for entry, rates in entries.items() if entry[1] == optimizer}
        words = command(",".join([*some, optimizer]))
        sections.append(_section(optimizer, own, records, fits, best, words))
    title = "Variants and optimizers of GANs, each at its best learning rate"
    table = _table(rows)
    lines = ["  ".join(cells) for cells in table.rows]
    return Report(title, _lead(rows, records), table, sections, numbers, rows, METHOD, lines)


def _lead(rows: Sequence[Mapping[str, Any]], records: Records) -> list[str]:
    """Three sentences: what is compared, how often, and what came out."""
    seeds = len(next(iter(records.values())))
    (leader,) = (row for row in rows if row["worse"] == "leader")
    worse = sum(row["worse"] == verdicts.HOLDS for row in rows)
    return [
        f"This page compares {plural(len(rows), 'pair')} of a kind of GAN and an optimizer on "
        "a cloud of points, each pair at the best of its learning rates.",
        f"Every pair was trained {plural(seeds, 'time')} at every rate, with different random "
        f"numbers (seeds): {plural(seeds * len(records), 'run')} in all.",
        f"The leader is {leader['variant']} with {leader['optimizer']}, whose fit ratio is "
        f"{number(leader['fit_ratio_mean'])} (a perfect generator has 1); {worse} of the "
        f"others {'is' if worse == 1 else 'are'} worse.",
    ]


def best_rate(fits: Mapping[float, np.ndarray]) -> float:
    """The rate with the smallest mean fit ratio over seeds with even numbers."""
    return min(fits, key=lambda rate: _even(fits[rate]).mean())


def _even(values: np.ndarray) -> np.ndarray:
    return values[::2]


def _odd(values: np.ndarray) -> np.ndarray:
    return values[1::2] if len(values) > 1 else values


def _rank(
    entries: Grid, records: Records, fits: Fits, best: Mapping[Entry, float]
) -> list[dict[str, Any]]:
    """The rows of the table, the best entry first."""
    chosen_on = {entry: _even(fits[entry][best[entry]]) for entry in entries}
    tested_on = {entry: _odd(fits[entry][best[entry]]) for entry in entries}
    leader = min(entries, key=lambda entry: chosen_on[entry].mean())
    rows = []
    for entry in sorted(entries, key=lambda entry: tested_on[entry].mean()):
        fit, rates = bootstrap_t(tested_on[entry]), entries[entry]
        behind = bootstrap_t(tested_on[entry] - tested_on[leader])
        worse = verdicts.verdict(behind, Range(low=SLIGHTLY))
        rows.append(
            {
                "rank": len(rows) + 1,
                "variant": entry[0],
                "optimizer": entry[1],
                "best_rate": best[entry],
                "at_edge": best[entry] in (min(rates), max(rates)),
                **{f"fit_ratio_{name}": x for name, x in fit._asdict().items()},
                **{f"behind_{name}": x for name, x in behind._asdict().items()},
                "worse": "leader" if entry == leader else worse,
                "seeds": len(tested_on[entry]),
                "diverged": sum(int(diverged(records[x]).sum()) for x in rates.values()),
            }
        )
    return rows


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    def cell(row, name):
        return interval(Interval(*(row[f"{name}_{part}"] for part in Interval._fields)))

    head = [
        "",
        "variant",
        "optimizer",
        "best rate",
        "fit ratio",
        "behind the leader",
        "worse than it",
    ]
    return Table(
        [*head, "diverged, all rates"],
        [
            [
                str(row["rank"]),
                row["variant"],
                row["optimizer"],
                f"{row['best_rate']:g}" + (" (at the edge)" if row["at_edge"] else ""),
                cell(row, "fit_ratio"),
                cell(row, "behind"),
                row["worse"],
                str(row["diverged"]),
            ]
            for row in rows
        ],
    )


def _section(
    optimizer: str,
    entries: Grid,
    records: Records,
    fits: Fits,
    best: Mapping[Entry, float],
    command: str,
) -> Section:
    """The section of one optimizer: the fit at every rate."""
    rows = []
    for entry in entries:
        means = {rate: number(values.mean()) for rate, values in fits[entry].items()}
        means[best[entry]] += " (best)"
        rows.append([entry[0], *means.values()])
    rates = next(iter(entries.values()))
    return Section(
        optimizer,
        "mean fit ratio at every learning rate",
        "",
        ["Means over all seeds; the best rate is that of the seeds with even numbers."],
        Table(["variant", *(f"{rate:g}" for rate in rates)], rows),
        _draw(entries, records, fits, best),
        command,
    )


def _draw(
    entries: Grid, records: Records, fits: Fits, best: Mapping[Entry, float]
) -> list[Picture]:
    def rates(path: Path) -> None:
        panels = {
            entry[0]: {
                entry[1]: figures.Band(list(fits[entry]), np.stack(list(fits[entry].values())))
            }
            for entry in entries
        }
        axes_names = ("learning rate", "exact fit ratio")
        figures.bands(path, panels, {"perfect": 1.0}, axes_names, log_x=True)

    caption = "Final fit ratio by learning rate. Lines are medians over seeds, bands span all."
    cells = {f"{e[0]}, rate {best[e]:g}": entries[e][best[e]] for e in entries}
    return [
        *pictures(("rates.png", caption, rates)),
        *draw_points({"best rates": cells}, records),
    ]

"""The table and the figure of a sweep over all its cells (combinations of settings)."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from experiments.points.config import Config
from jaxgan.metrics import intervals
from jaxgan.plots import figures

SETTINGS = (
    "variant",
    "optimizer",
    "learning_rate",
    "critic_learning_rate",
    "penalty_weight",
    "clip",
)
# Further results, if they are measured: means over seeds.
MEANS = (
    "floor",
    "w1",
    "w1_ema",
    "modes",
    "modes_ema",
    "quality",
    "quality_ema",
    "reverse_kl",
    "reverse_kl_ema",
    "classifier_accuracy",
    "classifier_accuracy_ema",
)
DIFFERENCE = "fit_ratio_ema_difference"
# Columns that count the seeds with p-values above 5 %, and the names of these p-values.
TESTS = {"indistinguishable": "p_value", "indistinguishable_classifier": "classifier_p_value"}


def rows(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the cells of a sweep as rows of ``summary.csv``.

    The difference in the fit ratio with ema from the first cell's is taken between equal
    seeds, which hold out the same points; it is missing if a seed of either cell diverged.
    """
    first, *_ = (np.array(cell["by_seed"]["fit_ratio_ema"], float) for cell in cells)
    table = []
    for cell in cells:
        row = {name: cell.get(name, "") for name in SETTINGS}
        row |= {"seeds": cell["seeds"], "diverged": cell["diverged"]}
        for name in ("fit_ratio", "fit_ratio_ema"):
            values = cell["by_seed"][name]
            row |= {f"{name}_{part}": value for part, value in cell[name].items()}
            row[f"{name}_median"] = np.median([math.inf if x is None else x for x in values])
        ratios = np.array(cell["by_seed"]["fit_ratio_ema"], float)
        if table and ratios.shape == first.shape and np.isfinite(ratios - first).all():
            difference = intervals.student(ratios - first)._asdict()
            row |= {
                f"{DIFFERENCE}_{x}": None if np.isnan(y) else y for x, y in difference.items()
            }
        for (name, p_value), suffix in itertools.product(TESTS.items(), ("", "_ema")):
            values = cell["by_seed"].get(f"{p_value}{suffix}")
            if values is not None:
                passes = sum(p is not None and p >= 0.05 for p in values)
                row[f"{name}{suffix}"] = passes
        for name in MEANS:
            values = [math.inf if x is None else x for x in cell["by_seed"].get(name, [])]
            if values:
                row[f"{name}_mean"] = np.mean(values)
        table.append({name: "" if x is None else x for name, x in row.items()})
    return table


PAIRS = """\
difference: in the fit ratio with ema from the first row's, between equal seeds."""
CAPTION = """\
like held-out: seeds whose samples an energy test at 5 % cannot tell from held-out points.
by classifier: seeds whose samples a classifier at 5 % cannot tell from held-out points.
At the usual sizes the classifier nearly always detects 10 % of noise and one missing mode of up
to 25, but one of 100 modes in only 7 % of cases. The energy test mostly misses such noise, and
half of the grid's missing modes (docs/power.md)."""


def show(table: Sequence[Mapping[str, Any]]) -> None:
    """Print the results of every cell as a table.

    The columns are: the floor, which is the distance of a perfect generator, in the data's
    units; mean fit ratio with its 95 % interval, its difference from the first row, and
    median; for clouds with known modes the share of samples on a mode, the number of modes
    captured, and the reverse KL divergence over modes; the accuracy of a classifier that
    tells samples from held-out points; the number of seeds whose samples an energy test and
    the classifier cannot tell from held-out points at 5 %. All but the difference are given
    for the generator and for its moving average.
    """

    def fit(row, name, sign="", without="diverged"):
        mean, low, high = (row.get(f"{name}_{part}", "") for part in ("mean", "low", "high"))
        if mean == "":
            return without
        bounds = "" if low == "" else f" [{low:{sign}.2f}, {high:{sign}.2f}]"
        return f"{mean:{sign}.2f}{bounds}"

    def both(row, name, end="", digits=0):  # older and diverged runs lack some
        pair = [row.get(f"{name}{suffix}{end}", math.nan) for suffix in ("", "_ema")]
        return ", ".join(f"{x:.{digits}f}" for x in pair)

    names = [*SETTINGS, "seeds", "diverged"]
    names = [name for name in names if any(row[name] != "" for row in table)]
    digits = {"quality": 3, "modes": 1, "reverse_kl": 2, "classifier_accuracy": 2}
    columns = [name for name in digits if any(f"{name}_mean" in row for row in table)]
    pairs = ["difference"] if any(f"{DIFFERENCE}_mean" in row for row in table) else []
    heads = ["floor", "fit ratio", "fit ratio with ema", *pairs, "medians"]
    heads += [name.replace("_kl", " KL").replace("_", " ") for name in columns]
    lines = [[*names, *heads, "like held-out", "by classifier"]]
    for row in table:
        lines.append(
            [
                *(str(row[name]) for name in names),
                f"{row['floor_mean']:.4f}",
                fit(row, "fit_ratio"),
                fit(row, "fit_ratio_ema"),
                *(fit(row, DIFFERENCE, "+", without="") for _ in pairs),
                f"{row['fit_ratio_median']:.2f}, {row['fit_ratio_ema_median']:.2f}",
                *(both(row, name, "_mean", digits[name]) for name in columns),
                *(both(row, name) for name in TESTS),
            ]
        )
    print(tabulate(lines, tablefmt="plain", disable_numparse=True))
    print("\n".join([PAIRS] * len(pairs) + [CAPTION]))


def draw_grid(path: Path, folders: Mapping[Path, Config]) -> None:
    """Draw the final clouds of all cells, variants by optimizers and further settings.

    Args:
      path: Path of the PNG.
      folders: Configurations by complete run directory.
    """
    panels, cloud = {}, np.zeros((0, 2))
    for folder, config in folders.items():
        samples = np.load(folder / "samples.npz")
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        several = {
            name for name in SETTINGS if len({cell.get(name) for cell in summary["cells"]}) > 1
        }
        for i, cell in enumerate(summary["cells"]):
            ratios = [math.inf if x is None else x for x in cell["by_seed"]["fit_ratio"]]
            lane = i * config.seeds + int(np.argsort(ratios)[len(ratios) // 2])
            mean, low, high = (cell["fit_ratio"][part] for part in ("mean", "low", "high"))
            title = "diverged" if mean is None else f"fit {mean:.2f}"
            if low is not None:
                title += f"  [{low:.2f}, {high:.2f}]"
            if None not in cell["by_seed"].get("quality", [None]):
                title += f"  quality {np.mean(cell['by_seed']['quality']):.1%}"
            column = [config.optimizer, *(f"{n} {cell[n]:g}" for n in SETTINGS if n in several)]
            panels[config.variant, "\n".join(column)] = figures.Panel(
                samples["test"][lane], samples["generated"][lane], title
            )
        cloud = np.concatenate([samples["train"][0], samples["test"][0]])
    variants, columns = ({place[i] for place in panels} for i in (0, 1))
    if len(panels) == len(variants) and len(columns) > 1:  # a grid would be mostly empty
        panels = {("", ", ".join(place)): panel for place, panel in panels.items()}
    title = "Median seeds; mean fit ratio with its 95 % interval"
    figures.cloud_grid(path, panels, figures.extent_of(cloud), title)

"""The table and the figure of a sweep, over all its cells."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from experiments.points.config import Config
from jaxgan.plots import figures

SETTINGS = (
    "variant",
    "optimizer",
    "learning_rate",
    "critic_learning_rate",
    "penalty_weight",
    "clip",
)
# Further results, where they are measured: plain means over seeds.
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
)


def rows(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The cells of a sweep as rows of ``summary.csv``."""
    table = []
    for cell in cells:
        row = {name: cell.get(name, "") for name in SETTINGS}
        row |= {"seeds": cell["seeds"], "diverged": cell["diverged"]}
        for name in ("fit_ratio", "fit_ratio_ema"):
            values = cell["by_seed"][name]
            row |= {f"{name}_{part}": value for part, value in cell[name].items()}
            row[f"{name}_median"] = np.median([math.inf if x is None else x for x in values])
        for name in ("p_value", "p_value_ema"):
            passed = sum(p is not None and p >= 0.05 for p in cell["by_seed"][name])
            row[f"indistinguishable{name[7:]}"] = passed
        for name in MEANS:
            values = [math.inf if x is None else x for x in cell["by_seed"].get(name, [])]
            if values:
                row[f"{name}_mean"] = np.mean(values)
        table.append({name: "" if x is None else x for name, x in row.items()})
    return table


def show(table: Sequence[Mapping[str, Any]]) -> None:
    """Print the fit of every cell, aligned.

    The floor is the distance of a perfect generator, in the data's units. Then means
    of the fit ratio with their 95 % interval, medians, the number of seeds whose samples
    an energy test at 5 % cannot tell from held-out points, and on a cloud with known
    modes how many are captured, the share of samples that belong to one, and the reverse
    divergence over modes; of the generator and of its moving average.
    """

    def fit(row, name):
        mean, low, high = (row[f"{name}_{part}"] for part in ("mean", "low", "high"))
        if mean == "":
            return "diverged"
        return f"{mean:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low != "" else "")

    names = [*SETTINGS, "seeds", "diverged"]
    names = [name for name in names if any(row[name] != "" for row in table)]
    digits = {"modes": 1, "quality": 3, "reverse_kl": 2}
    measured = [name for name in digits if any(f"{name}_mean" in row for row in table)]
    heads = ["floor", "fit ratio", "fit ratio with ema", "medians", "like held-out"]
    lines = [[*names, *heads, *(name.replace("_kl", " KL") for name in measured)]]
    for row in table:
        lines.append(
            [
                *(str(row[name]) for name in names),
                f"{row['floor_mean']:.4f}",
                fit(row, "fit_ratio"),
                fit(row, "fit_ratio_ema"),
                f"{row['fit_ratio_median']:.2f}, {row['fit_ratio_ema_median']:.2f}",
                f"{row['indistinguishable']}, {row['indistinguishable_ema']}",
            ]
        )
        for name in measured:  # rows of older runs, and of lost ones, lack some
            pair = [row.get(f"{name}{suffix}_mean", math.nan) for suffix in ("", "_ema")]
            lines[-1].append(", ".join(f"{x:.{digits[name]}f}" for x in pair))
    print(tabulate(lines, tablefmt="plain", disable_numparse=True))


def draw_grid(path: Path, folders: Mapping[Path, Config]) -> None:
    """Draw the final clouds of all cells, variants by optimizers and further settings.

    Args:
      path: Of the PNG.
      folders: Run directories that are complete, and what they ran.
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
            column = [config.optimizer, *(f"{n} {cell[n]:g}" for n in SETTINGS if n in several)]
            panels[config.variant, "\n".join(column)] = figures.Panel(
                samples["test"][lane], samples["generated"][lane], title
            )
        cloud = np.concatenate([samples["train"][0], samples["test"][0]])
    title = "Median seeds; mean fit ratio with its 95 % interval"
    figures.cloud_grid(path, panels, figures.extent_of(cloud), title)

"""Modes that variants capture: the measured table of docs/modes.md.

    python benchmarks/modes.py
    python benchmarks/modes.py --clouds ring --rows gan wgan_gp --seeds=2 --out=few.md

Every cell of the table is a run of the points laboratory with several seeds; the same command
goes on where it stopped. The table is written after every run, between two marks of the file.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxgan.metrics import intervals

PAGE = Path(__file__).parents[1] / "docs" / "modes.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end -->\n"
CLOUDS = {"ring": 8, "grid": 25, "grid100": 100}


class Row(NamedTuple):
    """A row of the table.

    Attributes:
      flags: Of the points laboratory.
      setting: In words.
      clouds: Of ``CLOUDS``.
    """

    flags: str
    setting: str
    clouds: tuple[str, ...] = tuple(CLOUDS)


_SHORT = ("ring", "grid")
ROWS = {
    "gan": Row("--variant=gan", "defaults"),
    "gan (PacGAN)": Row("--recipe=pacgan", "recipe `pacgan`", _SHORT),
    "gan (PacGAN2)": Row(
        "--recipe=pacgan --pack=2 --batch_size=200", "recipe `pacgan`, packs of 2"
    ),
    "wgan": Row("--variant=wgan", "defaults, optimistic Adam"),
    "wgan (5e-4)": Row(
        "--variant=wgan --learning_rate=5e-4 --critic_learning_rate=5e-4", "both rates 5e-4"
    ),
    "wgan_gp": Row("--variant=wgan_gp", "defaults"),
    "rpgan": Row("--variant=rpgan", "defaults"),
    "wgan_gp (modes)": Row("--recipe=modes", "recipe `modes`"),
}


def main() -> None:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--clouds", nargs="+", choices=CLOUDS, default=list(CLOUDS))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--runs", default="runs", help="folder of the runs")
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file")
    options = parser.parse_args()
    cells: dict[tuple[str, str], str] = {}
    for cloud in options.clouds:
        for name in options.rows:
            if cloud in ROWS[name].clouds:
                cells[name, cloud] = measure(name, cloud, options.seeds, options.runs)
                write(options.out, table(options.rows, cells))


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


def measure(name: str, cloud: str, seeds: int, runs: str) -> str:
    """Train every seed of a cell, and say what it reached."""
    row = "".join(c if c.isalnum() else "_" for c in name)
    folder = f"modes-{cloud}-{row}-{seeds}"
    command = [sys.executable, "-m", "experiments.points", *ROWS[name].flags.split()]
    command += [f"--data={cloud}", f"--seeds={seeds}", f"--out={runs}", f"--name={folder}"]
    command += ["--frame_every=50", "--checkpoint_every=50"]
    print(time.strftime("%H:%M:%S"), *command[2:], flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    summary = json.loads((Path(runs) / "points" / folder / "summary.json").read_text("utf-8"))
    (cell,) = summary["cells"]
    return f"{_modes_text(cell['by_seed'], '')}<br>{_modes_text(cell['by_seed'], '_ema')}"


def _modes_text(by_seed: Mapping[str, Any], suffix: str) -> str:
    """The three measures, each with half of an interval."""
    means = []
    for name, unit, digits in (("modes", 1, 1), ("quality", 100, 1), ("reverse_kl", 1, 3)):
        interval = intervals.student(by_seed[f"{name}{suffix}"])
        half = interval.high - interval.mean
        means.append(f"{unit * interval.mean:.{digits}f} ± {unit * half:.{digits}f}")
    modes, quality, divergence = means
    return f"{modes}, {quality} %, {divergence}"


def table(rows: Sequence[str], cells: Mapping[tuple[str, str], str]) -> str:
    """The table in Markdown."""
    heads = ["", "setting", *(f"{cloud}: of {count}" for cloud, count in CLOUDS.items())]
    lines = [heads, ["---"] * len(heads)]
    for name in rows:
        own = [cells.get((name, cloud), "") for cloud in CLOUDS]
        lines.append([f"`{name}`", ROWS[name].setting, *own])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(path: Path, text: str) -> None:
    """Put the table between the marks of a page, or in a file of its own."""
    page = path.read_text("utf-8") if path.exists() else f"{BEGIN}{END}"
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()

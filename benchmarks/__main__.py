"""All speed benchmarks in one run, as one table.

    python -m benchmarks [--quick] [--only=points,sweep,images,sefa,mobilestylegan] [--rounds=7]
                         [--out=FILE]

Every program has a process of its own. Those of a row run in turn, round after round, and a
product of large matrices with them, whose speed is the machine's peak. A row has jaxgan's
median time, the fastest rival's, and their ratio, above 1 where jaxgan is faster; the share of
the peak at the operations that a plain computation has, so that a convolution with fewer
products counts as a whole one; and the most memory that either process had. ``--quick`` takes a
row of each kind and three rounds. Needs torch, and openvino for ``mobilestylegan``.
"""

import argparse
import functools
import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))  # the scripts import one another as they do when run alone

import harness  # noqa: E402
import images  # noqa: E402
import mobilestylegan  # noqa: E402
import points  # noqa: E402
import sefa  # noqa: E402
import sweep  # noqa: E402

from jaxgan.convert import zoo  # noqa: E402
from jaxgan.runtime import cores  # noqa: E402

PEAK = ("sweep.py", "peak", 0, 0)


class Row(NamedTuple):
    """One row of the table.

    Attributes:
      kind: Script that has the programs.
      title: What is timed.
      unit: What a time is of.
      programs: Name to script and arguments of its worker; ``jaxgan`` is one of them.
      operations: Counts the floating-point operations of a unit, or None.
    """

    kind: str
    title: str
    unit: str
    programs: dict[str, Sequence[Any]]
    operations: Callable[[], float] | None = None


def rows() -> list[Row]:
    """All rows; the first of each kind is quick's."""
    table = []
    for variant in ("wgan_gp", "gan", "wgan"):
        for batch in (64, 256):
            names = [x for x in points.PROGRAMS if (variant, x) != ("wgan_gp", "torch.compile")]
            programs = {name: ("points.py", name, variant, batch) for name in names}
            count = functools.partial(points.operations, variant, batch)
            title = f"points, {variant}, batch {batch}"
            table.append(Row("points", title, "step", programs, count))
    ways = {
        "jaxgan": ("jaxgan", 16),
        "torch, run after run": ("torch", 1),
        "torch, one thread": ("one thread", 1),
        f"torch, {cores()} processes": ("torch", cores()),
        "torch, 16 stacked": ("stacked", 16),
    }
    programs = {name: ("sweep.py", *way, 64) for name, way in ways.items()}
    count = functools.partial(points.operations, "wgan_gp", 64)
    table.append(Row("sweep", "points, 16 runs at once", "step of one run", programs, count))
    networks = (("report_dcgan", 64), ("report_conv", 64), ("report_dense", 64))
    for model, batch in (*networks, ("report_dcgan", 512)):
        for variant in ("wgan_gp", "gan"):
            case = (model, variant, batch)
            programs = {name: ("images.py", name, *case) for name in images.PROGRAMS}
            count = functools.partial(images.operations, *case)
            title = f"{model}, {variant}, batch {batch}"
            table.append(Row("images", title, "step", programs, count))
    for model in ("stylegan2", "stylegan", "pggan"):
        for pixels, batch in ((256, 1), (256, 4), (1024, 1)):
            case = (model, pixels, batch)
            programs = {name: ("sefa.py", name, *case) for name in sefa.PROGRAMS}
            count = functools.partial(sefa.operations, model, pixels)
            title = f"{model}, {pixels} pixels, batch {batch}"
            table.append(Row("sefa", title, "image", programs, count))
    for batch in (1, 5):
        both = {name: ("mobilestylegan.py", name, batch) for name in mobilestylegan.PROGRAMS}
        title = f"MobileStyleGAN, 1024 pixels, batch {batch}"
        table.append(Row("mobilestylegan", title, "image", both))
    return table


def choose(kinds: Sequence[str], quick: bool) -> list[Row]:
    """The rows of these kinds that can run here; says which cannot."""
    matches = [row for row in rows() if row.kind in kinds]
    if quick:
        matches = [next(row for row in matches if row.kind == kind) for kind in kinds]
    if "mobilestylegan" not in kinds:
        return matches
    if importlib.util.find_spec("openvino") is not None:
        zoo.fetch(mobilestylegan.NAME, print)
        return matches
    print("openvino is not installed: no row of MobileStyleGAN")
    return [row for row in matches if row.kind != "mobilestylegan"]


def measure(row: Row, rounds: int, peak: harness.Worker) -> str:
    """Time the programs of a row in turn; returns its line of the table."""
    workers = {
        name: harness.Worker(*arguments, script=FOLDER / script)
        for name, (script, *arguments) in row.programs.items()
    }
    times: dict[str, list[float]] = {name: [] for name in ("peak", *workers)}
    for _ in range(rounds):
        for name, worker in {"peak": peak, **workers}.items():
            times[name].append(worker.time())
    middle = {name: statistics.median(each) for name, each in times.items()}
    memory = {name: worker.close() for name, worker in workers.items()}
    own, rival = middle["jaxgan"], min(workers.keys() - {"jaxgan"}, key=middle.__getitem__)
    share = "-"
    if row.operations is not None:
        speed = 2 * sweep.SIDE**3 / middle["peak"]
        share = f"{row.operations() / own / speed:.0%}".replace("%", " %")
    sizes = ", ".join(  # the memory of children is not known
        "-" if "processes" in name else f"{memory[name] / 2**20:.0f}"
        for name in ("jaxgan", rival)
    )
    return (
        f"| {row.title} | {spell(own)} per {row.unit} | {spell(middle[rival])} ({rival}) | "
        f"{middle[rival] / own:.2f} | {share} | {sizes} |"
    )


def spell(microseconds: float) -> str:
    """Spell a time."""
    for unit, size in (("us", 1), ("ms", 1e3)):
        if microseconds < 1e3 * size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds / 1e6:.3g} s"


def commit() -> str:
    """The commit of the code, with a plus if files differ from it."""
    git = ("git", "-C", str(FOLDER), "describe", "--always", "--dirty=+", "--exclude=*")
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main() -> None:
    """Print the table, and write it to a file."""
    kinds = list(dict.fromkeys(row.kind for row in rows()))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a row of each kind, three rounds")
    parser.add_argument("--only", default=",".join(kinds), help="kinds of rows; a list")
    parser.add_argument("--rounds", type=int, help="7 by default")
    parser.add_argument("--out", type=Path, help="file for the table")
    options = parser.parse_args()
    choice = options.only.split(",")
    if unknown := [kind for kind in choice if kind not in kinds]:
        parser.error(f"--only={unknown[0]}: choose from {', '.join(kinds)}")
    rounds = options.rounds or (3 if options.quick else 7)
    script, *arguments = PEAK
    peak = harness.Worker(*arguments, script=FOLDER / script)
    lines = [
        f"{harness.machine()}, commit {commit()}, {rounds} rounds",
        "",
        "| | jaxgan | fastest rival | ratio | of peak | MiB, both |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for row in choose(choice, options.quick):
        try:
            lines.append(measure(row, rounds, peak))
        except harness.Stopped as error:
            lines.append(f"| {row.title} | {error} | - | - | - | - |")
        print(lines[-1], flush=True)
        if options.out:
            options.out.write_text("\n".join(lines) + "\n")
    peak.close()


if __name__ == "__main__":
    main()

"""Kill runs, signal them, damage their files, fill their disks, and feed readers mutated files.

    python benchmarks/reliability.py
    python benchmarks/reliability.py --scale=0.05
    python benchmarks/reliability.py --only=damages,mutations --seed=7

Prints a table with a row for each part and a column for each kind of fault; all of them are
to be zero. A fault is also printed by itself, with what is needed to see it again: the seed
decides on everything but the moments of a process. Exit code 1 if there was a fault.

Runs are small (points: 200 points, 24 epochs; faces: 16 pictures, 16 epochs), with a
checkpoint every two epochs. Disks of a few KiB are made with ``mount``, which takes root;
without it that part is skipped.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # on which runs repeat bit for bit

import harness
import numpy as np
from trials import damages, interruptions, labs, mutations
from trials.labs import EVERY, FAULTS, Trial
from trials.samples import KINDS

from jaxgan import runtime

PARTS = {  # name to the number of trials
    "kills": 100,
    "signals": 40,
    "damages": 300,
    "disks": 6,
    "doubles": 10,
    "mutations": 20_000,
}
TITLES = {
    "kills": "SIGKILL at a random moment",
    "signals": "SIGTERM or SIGINT at a random moment",
    "damages": "damaged files of a run",
    "disks": "full disks",
    "doubles": "the same run started twice",
    "mutations": "mutated input files",
}
LABS = ("points", "faces")
PATIENCE = 10.0  # seconds for one input file
MOST_FAULTS = 5  # faults of a part that are printed


def main() -> int:
    """Run the parts that are asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description="Reliability of runs and readers.")
    parser.add_argument("--seed", type=int, default=0, help="of every random choice")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the trials")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--labs", default=",".join(LABS), help="laboratories, likewise")
    for name, count in PARTS.items():
        parser.add_argument(f"--{name}", type=int, help=f"trials; {count} by default")
    options = parser.parse_args()
    parts = [name for name in PARTS if name in options.only.split(",")]
    laboratories = options.labs.split(",")
    runtime.setup()
    print(harness.machine("numpy"))
    print(f"python {' '.join(sys.argv)}: seed {options.seed}", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        labs.make_data(home)
        battery = Battery(home, options.seed, laboratories)
        for part in parts:
            limit = getattr(options, part)
            count = limit if limit is not None else max(1, round(PARTS[part] * options.scale))
            rows.append(row(part, getattr(battery, part)(count)))
    show(rows)
    return int(any(any(counts[name] for name in FAULTS) for _, counts, _, _ in rows))


class Battery:
    """The parts, each a function from a number of trials to their results."""

    def __init__(self, home: Path, seed: int, laboratories: list[str]):
        self.home, self.seed, self.labs = home, seed, laboratories
        self._whole: dict[str, interruptions.Whole] = {}

    def kills(self, count: int) -> Iterator[Trial]:
        """Kill runs."""
        yield from self._interrupt(count, 1, (signal.SIGKILL,))

    def signals(self, count: int) -> Iterator[Trial]:
        """Ask runs to stop."""
        yield from self._interrupt(count, 2, (signal.SIGTERM, signal.SIGINT))

    def damages(self, count: int) -> Iterator[Trial]:
        """Damage files of runs."""
        for lab, number in self._shares(count):
            base = damages.prepare(lab, self.home)
            for i in range(number):
                yield damages.damage_one(lab, base, self.seed, i)

    def disks(self, count: int) -> Iterator[Trial]:
        """Fill disks."""
        if not interruptions.can_mount():
            print("disks: skipped, since small ones take root and mount")
            return
        for i, share in enumerate(interruptions.shares(count)):
            lab = self.labs[i % len(self.labs)]
            yield interruptions.full(lab, self.whole(lab), share)

    def doubles(self, count: int) -> Iterator[Trial]:
        """Start runs twice."""
        for i in range(count):
            lab = self.labs[i % len(self.labs)]
            yield interruptions.twice(lab, self.whole(lab), i)

    def mutations(self, count: int) -> Iterator[Trial]:
        """Read mutated files."""
        for kind in KINDS:
            number = max(1, round(count / len(KINDS)))
            begin, endings, peak = time.monotonic(), Counter(), 0
            for reading in mutations.read_all(kind, self.seed, 0, number, PATIENCE):
                endings[reading.ending] += 1
                peak = max(peak, reading.peak)
                yield _trial_of(kind, reading)
            print(
                f"  {kind:10} {number} files: {endings['read']} read, "
                f"{endings['refused']} refused; peak {peak} MiB; "
                f"{time.monotonic() - begin:.0f} s",
                flush=True,
            )

    def whole(self, lab: str) -> interruptions.Whole:
        """The undisturbed run of a laboratory, made once."""
        if lab not in self._whole:
            self._whole[lab] = interruptions.run_whole(lab, self.home)
        return self._whole[lab]

    def _interrupt(self, count, stream, signals):
        for lab, number in self._shares(count):
            rng = np.random.default_rng([self.seed, stream])
            yield from interruptions.stop_often(lab, self.whole(lab), number, rng, signals)

    def _shares(self, count: int) -> Iterator[tuple[str, int]]:
        for i, lab in enumerate(self.labs):
            number = (count + len(self.labs) - 1 - i) // len(self.labs)
            if number:
                yield lab, number


def _trial_of(kind: str, reading: mutations.Reading) -> Trial:
    fault = {"other": "other", "lines": "other", "hang": "hang", "died": "other"}
    faults = (fault[reading.ending],) if reading.ending in fault else ()
    words = f"{reading.ending}: {reading.words}" if faults else ""
    return Trial(f"{kind} {reading.number}", None, faults, words)


def row(part: str, trials: Iterator[Trial]) -> tuple[str, Counter, str, float]:
    """Count what came of a part; print its faults."""
    begin, counts = time.monotonic(), Counter()
    most, slowest, endings = 0, 0.0, Counter()
    for trial in trials:
        complete = part in ("kills", "signals") and trial.code == 0
        counts["complete" if complete else "trials"] += 1
        counts.update(set(trial.faults))
        endings[trial.code] += 1
        most, slowest = max(most, trial.lost or 0), max(slowest, trial.seconds)
        if trial.faults:
            counts["shown"] += 1
            if counts["shown"] <= MOST_FAULTS:
                print(f"  FAULT {', '.join(trial.faults)}: {trial.name}: {trial.words}")
        sys.stdout.flush()
    notes = {
        "kills": f"at most {most} epochs of {EVERY} between checkpoints lost; "
        f"{counts['complete']} complete runs compared",
        "signals": f"{endings[143]} saved by SIGTERM, {endings[130]} by SIGINT, "
        f"{endings[-15] + endings[-2]} ended before the run began or after it; "
        f"{counts['complete']} complete runs compared",
        "damages": f"{endings[0]} went on, {endings[2]} refused in a line",
        "disks": f"at most {most} epochs lost",
    }
    return part, counts, notes.get(part, ""), time.monotonic() - begin


def show(rows: list[tuple[str, Counter, str, float]]) -> None:
    """Print the table."""
    print(f"\n{'':38}{'trials':>7}" + "".join(f"{name:>10}" for name in FAULTS) + f"{'s':>7}")
    for part, counts, note, seconds in rows:
        numbers = "".join(f"{counts[name]:10}" for name in FAULTS)
        print(f"{TITLES[part]:38}{counts['trials']:7}{numbers}{seconds:7.0f}")
        if note:
            print(f"    {note}")
    for name, text in FAULTS.items():
        print(f"{name}: {text}")


if __name__ == "__main__":
    sys.exit(main())

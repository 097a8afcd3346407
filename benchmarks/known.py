"""Write the names and numbers that ``jaxgan.sefa.known`` holds, from runs that measured them.

    python -m experiments.sefa --attributes --directions=8 --attribute_data=PHOTOGRAPHS \
        --attribute_labels=CSV --checkpoint=dcgan-faces
    python benchmarks/known.py runs/sefa/dcgan-faces_attributes ...

The file holds the directions of the runs that are given, and no others. Numbers are rounded
to three digits.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from jaxgan.sefa import known, spell_layers

FILE = Path(__file__).parents[1] / "jaxgan" / "sefa" / "known.json"
SHIFTS = 3  # as many as a page shows: those in the name, and the strongest others
ENDS = ("first", "still", "last")
UNITS = {"std": "standard deviations", "code": "of code", "image": "image units"}


def main():
    """Write the file."""
    parser = argparse.ArgumentParser(description="Write known.json.")
    parser.add_argument("runs", nargs="+", type=Path)
    lines = []
    for run in parser.parse_args().runs:
        with np.load(run / "directions.npz") as arrays:
            fingerprint = str(arrays["fingerprint"])
            entries = list(entries_of(run, arrays["vectors"], arrays["layers"]))
        rows = ",\n".join(map(json.dumps, entries))
        lines.append(f"{json.dumps(fingerprint)}: [\n{rows}\n]")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def entries_of(run, vectors, masks):
    """Yield the entry of each direction of a run."""
    report = json.loads((run / "attributes.json").read_text())
    unit = UNITS[json.loads((run / "config.json").read_text())["settings"]["unit"]]
    least, *_, most = report["distances"]
    conditions = f"on {report['people']} people, at {least:+g}, 0 and {most:+g} {unit}"
    for vector, row, entry in zip(vectors, masks, report["directions"], strict=True):
        attributes = entry["name"].split(" and ")
        strongest = sorted(
            entry["shifts"],
            key=lambda shift: (shift["attribute"] not in attributes, -abs(shift["in_sd"] or 0)),
        )
        likeness = entry["likeness"]
        if likeness:
            ends = [{"mean": rounded(likeness["means"][t]["mean"])} for t in (0, -1)]
            likeness = {"means": ends, "strangers": rounded(likeness["strangers"])}
        yield {
            "vector": [round(float(x), 4) for x in vector[: known.COMPONENTS]],
            "layers": spell_layers(np.flatnonzero(row).tolist()),
            "measured": conditions,
            **{key: entry[key] for key in ("name", "plus", "minus")},
            "seen": rounded(entry["seen"]),
            "shifts": [shift_of(shift) for shift in strongest[:SHIFTS]],
            "likeness": likeness,
        }


def shift_of(shift):
    """Keep what a page shows of an attribute's shift."""
    means = {
        end: {key: rounded(shift[end][key]) for key in ("mean", "low", "high")} for end in ENDS
    }
    facts = {key: shift[key] for key in ("attribute", "unit", "people")}
    return facts | means | {"in_sd": rounded(shift["in_sd"])}


def rounded(number):
    """Round to three digits."""
    return None if number is None else float(f"{number:.3g}")


if __name__ == "__main__":
    main()

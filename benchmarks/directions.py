"""Compare ways of finding directions of real faces, by scores of the same people.

    python benchmarks/directions.py [--people=24] [--data=PHOTOGRAPHS --labels=CSV]

Codes move to both ends of the first five directions of every way, or of two directions of
each group, six in all. Over all images the script prints the share in which the face mesh
still sees a face, and how alike people stay to themselves, which needs labelled photographs.
For each attribute it prints the largest effect of any direction from end to end, in standard
deviations among people, and in brackets the number of that direction. Needs
``jaxgan[attributes]``; the files are downloaded once.
"""

import argparse

import numpy as np

from jaxgan import convert, sefa
from jaxgan.judges import oracles
from jaxgan.sefa import measure, scoring

GROUPS = "0-3/4-9/10-22"  # layers up to 8 pixels, up to 32, and beyond
WAYS = {  # unit and distance of the ends, and arguments of sefa.directions
    "plain, ±3 of code": ("code", 3.0, {}),
    "plain, ±2 std": ("std", 2.0, {}),
    "plain, ±2 image units": ("image", 2.0, {}),
    "spread at least mean, ±3 of code": ("code", 3.0, {"least_spread": 1.0}),
    "spread at least twice, ±2 std": ("std", 2.0, {"least_spread": 2.0}),
    "groups, ±2 std": ("std", 2.0, {"layers": GROUPS, "k": 2}),
    "whitened, ±2 std": ("std", 2.0, {"whiten": True}),
    "whitened, ±2 image units": ("image", 2.0, {"whiten": True}),
    "whitened groups, ±2 std": ("std", 2.0, {"layers": GROUPS, "k": 2, "whiten": True}),
}
COLUMNS = ("turn of the head", "gender", "age", "smile")
TRUNCATION, BATCH = {"truncation": 0.7}, 4


def main():
    """Print a line per way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--data", help="labelled photographs, for likeness")
    parser.add_argument("--labels", help="their labels")
    options = parser.parse_args()
    generator = convert.load("mobilestylegan-ffhq", print)
    judges = scoring.panel(oracles.FFHQ, options.data, options.labels)
    rng = np.random.default_rng(0)
    some = generator.codes(rng.standard_normal((5, generator.z_dim)), **TRUNCATION)
    audience = scoring.Audience(generator, judges, BATCH)
    usual = scoring.meet(audience, options.people, seed=0, **TRUNCATION)
    print(f"{options.people} people\n{'':34}{'faces':>6}{'alike':>7}", end="")
    print("".join(f"{name:>20}" for name in COLUMNS))
    for way, (unit, distance, settings) in WAYS.items():
        directions = sefa.directions(generator, **{"k": 5} | settings)
        units = np.ones(len(directions.vectors))
        if unit == "std":
            units = sefa.spreads(generator, directions.vectors)
        elif unit == "image":
            units = measure.image_units(generator, some, directions)
        distances = np.array([-distance, 0.0, distance])
        report = scoring.score_directions(
            audience, directions, units, distances, usual, options.people
        )
        print(f"{way:34}{row(report['directions'])}", flush=True)


def row(directions):
    """Spell the numbers of a way."""
    share = np.mean([entry["seen"] for entry in directions])
    alike = [
        entry["likeness"]["means"][t]["mean"]
        for entry in directions
        if entry["likeness"] and entry["likeness"]["people"]
        for t in (0, -1)
    ]
    text = f"{share:6.0%}" + (f"{np.mean(alike):7.2f}" if alike else f"{'':7}")
    for name in COLUMNS:
        effects = [
            next(shift["in_sd"] for shift in entry["shifts"] if shift["attribute"] == name) or 0
            for entry in directions
        ]
        best = int(np.argmax(np.abs(effects)))
        text += f"{f'{effects[best]:+.1f} ({best + 1})':>20}"
    return text


if __name__ == "__main__":
    main()

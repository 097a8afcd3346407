"""Gaussians on which defaults of the points laboratory were chosen, as files.

    python benchmarks/tuning_clouds.py
    cd runs/clouds && python -m experiments.points --data=six.npy --modes=six_modes.npy

They differ from the clouds of docs/modes.md.
"""

import argparse
from pathlib import Path

import numpy as np

POINTS = 8192
APART = 0.9  # least distance of scattered Gaussians


def hexagon() -> tuple[np.ndarray, float]:
    """Centres of 37 Gaussians on a triangular lattice at distance 1, and their deviation."""
    rows, columns = (x.ravel() for x in np.mgrid[-3:4, -3:4])
    inside = abs(rows + columns) <= 3
    centres = np.stack([columns + rows / 2, np.sqrt(3) / 2 * rows], axis=1)[inside]
    return centres, 0.03


def scattered() -> tuple[np.ndarray, float]:
    """Centres of 60 Gaussians at random places, and their deviation."""
    rng = np.random.default_rng(3)
    centres: list[np.ndarray] = []
    while len(centres) < 60:
        place = rng.uniform(-5, 5, 2)
        if all(np.linalg.norm(place - other) > APART for other in centres):
            centres.append(place)
    return np.array(centres), 0.05


def six() -> tuple[np.ndarray, float]:
    """Centres of 6 Gaussians on a circle of radius 1, and their deviation."""
    angles = 2 * np.pi * np.arange(6) / 6
    return np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.012


CLOUDS = {"hexagon": hexagon, "scattered": scattered, "six": six}


def main() -> None:
    """Write the points and the centres of each cloud."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--out", type=Path, default=Path("runs/clouds"))
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, cloud in CLOUDS.items():
        centres, deviation = cloud()
        noise = np.random.default_rng(1).standard_normal((POINTS, 2))
        points = centres[np.arange(POINTS) % len(centres)] + deviation * noise
        np.save(folder / f"{name}.npy", points)
        np.save(folder / f"{name}_modes.npy", centres)
        print(folder / f"{name}.npy")


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    main()

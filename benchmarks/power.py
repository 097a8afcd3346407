"""Measure what the two-sample tests of the points laboratory detect.

    OMP_NUM_THREADS=1 python benchmarks/power.py

A generator that is perfect but for a fault of a stated size is tested at the laboratory's
sizes. Points and samples are drawn again for every repetition. Writes ``docs/power.md`` after
every block of repetitions.
"""

import argparse
import functools
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree
from scipy.stats import binomtest

from experiments.points import fit
from experiments.points.config import train_size_of
from jaxgan.data import points
from jaxgan.metrics.fit_ratio import DRAWS
from jaxgan.metrics.kernels import energy_test
from jaxgan.runtime import cores

FILE = Path(__file__).parents[1] / "docs" / "power.md"
CLOUDS = ("m", "ring", "grid", "grid100", "swiss_roll", "moons")
POOL = 60_000  # points that samples are taken from: so many that their modes' shares vary
PERMUTATIONS = 99  # of the energy test; the laboratory has 999
BLOCK = 10
QUALITY = 0.27  # share of samples on a mode that passed for held-out points on the grid


def uniform(samples, cloud, rng, share):
    """Replace a share of the samples by uniform noise over the bounding box."""
    bad = rng.uniform(size=len(samples)) < share
    low, high = cloud.points.min(axis=0), cloud.points.max(axis=0)
    return np.where(bad[:, None], rng.uniform(low, high, samples.shape), samples)


def dropped(samples, cloud, rng):
    """Move the samples of the first mode to others."""
    nearest = KDTree(cloud.modes).query(samples)[1]
    target = cloud.modes[rng.integers(1, len(cloud.modes), len(samples))]
    return np.where((nearest == 0)[:, None], samples - cloud.modes[0] + target, samples)


def blurred(samples, cloud, rng, *, deviations=0.0, size=0.0):
    """Add Gaussian noise, in deviations of a mode or in sizes of the cloud."""
    scale = deviations * cloud.radius / 3 + size * points.units_of(cloud.points).size
    return samples + scale * rng.normal(size=samples.shape)


def scattered(samples, cloud, rng):
    """Blur until ``QUALITY`` of the samples are within three deviations of a mode."""
    total = 3 / np.sqrt(-2 * np.log(1 - QUALITY))
    return blurred(samples, cloud, rng, deviations=np.sqrt(total**2 - 1))


def bridged(samples, cloud, rng):
    """Move samples to lines from mode to mode, until ``QUALITY`` are on a mode."""
    tree, count = KDTree(cloud.modes), len(samples)
    distances, near = map(np.asarray, tree.query(cloud.modes, 3))
    mode = np.asarray(tree.query(samples)[1])
    step = cloud.modes[near[mode, rng.integers(1, 3, count)]] - cloud.modes[mode]
    on_mode, on_line = 1 - np.exp(-4.5), 2 * cloud.radius / distances[:, 1].mean()
    mask = rng.uniform(size=count) < (on_mode - QUALITY) / (on_mode - on_line)
    return samples + np.where(mask, rng.uniform(size=count), 0)[:, None] * step


def thinned(samples, cloud, rng, width):
    """Give the four strokes of the M, whose points take turns, a share of their width."""
    del rng
    strokes = np.moveaxis(cloud.points.reshape(-1, 4, 2), 1, 0)
    middles, covariances = strokes.mean(axis=1), [np.cov(x.T) for x in strokes]
    energies = [
        np.einsum("ni,ij,nj->n", z, np.linalg.inv(c), z) + np.log(np.linalg.det(c))
        for z, c in zip(samples - middles[:, None], covariances, strict=True)
    ]
    thin = samples.copy()
    for stroke, covariance in enumerate(covariances):
        own = np.argmin(energies, axis=0) == stroke
        across = np.linalg.eigh(covariance)[1][:, 0]
        offset = (samples[own] - middles[stroke]) @ across
        thin[own] -= (1 - width) * offset[:, None] * across
    return thin


def faults(name):
    """Name the faults of a cloud: ``{text: function of samples, cloud, rng}``."""
    table = {"none: a perfect generator": lambda samples, cloud, rng: samples}
    for share in (0.02, 0.05, 0.1, 0.25):
        text = f"{share:.0%} of the samples are uniform noise"
        table[text] = functools.partial(uniform, share=share)
    if name in ("ring", "grid", "grid100"):
        table["one mode is missing"] = dropped
        for s in (0.5, 1):
            text = f"blur by {'a' if s == 1 else 'half a'} mode's deviation"
            table[text] = functools.partial(blurred, deviations=s)
        table[f"blur until {QUALITY:.0%} are on a mode"] = scattered
        table[f"{QUALITY:.0%} are on a mode, the others on lines between two"] = bridged
    else:
        for s in (0.02, 0.05):
            table[f"blur by {s:.0%} of the cloud's size"] = functools.partial(blurred, size=s)
    if name == "m":
        for width in (0.9, 0.8):
            text = f"strokes have {width:.0%} of their width"
            table[text] = functools.partial(thinned, width=width)
    return table


def detect(name, text, first):
    """Test a block of repetitions; returns detections and seconds of both tests."""
    counts, seconds = np.zeros(2, int), np.zeros(2)
    for repetition in range(first, first + BLOCK):
        rng = np.random.default_rng(repetition)
        cloud = points.sample(name, seed=2 * repetition)
        train, reference = points.split(
            cloud.points, train_size_of(len(cloud.points)), repetition
        )
        pool = points.sample(name, POOL, seed=2 * repetition + 1).points
        samples = rng.choice(pool, DRAWS * len(reference), replace=False)
        samples = faults(name)[text](samples, cloud, rng)
        clouds = samples.reshape(DRAWS, -1, 2)
        options = {"permutations": PERMUTATIONS, "seed": repetition}
        calls = (
            functools.partial(energy_test, clouds[0], reference, **options),
            functools.partial(fit.classify, clouds, train, reference, repetition),
        )
        for i, call in enumerate(calls):
            start = time.process_time()
            counts[i] += call().p_value <= 0.05
            seconds[i] += time.process_time() - start
    return counts, seconds


def spell(count, total):
    """Spell a share in percent with its Wilson interval."""
    bounds = binomtest(int(count), total).proportion_ci(method="wilson")
    return f"{100 * count / total:.0f} [{100 * bounds.low:.0f}, {100 * bounds.high:.0f}]"


TEXT = """# Power of the two-sample tests

How often do the [energy test and the classifier test](metrics.md#two-sample-tests) of the
points laboratory tell a faulty generator from held-out points? The table gives the share of
{repetitions} repetitions in percent, for tests at the 5 % level, with 95 % Wilson intervals.

    OMP_NUM_THREADS=1 python benchmarks/power.py

- The generator is perfect but for one fault. All points and samples are drawn again for every
  repetition.
- Sizes are those of the laboratory: 7000 points to train on, 1192 held out, ten draws of 1192
  samples.
- The energy test takes the first draw, with {permutations} relabellings (999 in the
  laboratory).
- The classifier learns five draws and as many training points. It is tested on the other draws
  and the held-out points.
- The size of a cloud is the root mean square distance from its mean. A sample is on a mode if
  it lies within three deviations.

The table took {minutes:.0f} minutes on {cores} cores. An energy test takes {energy:.2f} s of
a core, a classifier test {classifier:.2f} s.

| cloud | fault | energy test | classifier test |
|---|---|---|---|
"""


def write(results, repetitions, seconds, minutes):
    """Write the table."""
    energy, classifier = seconds
    text = TEXT.format(
        repetitions=repetitions,
        permutations=PERMUTATIONS,
        cores=cores(),
        minutes=minutes,
        energy=energy,
        classifier=classifier,
    )
    for (name, fault), counts in results.items():
        shares = " | ".join(spell(count, repetitions) for count in counts)
        text += f"| `{name}` | {fault.replace('%', ' %')} | {shares} |\n"
    FILE.write_text(text)


def main():
    """Run all blocks."""
    parser = argparse.ArgumentParser(description="Write docs/power.md.")
    parser.add_argument("--repetitions", type=int, default=100, help=f"rounded up to {BLOCK}s")
    total = parser.parse_args().repetitions
    jobs = [(name, text) for name in CLOUDS for text in faults(name)]
    results = {job: np.zeros(2, int) for job in jobs}
    seconds, start = np.zeros(2), time.perf_counter()
    with ProcessPoolExecutor(cores()) as pool:
        for first in range(0, total, BLOCK):
            tests = [pool.submit(detect, *job, first) for job in jobs]
            for job, test in zip(jobs, tests, strict=True):
                counts, duration = test.result()
                results[job] += counts
                seconds += duration
            done = first + BLOCK
            per_test = seconds / (done * len(jobs))
            write(results, done, per_test, (time.perf_counter() - start) / 60)
            print(f"{done} of {total} repetitions", flush=True)


if __name__ == "__main__":
    main()

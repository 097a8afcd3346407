"""What it costs that images stay on the host: steps of DCGAN, streamed against resident.

    python benchmarks/stream.py [--rounds=5] [--width=64] [--batch=64] [--steps=6]

Both programs run in one process, in turn. The images are random, mapped from a file as those of
a packed folder are. Needs grain.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from experiments.common.settings import Recipe
from experiments.faces import config as faces
from experiments.images import config, program
from jaxgan import runtime

SIZE = 64


def main() -> None:
    """Print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=6, help="in a round")
    options = parser.parse_args()
    runtime.keep_memory()
    runtime.setup()
    with tempfile.TemporaryDirectory() as folder:
        path, shape = (
            Path(folder) / "images.npy",
            (options.steps * options.batch, SIZE, SIZE, 3),
        )
        np.save(path, np.random.default_rng(0).integers(0, 256, shape, np.uint8))
        dataset = config.Dataset(np.load(path, mmap_mode="r"), "random")
        flags = {"width": options.width, "batch_size": options.batch, "epochs": 1, "size": SIZE}
        (settings,) = config.configure(faces.DEFAULTS, Recipe({}), flags, dataset)
        seconds = {}
        for name, stream in (("resident", False), ("streamed", True)):
            machine = program.Machine(stream=stream)
            functions = program.make_program(settings, dataset, machine=machine)
            state, _ = functions.advance(functions.init(), 1)
            seconds[name] = [functions, state, []]
        for _ in range(options.rounds):
            for entry in seconds.values():
                functions, state, times = entry
                began = time.perf_counter()
                entry[1] = jax.block_until_ready(functions.advance(state, 1)[0])
                times.append((time.perf_counter() - began) / options.steps)
    middle = {name: statistics.median(times) for name, (_, _, times) in seconds.items()}
    for name, time_of_step in middle.items():
        print(f"{name}: {1e3 * time_of_step:.0f} ms a step")
    print(f"streamed over resident: {middle['streamed'] / middle['resident']:.3f}")


if __name__ == "__main__":
    main()

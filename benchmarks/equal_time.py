"""Image networks after equal training time: the Frechet distance of Fashion-MNIST samples.

    python benchmarks/equal_time.py --minutes=15 --seeds=2 --models=report_conv:128,dcgan:32

Every model, with its width, trains as the Fashion-MNIST laboratory does by default, a few
updates at a time, each in turn until its own updates have taken as long as allowed; drawing,
measuring and compiling do not count. The distance is between the classifier's features of
2,000 samples and of 2,000 test images, as in that laboratory; for the generator and the average
of its weights.
"""

import argparse
import time
from typing import Any

import jax
import numpy as np

from experiments.common.settings import Recipe
from experiments.fashion_mnist.config import DEFAULTS, load
from experiments.images import config as images_config
from experiments.images import program
from jaxgan import runtime
from jaxgan.data.pixels import to_float, to_uint8
from jaxgan.judges import fashion
from jaxgan.metrics import frechet
from jaxgan.networks import layers
from jaxgan.training import epochs
from jaxgan.training.gan import averaged, latents

STEPS, SAMPLES, MARKS = 20, 2000, 5


class Contender:
    """A model in training."""

    def __init__(self, model: str, width: int, seed: int, dataset: images_config.Dataset):
        flags = {"model": (model,), "width": width, "seed": seed}
        (config,) = images_config.configure(DEFAULTS, Recipe({}), flags, dataset)
        (values,) = config.combinations()
        self.gan = program.build(config, values, dataset.images.shape[-1])
        self.name, self.seconds, self.updates = f"{model}, width {width}", 0.0, 0
        self._config, self._images = config, dataset.images
        self._rng = np.random.default_rng(seed)
        first = to_float(jax.numpy.asarray(dataset.images[:1]))
        self._state = jax.jit(self.gan.init)(jax.random.key(seed), first)
        options: dict[str, Any] = {"compiler_options": layers.compiler_options()}
        batch = config.batch_size
        self._advance = jax.jit(
            lambda state, data: epochs.epoch(
                self.gan, state, data, batch_size=batch, prepare=to_float
            ),
            donate_argnums=0,
            **options,
        )
        self._sample = jax.jit(self.gan.sample, **options)
        state = jax.tree.map(jax.numpy.copy, self._state)
        jax.block_until_ready(self._advance(state, self._batches()))  # compiles

    def _batches(self) -> np.ndarray:
        count = STEPS * self._config.batch_size
        return self._images[self._rng.integers(len(self._images), size=count)]

    def train(self) -> None:
        """Make a few updates, and count their time."""
        data = self._batches()
        begin = time.perf_counter()
        self._state = jax.block_until_ready(self._advance(self._state, data)[0])
        self.seconds += time.perf_counter() - begin
        self.updates += STEPS

    def images(self) -> list[np.ndarray]:
        """Draw ``[N, H, W, C]`` uint8 by the generator, and by the average."""
        z = latents(jax.random.key(1), SAMPLES, self._config.latent_dim)
        batches = []
        for state in (self._state, averaged(self._state)):
            parts = [
                to_uint8(self._sample(state, part)) for part in np.split(np.asarray(z), 20)
            ]
            batches.append(np.concatenate(parts))
        return batches


def main() -> None:
    """Train the contenders in turn, and print a row for each mark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--models", default="report_conv:128,dcgan:32")
    options = parser.parse_args()
    runtime.setup()
    data, dataset = load("fashion-mnist")
    classifier = fashion.load_or_train(data)
    _, real = fashion.classify(classifier.params, data.test_images[:SAMPLES])
    print("| seed | network | s | updates | generator | average |\n|---|---|---|---|---|---|")
    for seed in range(options.seeds):
        contenders = []
        for entry in options.models.split(","):
            model, width = entry.split(":")
            contenders.append(Contender(model, int(width), seed, dataset))
        for mark in range(1, MARKS + 1):
            until = 60 * options.minutes * mark / MARKS
            while slow := [each for each in contenders if each.seconds < until]:
                min(slow, key=lambda each: each.seconds).train()
            for each in contenders:
                distances = []
                for images in each.images():
                    _, fake = fashion.classify(classifier.params, images)
                    distances.append(f"{frechet.frechet_distance(real, fake):.1f}")
                row = (seed, each.name, f"{each.seconds:.0f}", each.updates, *distances)
                print(f"| {' | '.join(map(str, row))} |", flush=True)


if __name__ == "__main__":
    main()

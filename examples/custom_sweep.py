"""A sweep of your own: every learning rate with every seed, in one compiled program."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxgan
from jaxgan.data import points
from jaxgan.networks import mlp

SEEDS, RATES = 4, (1e-4, 1e-3, 1e-2)
jaxgan.setup()  # before the first array
cloud = jnp.asarray(points.sample("moons", 2048).points, jnp.float32)


def make(rate):
    """Return a GAN; the rate may be traced, so it is an input of the program."""
    objective = jaxgan.objective("rpgan", penalty_weight=0.01)
    optimizers = jaxgan.pair("adam", rate, betas=(0.0, 0.99))
    networks = mlp.Generator((64, 64)), mlp.Critic((64, 64))
    return jaxgan.gan(*networks, objective, optimizers, latent_dim=4)


def train(seed, rate):
    """Train one lane, and return 1,000 points of its generator, `[1000, 2]`."""
    gan, key = make(rate), jax.random.key(seed)
    state = gan.init(key, cloud[:1])
    state, _ = jaxgan.interval(gan, state, cloud, batch_size=64, epochs=80)
    return gan.sample(state, gan.latents(key, 1000))


seeds, rates = (x.ravel() for x in np.meshgrid(np.arange(SEEDS), np.float32(RATES)))
samples = jax.jit(jaxgan.over_lanes(train))(seeds, rates)  # [12, 1000, 2]
far = [jaxgan.metrics.two_sample.classifier_test(x, cloud[:1000]).accuracy for x in samples]
for rate, row in zip(RATES, np.reshape(far, (-1, SEEDS)), strict=True):
    print(f"rate {rate:g}: a classifier's accuracy is {row.mean():.2f}; 0.5 is perfect")

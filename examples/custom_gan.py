"""A GAN of your own: any two Flax modules, and any two functions of scores as losses."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

import jaxgan


class Generator(nn.Module):
    """Map latents `[B, D]` to points `[B, 2]`."""

    @nn.compact
    def __call__(self, z, train=False):
        return nn.Dense(2)(nn.silu(nn.Dense(32)(nn.silu(nn.Dense(32)(z)))))


class Critic(nn.Module):
    """Map points `[B, 2]` to scores `[B]`."""

    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(1)(nn.silu(nn.Dense(32)(nn.silu(nn.Dense(32)(x)))))[:, 0]


# The critic wants 1 for real points and -1 for generated ones, the generator wants 0.
loss = jaxgan.objective("gan", penalty="r1", penalty_weight=0.1)._replace(
    critic_loss=lambda real, fake: jnp.mean((real - 1) ** 2) + jnp.mean((fake + 1) ** 2),
    generator_loss=lambda real, fake: jnp.mean(fake**2),
)

jaxgan.setup()
x = np.random.default_rng(0).normal(size=(2048, 2))
x /= np.linalg.norm(x, axis=1, keepdims=True)  # points on a circle
gan = jaxgan.gan(Generator(), Critic(), loss, jaxgan.pair("adam", 1e-3), latent_dim=2)
states = jaxgan.fit(gan, x, epochs=50, batch_size=64, seeds=4, every=25).states
points = jaxgan.draw(gan, states, jax.random.key(0), 1000)  # [4, 1000, 2]
for seed, radius in enumerate(jnp.linalg.norm(points, axis=-1).mean(axis=1)):
    print(f"seed {seed}: mean radius {radius:.2f}, where the circle has 1")

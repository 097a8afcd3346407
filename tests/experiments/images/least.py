"""A pair of networks for images that takes labels and whose programs compile fast."""

import flax.linen as nn
import jax.numpy as jnp

from jaxgan.networks.pairs import Pair


class Generator(nn.Module):
    """With batch statistics."""

    size: int
    width: int
    channels: int
    norm: str
    classes: int = 0
    dtype: type = jnp.float32

    @nn.compact
    def __call__(self, z, labels=None, train=False):
        x = nn.Dense(self.width, dtype=self.dtype)(z)
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        if self.classes:
            x += nn.Embed(self.classes, self.width)(labels)
        x = nn.Dense(self.size**2 * self.channels, dtype=self.dtype)(x)
        return jnp.tanh(x.astype(jnp.float32)).reshape(-1, self.size, self.size, self.channels)


class Critic(nn.Module):
    """With a projection of the labels."""

    size: int
    width: int
    norm: str
    classes: int = 0
    dtype: type = jnp.float32

    @nn.compact
    def __call__(self, x, labels=None, train=False):
        x = nn.relu(nn.Dense(self.width, dtype=self.dtype)(x.reshape(len(x), -1)))
        vectors = nn.Embed(max(self.classes, 1), self.width)
        of_class = vectors(labels if self.classes else jnp.zeros(len(x), jnp.int32))
        return jnp.sum(x * of_class, axis=-1).astype(jnp.float32)


LEAST = Pair(Generator, Critic, (28, 32), conditional=True)

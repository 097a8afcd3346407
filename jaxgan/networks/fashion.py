"""Small networks for 28x28 grey images, and a classifier.

The dense and the convolutional GAN are those of report E, one of the reports that
``experiments.claims`` tests.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.networks.layers import Conv, ConvTranspose, normalise
from jaxgan.networks.mlp import Dense

SIDE = 28


def _uniform(key, shape, dtype=jnp.float32):
    """Draw weights uniformly from ``+-1/sqrt(k * k * inputs)``, PyTorch's default."""
    bound = (shape[0] * shape[1] * shape[2]) ** -0.5
    flat = jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound)
    return flat.reshape(shape)  # drawn as a vector, as in layers.normal


def _leaky(x: Array) -> Array:
    return nn.leaky_relu(x, 0.2)


class DenseGenerator(nn.Module):
    """Map latents ``[B, D]`` to images ``[B, 28, 28, 1]`` in [-1, 1] with a hidden layer."""

    width: int = 128

    @nn.compact
    def __call__(self, z: Array, train: bool = False) -> Array:
        x = _leaky(Dense(self.width)(z))
        return nn.tanh(Dense(SIDE * SIDE)(x)).reshape(-1, SIDE, SIDE, 1)


class DenseCritic(nn.Module):
    """Map images ``[B, 28, 28, 1]`` to scores ``[B]`` with a hidden layer."""

    width: int = 128

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        x = _leaky(Dense(self.width)(x.reshape(x.shape[0], -1)))
        return Dense(1)(x).squeeze(-1)


class ConvGenerator(nn.Module):
    """Map latents ``[B, D]`` to images ``[B, 28, 28, 1]`` in [-1, 1].

    Attributes:
      width: Channels of the widest layers; the last hidden layer has half as many.
      norm: A name in ``layers.NORMS``.
    """

    width: int = 128
    norm: str = "batch"

    @nn.compact
    def __call__(self, z: Array, train: bool = False) -> Array:
        def block(x, features, **geometry):
            x = ConvTranspose(features, kernel_init=_uniform, **geometry)(x)
            return _leaky(normalise(x, self.norm, train))

        x = Dense(7 * 7 * self.width)(z).reshape(-1, 7, 7, self.width)
        x = block(x, self.width, kernel=3, stride=1, padding=1)
        x = block(x, self.width // 2, kernel=4, stride=2, padding=1)
        x = x.repeat(2, axis=1).repeat(2, axis=2)  # the report does not specify this step
        return nn.tanh(ConvTranspose(1, kernel=3, stride=1, padding=1, kernel_init=_uniform)(x))


class ConvCritic(nn.Module):
    """Map images ``[B, 28, 28, 1]`` to scores ``[B]``.

    Attributes:
      width: Channels of the widest layers; the first layer has half as many.
      norm: A name in ``layers.NORMS``; the first layer has no norm.
    """

    width: int = 128
    norm: str = "batch"

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        def block(x, features, norm, stride):
            x = Conv(features, kernel=3, stride=stride, padding=1, kernel_init=_uniform)(x)
            return _leaky(normalise(x, norm, train))

        x = block(x, self.width // 2, "none", 1)
        x = block(x, self.width, self.norm, 2)
        x = block(x, self.width, self.norm, 1)
        return Dense(1)(x.mean(axis=(1, 2))).squeeze(-1)  # pooling: not in the report


class Classifier(nn.Module):
    """Map images ``[B, 28, 28, 1]`` to logits ``[B, classes]`` and features ``[B, features]``.

    It recognises generated images and provides features to measure their quality.

    Attributes:
      classes: Number of classes.
      features: Width of the last hidden layer.
    """

    classes: int = 10
    features: int = 128

    @nn.compact
    def __call__(self, x: Array) -> tuple[Array, Array]:
        init = nn.initializers.he_normal()
        for width in (32, 64):
            x = nn.relu(Conv(width, 3, stride=2, padding=1, use_bias=True, kernel_init=init)(x))
        features = nn.relu(nn.Dense(self.features)(x.reshape(x.shape[0], -1)))
        return nn.Dense(self.classes)(features), features

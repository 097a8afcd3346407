"""Pairs of networks for images, by name."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn

from jaxgan.networks import dcgan, fashion


class Pair(NamedTuple):
    """A generator and the critic that goes with it.

    Attributes:
      generator: Makes the generator from ``size, width, channels, norm``: the side of the
        images in pixels, the network's own width, the channels of the images, and a name in
        ``layers.NORMS``.
      critic: Makes the critic from ``size, width, norm``.
    """

    generator: Callable[[int, int, int, str], nn.Module]
    critic: Callable[[int, int, str], nn.Module]


PAIRS: dict[str, Pair] = {
    "dense": Pair(
        lambda size, width, channels, norm: fashion.DenseGenerator(width),
        lambda size, width, norm: fashion.DenseCritic(width),
    ),
    "conv": Pair(
        lambda size, width, channels, norm: fashion.ConvGenerator(width, norm),
        lambda size, width, norm: fashion.ConvCritic(width, norm),
    ),
    "dcgan": Pair(dcgan.Generator, dcgan.Critic),
}

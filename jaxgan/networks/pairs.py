"""Pairs of networks for images, by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.networks import dcgan, fashion, report_dcgan, sngan
from jaxgan.networks.layers import NORMS, SPECTRAL


class Pair(NamedTuple):
    """A generator and the critic that goes with it.

    Generators map ``(z [B, D], labels [B])`` to images ``[B, size, size, channels]``, critics
    ``(images, labels [B])`` to scores ``[B]``. Labels are int32, and only where there are
    classes. Both have the keyword ``train``.

    Attributes:
      generator: Makes the generator from ``size, width, channels, norm, classes=0,
        dtype=float32``: the side of the images in pixels, the network's own width, the
        channels of the images, a name in ``layers.NORMS``, the number of classes, and the
        numbers that it computes with. Its parameters and images are float32.
      critic: Makes the critic from ``size, width, norm, classes=0, dtype=float32``.
      sizes: Sides of images.
      conditional: Whether there may be classes, and other numbers than float32.
      critic_norms: Norms of the critic; the first one is its default where there is no
        penalty.
    """

    generator: Callable[..., nn.Module]
    critic: Callable[..., nn.Module]
    sizes: tuple[int, ...]
    conditional: bool = False
    critic_norms: tuple[str, ...] = NORMS


def _of_report(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Make a network of a report, which has no other form."""

    def network(*settings: Any, classes: int = 0, dtype: Any = jnp.float32) -> nn.Module:
        if classes:
            raise InputError("the reports' networks take no labels")
        if dtype != jnp.float32:
            raise InputError("the reports' networks compute with float32 alone")
        return make(*settings)

    return network


PAIRS: dict[str, Pair] = {
    "report_dense": Pair(
        _of_report(lambda size, width, channels, norm: fashion.DenseGenerator(width)),
        _of_report(lambda size, width, norm: fashion.DenseCritic(width)),
        (fashion.SIDE,),
    ),
    "report_conv": Pair(
        _of_report(lambda size, width, channels, norm: fashion.ConvGenerator(width, norm)),
        _of_report(lambda size, width, norm: fashion.ConvCritic(width, norm)),
        (fashion.SIDE,),
    ),
    "report_dcgan": Pair(
        _of_report(report_dcgan.Generator),
        _of_report(report_dcgan.Critic),
        report_dcgan.SIZES,
    ),
    "dcgan": Pair(dcgan.Generator, dcgan.Critic, dcgan.SIZES, True, (*NORMS, SPECTRAL)),
    "sngan": Pair(sngan.Generator, sngan.Critic, sngan.SIZES, True, (SPECTRAL, *NORMS)),
}

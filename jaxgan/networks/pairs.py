"""Pairs of a generator and a critic for images, by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp

from jaxgan.errors import InputError
from jaxgan.networks import dcgan, fashion, report_dcgan, sngan
from jaxgan.networks.layers import NORMS, SPECTRAL


class Pair(NamedTuple):
    """A generator and its critic.

    Generators map ``(z [B, D], labels [B])`` to images ``[B, size, size, channels]``, critics
    ``(images, labels [B])`` to scores ``[B]``. Labels are int32; networks without classes do
    not take them. Both networks have the keyword ``train``.

    Attributes:
      generator: Makes the generator from ``size, width, channels, norm, classes=0,
        dtype=float32``: the side of the images in pixels, the network's width, the channels
        of the images, a name in ``layers.NORMS``, the number of classes, and the type to
        compute with. Parameters and images are float32.
      critic: Makes the critic from ``size, width, norm, classes=0, dtype=float32``.
      sizes: Allowed sides of images in pixels.
      conditional: Whether classes, and types other than float32, are allowed.
      critic_norms: Allowed norms of the critic; the first is the default without a penalty.

    Examples:
      >>> import jaxgan
      >>> from jaxgan.networks.pairs import PAIRS
      >>> pair = PAIRS["dcgan"]
      >>> g = jaxgan.gan(
      ...     pair.generator(32, 64, 3, "batch"), pair.critic(32, 64, "none"),
      ...     jaxgan.objective("r1"), jaxgan.pair("adam", 2e-4), latent_dim=100)
    """

    generator: Callable[..., nn.Module]
    critic: Callable[..., nn.Module]
    sizes: tuple[int, ...]
    conditional: bool = False
    critic_norms: tuple[str, ...] = NORMS


def _of_report(make: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Wrap a network of a report: it takes no labels and computes in float32."""

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

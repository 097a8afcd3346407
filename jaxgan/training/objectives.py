"""Objectives of a GAN: losses, penalties and constraints.

A GAN variant is an entry of ``OBJECTIVES``: two losses on critic scores, the penalty it is
usually trained with, and the bound of weight clipping if it has one. A penalty is an entry
of ``PENALTIES`` and can be combined with any variant. ``objective`` combines them.

Scores are logits: the critic has no final sigmoid, and losses defined by probabilities use
``softplus``, which neither overflows nor loses precision.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.nn import relu, softplus

from jaxgan.errors import lookup
from jaxgan.training.optimizers import Scalar, clip_weights

Critic = Callable[[Array], Array]
Loss = Callable[[Array, Array], Array]
Penalty = Callable[[Array, Critic, Array, Array], Array]


class Objective(NamedTuple):
    """What one GAN variant trains with; ``objective`` builds it by name.

    Attributes:
      critic_loss: ``(real [B], fake [B]) -> []``, on critic scores.
      generator_loss: ``(real [B], fake [B]) -> []``. Only relativistic objectives use
        ``real``; for the others the compiler drops its computation.
      penalty: ``(key, critic, real [B, ...], fake [B, ...]) -> []``, added to the
        critic's loss. ``critic`` maps ``[B, ...]`` to scores ``[B]``.
      constraint: Last link in the chain of the critic's optimizer.
    """

    critic_loss: Loss
    generator_loss: Loss
    penalty: Penalty
    constraint: optax.GradientTransformation


def _slopes(critic: Critic, x: Array) -> Array:
    """Return the norm of the critic's gradient at each example: ``[B, ...] -> [B]``.

    The gradient of the summed scores is the per-example gradient only if the critic does
    not mix examples, so it must not use batch norm. The small constant keeps the derivative
    of the norm finite where the gradient vanishes.
    """
    gradient = jax.grad(lambda x: critic(x).sum())(x)
    squares = jnp.sum(gradient**2, axis=tuple(range(1, gradient.ndim)))
    return jnp.sqrt(squares + 1e-12)


def _between(key: Array, real: Array, fake: Array) -> Array:
    """Draw a uniform point on the segment from each real example to its fake one."""
    share = jax.random.uniform(key, (len(real),))
    return real + share.reshape(-1, *[1] * (real.ndim - 1)) * (fake - real)


def no_penalty(weight: Scalar) -> Penalty:
    """Return a penalty that is always 0."""
    return lambda key, critic, real, fake: jnp.zeros(())


def gradient_penalty(weight: Scalar) -> Penalty:
    """``weight * E[(|grad D(x)| - 1)^2]`` on segments between real and fake.

    Source: Gulrajani et al., Improved Training of Wasserstein GANs,
    arXiv 1704.00028, equation 3.
    """

    def penalty(key, critic, real, fake):
        slopes = _slopes(critic, _between(key, real, fake))
        return weight * jnp.mean((slopes - 1) ** 2)

    return penalty


def lipschitz_penalty(weight: Scalar) -> Penalty:
    """``weight * E[max(0, |grad D(x)| - 1)^2]``: only slopes above 1 cost anything.

    Source: Petzka et al., On the Regularization of Wasserstein GANs,
    arXiv 1709.08894, equation 8 ("WGAN-LP").
    """

    def penalty(key, critic, real, fake):
        slopes = _slopes(critic, _between(key, real, fake))
        return weight * jnp.mean(relu(slopes - 1) ** 2)

    return penalty


def dragan_penalty(weight: Scalar) -> Penalty:
    """``weight * E[(|grad D(x)| - 1)^2]`` near the real examples.

    ``x`` is a uniform point on the segment from a real example to a noisy copy of it. The
    noise is uniform, from 0 to half the batch's standard deviation.

    Source: Kodali et al., On Convergence and Stability of GANs, arXiv 1705.07215,
    section 2.3, with the noise of the usual implementations.
    """

    def penalty(key, critic, real, fake):
        noise_key, key = jax.random.split(key)
        noise = jax.random.uniform(noise_key, (real.size,)).reshape(real.shape)
        noisy = real + 0.5 * jnp.std(real) * noise
        slopes = _slopes(critic, _between(key, real, noisy))
        return weight * jnp.mean((slopes - 1) ** 2)

    return penalty


def r1_penalty(weight: Scalar) -> Penalty:
    """``weight / 2 * E[|grad D(x)|^2]`` on real examples.

    Source: Mescheder et al., Which Training Methods for GANs do actually Converge?,
    arXiv 1801.04406, equation 9.
    """

    def penalty(key, critic, real, fake):
        return weight / 2 * jnp.mean(_slopes(critic, real) ** 2)

    return penalty


def r1_r2_penalty(weight: Scalar) -> Penalty:
    """``weight / 2 * E[|grad D(x)|^2]`` on real examples, plus the same on fake ones.

    Source: Huang et al., The GAN is dead; long live the GAN!, arXiv 2501.05441,
    section 2.2.
    """

    def penalty(key, critic, real, fake):
        squares = _slopes(critic, real) ** 2 + _slopes(critic, fake) ** 2
        return weight / 2 * jnp.mean(squares)

    return penalty


class PenaltyKind(NamedTuple):
    """An entry of ``PENALTIES``.

    Attributes:
      make: ``weight -> Penalty``; the weight may be traced.
      weight: Default weight, from the penalty's paper.
      gradients: How many gradients of the critic it computes per batch.
    """

    make: Callable[[Scalar], Penalty]
    weight: float
    gradients: int = 1


PENALTIES: dict[str, PenaltyKind] = {
    "none": PenaltyKind(no_penalty, 0.0, 0),
    "gradient": PenaltyKind(gradient_penalty, 10.0),
    "lipschitz": PenaltyKind(lipschitz_penalty, 10.0),
    "dragan": PenaltyKind(dragan_penalty, 10.0),
    "r1": PenaltyKind(r1_penalty, 10.0),
    "r1_r2": PenaltyKind(r1_r2_penalty, 1.0, 2),
}
"""Penalties by name."""


def _cross_entropy(real: Array, fake: Array) -> Array:
    return jnp.mean(softplus(-real)) + jnp.mean(softplus(fake))


def _non_saturating(real: Array, fake: Array) -> Array:
    return jnp.mean(softplus(-fake))


def _minimax(real: Array, fake: Array) -> Array:
    return -jnp.mean(softplus(fake))


def _wasserstein(real: Array, fake: Array) -> Array:
    return jnp.mean(fake) - jnp.mean(real)


def _raise_fake(real: Array, fake: Array) -> Array:
    return -jnp.mean(fake)


def _least_squares(real: Array, fake: Array) -> Array:
    return (jnp.mean((real - 1) ** 2) + jnp.mean(fake**2)) / 2


def _least_squares_generator(real: Array, fake: Array) -> Array:
    return jnp.mean((fake - 1) ** 2) / 2


def _hinge(real: Array, fake: Array) -> Array:
    return jnp.mean(relu(1 - real)) + jnp.mean(relu(1 + fake))


def _relativistic(real: Array, fake: Array) -> Array:
    return jnp.mean(softplus(fake - real))


def _relativistic_generator(real: Array, fake: Array) -> Array:
    return jnp.mean(softplus(real - fake))


class Variant(NamedTuple):
    """An entry of ``OBJECTIVES``: two losses and their default regularisation.

    Attributes:
      critic_loss: ``(real [B], fake [B]) -> []``, on critic scores.
      generator_loss: ``(real [B], fake [B]) -> []``, on critic scores.
      penalty: A name in ``PENALTIES``.
      clip: Bound on the critic's weights, or ``None`` for no bound.
    """

    critic_loss: Loss
    generator_loss: Loss
    penalty: str = "none"
    clip: float | None = None


OBJECTIVES: dict[str, Variant] = {
    # Goodfellow et al., arXiv 1406.2661: the non-saturating loss, and equation 1.
    "gan": Variant(_cross_entropy, _non_saturating),
    "gan_minimax": Variant(_cross_entropy, _minimax),
    # Arjovsky et al., arXiv 1701.07875, algorithm 1.
    "wgan": Variant(_wasserstein, _raise_fake, clip=0.01),
    # Gulrajani et al., arXiv 1704.00028; Petzka et al., arXiv 1709.08894.
    "wgan_gp": Variant(_wasserstein, _raise_fake, "gradient"),
    "wgan_lp": Variant(_wasserstein, _raise_fake, "lipschitz"),
    # Mao et al., arXiv 1611.04076, equation 9.
    "lsgan": Variant(_least_squares, _least_squares_generator),
    # Lim and Ye, arXiv 1705.02894.
    "hinge": Variant(_hinge, _raise_fake),
    # Kodali et al., arXiv 1705.07215.
    "dragan": Variant(_cross_entropy, _non_saturating, "dragan"),
    # Mescheder et al., arXiv 1801.04406.
    "r1": Variant(_cross_entropy, _non_saturating, "r1"),
    # Huang et al., arXiv 2501.05441 ("R3GAN").
    "rpgan": Variant(_relativistic, _relativistic_generator, "r1_r2"),
}
"""GAN variants by name."""


def objective(
    variant: str,
    *,
    penalty: str | None = None,
    penalty_weight: Scalar | None = None,
    clip: Scalar | None = None,
) -> Objective:
    """Build the objective of a GAN variant.

    Args:
      variant: A name in ``OBJECTIVES``.
      penalty: A name in ``PENALTIES``; by default the variant's own.
      penalty_weight: Weight of the penalty, may be traced; by default that of its paper.
      clip: Bound on the critic's weights, may be traced; by default the variant's own.

    Raises:
      InputError: If ``variant`` or ``penalty`` is unknown.

    Examples:
      >>> import jax.numpy as jnp, jaxgan
      >>> hinge = jaxgan.objective("hinge", penalty="r1")
      >>> float(hinge.critic_loss(jnp.array([2.0, 0.5]), jnp.array([-1.0, -0.5])))
      0.5
    """
    entry = lookup("variant", variant, OBJECTIVES)
    kind = lookup("penalty", penalty or entry.penalty, PENALTIES)
    clip = entry.clip if clip is None else clip
    return Objective(
        critic_loss=entry.critic_loss,
        generator_loss=entry.generator_loss,
        penalty=kind.make(kind.weight if penalty_weight is None else penalty_weight),
        constraint=optax.identity() if clip is None else clip_weights(clip),
    )

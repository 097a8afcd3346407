"""A GAN as four pure functions: init, step, sample, score.

``gan`` closes over the static parts (two networks, an objective, two optimizers) and returns
functions of a ``GanState``, which holds arrays only. Learning rates, penalty weights and
clip bounds may be traced, so a GAN can be built inside a vmapped function.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array
from jax.typing import ArrayLike

from jaxgan.errors import InputError, lookup
from jaxgan.training import devices
from jaxgan.training.objectives import Objective
from jaxgan.training.optimizers import Optimizers

# Purposes of random draws. The root key never changes: every draw takes the key
# fold_in(fold_in(root, purpose), number), so resuming needs no saved random state.
INIT, STEP, ORDER, EVALUATE, VARY, AUGMENT = range(6)


def draw_key(key: Array, purpose: int, number: ArrayLike = 0) -> Array:
    """Derive the key of one draw from the root key, the draw's purpose and its number."""
    return jax.random.fold_in(jax.random.fold_in(key, purpose), number)


@struct.dataclass
class NetState:
    """The training state of one network.

    Attributes:
      params: Trainable parameters.
      stats: Other linen collections: ``{}``, or ``{"batch_stats": ...}``.
      opt: State of the optimizer.
    """

    params: Any
    stats: Any
    opt: Any

    @property
    def variables(self) -> dict[str, Any]:
        """Parameters and statistics, as ``module.apply`` takes them."""
        return {"params": self.params, **self.stats}


@struct.dataclass
class GanState:
    """The training state of a GAN, a pytree of arrays; ``Gan.init`` makes it.

    Attributes:
      step: Number of generator updates so far, ``[]`` int32.
      key: Root key of all random draws; it never changes.
      generator: The generator.
      critic: The critic.
      average: Exponential moving average of the generator's variables.
    """

    step: Array
    key: Array
    generator: NetState
    critic: NetState
    average: Any


Metrics = dict[str, Array]


class Gan(NamedTuple):
    """A GAN as pure functions; ``gan`` builds it. B is the batch size, D the latent dimension.

    The functions of a conditional GAN take int32 labels as their last argument; those of an
    unconditional one do not have this argument.

    Attributes:
      init: ``(key, example [1, ...], labels [1]) -> GanState``.
      step: ``(state, reals [critic_steps, B, ...], labels [critic_steps, B]) ->
        (state, {name: []})``: one critic update per real batch, then one generator update.
        Generated examples get the labels of the real batch.
      sample: ``(state, z [B, D], labels [B]) -> [B, ...]``, with running statistics.
      score: ``(state, x [B, ...], labels [B]) -> [B]``, with running statistics. A critic
        of packs (see ``gan``) sees a pack of copies of each example.
      latent_dim: D.
      law: Distribution of the latents, a name in ``LATENTS``.
    """

    init: Callable[..., GanState]
    step: Callable[..., tuple[GanState, Metrics]]
    sample: Callable[..., Array]
    score: Callable[..., Array]
    latent_dim: int
    law: str = "normal"

    def latents(self, key: Array, count: int) -> Array:
        """Draw latents ``[count, D]`` from the distribution that this GAN trains with."""
        return latents(key, count, self.latent_dim, self.law)


def averaged(state: GanState) -> GanState:
    """Return the state with the moving average in place of the generator's weights.

    Examples:
      >>> import jax, jax.numpy as jnp, jaxgan
      >>> from jaxgan.networks import mlp
      >>> g = jaxgan.gan(
      ...     mlp.Generator(widths=(8,)), mlp.Critic(widths=(8,)), jaxgan.objective("hinge"),
      ...     jaxgan.pair("adam", 1e-3), latent_dim=4, ema=0.999)
      >>> state = g.init(jax.random.key(0), jnp.zeros((1, 2)))
      >>> g.sample(jaxgan.averaged(state), jnp.zeros((3, 4))).shape
      (3, 2)
    """
    params = state.average["params"]
    stats = {name: value for name, value in state.average.items() if name != "params"}
    generator = replace(state.generator, params=params, stats=stats)
    return replace(state, generator=generator)


def _uniform(key: Array, shape: tuple[int, int]) -> Array:
    return jax.random.uniform(key, shape, minval=-1.0)


LATENTS: dict[str, Callable[[Array, tuple[int, int]], Array]] = {
    "normal": jax.random.normal,
    "uniform": _uniform,
}
"""Distributions of the latents: standard normal, or uniform from -1 to 1."""


def latents(key: Array, count: int, latent_dim: int, law: str = "normal") -> Array:
    """Draw independent latents ``[count, latent_dim]`` from a distribution in ``LATENTS``.

    Raises:
      InputError: If ``law`` is unknown.

    Examples:
      >>> import jax, jaxgan
      >>> jaxgan.latents(jax.random.key(0), 5, 4).shape
      (5, 4)
    """
    return lookup("latent law", law, LATENTS)(key, (count, latent_dim))


def packed(x: Array, size: int) -> Array:
    """Join examples to packs along the last axis: ``[B, ..., C] -> [B / size, ..., size C]``.

    Raises:
      InputError: If B is no multiple of ``size``.
    """
    if size == 1:
        return x
    if len(x) % size:
        raise InputError(f"a batch of {len(x)} does not make whole packs of {size}")
    packs = jnp.moveaxis(x.reshape(-1, size, *x.shape[1:]), 1, -2)
    return packs.reshape(*packs.shape[:-2], -1)


def _arguments(x: Array, labels: Array | None) -> tuple[Array, ...]:
    return (x,) if labels is None else (x, labels)


def _forward(module: nn.Module, net: NetState, x: Array, labels: Array | None) -> Any:
    """Apply a network in training; return its outputs and updated running statistics."""
    inputs = _arguments(x, labels)
    return module.apply(net.variables, *inputs, train=True, mutable=list(net.stats))


def _start(module: nn.Module, optimizer: Any, key: Array, *inputs: Array) -> NetState:
    """Initialise a network and its optimizer."""
    variables: Any = module.init(key, *inputs)
    params = variables.pop("params")
    return NetState(params, variables, optimizer.init(params))


def _update(optimizer: Any, net: NetState, gradients: Any, stats: Any) -> NetState:
    """Return the network after one optimizer step, with new running statistics."""
    updates, opt = optimizer.update(gradients, net.opt, net.params)
    return NetState(optax.apply_updates(net.params, updates), stats, opt)


def _split_last(x: Array | None) -> tuple[Array | None, Array | None]:
    """Split off the last row."""
    return (None, None) if x is None else (x[:-1], x[-1])


def _critic_loss(
    critic: nn.Module,
    objective: Objective,
    net: NetState,
    key: Array,
    real: Array,
    fake: Array,
    labels: Array | None,
) -> tuple[Array, tuple[Any, Array]]:
    """Return the critic's loss and ``(running statistics, penalty in the loss)``."""
    if net.stats:
        real_scores, stats = _forward(critic, net, real, labels)
        fake_scores, stats = _forward(critic, replace(net, stats=stats), fake, labels)
    else:
        twice = None if labels is None else devices.join(labels, labels)
        scores, stats = _forward(critic, net, devices.join(real, fake), twice)
        real_scores, fake_scores = devices.part(scores)

    def score(x: Array) -> Array:
        return _forward(critic, net, x, labels)[0]

    penalty = objective.penalty(key, score, real, fake)
    return objective.critic_loss(real_scores, fake_scores) + penalty, (stats, penalty)


def gan(
    generator: nn.Module,
    critic: nn.Module,
    objective: Objective,
    optimizers: Optimizers,
    *,
    latent_dim: int,
    ema: ArrayLike = 0.0,
    law: str = "normal",
    pack: int = 1,
    augment: Callable[[Array, Array], Array] | None = None,
) -> Gan:
    """Build a GAN from two networks, an objective and two optimizers.

    Args:
      generator: ``(z [B, D], train=) -> [B, ...]``; in a conditional GAN
        ``(z, labels [B], train=)``.
      critic: ``(x [B, ...], train=) -> [B]``; in a conditional GAN
        ``(x, labels [B], train=)``.
      objective: Losses, penalty and constraint, from ``objective``.
      optimizers: For generator and critic, from ``pair``.
      latent_dim: D, the dimension of the latents.
      ema: Decay of the moving average of the generator's weights, per step; with 0 the
        average is a copy. The decay never exceeds ``(1 + step) / (10 + step)``, so the
        initial weights soon lose their influence.
      law: Distribution of the latents, a name in ``LATENTS``.
      pack: Number of examples that the critic judges together, joined along the last axis;
        two or more show it a lack of variety (PacGAN, Lin et al., arXiv 1712.04086).
      augment: ``(key, x [B, ...]) -> [B, ...]``, for example from ``augment.augment``:
        changes real and generated examples at random before the critic sees them, in both
        updates. Penalties are computed at the changed examples.

    Examples:
      >>> import jax, jax.numpy as jnp, jaxgan
      >>> from jaxgan.networks import mlp
      >>> g = jaxgan.gan(
      ...     mlp.Generator(widths=(8,)), mlp.Critic(widths=(8,)), jaxgan.objective("hinge"),
      ...     jaxgan.pair("adam", 1e-3), latent_dim=4)
      >>> state = g.init(jax.random.key(0), jnp.zeros((1, 2)))
      >>> g.sample(state, jaxgan.latents(jax.random.key(1), 5, 4)).shape
      (5, 2)
    """
    critic_optimizer = optax.chain(optimizers.critic, objective.constraint)

    def init(key, example, labels=None):
        generator_key, critic_key = jax.random.split(draw_key(key, INIT))
        z = _arguments(jnp.zeros((1, latent_dim)), labels)
        g = _start(generator, optimizers.generator, generator_key, *z)
        pack_of_copies = packed(jnp.repeat(example, pack, axis=0), pack)
        x = _arguments(pack_of_copies, labels)
        c = _start(critic, critic_optimizer, critic_key, *x)
        # A zero update makes the initial weights satisfy the constraint.
        zeros = optax.tree.zeros_like(c.params)
        constraint = objective.constraint
        inside, _ = constraint.update(zeros, constraint.init(c.params), c.params)
        c = replace(c, params=optax.apply_updates(c.params, inside))
        average = jax.tree.map(jnp.copy, g.variables)  # the state will be donated
        return GanState(jnp.zeros((), jnp.int32), key, g, c, average)

    def critic_inputs(key, real, fake):
        """Augment and pack real and generated examples for the critic."""
        if augment is not None:
            real_key, fake_key = jax.random.split(key)
            real, fake = augment(real_key, real), augment(fake_key, fake)
        return packed(real, pack), packed(fake, pack)

    def critic_update(c, inputs):
        key, augment_key, real, fake, labels = inputs
        real, fake = critic_inputs(augment_key, real, fake)

        def loss(params):
            net = replace(c, params=params)
            return _critic_loss(critic, objective, net, key, real, fake, labels)

        (value, (stats, penalty)), gradients = jax.value_and_grad(loss, has_aux=True)(c.params)
        metrics = {"critic_loss": value, "penalty": penalty}
        return _update(critic_optimizer, c, gradients, stats), metrics

    def step(state, reals, labels=None):
        if labels is not None and pack > 1:
            raise InputError(f"a critic of packs of {pack} takes no labels")
        g, reals = state.generator, devices.split(reals, axis=1)
        key = draw_key(state.key, STEP, state.step)
        latent_keys, penalty_keys = jax.random.split(key, (2, len(reals)))
        augment_keys = None
        if augment is not None:
            key = draw_key(state.key, AUGMENT, state.step)
            augment_keys = jax.random.split(key, len(reals) + 1)
        critic_keys, own_key = _split_last(augment_keys)
        earlier_labels, own_labels = _split_last(labels)

        def generate(params, key, labels):
            z = devices.split(latents(key, reals.shape[1], latent_dim, law))
            return _forward(generator, replace(g, params=params), z, labels)

        # The generator does not change while the critic trains, so its last batch serves for
        # its own update too, which saves a forward pass.
        earlier = jax.lax.map(
            lambda inputs: generate(g.params, *inputs)[0], (latent_keys[:-1], earlier_labels)
        )
        fake, pull_back, stats = jax.vjp(
            lambda params: generate(params, latent_keys[-1], own_labels),
            g.params,
            has_aux=True,
        )
        fakes = jnp.concatenate([earlier, fake[None]])
        inputs = (penalty_keys, critic_keys, reals, fakes, labels)
        c, critic_metrics = jax.lax.scan(critic_update, state.critic, inputs)

        def loss(fake):
            real, fake = critic_inputs(own_key, reals[-1], fake)
            fake_scores, _ = _forward(critic, c, fake, own_labels)
            real_scores, _ = _forward(critic, c, real, own_labels)
            return objective.generator_loss(real_scores, fake_scores)

        value, slope = jax.value_and_grad(loss)(fake)
        (gradients,) = pull_back(slope)
        g = _update(optimizers.generator, g, gradients, stats)
        decay = jnp.minimum(ema, (1 + state.step) / (10 + state.step))
        average = jax.tree.map(
            lambda old, new: new + decay * (old - new), state.average, g.variables
        )
        metrics = {"generator_loss": value} | jax.tree.map(lambda x: x[-1], critic_metrics)
        return GanState(state.step + 1, state.key, g, c, average), metrics

    def sample(state, z, labels=None) -> Any:
        return generator.apply(state.generator.variables, *_arguments(z, labels))

    def score(state, x, labels=None) -> Any:
        copies = packed(jnp.repeat(x, pack, axis=0), pack)
        return critic.apply(state.critic.variables, *_arguments(copies, labels))

    return Gan(init, step, sample, score, latent_dim, law)

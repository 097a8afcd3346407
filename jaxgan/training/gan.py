"""A GAN as four pure functions: init, step, sample, score.

``gan`` closes over what is static (two networks, an objective, two optimizers) and
returns functions of what is not: a ``GanState`` of arrays. Learning rates, penalty
weights and clip bounds may be traced, so a GAN can be built inside a vmapped function.
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
from jaxgan.training.objectives import Objective
from jaxgan.training.optimizers import Optimizers

# What a draw is for. The root key never changes; every draw starts at
# fold_in(fold_in(root, purpose), number), so resuming needs no generator state.
INIT, STEP, ORDER, EVALUATE = range(4)


def draw_key(key: Array, purpose: int, number: ArrayLike = 0) -> Array:
    """The key of one draw: a function of the root key, its purpose and its number."""
    return jax.random.fold_in(jax.random.fold_in(key, purpose), number)


@struct.dataclass
class NetState:
    """One network while it trains.

    Attributes:
      params: Trainable parameters.
      stats: Other linen collections: ``{}``, or ``{"batch_stats": ...}``.
      opt: The optimizer's state.
    """

    params: Any
    stats: Any
    opt: Any

    @property
    def variables(self) -> dict[str, Any]:
        """Collections that ``module.apply`` takes."""
        return {"params": self.params, **self.stats}


@struct.dataclass
class GanState:
    """A GAN while it trains: arrays only.

    Attributes:
      step: Generator updates done, ``[]`` int32.
      key: Root key; never changes.
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
    """A GAN as pure functions. B batch, D latent.

    Attributes:
      init: ``(key, example [1, ...]) -> GanState``.
      step: ``(state, reals [critic_steps, B, ...]) -> (state, {name: []})``: one critic
        update per real batch, then one generator update.
      sample: ``(state, z [B, D]) -> [B, ...]``, with running statistics.
      score: ``(state, x [B, ...]) -> [B]``, with running statistics; where the critic
        judges packs, that of a pack of copies.
      latent_dim: D.
      law: Law of the latents, one of ``LATENTS``.
    """

    init: Callable[[Array, Array], GanState]
    step: Callable[[GanState, Array], tuple[GanState, Metrics]]
    sample: Callable[[GanState, Array], Array]
    score: Callable[[GanState, Array], Array]
    latent_dim: int
    law: str = "normal"

    def latents(self, key: Array, count: int) -> Array:
        """Latents ``[count, D]`` of the law that this GAN trains with."""
        return latents(key, count, self.latent_dim, self.law)


def averaged(state: GanState) -> GanState:
    """The state with the generator replaced by its moving average.

    Example:
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


# Laws of latents: standard normal; uniform from -1 to 1.
LATENTS: dict[str, Callable[[Array, tuple[int, int]], Array]] = {
    "normal": jax.random.normal,
    "uniform": _uniform,
}


def latents(key: Array, count: int, latent_dim: int, law: str = "normal") -> Array:
    """Latents ``[count, latent_dim]``, independent draws of one of ``LATENTS``.

    Raises:
      InputError: If there is no such law.

    Example:
      >>> import jax, jaxgan
      >>> jaxgan.latents(jax.random.key(0), 5, 4).shape
      (5, 4)
    """
    return lookup("latent law", law, LATENTS)(key, (count, latent_dim))


def packed(x: Array, size: int) -> Array:
    """Join examples in packs, by their last axis: ``[B, ..., C] -> [B / size, ..., size C]``.

    Raises:
      InputError: If the examples do not make whole packs.
    """
    if size == 1:
        return x
    if len(x) % size:
        raise InputError(f"a batch of {len(x)} does not make whole packs of {size}")
    packs = jnp.moveaxis(x.reshape(-1, size, *x.shape[1:]), 1, -2)
    return packs.reshape(*packs.shape[:-2], -1)


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
    constrain: Callable[[Array], Array] = lambda x: x,
) -> Gan:
    """Build a GAN.

    Args:
      generator: ``(z [B, D], train=) -> [B, ...]``.
      critic: ``(x [B, ...], train=) -> [B]``.
      objective: Losses, penalty and constraint.
      optimizers: For the generator and for the critic.
      latent_dim: D.
      ema: Decay of the generator's moving average per step; 0 makes it a copy. Early
        on the decay is ``(1 + step) / (10 + step)`` where that is less, so that the
        first weights do not linger.
      law: Law of the latents, one of ``LATENTS``.
      pack: Examples that the critic judges together, side by side in their last axis; more
        than one make it see a lack of variety (PacGAN, Lin et al., arXiv 1712.04086).
      constrain: Applied to every latent batch; the place of a sharding constraint.

    Example:
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

    def forward(module, net, x):
        """Outputs with batch statistics, and the running statistics they lead to."""
        return module.apply(net.variables, x, train=True, mutable=list(net.stats))

    def update(optimizer, net, gradients, stats):
        updates, opt = optimizer.update(gradients, net.opt, net.params)
        return NetState(optax.apply_updates(net.params, updates), stats, opt)

    def init_net(module, optimizer, key, example):
        variables = module.init(key, example)
        params = variables.pop("params")
        return NetState(params, variables, optimizer.init(params))

    def init(key, example):
        generator_key, critic_key = jax.random.split(draw_key(key, INIT))
        z = jnp.zeros((1, latent_dim))
        g = init_net(generator, optimizers.generator, generator_key, z)
        pack_of_copies = packed(jnp.repeat(example, pack, axis=0), pack)
        c = init_net(critic, critic_optimizer, critic_key, pack_of_copies)
        # An update of zero moves the first weights into the constraint's set.
        zeros = optax.tree.zeros_like(c.params)
        constraint = objective.constraint
        inside, _ = constraint.update(zeros, constraint.init(c.params), c.params)
        c = replace(c, params=optax.apply_updates(c.params, inside))
        average = jax.tree.map(jnp.copy, g.variables)  # the state will be donated
        return GanState(jnp.zeros((), jnp.int32), key, g, c, average)

    def critic_update(c, key, real, fake):
        real, fake = packed(real, pack), packed(fake, pack)

        def loss(params):
            net = replace(c, params=params)
            if net.stats:
                real_scores, stats = forward(critic, net, real)
                fake_scores, stats = forward(critic, replace(net, stats=stats), fake)
            else:
                scores, stats = forward(critic, net, jnp.concatenate([real, fake]))
                real_scores, fake_scores = jnp.split(scores, 2)

            def score(x):
                return forward(critic, net, x)[0]

            penalty = objective.penalty(key, score, real, fake)
            total = objective.critic_loss(real_scores, fake_scores) + penalty
            return total, (stats, penalty)

        (value, (stats, penalty)), gradients = jax.value_and_grad(loss, has_aux=True)(c.params)
        metrics = {"critic_loss": value, "penalty": penalty}
        return update(critic_optimizer, c, gradients, stats), metrics

    def step(state, reals):
        g = state.generator
        key = draw_key(state.key, STEP, state.step)
        latent_keys, penalty_keys = jax.random.split(key, (2, len(reals)))

        def generate(params, key):
            z = constrain(latents(key, reals.shape[1], latent_dim, law))
            return forward(generator, replace(g, params=params), z)

        # The generator stands still while the critic moves, so its last fakes serve for its
        # own update too: one forward pass less.
        earlier = jax.lax.map(lambda key: generate(g.params, key)[0], latent_keys[:-1])
        fake, pull_back, stats = jax.vjp(
            lambda params: generate(params, latent_keys[-1]), g.params, has_aux=True
        )
        fakes = jnp.concatenate([earlier, fake[None]])
        c, critic_metrics = jax.lax.scan(
            lambda c, inputs: critic_update(c, *inputs),
            state.critic,
            (penalty_keys, reals, fakes),
        )

        def loss(fake):
            fake_scores, _ = forward(critic, c, packed(fake, pack))
            real_scores, _ = forward(critic, c, packed(reals[-1], pack))
            return objective.generator_loss(real_scores, fake_scores)

        value, slope = jax.value_and_grad(loss)(fake)
        (gradients,) = pull_back(slope)
        g = update(optimizers.generator, g, gradients, stats)
        decay = jnp.minimum(ema, (1 + state.step) / (10 + state.step))
        average = jax.tree.map(
            lambda old, new: new + decay * (old - new), state.average, g.variables
        )
        metrics = {"generator_loss": value} | jax.tree.map(lambda x: x[-1], critic_metrics)
        return GanState(state.step + 1, state.key, g, c, average), metrics

    def sample(state, z) -> Any:
        return generator.apply(state.generator.variables, z)

    def score(state, x) -> Any:
        return critic.apply(state.critic.variables, packed(jnp.repeat(x, pack, axis=0), pack))

    return Gan(init, step, sample, score, latent_dim, law)

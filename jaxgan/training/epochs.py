"""Training as compiled scans: an epoch is a scan of steps, an interval one of epochs."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.training.gan import ORDER, VARY, Gan, GanState, Metrics, draw_key


def steps_per_epoch(examples: int, batch_size: int, critic_steps: int = 1) -> int:
    """Count the generator updates in one pass over the data; an incomplete one is dropped."""
    return examples // (batch_size * critic_steps)


def epoch(
    gan: Gan,
    state: GanState,
    data: Array,
    *,
    batch_size: int,
    critic_steps: int = 1,
    prepare: Callable[[Array], Array] = lambda batch: batch,
    vary: Callable[[Array, Array], Array] | None = None,
    labels: Array | None = None,
    size: int | None = None,
) -> tuple[GanState, Metrics]:
    """Train for one epoch, a pass over the shuffled data, in one scan.

    Each batch makes one critic update; after every ``critic_steps`` batches follows one
    generator update. The order of the data depends on the root key and the number of the
    epoch only.

    Args:
      gan: The GAN.
      state: The state at the start of the epoch.
      data: ``[N, ...]``, any dtype that ``prepare`` takes.
      batch_size: B.
      critic_steps: Critic updates per generator update.
      prepare: Converts a batch of data to the critic's input, for example a cast.
      vary: ``(key, batches [critic_steps, B, ...]) -> [critic_steps, B, ...]``: changes real
        examples at random, for example ``augment.flip``; applied after ``prepare``.
      labels: ``[N]`` int32, for a conditional GAN.
      size: Number of examples in an epoch; by default all. With fewer, one pass over the
        data takes several epochs.

    Returns:
      The state after the epoch, and the mean of each metric over the epoch.

    Examples:
      >>> import jax, jaxgan
      >>> from jaxgan.networks import mlp
      >>> g = jaxgan.gan(
      ...     mlp.Generator(widths=(8,)), mlp.Critic(widths=(8,)), jaxgan.objective("hinge"),
      ...     jaxgan.pair("adam", 1e-3), latent_dim=4)
      >>> data = jax.random.normal(jax.random.key(1), (64, 2))
      >>> state = g.init(jax.random.key(0), data[:1])
      >>> state, metrics = jaxgan.epoch(g, state, data, batch_size=16)
      >>> int(state.step), metrics["critic_loss"].shape
      (4, ())
    """

    def body(state, indices):
        some = None if labels is None else labels[indices]
        return step(gan, state, data[indices], some, prepare=prepare, vary=vary)

    examples = order(
        state, len(data), batch_size=batch_size, critic_steps=critic_steps, size=size
    )
    state, metrics = jax.lax.scan(body, state, examples)
    return state, jax.tree.map(jnp.mean, metrics)


def order(
    state: GanState,
    examples: int,
    *,
    batch_size: int,
    critic_steps: int = 1,
    size: int | None = None,
) -> Array:
    """Return indices of an epoch's examples, ``[steps, critic_steps, batch_size]``.

    Epochs of fewer than all examples take consecutive parts of one shuffled pass; the
    remainder at the end of a pass is dropped.
    """
    size = examples if size is None else size
    steps = steps_per_epoch(size, batch_size, critic_steps)
    number, passes = state.step // steps, examples // size
    shuffled = _shuffled(draw_key(state.key, ORDER, number // passes), examples)
    count = steps * critic_steps * batch_size
    indices = jax.lax.dynamic_slice_in_dim(shuffled, number % passes * size, count)
    return indices.reshape(steps, critic_steps, batch_size)


def step(
    gan: Gan,
    state: GanState,
    batches: Array,
    labels: Array | None = None,
    *,
    prepare: Callable[[Array], Array] = lambda batch: batch,
    vary: Callable[[Array, Array], Array] | None = None,
) -> tuple[GanState, Metrics]:
    """Make one step of ``epoch``: the critic updates, then one generator update.

    Args:
      gan: The GAN.
      state: The state before the step.
      batches: ``[critic_steps, B, ...]`` of the data.
      labels: ``[critic_steps, B]``.
      prepare: As in ``epoch``.
      vary: As in ``epoch``.
    """
    batches = prepare(batches)
    if vary is not None:
        batches = vary(draw_key(state.key, VARY, state.step), batches)
    return gan.step(state, batches, *([] if labels is None else [labels]))


def _shuffled(key: Array, count: int) -> Array:
    """Return the numbers below ``count`` in random order.

    Up to 65,536 numbers are packed into the low bits of random integers, which are sorted:
    a CPU sorts integers four times faster than pairs.
    """
    width = max(count - 1, 1).bit_length()
    if width > 16:
        return jax.random.permutation(key, count)
    tickets = jax.random.bits(key, (count,), jnp.uint32) << width
    numbers = jnp.arange(count, dtype=jnp.uint32)
    return (jnp.sort(tickets | numbers) & (2**width - 1)).astype(jnp.int32)


def interval(
    gan: Gan,
    state: GanState,
    data: Array,
    *,
    epochs: int,
    measure: Callable[[GanState], Metrics] = lambda state: {},
    **options: Any,
) -> tuple[GanState, Metrics]:
    """Train for several epochs in one scan, with further metrics after each.

    Args:
      gan: The GAN.
      state: The state at the start of an epoch.
      data: ``[N, ...]``.
      epochs: E, the number of epochs.
      measure: ``state -> {name: []}``: further metrics after each epoch, computed inside the
        compiled program.
      **options: Arguments of ``epoch``.

    Returns:
      The state after E epochs, and metrics ``{name: [E]}``.

    Examples:
      >>> import jax, jaxgan
      >>> from jaxgan.networks import mlp
      >>> g = jaxgan.gan(
      ...     mlp.Generator(widths=(8,)), mlp.Critic(widths=(8,)), jaxgan.objective("hinge"),
      ...     jaxgan.pair("adam", 1e-3), latent_dim=4)
      >>> data = jax.random.normal(jax.random.key(1), (64, 2))
      >>> state = g.init(jax.random.key(0), data[:1])
      >>> state, metrics = jaxgan.interval(g, state, data, epochs=3, batch_size=16)
      >>> int(state.step), metrics["critic_loss"].shape
      (12, (3,))
    """

    def body(state, _):
        state, metrics = epoch(gan, state, data, **options)
        return state, metrics | measure(state)

    return jax.lax.scan(body, state, length=epochs)

"""Training as compiled scans: steps into an epoch, epochs into an interval."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.training.gan import ORDER, VARY, Gan, GanState, Metrics, draw_key


def steps_per_epoch(examples: int, batch_size: int, critic_steps: int = 1) -> int:
    """Generator updates in one pass over the data; an incomplete one is dropped."""
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
    """One pass over shuffled data, or a part of one, as one scan.

    Each batch is one critic update; every ``critic_steps`` batches end in a generator
    update. The order is a function of the root key and the number of the epoch.

    Args:
      gan: The GAN.
      state: At the start of an epoch.
      data: ``[N, ...]``, any dtype that ``prepare`` takes.
      batch_size: B.
      critic_steps: Critic updates per generator update.
      prepare: Converts a batch of data to the critic's input, such as a cast.
      vary: ``(key, batches [critic_steps, B, ...]) -> [critic_steps, B, ...]``: changes real
        examples at random, such as ``augment.flip``; applied after ``prepare``.
      labels: ``[N]`` int32, for networks that take labels.
      size: Examples in an epoch; by default all. With fewer, a pass takes several epochs.

    Returns:
      The state one epoch on, and each metric's mean over the epoch.

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
    """Numbers of the examples of an epoch: ``[steps, critic_steps, batch_size]``.

    Epochs of fewer examples take parts of one pass after another; what is left at the end
    of a pass is dropped.
    """
    size = examples if size is None else size
    steps = steps_per_epoch(size, batch_size, critic_steps)
    number, passes = state.step // steps, examples // size
    shuffled = _shuffled(draw_key(state.key, ORDER, number // passes), examples)
    count = steps * critic_steps * batch_size
    chosen = jax.lax.dynamic_slice_in_dim(shuffled, number % passes * size, count)
    return chosen.reshape(steps, critic_steps, batch_size)


def step(
    gan: Gan,
    state: GanState,
    batches: Array,
    labels: Array | None = None,
    *,
    prepare: Callable[[Array], Array] = lambda batch: batch,
    vary: Callable[[Array, Array], Array] | None = None,
) -> tuple[GanState, Metrics]:
    """One generator update with its critic updates, as ``epoch`` makes it.

    Args:
      gan: The GAN.
      state: Before the step.
      batches: ``[critic_steps, B, ...]`` of the data.
      labels: ``[critic_steps, B]``.
      prepare: As ``epoch`` takes it.
      vary: As ``epoch`` takes it.
    """
    batches = prepare(batches)
    if vary is not None:
        batches = vary(draw_key(state.key, VARY, state.step), batches)
    return gan.step(state, batches, *([] if labels is None else [labels]))


def _shuffled(key: Array, count: int) -> Array:
    """The numbers below ``count`` in random order.

    Up to 65,536 of them are sorted by 16 or more random bits that carry the number in
    the bits below: a CPU sorts such integers four times faster than it sorts pairs.
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
    """Several epochs as one scan, with measures after each.

    Args:
      gan: The GAN.
      state: At the start of an epoch.
      data: ``[N, ...]``.
      epochs: E.
      measure: Called after each epoch, inside the compiled program.
      **options: Passed to ``epoch``.

    Returns:
      The state E epochs on, and metrics ``{name: [E]}``.

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

"""Training on data that stay on the host, which reads batches while devices compute."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from jaxgan.errors import InputError
from jaxgan.training import epochs
from jaxgan.training.gan import Gan, GanState, Metrics

CHUNK = 2**25  # about how many bytes of batches go to the devices at once
_AHEAD = 2  # number of chunks to read before they are needed
_SHARE = 0.5  # part of a device's memory that the data may take


def needed(data: Any) -> bool:
    """Tell whether the data would take more than half of a device's memory."""
    return data.nbytes > _SHARE * memory()


def memory() -> int:
    """Return a device's memory in bytes; for a CPU, that of the machine."""
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"]
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def chunks(
    data: np.ndarray, labels: np.ndarray | None, order: np.ndarray, place: NamedSharding
) -> Iterator[tuple[jax.Array, jax.Array | None]]:
    """Read the batches of an epoch in chunks of K steps, with threads of grain.

    Each process reads only the examples that its own devices need.

    Args:
      data: ``[N, ...]``, for example a memory-mapped array.
      labels: ``[N]``.
      order: Indices of examples, ``[S, steps, critic_steps, B]``.
      place: Sharding of the chunks.

    Yields:
      Batches ``[S, K, critic_steps, B, ...]`` and labels ``[S, K, critic_steps, B]``.

    Raises:
      InputError: If grain is not installed.
    """
    source = _Chunks(data, labels, order, place)
    reader = grain()
    options = reader.ReadOptions(num_threads=_AHEAD, prefetch_buffer_size=_AHEAD)
    yield from reader.MapDataset.source(source).to_iter_dataset(options)


def grain() -> Any:
    """Import grain.

    Raises:
      InputError: If it is not installed.
    """
    try:
        import grain as package
    except ImportError as error:
        raise InputError(
            "data that stay on the host need grain: pip install 'jaxgan[data]'"
        ) from error
    return package


class _Chunks:
    """The chunks of an epoch by number, as a data source for grain."""

    def __init__(self, data, labels, order, place):
        self.data, self.labels, self.order, self.place = data, labels, order, place
        step = order[:, :1].size * data[:1].nbytes
        self.steps = max(1, min(order.shape[1], CHUNK // max(step, 1)))

    def __len__(self) -> int:
        return -(-self.order.shape[1] // self.steps)

    def __getitem__(self, number: int) -> tuple[jax.Array, jax.Array | None]:
        some = self.order[:, number * self.steps : (number + 1) * self.steps]

        def put(values: np.ndarray) -> jax.Array:
            def read(index):
                return values[some[index[: some.ndim]]]

            shape = (*some.shape, *values.shape[1:])
            return jax.make_array_from_callback(shape, self.place, read)

        return put(self.data), None if self.labels is None else put(self.labels)


def make_advance(
    over_all: Callable[..., Callable[..., Any]],
    host: tuple[np.ndarray, np.ndarray | None],
    place: NamedSharding,
    *,
    measure: Callable[[Gan, GanState, Any], Metrics],
    batch_size: int,
    critic_steps: int,
    epoch_size: int | None = None,
    **options: Any,
) -> Callable[[GanState, int], tuple[GanState, Metrics]]:
    """Make ``Program.advance`` for data that stay on the host.

    Args:
      over_all: Makes ``function(gan, state, lane, own)`` of one lane a compiled function
        ``(state, own)`` over all lanes, where ``own`` has leaves ``[S, ...]``.
      host: Data ``[N, ...]`` and labels ``[N]``.
      place: Sharding of the batches.
      measure: As in ``make_program``.
      batch_size: B.
      critic_steps: Critic updates per generator update.
      epoch_size: Number of examples in an epoch; by default all.
      **options: Arguments of ``epochs.step``.
    """
    data, labels = host

    def train_lane(gan, state, lane, own):
        def body(state, inputs):
            return epochs.step(gan, state, *inputs, **options)

        return jax.lax.scan(body, state, own)

    def end_lane(gan, state, lane, metrics):
        return jax.tree.map(jnp.mean, metrics) | measure(gan, state, lane)

    order = over_all(
        lambda gan, state, lane, own: epochs.order(
            state,
            len(data),
            batch_size=batch_size,
            critic_steps=critic_steps,
            size=epoch_size,
        )
    )
    train, end = over_all(train_lane, donate_argnums=0), over_all(end_lane)

    def advance(state, count):
        columns = []
        for _ in range(count):
            parts = []
            for some in chunks(data, labels, jax.device_get(order(state)), place):
                state, metrics = train(state, some)
                parts.append(metrics)
            columns.append(end(state, _joined(parts, jnp.concatenate)))
        return state, _joined(columns, jnp.stack)

    return advance


def _joined(parts: Sequence[Metrics], how: Callable[..., jax.Array]) -> Metrics:
    """Join metrics of all lanes along the axis after the lane axis."""
    return {name: how([part[name] for part in parts], axis=1) for name in parts[0]}

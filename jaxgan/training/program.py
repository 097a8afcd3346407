"""The compiled functions of a training, over all lanes."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from jaxgan.training import devices
from jaxgan.training import stream as streaming
from jaxgan.training.epochs import interval
from jaxgan.training.gan import Gan, GanState, Metrics
from jaxgan.training.lanes import all_on_each, over_lanes, placement

# Compiler options of functions that rarely run: they compile in half the time.
RARELY = {"xla_backend_optimization_level": 0}
Lane = Any  # a pytree with a `seed`, whose leaves have a leading axis S over all lanes


class Program(NamedTuple):
    """The compiled functions of a training over S lanes; each compiles on its first call.

    Attributes:
      init: ``() -> state``, with leaves ``[S, ...]``.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``: trains for E epochs; the state
        is donated.
      each: ``function -> compiled``: makes ``function(gan, state, lane, *shared)`` of one
        lane a compiled function ``(state, *shared)`` over all lanes. The result has leaves
        ``[S, ...]``; ``shared`` is the same for all lanes.
      shapes: ``() -> state`` of ``jax.ShapeDtypeStruct``, with shardings.
      compile_ahead: ``(epochs)``: starts to compile ``advance`` for that many epochs in the
        background.
    """

    init: Callable[[], GanState]
    advance: Callable[[GanState, int], tuple[GanState, Metrics]]
    each: Callable[[Callable[..., Any]], Callable[..., Any]]
    shapes: Callable[[], GanState]
    compile_ahead: Callable[[int], None]


def make_program(
    build: Callable[[Lane], Gan],
    lanes: Lane,
    data: Any = None,
    *,
    batch_size: int,
    critic_steps: int = 1,
    prepare: Callable[[Array], Array] = lambda batch: batch,
    vary: Callable[[Array, Array], Array] | None = None,
    labels: Any = None,
    measure: Callable[[Gan, GanState, Lane], Metrics] = lambda gan, state, lane: {},
    mesh: Mesh | None = None,
    share_batches: bool = False,
    stream: bool = False,
    epoch_size: int | None = None,
    compiler_options: Mapping[str, Any] | None = None,
) -> Program:
    """Build the compiled functions of a training.

    Example: ``experiments/points/program.py``.

    Args:
      build: Makes the GAN of one lane, whose leaves may be traced.
      lanes: A pytree with leaves ``[S, ...]`` and a field ``seed`` ``[S]``.
      data: ``[N, ...]``, shared by all lanes; by default each lane has its own data in its
        field ``train``.
      batch_size: B.
      critic_steps: Critic updates per generator update.
      prepare: Converts a batch of data to the critic's input, for example a cast.
      vary: Changes real examples at random, as in ``epoch``.
      labels: ``[N]`` int32 labels of ``data``, for a conditional GAN.
      measure: ``(gan, state, lane) -> {name: []}``: further metrics after each epoch.
      mesh: Devices that share the lanes; by default all.
      share_batches: Whether the devices share every batch of each lane instead. They sum
        gradients and batch-norm statistics; results differ from those of one device by
        rounding.
      stream: Whether the data stay on the host, which reads batches while devices compute.
      epoch_size: Number of examples in an epoch; by default all.
      compiler_options: Compiler options of all functions except ``init``.
    """
    mesh = devices.make_mesh() if mesh is None else mesh
    if share_batches:
        use, mapped = functools.partial(jax.set_mesh, mesh), all_on_each
        sharding = results = everywhere = devices.everywhere(mesh)
        batch_sharding = devices.along(mesh, 3)
    else:
        use, mapped = contextlib.nullcontext, over_lanes
        sharding, results = placement(len(jax.tree.leaves(lanes)[0]), mesh), None
        batch_sharding, everywhere = sharding, devices.everywhere(sharding.mesh)

    def put(tree, place):
        """Place arrays once, so that they are not sent again in every interval."""
        if share_batches:
            return devices.put(tree, place)
        return jax.device_put(jax.tree.map(jnp.asarray, tree), place)

    host = data, labels
    lanes, first = put(lanes, sharding), put(jax.tree.map(lambda x: x[:1], host), everywhere)
    data, labels = host if stream else put(host, everywhere)
    options = dict(compiler_options) if compiler_options else None

    def init(lane, data, labels):
        example = prepare((lane.train if data is None else data)[:1])
        inputs = (example,) if labels is None else (example, labels)
        return build(lane).init(jax.random.key(lane.seed), *inputs)

    def advance(state, lanes, data, labels, epochs):
        def one(state, lane, data, labels):
            gan = build(lane)
            return interval(
                gan,
                state,
                lane.train if data is None else data,
                epochs=epochs,
                batch_size=batch_size,
                critic_steps=critic_steps,
                prepare=prepare,
                vary=vary,
                labels=labels,
                size=epoch_size,
                measure=lambda state: measure(gan, state, lane),
            )

        return mapped(one, mesh)(state, lanes, data=data, labels=labels)

    def over_all(function, **how):
        """Compile ``function(gan, state, lane, own, *shared)`` to run over all lanes."""

        def all_lanes(state, lanes, own, shared):
            def one(state, lane, own, shared):
                return function(build(lane), state, lane, own, *shared)

            return mapped(one, mesh)(state, lanes, own, shared=shared)

        compiled = jax.jit(all_lanes, out_shardings=results, compiler_options=options, **how)

        def run(state, own=(), *shared):
            with use():
                return compiled(state, lanes, own, shared)

        return run

    def each(function):
        run = over_all(lambda gan, state, lane, _, *shared: function(gan, state, lane, *shared))
        return lambda state, *shared: run(state, (), *shared)

    compiled_init = jax.jit(
        lambda lanes, data, labels: mapped(init, mesh)(lanes, data=data, labels=labels),
        out_shardings=sharding,
        compiler_options=RARELY,
    )
    compiled_advance = jax.jit(
        advance,
        static_argnums=4,
        donate_argnums=0,
        out_shardings=results,
        compiler_options=options,
    )
    compiling: dict[int, Future[Callable[..., Any]]] = {}  # by number of epochs

    def make():
        return compiled_init(lanes, *first)

    def shapes():
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
            jax.eval_shape(compiled_init, lanes, *first),
        )

    def compile_ahead(epochs):
        # Traced in this thread, because settings of JAX are those of a thread.
        with use():
            lowered = compiled_advance.lower(shapes(), lanes, data, labels, epochs)
        pool = ThreadPoolExecutor(1)
        compiling[epochs] = pool.submit(lowered.compile)
        pool.shutdown(wait=False)

    def run(state, epochs):
        if epochs in compiling:
            return compiling[epochs].result()(state, lanes, data, labels)
        with use():
            return compiled_advance(state, lanes, data, labels, epochs)

    if stream:
        streaming_advance = streaming.make_advance(
            over_all,
            host,
            batch_sharding,
            batch_size=batch_size,
            critic_steps=critic_steps,
            prepare=prepare,
            vary=vary,
            measure=measure,
            epoch_size=epoch_size,
        )
        return Program(make, streaming_advance, each, shapes, lambda epochs: None)
    return Program(make, run, each, shapes, compile_ahead)

"""The training of a GAN as compiled functions over all lanes."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from jaxgan.training.epochs import interval
from jaxgan.training.gan import Gan, GanState, Metrics
from jaxgan.training.lanes import over_lanes, placement

# Options for what rarely runs: it compiles in half the time.
RARELY = {"xla_backend_optimization_level": 0}
Lane = Any  # a pytree with a `seed`, whose leaves have a leading axis S over all lanes


class Program(NamedTuple):
    """The compiled functions of a training, over S lanes; each compiles when first called.

    Attributes:
      init: ``() -> state``, leaves ``[S, ...]``.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``; the state is donated.
      each: Compiles ``function(gan, state, lane, *shared)`` of one lane to run over all
        lanes, as ``(state, *shared)``; the result has leaves ``[S, ...]``. All lanes share
        the further arguments.
      shapes: ``() -> state`` of ``jax.ShapeDtypeStruct``, with shardings.
      compile_ahead: ``(epochs)``: starts to compile, in the background, what advances that many
        epochs.
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
    compiler_options: Mapping[str, Any] | None = None,
) -> Program:
    """Build the functions of a training.

    Args:
      build: Makes the GAN of one lane, whose leaves may be traced.
      lanes: A pytree with leaves ``[S, ...]`` and a ``seed`` ``[S]``.
      data: ``[N, ...]``, shared by all lanes; by default each lane has its own, as
        ``train``.
      batch_size: B.
      critic_steps: Critic updates per generator update.
      prepare: Converts a batch of data to the critic's input, such as a cast.
      vary: Changes real examples at random, as in ``epoch``.
      labels: ``[N]`` int32, of ``data``, for networks that take labels.
      measure: Further metrics ``{name: []}`` of one lane after each epoch.
      mesh: Devices to spread the lanes over; by default all.
      compiler_options: Of all functions but ``init``.
    """
    lanes, data, labels = jax.tree.map(jnp.asarray, (lanes, data, labels))
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
                measure=lambda state: measure(gan, state, lane),
            )

        return over_lanes(one, mesh)(state, lanes, data=data, labels=labels)

    def each(function):
        def all_lanes(state, lanes, shared):
            def one(state, lane, shared):
                return function(build(lane), state, lane, *shared)

            return over_lanes(one, mesh)(state, lanes, shared=shared)

        compiled = jax.jit(all_lanes, compiler_options=options)
        return lambda state, *shared: compiled(state, lanes, shared)

    placed = placement(len(jax.tree.leaves(lanes)[0]), mesh)
    compiled_init = jax.jit(
        lambda lanes, data, labels: over_lanes(init, mesh)(lanes, data=data, labels=labels),
        out_shardings=placed,
        compiler_options=RARELY,
    )
    compiled_advance = jax.jit(
        advance, static_argnums=4, donate_argnums=0, compiler_options=options
    )
    first = jax.tree.map(lambda x: x[:1], (data, labels))
    compiling: dict[int, Future[Callable[..., Any]]] = {}  # by number of epochs

    def shapes():
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed),
            jax.eval_shape(compiled_init, lanes, *first),
        )

    def compile_ahead(epochs):
        # Traced here, under the caller's settings of JAX; a thread has its own.
        lowered = compiled_advance.lower(shapes(), lanes, data, labels, epochs)
        pool = ThreadPoolExecutor(1)
        compiling[epochs] = pool.submit(lowered.compile)
        pool.shutdown(wait=False)

    def run(state, epochs):
        if epochs in compiling:
            return compiling[epochs].result()(state, lanes, data, labels)
        return compiled_advance(state, lanes, data, labels, epochs)

    return Program(lambda: compiled_init(lanes, *first), run, each, shapes, compile_ahead)

"""Train your own networks in one call."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from jaxgan.convert import own
from jaxgan.data.pixels import to_float
from jaxgan.errors import InputError
from jaxgan.networks.layers import compiler_options
from jaxgan.runs import loop
from jaxgan.runs.directory import Run, Stopped, deferred_signals
from jaxgan.training.epochs import steps_per_epoch
from jaxgan.training.gan import EVALUATE, Gan, GanState, averaged, draw_key, latents
from jaxgan.training.program import make_program

SPREAD_SAMPLES = 256  # generated examples whose spread is measured after each epoch
SAVE_EVERY = 1.0  # seconds between checkpoints, at least


class Fit(NamedTuple):
    """Result of ``fit``.

    Attributes:
      states: The last state of every seed, leaves ``[S, ...]``.
      metrics: ``{name: [S, E]}``: means over each epoch of ``critic_loss``,
        ``generator_loss`` and ``penalty``; ``spread`` after it, the spread of generated
        examples as a share of the data's (near 0, the generator has collapsed).
    """

    states: GanState
    metrics: dict[str, np.ndarray]


class _Lane(NamedTuple):
    seed: Any


def fit(
    gan: Gan,
    data: ArrayLike,
    *,
    epochs: int,
    batch_size: int,
    critic_steps: int = 1,
    seeds: int = 1,
    seed: int = 0,
    directory: str | Path | None = None,
    every: int = 1,
    on_interval: Callable[[int, GanState, dict[str, np.ndarray]], None] | None = None,
    measure: Callable[[Gan, GanState], dict[str, jax.Array]] | None = None,
    fresh: bool = False,
    mesh: Mesh | None = None,
) -> Fit:
    """Train a GAN with many seeds in one compiled program, and resume it where it stopped.

    With a directory, it writes the metrics (``metrics.jsonl``), checkpoints, and at the end
    the first seed's averaged generator, which ``jaxgan.load`` opens. The same call goes on
    from the newest checkpoint, after SIGKILL too, with the same bits on a CPU; with more
    epochs it goes on from a complete run. Ctrl-C and SIGTERM save first.

    Args:
      gan: As ``jaxgan.gan`` builds it.
      data: ``[N, ...]``. uint8 stays uint8 on the device and reaches the networks as
        float32 in [-1, 1]; other numbers as they are, as float32.
      epochs: Passes over the data.
      batch_size: Examples in a batch.
      critic_steps: Critic updates per generator update.
      seeds: Number S of seeds: of the weights and all draws.
      seed: The first of them.
      directory: Of the run; made if missing.
      every: Epochs in an interval, each of which ends with a line on stderr and, but for
        those that take less than a second, a checkpoint.
      on_interval: Called with the number of epochs done, the states ``[S, ...]`` (valid
        during the call) and the metrics ``{name: [S, E]}`` of the interval.
      measure: ``(gan, state) -> {name: []}`` of one seed: further metrics after each
        epoch, compiled into the program.
      fresh: Start over, deleting an earlier run in the directory.
      mesh: Devices to spread the seeds over; by default all.

    Raises:
      InputError: If an argument is out of range, or the directory holds another run.
      Diverged: If no seed has a finite loss any more; the last checkpoint is from before.
      KeyboardInterrupt: After Ctrl-C, once the state is saved.
      SystemExit: After SIGTERM, likewise, with code 143.

    Example:
      >>> import jaxgan, numpy as np
      >>> from jaxgan.networks import mlp
      >>> g = jaxgan.gan(
      ...     mlp.Generator(widths=(8,)), mlp.Critic(widths=(8,)), jaxgan.objective("wgan_gp"),
      ...     jaxgan.pair("adam", 1e-3), latent_dim=2)
      >>> points = np.random.default_rng(0).normal(size=(64, 2))
      >>> result = jaxgan.fit(g, points, epochs=2, batch_size=32, seeds=3)
      >>> result.metrics["critic_loss"].shape
      (3, 2)
    """
    x = _array(data)
    counts = {"epochs": epochs, "batch_size": batch_size, "critic_steps": critic_steps}
    for name, value in (counts | {"seeds": seeds, "every": every}).items():
        if value < 1:
            raise InputError(f"{name}={value} must be at least 1")
    steps = steps_per_epoch(len(x), batch_size, critic_steps)
    if not steps:
        raise InputError(
            f"one generator update takes {critic_steps} batches of {batch_size}, and there "
            f"are {len(x)} examples"
        )
    prepare = to_float if x.dtype == np.uint8 else (lambda batch: batch)
    spread = _spread(x, prepare)

    def metrics_of(gan, state, lane):
        return spread(gan, state) | (measure(gan, state) if measure else {})

    program = make_program(
        lambda lane: gan,
        _Lane(np.arange(seed, seed + seeds, dtype=np.int32)),
        x,
        batch_size=batch_size,
        critic_steps=critic_steps,
        prepare=prepare,
        measure=metrics_of,
        mesh=mesh,
        compiler_options=compiler_options(),
    )
    history: list[dict[str, np.ndarray]] = []

    def note(epoch, state, metrics):
        history.append(metrics)
        if on_interval:
            on_interval(epoch, state, metrics)

    settings = {
        "batch_size": batch_size,
        "critic_steps": critic_steps,
        "seed": seed,
        "seeds": seeds,
        "data_sha256": hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest(),
        "networks": _layout(program.init),
    }
    with contextlib.ExitStack() as stack:
        check = stack.enter_context(deferred_signals())
        run = None
        if directory is not None:
            run = stack.enter_context(Run(Path(directory), settings, fresh=fresh))
            if len(run.records()) > epochs:
                done = f"{directory} holds {len(run.records())} epochs"
                raise InputError(f"epochs={epochs}, and {done}; fresh=True starts over")
        try:
            states = loop.train(
                run,
                program.init,
                program.advance,
                loop.Hooks(
                    describe=lambda metrics: loop.describe(metrics, "spread"),
                    on_interval=note,
                ),
                epochs=epochs,
                steps_per_epoch=steps,
                every=every,
                due=loop.seconds_apart(SAVE_EVERY),
                check=check,
            )
        except Stopped as stop:
            if stop.code == 130:
                raise KeyboardInterrupt from None
            raise SystemExit(stop.code) from None
        if run is None:
            joined = {n: np.concatenate([x[n] for x in history], axis=1) for n in history[0]}
            return Fit(states, joined)
        records = run.records()
        names = [name for name in records[0] if name not in ("epoch", "step")]
        columns = {n: np.array([x[n] for x in records], np.float32).T for n in names}
        _save_generator(Path(directory or "") / own.FILE, gan, states)
        return Fit(states, columns)


def _array(data: ArrayLike) -> np.ndarray:
    x = np.asarray(data)
    if x.dtype != np.uint8:
        try:
            with np.errstate(over="ignore"):
                x = x.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"data of type {x.dtype} are not numeric") from error
        if not np.isfinite(x).all():
            raise InputError("data must be finite, in float32 too")
    if x.ndim < 2 or not x.size:
        raise InputError(f"data of shape {list(x.shape)} must be [N, ...], not empty")
    return x


def _spread(data: np.ndarray, prepare: Callable[[Any], Any]):
    """Make the measure of the spread of generated examples as a share of the data's."""
    real = np.asarray(prepare(data[: 8 * SPREAD_SAMPLES]), np.float32)
    size = np.sqrt(real.var(axis=0).mean()) or 1.0

    def measure(gan, state):
        z = latents(draw_key(state.key, EVALUATE), SPREAD_SAMPLES, gan.latent_dim)
        return {"spread": jnp.sqrt(gan.sample(state, z).var(axis=0).mean()) / size}

    return measure


def _layout(init: Callable[[], GanState]) -> str:
    """Digest of the paths, shapes and types of a state: other networks have another."""
    leaves = jax.tree.leaves_with_path(jax.eval_shape(init))
    text = "".join(f"{jax.tree_util.keystr(path)} {x.dtype}{x.shape}\n" for path, x in leaves)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _save_generator(path: Path, gan: Gan, states: GanState) -> None:
    """Write the averaged generator of the first seed, for ``jaxgan.load``."""
    first = jax.tree.map(lambda x: x[0], averaged(states).generator.variables)
    own.save(path, {"model": "own", "latent_dim": gan.latent_dim}, first)

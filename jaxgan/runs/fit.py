"""Train your own networks in one call."""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from jaxgan.convert import own
from jaxgan.data.pixels import to_float
from jaxgan.errors import InputError
from jaxgan.networks.layers import compiler_options
from jaxgan.runs import loop
from jaxgan.runs.directory import Run, Ways
from jaxgan.runs.identity import settings_of_jax
from jaxgan.runs.signals import Stopped, deferred_signals
from jaxgan.training import devices
from jaxgan.training.epochs import steps_per_epoch
from jaxgan.training.gan import EVALUATE, Gan, GanState, averaged, draw_key
from jaxgan.training.program import make_program

SPREAD_SAMPLES = 256  # number of generated examples to measure the spread of
_RESERVED_NAMES = {"epoch", "step", "critic_loss", "generator_loss", "penalty", "spread"}
_WAYS = Ways("give another directory", "give another directory, or fresh=True starts over")
_ANSWER = "fit stops after this interval; a second Ctrl-C gives it up"
SAVE_EVERY = 1.0  # least number of seconds between checkpoints


class Fit(NamedTuple):
    """Result of ``fit``.

    Attributes:
      states: The final state of every seed, with leaves ``[S, ...]``.
      metrics: ``{name: [S, E]}``: the means of ``critic_loss``, ``generator_loss`` and
        ``penalty`` over each epoch; and ``spread``, the standard deviation of generated
        examples after each epoch, divided by that of the data (near 0 after a collapse).
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
    measure: Callable[[Gan, GanState], dict[str, Array]] | None = None,
    settings: Mapping[str, Any] | None = None,
    fresh: bool = False,
    mesh: Mesh | None = None,
) -> Fit:
    """Train a GAN with many seeds in one compiled program.

    With a directory, it writes metrics (``metrics.jsonl``) and checkpoints, and at the end
    the averaged generator of the first seed, which ``jaxgan.load`` opens. The same call
    resumes from the newest checkpoint, even after SIGKILL, and gives bit-identical results
    on a CPU; with more epochs it continues a complete run, and for a complete one it returns
    states and metrics without training. On Ctrl-C and SIGTERM it saves a
    checkpoint first. See also ``examples/custom_gan.py``.

    Args:
      gan: The GAN, from ``jaxgan.gan``.
      data: ``[N, ...]``. uint8 data stay uint8 on the device, and the networks see them as
        float32 in [-1, 1]; the networks see other numbers unchanged, as float32.
      epochs: Number of passes over the data.
      batch_size: Examples in a batch.
      critic_steps: Critic updates per generator update.
      seeds: S, the number of seeds. Each determines initial weights and all random draws.
      seed: The first seed.
      directory: Folder of the run; created if missing.
      every: Epochs in an interval. After each interval ``fit`` prints a line to stderr and,
        at most once a second, saves a checkpoint.
      on_interval: Called after each interval with the number of epochs done, the states
        ``[S, ...]`` (valid only during the call) and the metrics ``{name: [S, E]}``.
      measure: ``(gan, state) -> {name: []}`` for one seed: further metrics after each epoch,
        compiled into the program.
      settings: Other settings that determine the result, such as learning rates, by name.
        ``fit`` refuses a directory whose run has other settings, data, network shapes or
        arguments; it cannot compare losses and optimizers, so name their settings here.
      fresh: Start over and delete an earlier run in the directory.
      mesh: Devices, by default all. Each trains some of the seeds or, if there are more
        devices than seeds, a part of every batch. Without a mesh, the cores of a CPU do not
        share batches.

    Returns:
      Final states and metrics.

    Raises:
      InputError: If an argument is out of range, devices cannot share a batch, or the
        directory holds a run with other data, networks, arguments or ``settings``.
      Diverged: If every seed has a loss that is not finite; the last checkpoint is older.
      KeyboardInterrupt: After Ctrl-C, once the state is saved.
      SystemExit: After SIGTERM, once the state is saved, with code 143.

    Examples:
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
    count = {"epochs": epochs, "batch_size": batch_size, "critic_steps": critic_steps}
    _check(count | {"seeds": seeds, "every": every}, seed, len(x))
    prepare = to_float if x.dtype == np.uint8 else (lambda batch: batch)
    _check_networks(gan, x, batch_size)
    metrics_of, names = _metrics(gan, x, prepare, measure)
    batch_mesh = devices.for_batches(seeds, mesh, batch_size)
    program = make_program(
        lambda lane: gan,
        _Lane(np.arange(seed, seed + seeds, dtype=np.int32)),
        x,
        batch_size=batch_size,
        critic_steps=critic_steps,
        prepare=prepare,
        measure=lambda gan, state, lane: metrics_of(gan, state),
        mesh=batch_mesh or mesh,
        share_batches=batch_mesh is not None,
        compiler_options=compiler_options(),
    )
    history: list[dict[str, np.ndarray]] = []

    def note(epoch, state, metrics):
        if directory is None:
            history.append(metrics)
        if on_interval:
            on_interval(epoch, state, metrics)

    with contextlib.ExitStack() as stack:
        check = stack.enter_context(deferred_signals(_ANSWER))
        run = None
        if directory is not None:
            identity = {name: count[name] for name in ("batch_size", "critic_steps")}
            identity |= {"seed": seed, "seeds": seeds, "metrics": names}
            identity |= _digests(x, program.shapes()) | dict(settings or {})
            run = Run(Path(directory), identity, fresh=fresh, ways=_WAYS)
            stack.enter_context(run)
            _check_extension(run, epochs)
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
                steps_per_epoch=steps_per_epoch(len(x), batch_size, critic_steps),
                every=every,
                due=loop.seconds_apart(SAVE_EVERY),
                check=check,
            )
            if run:
                first = jax.tree.map(lambda x: x[0], averaged(states).generator.variables)
                model = {"model": own.OWN, "latent_dim": gan.latent_dim}
                own.save(run.directory / own.FILE, model, first)
            check()
        except Stopped as stop:
            if stop.code == 130:
                raise KeyboardInterrupt from None
            raise SystemExit(stop.code) from None
        return Fit(states, _columns(run.records()) if run else _join(history))


def _check(counts: dict[str, int], seed: int, examples: int) -> None:
    """Refuse arguments that are out of range, and 64-bit mode."""
    if settings_of_jax()["jax_enable_x64"]:
        raise InputError("jax_enable_x64 is set, and fit trains in float32: set it to False")
    for name, value in (counts | {"seed": seed}).items():
        if not isinstance(value, int | np.integer):
            raise InputError(f"{name}={value!r} must be a whole number")
    for name, value in counts.items():
        if value < 1:
            raise InputError(f"{name}={value} must be at least 1")
    if not 0 <= seed <= 2**31 - counts["seeds"]:
        raise InputError(f"seed={seed} must be from 0 to {2**31 - counts['seeds']}")
    batch_size, critic_steps = counts["batch_size"], counts["critic_steps"]
    if not steps_per_epoch(examples, batch_size, critic_steps):
        raise InputError(
            f"one generator update takes {critic_steps} batches of {batch_size}, and there "
            f"are {examples} examples"
        )


def _check_networks(gan: Gan, data: np.ndarray, batch_size: int) -> None:
    """Refuse networks whose outputs do not have the shapes of data and scores."""

    def outputs(key, x):
        state = gan.init(key, x[:1])
        return gan.sample(state, gan.latents(key, batch_size)), gan.score(state, x)

    batch = jax.ShapeDtypeStruct((batch_size, *data.shape[1:]), np.float32)
    examples, scores = jax.eval_shape(outputs, jax.eval_shape(jax.random.key, 0), batch)
    if examples.shape != batch.shape:
        shapes = f"{list(examples.shape[1:])}, and the data have {list(batch.shape[1:])}"
        raise InputError(f"the generator makes examples of shape {shapes}")
    if scores.shape != (batch_size,):
        want, have = ([*x] for x in ((batch_size,), scores.shape))
        raise InputError(f"the critic's scores have shape {have}; {want} is needed")


def _check_extension(run: Run, epochs: int) -> None:
    """Refuse to train for fewer epochs than the directory already has."""
    present = len(run.records())
    if present > epochs:
        raise InputError(
            f"epochs={epochs}, but {run.directory} holds {present} epochs; {_WAYS.anew}"
        )


def _array(data: ArrayLike) -> np.ndarray:
    """Convert the data to uint8 or finite float32."""
    try:
        x = np.asarray(data)
        if x.dtype.kind not in "biuf" and x.dtype != jnp.bfloat16:
            raise TypeError
        if x.dtype != np.uint8:
            with np.errstate(over="ignore"):
                x = x.astype(np.float32, copy=False)
    except (TypeError, ValueError) as error:
        raise InputError("data are not numeric, or their rows differ in length") from error
    if x.dtype != np.uint8 and not np.isfinite(x).all():
        raise InputError("data must be finite, in float32 too")
    if x.ndim < 2 or not x.size:
        raise InputError(f"data of shape {list(x.shape)} must be [N, ...], not empty")
    if np.ma.is_masked(data):
        raise InputError("data have masked values: fill them or leave them out")
    if all(np.array_equal(x[0], other) for other in x[1:]):
        raise InputError(
            "all examples of the data are equal; training needs examples that differ"
        )
    return x


def _metrics(
    gan: Gan,
    data: np.ndarray,
    prepare: Callable[[Any], Any],
    measure: Callable[[Gan, GanState], dict[str, Array]] | None,
) -> tuple[Callable[[Gan, GanState], dict[str, Array]], list[str]]:
    """Combine the spread with the caller's metrics; also return the names of the latter.

    Raises:
      InputError: If ``measure`` returns anything but numbers, or uses a reserved name.
    """
    real = np.asarray(prepare(data[: 8 * SPREAD_SAMPLES]), np.float32)
    size = np.sqrt(real.var(axis=0, dtype=np.float64).mean()) or 1.0

    def spread(gan, state):
        z = gan.latents(draw_key(state.key, EVALUATE), SPREAD_SAMPLES)
        return {"spread": jnp.sqrt(gan.sample(state, z).var(axis=0).mean()) / size}

    if measure is None:
        return spread, []
    key = jax.eval_shape(jax.random.key, 0)
    example = jax.ShapeDtypeStruct((1, *real.shape[1:]), np.float32)
    values: Any = jax.eval_shape(lambda key, x: measure(gan, gan.init(key, x)), key, example)
    if not isinstance(values, dict) or any(
        getattr(x, "shape", None) != () or x.dtype.kind not in "biuf" for x in values.values()
    ):
        raise InputError("measure must return {name: number}, each an array of shape []")
    if clashes := values.keys() & _RESERVED_NAMES:
        raise InputError(f"measure must not return {min(clashes)!r}, which is a reserved name")

    def combined(gan, state):
        floats = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), measure(gan, state))
        return spread(gan, state) | floats

    return combined, sorted(values)


def _digests(data: np.ndarray, shapes: GanState) -> dict[str, str]:
    """Return digests of the data and of the networks' paths, shapes and types."""
    leaves = jax.tree.leaves_with_path(shapes)
    text = "".join(f"{jax.tree_util.keystr(path)} {x.dtype}{x.shape}\n" for path, x in leaves)
    return {
        "data_sha256": hashlib.sha256(np.ascontiguousarray(data).data).hexdigest(),
        "networks": hashlib.sha256(text.encode()).hexdigest()[:16],
    }


def _join(history: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Join the metrics of all intervals along epochs: ``{name: [S, E]}``."""
    return {name: np.concatenate([x[name] for x in history], axis=1) for name in history[0]}


def _columns(records: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Turn the records of a run into metrics ``{name: [S, E]}``."""
    names = [name for name in records[0] if name not in ("epoch", "step")]
    return {name: np.array([x[name] for x in records], np.float32).T for name in names}

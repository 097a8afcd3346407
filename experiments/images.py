"""What the image laboratories share: settings, the program, and a run from start to end."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import loop, training
from experiments.board import Board
from experiments.training import Defaults, Recipe, Training, require
from jaxgan import checkpoint, gan, plots, runs, sweep, train
from jaxgan.convert import own
from jaxgan.errors import InputError, lookup
from jaxgan.networks.layers import NORMS, compiler_options
from jaxgan.networks.pairs import PAIRS

GRID = 64  # samples in a frame
SPREAD_SAMPLES = 256


class Dataset(NamedTuple):
    """Images to train on.

    Attributes:
      images: ``[N, H, W, C]`` uint8.
      key: Identifies their content.
    """

    images: np.ndarray
    key: str


@dataclasses.dataclass(frozen=True)
class Config(Training):
    """What ``Training`` holds, and what is the image laboratories' own.

    Attributes:
      model: A name in ``networks.pairs.PAIRS``.
      size: Side of the images in pixels.
      width: Of the networks, as each counts it.
      norm: Of the generator: a name in ``layers.NORMS``.
      critic_norm: Of the critic; not ``batch`` where there is a penalty.
    """

    model: str
    size: int
    width: int
    norm: str
    critic_norm: str


def configure(
    defaults: Defaults, recipe: Recipe, given: Mapping[str, Any], dataset: Dataset
) -> list[Config]:
    """Resolve settings into programs: one per model, variant and optimizer.

    Raises:
      InputError: If a name is unknown or a number out of range.
    """
    models = given.get("model", recipe.settings.get("model", defaults.common["model"]))
    if not models:
        raise InputError("--model needs a value")
    configs = []
    for settings in training.resolve(defaults, recipe, given):
        penalised = settings["penalty"] != "none"
        settings = {
            "critic_norm": "none" if penalised else "batch",
            "train_size": len(dataset.images),
            **settings,
        }
        for model in models:
            config = Config(**{**settings, "model": model})
            _check(config, dataset)
            configs.append(config)
    return training.distinct(configs)


def _check(config: Config, dataset: Dataset) -> None:
    lookup("model", config.model, PAIRS)
    training.whole(config, {"width": 1024, "train_size": len(dataset.images)})
    for name in ("norm", "critic_norm"):
        norm = getattr(config, name)
        require(config, norm in NORMS, name, f"must be one of {', '.join(NORMS)}")
    require(
        config,
        config.penalty == "none" or config.critic_norm != "batch",
        "critic_norm",
        f"the penalty {config.penalty!r} is per example, and batch norm mixes examples; "
        "layer and none do not",
    )
    training.check(config, config.train_size)


def prepare(batch: jax.Array) -> jax.Array:
    """Pixels ``uint8`` as the networks take them: float32 in [-1, 1]."""
    return batch.astype(jnp.float32) / 127.5 - 1


def pixels(images: Any) -> np.ndarray:
    """What generators make, float in [-1, 1], as ``uint8``; not a number as mid grey."""
    whole = np.nan_to_num(np.asarray(images))
    return np.clip(np.rint((whole + 1) * 127.5), 0, 255).astype(np.uint8)


def build(config: Config, lane: Mapping[str, jax.Array], channels: int) -> gan.Gan:
    """The GAN of one lane, from values that may be traced."""
    pair = PAIRS[config.model]
    made, optimizers = training.parts(config, lane)
    return gan.gan(
        pair.generator(config.size, config.width, channels, config.norm),
        pair.critic(config.size, config.width, config.critic_norm),
        made,
        optimizers,
        latent_dim=config.latent_dim,
        ema=config.ema,
    )


class Program(NamedTuple):
    """The compiled functions of a run, over all lanes.

    Attributes:
      init: ``() -> state``, leaves ``[S, ...]``.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``; the state is donated.
      generate: ``(state, z [N, D]) -> [S, N, H, W, C]`` float in [-1, 1], of the moving
        average.
    """

    init: Callable[[], gan.GanState]
    advance: Callable[[gan.GanState, int], tuple[gan.GanState, dict[str, jax.Array]]]
    generate: Callable[[gan.GanState, jax.Array], jax.Array]


def lanes_of(config: Config) -> dict[str, np.ndarray]:
    """Seed and traced values of every lane, ``[S]``."""
    lanes = [
        {"seed": np.int32(seed)} | {name: np.float32(x) for name, x in cell.items()}
        for cell in config.cells()
        for seed in range(config.seed, config.seed + config.seeds)
    ]
    return {name: np.stack([lane[name] for lane in lanes]) for name in lanes[0]}


def make_program(
    config: Config, dataset: Dataset, lanes: Mapping[str, np.ndarray] | None = None
) -> Program:
    """Build the functions of a run; each compiles when first called.

    Args:
      config: What to train.
      dataset: What to train on.
      lanes: Seed and traced values of every lane, ``[S]``; by default ``lanes_of(config)``.
    """
    images = dataset.images[: config.train_size]
    channels = images.shape[-1]
    lanes = jax.tree.map(jnp.asarray, dict(lanes_of(config) if lanes is None else lanes))
    sample = prepare(jnp.asarray(images[: 8 * SPREAD_SAMPLES]))
    real_spread = jnp.sqrt(sample.var(axis=0).mean())
    data = jnp.asarray(images)

    def init(lane):
        state = build(config, lane, channels)
        return state.init(jax.random.key(lane["seed"]), sample[:1])

    def measure(state, lane):
        key = gan.draw_key(state.key, gan.EVALUATE)
        z = gan.latents(key, SPREAD_SAMPLES, config.latent_dim)
        fake = build(config, lane, channels).sample(state, z)
        return {"spread": jnp.sqrt(fake.var(axis=0).mean()) / real_spread}

    def advance_all(state, data, epochs):
        def advance(state, lane, data):
            return train.interval(
                build(config, lane, channels),
                state,
                data,
                epochs=epochs,
                batch_size=config.batch_size,
                critic_steps=config.critic_steps,
                prepare=prepare,
                measure=lambda state: measure(state, lane),
            )

        return sweep.over_lanes(advance)(state, lanes, data=data)

    def generate_all(state, z):
        def generate(state, lane, z):
            return build(config, lane, channels).sample(gan.averaged(state), z)

        return sweep.over_lanes(generate)(state, lanes, z=z)

    jitted_init = jax.jit(sweep.over_lanes(init))
    compiled = functools.partial(jax.jit, compiler_options=compiler_options())
    jitted_advance = compiled(advance_all, static_argnums=2, donate_argnums=0)
    return Program(
        init=lambda: jitted_init(lanes),
        advance=lambda state, epochs: jitted_advance(state, data, epochs),
        generate=compiled(generate_all),
    )


def fixed_latents(config: Config, count: int, purpose: int = 0) -> jax.Array:
    """Latents ``[count, D]`` that depend on the first lane's seed alone."""
    key = gan.draw_key(jax.random.key(config.seed), gan.EVALUATE, 1 + purpose)
    return gan.latents(key, count, config.latent_dim)


def generate(
    program: Program, state: gan.GanState, z: jax.Array, batch: int = 250
) -> np.ndarray:
    """Images of every lane, ``[S, N, H, W, C]`` uint8, made in batches."""
    parts = [pixels(program.generate(state, z[i : i + batch])) for i in range(0, len(z), batch)]
    return np.concatenate(parts, axis=1)


def settings(config: Config, dataset: Dataset) -> dict[str, Any]:
    """What identifies a run: its configuration and the content of its data."""
    return dataclasses.asdict(config) | {"data_key": dataset.key}


def frame_path(directory: Path, epoch: int) -> Path:
    """Where the sample grid of an epoch is."""
    return directory / "frames" / f"epoch_{epoch:04d}.png"


def samples_path(directory: Path, epoch: int) -> Path:
    """Where the samples of that grid are, as ``images``."""
    return directory / "frames" / f"epoch_{epoch:04d}.npz"


def title_of(config: Config) -> str:
    """What pictures call a program."""
    return f"{config.model}, {config.variant}, {config.optimizer}"


Finish = Callable[[Config, Program, gan.GanState, Path], Mapping[str, Any]]


def run(
    config: Config,
    directory: Path | str,
    dataset: Dataset,
    *,
    finish: Finish = lambda config, program, state, directory: {},
    samples: int = 1000,
    fresh: bool = False,
    tensorboard: bool = False,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train every lane of a program and fill its run directory.

    Args:
      config: What to train.
      directory: Made if missing; goes on with the run that it holds.
      dataset: What to train on.
      finish: Measures and draws what is the laboratory's own; its result goes into the
        summary.
      samples: Images in ``samples.npz``.
      fresh: Start over instead.
      tensorboard: Also write for TensorBoard; needs the ``tb`` extra.
      check: Called where it is safe to stop; raises ``Stopped`` to do so.

    Returns:
      The summary, as in ``summary.json``.

    Raises:
      InputError: If the directory holds another run.
      Diverged: If no lane has a finite loss any more.
      Stopped: By a signal, after saving.
    """
    directory = Path(directory)
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(Board(directory)) if tensorboard else None
        record = stack.enter_context(
            runs.Run(directory, settings(config, dataset), fresh=fresh)
        )
        if summary := record.summary():
            loop.say(f"{directory}: already complete")
            return summary
        rng = np.random.default_rng(config.seed)
        chosen = dataset.images[rng.permutation(config.train_size)[:GRID]]
        plots.image_grid(directory / "real.png", chosen, "real images")
        plots.image_grid(directory / "real_one.png", chosen[:1], "a real image", scale=4)
        program = make_program(config, dataset)
        clock = loop.Clock()
        z = fixed_latents(config, GRID)

        def draw(epoch, state):
            images = pixels(program.generate(state, z))[0]
            path = frame_path(directory, epoch)

            def work():
                title = f"{title_of(config)}   epoch {epoch:3d}"
                plots.image_grid(path, images, title)
                np.savez_compressed(samples_path(directory, epoch), images=images)
                if board:
                    board.picture(path, epoch)

            return work

        state = loop.train(
            record,
            program.init,
            clock.around(program.advance),
            epochs=config.epochs,
            steps_per_epoch=config.steps_per_epoch,
            every=config.frame_every,
            checkpoint_every=config.checkpoint_every,
            draw=draw,
            describe=describe,
            watch=board.numbers if board else lambda start, records: None,
            check=check,
        )
        check()
        made = generate(program, state, fixed_latents(config, samples, 1))
        np.savez_compressed(directory / "samples.npz", images=made[0], seed=config.seed)
        plots.image_grid(directory / "samples.png", made[0, :GRID], title_of(config))
        first = jax.tree.map(lambda x: x[0], gan.averaged(state).generator.variables)
        channels = dataset.images.shape[-1]
        own.save(
            directory / own.FILE, {**dataclasses.asdict(config), "channels": channels}, first
        )
        draw_curves(directory, config, record.records())
        frames = [frame_path(directory, epoch) for epoch in frame_epochs(config)]
        plots.gif(directory / "training.gif", [path for path in frames if path.exists()])
        summary = {
            "variant": config.variant,
            "optimizer": config.optimizer,
            "model": config.model,
            "lanes": len(lanes_of(config)["seed"]),
            "first_step_s": clock.first_step,
            "train_s": clock.total,
            **finish(config, program, state, directory),
        }
        record.finish(summary)
        return runs.to_json(summary)


def frame_epochs(config: Config) -> list[int]:
    """Epochs that have a frame."""
    return [*range(0, config.epochs, config.frame_every), config.epochs]


def describe(metrics: Mapping[str, np.ndarray]) -> str:
    """One line of progress: medians over lanes."""
    middle = {name: np.median(values) for name, values in metrics.items()}
    return (
        f"critic {middle['critic_loss']:.3f}  generator {middle['generator_loss']:.3f}  "
        f"spread {middle['spread']:.2f}"
    )


def draw_curves(directory: Path, config: Config, history: Sequence[Mapping[str, Any]]) -> None:
    """Write ``losses.png``: both losses in one panel, and the spread."""

    def column(name):
        return np.array([record[name] for record in history], float)

    plots.curves(
        directory / "losses.png",
        [record["epoch"] for record in history],
        {
            "losses": {
                "critic": (column("critic_loss"), plots.FAKE),
                "generator": (column("generator_loss"), plots.AVERAGE),
            },
            "generated spread / real": {"generator": (column("spread"), plots.AVERAGE)},
        },
        title_of(config),
    )


def folders_of(configs: Sequence[Config], directory: Path) -> dict[Path, Config]:
    """The run directory of each program."""
    if len(configs) == 1:
        return {directory: configs[0]}
    return {directory / f"{c.model}-{c.variant}-{c.optimizer}": c for c in configs}


def check_folders(
    folders: Mapping[Path, Config], directory: Path, dataset: Dataset, *, fresh: bool = False
) -> None:
    """Refuse directories that hold other runs, before anything is written."""
    if len(folders) > 1:
        runs.compare(directory, programs_of(folders))
    for folder, config in folders.items():
        runs.compare(folder, settings(config, dataset), fresh=fresh)


def programs_of(folders: Mapping[Path, Config]) -> dict[str, Any]:
    """What identifies a sweep; each of its runs has settings of its own."""
    return {"programs": [folder.name for folder in folders]}


def run_all(
    configs: Sequence[Config],
    directory: Path | str,
    dataset: Dataset,
    *,
    fresh: bool = False,
    **options: Any,
) -> list[dict[str, Any]]:
    """Run every program, in ``directory`` itself or in folders below it.

    Returns:
      The summaries of those that did not diverge.

    Raises:
      InputError: Before anything is written, if a directory holds another run.
      Diverged: If every program diverged.
    """
    folders = folders_of(configs, Path(directory))
    check_folders(folders, Path(directory), dataset, fresh=fresh)
    summaries, failure = [], None
    with contextlib.ExitStack() as stack:
        if len(folders) > 1:
            stack.enter_context(runs.Run(Path(directory), programs_of(folders)))
        for folder, config in folders.items():
            if len(folders) > 1:
                loop.say(f"{title_of(config)}:")
            try:
                summaries.append(run(config, folder, dataset, fresh=fresh, **options))
            except runs.Diverged as error:
                loop.say(f"{folder}: {error}")
                failure = error
    if failure and not summaries:
        raise failure
    return summaries


def last_state(directory: Path, program: Program) -> gan.GanState:
    """The final state of a run that is complete.

    Raises:
      InputError: If its last checkpoint is damaged.
    """
    restored = checkpoint.restore(directory / "checkpoints", jax.eval_shape(program.init))
    if restored.step is None or restored.damaged:
        lines = "; ".join(restored.damaged) or "no checkpoint"
        raise InputError(f"{directory}: {lines}; --fresh trains again")
    return jax.tree.map(jnp.asarray, restored.tree)


def show(summaries: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of summaries: means over lanes."""
    if not summaries:
        return
    skipped = ("lanes", "first_step_s", "train_s")
    columns = [
        name
        for name, value in summaries[0].items()
        if name not in skipped and not isinstance(value, Mapping)
    ]
    rows = [columns]
    for summary in summaries:
        row = []
        for name in columns:
            value = summary.get(name)
            if isinstance(value, list):
                value = float(np.mean(np.array(value, float)))
            row.append(f"{value:.3g}" if isinstance(value, float) else str(value))
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(x.ljust(width) for x, width in zip(row, widths, strict=True)).rstrip())

"""Settings of the command and their flags."""

import dataclasses
import math
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.common.flags import CommandLine
from experiments.generate import own_runs
from jaxgan.convert.sampling import MOST
from jaxgan.errors import InputError

WEIGHTS = ("average", "raw")
WALK, MIX, NEIGHBOURS = 10.0, "4x6", 10  # values of flags that are given without one
MOST_SAMPLES = 10**7
LIMITS = {"count": MOST_SAMPLES, "batch_size": 4096, "nearest": 20, "fps": 60, "stops": 1000}
LAYERS = ("coarse", "middle", "fine")
KINDS = ("walk", "mix", "neighbours")
_USUAL = {"walk": WALK, "mix": MIX, "neighbours": NEIGHBOURS}
_NUMBER = re.compile(r"\d[\d.]*(x\d+)?")
_PATHS = ("labels", "settings", "data", "inception")
_GENERATOR = ("truncation", "weights", "lane", "epoch", "label", "labels", "settings")
# Flags that only one kind of output uses.
_ONLY = {
    "stops": ("walk",),
    "fps": ("walk",),
    "mix_layers": ("mix",),
    "nearest": ("neighbours",),
    "data": ("neighbours",),
    "inception": ("neighbours",),
    "count": ("samples", "neighbours"),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of the command, resolved.

    Attributes:
      run: The run's folder, a file of a generator, or the name of one that is downloaded.
      count: Number of samples to write, or to compare with --neighbours. The default is 100, 64
        in a grid, and 1000 with --neighbours.
      seed: Seed of the latents; sample i depends only on the seed and i.
      truncation: Truncation psi: factor of the distance from the mean code. 1 is none. Only for
        generators with codes w.
      weights: For a run, average (the generator's moving average) or raw (its own weights). For
        a file with several generators, the name of one or the end of it.
      lane: Which lane of a run to use, a number from 0.
      epoch: Use the checkpoint of this epoch of a run, if it was kept; by default the last.
      label: Labels that the samples of a conditional generator take in turn, a list; by
        default all.
      labels: File of such labels: .npy, a text file with one label per line, or dataset.json.
      settings: Settings of a network that do not show in its file: name=value,... or a .json.
      batch_size: Samples per batch, 1 to 256; by default as many as have 4 million pixels.
      walk: Length in seconds of a closed walk through latent space.
      stops: Number of random latents on the walk; by default one per second.
      fps: Pictures per second of the walk.
      mix: Rows x columns of a table that mixes the styles of two sets of samples, such as 4x6.
      mix_layers: Layers to take from the columns: coarse, middle, fine, or numbers such as
        0-3,6. By default one table each for coarse, middle and fine.
      neighbours: Number of samples to show beside the real images nearest to them.
      nearest: Number of real images to show beside a sample.
      data: Real images to compare with, a folder or an archive; by default those of the run.
      inception: File with the weights of Inception-v3, to compare by its features, too.
    """

    run: str = ""
    count: int | None = None
    seed: int = 0
    truncation: float = 1.0
    weights: str | None = None
    lane: int = 0
    epoch: int | None = None
    label: tuple[int, ...] = ()
    labels: str | None = None
    settings: str | None = None
    batch_size: int | None = None
    walk: float | None = None
    stops: int | None = None
    fps: int = 30
    mix: str | None = None
    mix_layers: str | None = None
    neighbours: int | None = None
    nearest: int = 5
    data: str | None = None
    inception: str | None = None

    @property
    def kind(self) -> str:
        """Kind of output: ``samples``, or one of ``KINDS``."""
        return next((name for name in KINDS if getattr(self, name) is not None), "samples")


def with_values(argv: Sequence[str]) -> list[str]:
    """Add default values to flags that were given without one.

    A number after such a flag is its value, unless it is the only argument that can name a
    run.
    """
    usual = {f"--{name}": value for name, value in _USUAL.items()}
    several = sum(not word.startswith("-") for word in argv) > 1
    words: list[str] = []
    for word in argv:
        if several and words and words[-1] in usual and _NUMBER.fullmatch(word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return [f"{word}={usual[word]}" if word in usual else word for word in words]


def check(config: Config) -> None:
    """Check that values are in range and have a use.

    Raises:
      InputError: If one is not; it names the flag, its value and what is allowed.
    """
    if not config.run:
        raise InputError("which run or generator? Give a run's folder, a file or a name")
    present = [name for name in KINDS if getattr(config, name) is not None]
    if len(present) > 1:
        raise InputError(f"--{present[0]} and --{present[1]} exclude each other")
    for field in dataclasses.fields(Config):
        kinds = _ONLY.get(field.name)
        if kinds and config.kind not in kinds and getattr(config, field.name) != field.default:
            other = next((kind for kind in kinds if kind != "samples"), "")
            reason = f"without --{other}" if len(kinds) == 1 else f"with --{config.kind}"
            raise InputError(f"--{field.name} has no meaning {reason}")
    for name, most in LIMITS.items():
        value = getattr(config, name)
        if value is not None and not 1 <= value <= most:
            raise InputError(f"--{name}={value}: must be from 1 to {most}")
    if not 0 <= config.seed <= MOST:
        raise InputError(f"--seed={config.seed}: must be from 0 to {MOST}")
    if not math.isfinite(config.truncation):
        raise InputError(f"--truncation={config.truncation}: must be a finite number")
    if config.walk is not None and not 0.1 <= config.walk <= 600:
        raise InputError(f"--walk={config.walk:g}: must be from 0.1 to 600 seconds")
    if config.stops == 1:
        raise InputError("--stops=1: must be 2 or more, as a walk goes somewhere")
    if config.neighbours is not None and not 1 <= config.neighbours <= 100:
        raise InputError(f"--neighbours={config.neighbours}: must be from 1 to 100 samples")
    if config.label and config.labels is not None:
        raise InputError("--label and --labels exclude each other")
    if config.mix is not None:
        table(config.mix)


def table(text: str) -> tuple[int, int]:
    """Return rows and columns of a table such as ``4x6``.

    Raises:
      InputError: If they are not 1 to 20 each.
    """
    rows, _, columns = text.partition("x")
    if not all(x.isascii() and x.isdigit() and 1 <= int(x) <= 20 for x in (rows, columns)):
        raise InputError(f"--mix={text[:40]}: must be rows x columns, 1 to 20 each, as in 4x6")
    return int(rows), int(columns)


def default_name(config: Config) -> str:
    """Return the name of the output of a command without ``--out``."""
    words = [config.kind]
    for name, value in _overrides(config).items():
        if name in ("run", "batch_size") or (name, value) in _USUAL.items():
            continue
        text = "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
        text = Path(text).name if name in _PATHS else text
        words.append(text if name in ("weights", config.kind) else f"{name}{text}")
    name = "-".join(words)
    return "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)[:120]


def _overrides(config: Config) -> dict[str, Any]:
    """Return the settings that differ from their defaults, in the order of the flags."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    return {name: x for name, x in values.items() if x != getattr(Config, name)}


def command_of(config: Config, *more: str) -> str:
    """Return a command for the same generator with the same settings."""
    words = ["python -m experiments.generate", shlex.quote(config.run)]
    for name, value in _overrides(config).items():
        if name in _GENERATOR:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words.append(f"--{name}={shlex.quote(text)}")
    return " ".join([*words, *more])


def place_of(config: Config, out: str) -> Path:
    """Return the folder or file to write.

    Args:
      config: The settings.
      out: Value of ``--out``; empty if it is not given.

    Raises:
      InputError: If it is not a valid path.
    """
    if out:
        if not out.isprintable():
            raise InputError(f"--out={out!r} must be the name of a folder, an .npz or a .png")
        return Path(out)
    path = Path(config.run)
    if own_runs.content_of(path) is not None:
        return path / "generated" / default_name(config)
    stem = "".join(c if c.isalnum() or c in "-_+." else "_" for c in path.resolve().stem)
    return Path("runs") / "generate" / f"{stem[:80]}-{default_name(config)}"


def define(line: CommandLine) -> Callable[[], Config]:
    """Define the flags; return a function that reads them."""
    generator = dict.fromkeys(("label", "labels"), "generator")
    read = line.define(
        Config,
        headings={"count": "what to make", "batch_size": "this machine", **generator},
        choices={"weights": WEIGHTS, "mix_layers": LAYERS},
        without=("run",),
    )
    return lambda: Config(run=next(iter(line.arguments), ""), **read())

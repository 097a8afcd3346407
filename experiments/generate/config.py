"""Settings of the command, and their flags."""

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
WALK, MIX, NEIGHBOURS = 10.0, "4x6", 10  # of flags that are given without a value
MOST_SAMPLES = 10**7
LIMITS = {"count": MOST_SAMPLES, "batch_size": 4096, "nearest": 20, "fps": 60, "stops": 1000}
LAYERS = ("coarse", "middle", "fine")
KINDS = ("walk", "mix", "neighbours")
_USUAL = {"walk": WALK, "mix": MIX, "neighbours": NEIGHBOURS}
_NUMBER = re.compile(r"\d[\d.]*(x\d+)?")
_PATHS = ("labels", "settings", "data", "inception")
_GENERATOR = ("truncation", "weights", "lane", "epoch", "label", "labels", "settings")
# Flags that one kind of output alone reads.
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
      count: Samples; of --neighbours those that are compared. By default 100, in a grid 64, of
        --neighbours 1000.
      seed: Seed of the latents: sample i follows from the seed and i alone.
      truncation: Share of the way from the mean code that is left, of generators with codes w.
      weights: average or raw: the generator's moving average or its own weights; of a file of
        several generators a name, or the end of one.
      lane: Of a run: which of its lanes, from 0.
      epoch: Of a run: the epoch of a checkpoint that is kept; by default the last.
      label: Labels that the samples of a conditional generator take in turn; by default all.
        A list.
      labels: File of such labels: .npy, a text file with a row per line, or dataset.json.
      settings: Settings of a network that its file does not show: name=value,... or a .json.
      batch_size: Samples made at once; by default as many as have 4 million pixels, 1 to 256.
      walk: Seconds of a closed walk through latent space.
      stops: Latents on the walk; by default one a second.
      fps: Pictures in a second of the walk.
      mix: Rows x columns of a table that mixes the styles of two sets of samples.
      mix_layers: Layers that the columns give: coarse, middle, fine, or numbers such as
        0-3,6; by default a table each of the first three.
      neighbours: Samples that are shown beside the images nearest to them.
      nearest: Images shown beside a sample.
      data: Images to compare with: a folder or an archive; by default those of the run.
      inception: File of the weights of Inception-v3, for neighbours by its features.
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
        """What is made: ``samples``, or one of ``KINDS``."""
        return next((name for name in KINDS if getattr(self, name) is not None), "samples")


def with_values(argv: Sequence[str]) -> list[str]:
    """The words of a command, of which some flags may be given without a value.

    A number after such a flag is its value, unless nothing else would say of which run.
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
    """Refuse values that are out of range, or that nothing reads.

    Raises:
      InputError: Names the flag, its value and what is allowed.
    """
    if not config.run:
        raise InputError("of which run or generator? Give a run's folder, a file or a name")
    given = [name for name in KINDS if getattr(config, name) is not None]
    if len(given) > 1:
        raise InputError(f"--{given[0]} and --{given[1]} exclude each other")
    for field in dataclasses.fields(Config):
        kinds = _ONLY.get(field.name)
        if kinds and config.kind not in kinds and getattr(config, field.name) != field.default:
            needed = next((kind for kind in kinds if kind != "samples"), "")
            reason = f"without --{needed}" if len(kinds) == 1 else f"with --{config.kind}"
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
    """Rows and columns of a table such as ``4x6``.

    Raises:
      InputError: If they are not 1 to 20 each.
    """
    rows, _, columns = text.partition("x")
    if not all(x.isascii() and x.isdigit() and 1 <= int(x) <= 20 for x in (rows, columns)):
        raise InputError(f"--mix={text[:40]}: must be rows x columns, 1 to 20 each, as in 4x6")
    return int(rows), int(columns)


def default_name(config: Config) -> str:
    """Name of the folder or file of a command without ``--out``."""
    words = [config.kind]
    for name, value in _given(config).items():
        if name in ("run", "batch_size") or (name, value) in _USUAL.items():
            continue
        text = "+".join(map(str, value)) if isinstance(value, tuple) else str(value)
        text = Path(text).name if name in _PATHS else text
        words.append(text if name in ("weights", config.kind) else f"{name}{text}")
    name = "-".join(words)
    return "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)[:120]


def _given(config: Config) -> dict[str, Any]:
    """Settings that are not their defaults, in the order of the flags."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    return {name: x for name, x in values.items() if x != getattr(Config, name)}


def command_of(config: Config, *more: str) -> str:
    """A command on the same generator, as it is set."""
    words = ["python -m experiments.generate", shlex.quote(config.run)]
    for name, value in _given(config).items():
        if name in _GENERATOR:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words.append(f"--{name}={shlex.quote(text)}")
    return " ".join([*words, *more])


def place_of(config: Config, out: str) -> Path:
    """The folder or file to write.

    Args:
      config: The settings.
      out: Of ``--out``; empty if it is not given.

    Raises:
      InputError: If it is no path.
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
    """Define the flags; the function reads them."""
    generator = dict.fromkeys(("label", "labels"), "generator")
    read = line.define(
        Config,
        headings={"count": "what to make", "batch_size": "this machine", **generator},
        choices={"weights": WEIGHTS, "mix_layers": LAYERS},
        without=("run",),
    )
    return lambda: Config(run=next(iter(line.arguments), ""), **read())

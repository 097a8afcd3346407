"""SeFa: semantic directions of a pretrained face generator, found in its weights alone.

    python -m experiments.sefa
    python -m experiments.sefa --attributes
    python -m experiments.sefa --checkpoint=FILE --layers=0-1 --distance=3 --steps=11
    python -m experiments.sefa --checkpoint=FILE --like=genforce --unit=code
    python -m experiments.sefa --checkpoint=runs/faces/RUN --unit=image

Without a checkpoint it downloads one of real faces, once. A checkpoint is of PyTorch, which
is not needed to read it, of OpenVINO, or a run of jaxgan's own image laboratories. Writes a
picture of every direction, a GIF, ``directions.npz`` and ``sefa.html``, a page with a slider
per direction that needs no network. With ``--attributes`` other networks score what each
direction does to age, gender, pose and expression, and to whatever else there are labelled
photographs of; names come from these scores.

On 2 CPU cores, a DCGAN of 64 pixels takes 10 s, a StyleGAN2 of 256 pixels 160 s and the
MobileStyleGAN of 1024 pixels, which is the default, 2 min.
"""

import dataclasses
import hashlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags as absl_flags

from experiments import flags, loop, oracles, scoring
from experiments.edits import edited, encode, reduce
from experiments.oracles import Oracle
from jaxgan import convert, plots, runs, sefa
from jaxgan.convert import directions as files
from jaxgan.convert import npz, zoo
from jaxgan.errors import InputError
from jaxgan.pretrained import Pretrained
from jaxgan.sefa import edit, measure
from jaxgan.sefa.factorize import NORMALISATIONS, TO_RGB
from jaxgan.sefa.page import Row, page

UNITS = ("code", "std", "image")
PICTURE = 128  # pixels of an image in the pictures of directions, at most
ANIMATED = 96  # and in the GIF
CALIBRATED = 5  # codes that tell the length of an image unit
MAX_BYTES = 2**29  # of all images
LIMITS = {
    "samples": 1000,
    "steps": 101,
    "size": 1024,
    "batch_size": 1000,
    "attribute_samples": 1000,
}
FACTORISED = {
    "layers",
    "directions",
    "like",
    "normalisation",
    "to_rgb",
    "whiten",
    "least_spread",
}
SCORED = {"attribute_samples", "attribute_data", "attribute_labels", "attribute_eyes", "eyes"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run, resolved.

    Attributes:
      checkpoint: Path of the generator, or name of one that is downloaded.
      layers: As ``sefa.directions`` takes them.
      directions: How many, of each group of layers.
      like: The tool whose directions these are: a name in ``sefa.TOOLS``.
      normalisation: Instead of that tool's; None keeps it.
      to_rgb: Instead of that tool's; None keeps it.
      whiten: Instead of that tool's; None keeps it.
      least_spread: As ``sefa.directions`` takes it.
      directions_file: A ``directions.npz`` to use instead.
      names: Of the directions; numbers stand for those that have none.
      samples: Images to edit.
      codes: An ``.npz`` with ``z``, ``w`` or ``w+`` to edit instead.
      distance: How far to go either way.
      unit: ``code``: of the code; ``std``: standard deviations of codes along the
        direction; ``image``: of image change, ``measure.CHANGE`` each.
      steps: Images along a direction, both ends included.
      truncation: Share of the way from the mean code that is kept.
      truncation_layers: How many of the first layers are truncated; None is all.
      seed: Of the samples.
      size: Pixels of the page's images, at most.
      batch_size: Images made at once.
      attributes: Whether oracles score what the directions do.
      attribute_samples: People they see moved.
      attribute_data: Labelled photographs for one more oracle.
      attribute_labels: A file with their labels.
      attribute_eyes: Where the eyes are in those: ``x,y,distance`` as ``oracles.Eyes``.
      eyes: And in the generator's images.
    """

    checkpoint: str = "mobilestylegan-ffhq"
    layers: str = "all"
    directions: int = 5
    like: str = "jaxgan"
    normalisation: str | None = None
    to_rgb: str | None = None
    whiten: bool | None = None
    least_spread: float = 0.0
    directions_file: str | None = None
    names: tuple[str, ...] = ()
    samples: int = 5
    codes: str | None = None
    distance: float = 2.0
    unit: str = "std"
    steps: int = 11
    truncation: float = 0.7
    truncation_layers: int | None = None
    seed: int = 0
    size: int = 256
    batch_size: int = 5
    attributes: bool = False
    attribute_samples: int = 50
    attribute_data: str | None = None
    attribute_labels: str | None = None
    attribute_eyes: tuple[float, ...] = oracles.CELEBA
    eyes: tuple[float, ...] = oracles.FFHQ


def check_ranges(config: Config) -> None:
    """Refuse what is out of range.

    Raises:
      InputError: If a value is.
    """
    if not config.checkpoint:
        raise InputError("--checkpoint needs the path or name of a generator")
    for name, most in LIMITS.items():
        value, least = getattr(config, name), 3 if name == "steps" else 1
        if not least <= value <= most:
            raise InputError(f"--{name}={value} must be {least} to {most}")
    if config.steps % 2 == 0:
        raise InputError(
            f"--steps={config.steps} must be odd: the unmoved image is one of them"
        )
    if not 0 < config.distance <= 1000:
        raise InputError(f"--distance={config.distance} must be above 0 and at most 1000")
    if not np.isfinite(config.truncation):
        raise InputError(f"--truncation={config.truncation} must be a finite number")
    if config.truncation_layers is not None and config.truncation_layers < 0:
        raise InputError(f"--truncation_layers={config.truncation_layers} must not be negative")
    if config.unit not in UNITS:
        raise InputError(f"--unit={config.unit} must be one of {', '.join(UNITS)}")
    for name in ("eyes", "attribute_eyes"):
        eyes = getattr(config, name)
        if len(eyes) != 3 or not all(0 < share < 1 for share in eyes):
            text = ",".join(map(str, eyes))
            raise InputError(f"--{name}={text} must be x,y,distance: three shares, 0 to 1")
    if not 0 <= config.seed < 2**31:
        raise InputError(f"--seed={config.seed} must be 0 to {2**31 - 1}")


def check_flags(config: Config) -> None:
    """Refuse what has no meaning beside other settings.

    Raises:
      InputError: If a value is given that nothing reads.
    """
    if (config.attribute_data is None) != (config.attribute_labels is None):
        raise InputError("--attribute_data and --attribute_labels go together")
    for field in dataclasses.fields(Config):
        if getattr(config, field.name) == field.default:
            continue
        if field.name in FACTORISED and config.directions_file:
            raise InputError(f"--{field.name} has no meaning with --directions_file")
        if field.name in SCORED and not config.attributes:
            raise InputError(f"--{field.name} has no meaning without --attributes")


def find(config: Config, generator: Pretrained) -> tuple[sefa.Directions, tuple[str, ...]]:
    """The directions, found or read, and the names that were given; empty for none.

    Raises:
      InputError: If a setting does not fit the generator.
    """
    names: tuple[str, ...] = ()
    if config.directions_file:
        found, names = files.load(config.directions_file, generator)
    else:
        found = sefa.directions(
            generator,
            config.layers,
            config.directions,
            like=config.like,
            normalisation=config.normalisation,
            to_rgb=config.to_rgb,
            whiten=config.whiten,
            least_spread=config.least_spread,
        )
    count = len(found.vectors)
    if len(config.names) > count:
        raise InputError(f"--names has {len(config.names)} names for {count} directions")
    given = [*config.names, *names[len(config.names) :]]
    return found, tuple((given + [""] * count)[:count])


def titles(
    names: Sequence[str], found: sefa.Directions, report: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """What directions are called: as given, else as scores suggest, else by number."""
    grouped = len(set(found.layers)) > 1
    suggested = [told["name"] for told in report["directions"]] if report else [""] * len(names)
    return tuple(
        name or scored or f"direction {k + 1}" + (f", layers {_spelled(layers)}" * grouped)
        for k, (name, scored, layers) in enumerate(
            zip(names, suggested, found.layers, strict=True)
        )
    )


def codes_of(config: Config, generator: Pretrained) -> np.ndarray:
    """The codes to edit, drawn or read.

    Raises:
      InputError: If a file holds no codes of this generator.
    """
    options = _truncation(config)
    if config.codes is None:
        z = jax.random.normal(
            jax.random.key(config.seed), (config.samples, generator.latent_dim)
        )
        return np.asarray(generator.codes(z, **options))
    arrays = npz.read(config.codes)
    space = next((space for space in reversed(edit.SPACES) if space in arrays), None)
    if space is None or arrays[space].dtype.kind not in "fiu" or not arrays[space].size:
        spaces = ", ".join(edit.SPACES)
        raise InputError(f"{config.codes} holds no codes: an array of numbers named {spaces}")
    return np.asarray(edit.as_codes(generator, arrays[space], space, **options))


def run(
    config: Config,
    directory: Path | str,
    generator: Pretrained,
    *,
    fresh: bool = False,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Find the directions, edit images along them and fill the run directory.

    Args:
      config: What to do.
      directory: Made if missing.
      generator: Whose directions.
      fresh: Start over.
      check: Called where it is safe to stop; raises ``Stopped`` to do so.

    Returns:
      The summary, as in ``summary.json``.

    Raises:
      InputError: If a setting does not fit the generator, or the directory holds another
        run.
    """
    directory = Path(directory)
    check_ranges(config)
    found, names = find(config, generator)
    codes = codes_of(config, generator)
    side = min(generator.resolution, config.size)
    size = len(found.vectors) * len(codes) * config.steps * side**2 * 3
    if size > MAX_BYTES:
        raise InputError(
            f"{len(found.vectors)} directions, {len(codes)} samples, {config.steps} steps of "
            f"{side} pixels are {size >> 20} MiB, more than {MAX_BYTES >> 20}; take fewer"
        )
    judges = _panel(config)
    identity = settings(config, generator, found, codes, judges)
    runs.compare(directory, identity, fresh=fresh)
    units = np.ones(len(found.vectors))
    if config.unit == "std":
        units = sefa.spreads(generator, found.vectors)
    if config.unit == "image" and (fresh or not (directory / "summary.json").exists()):
        units = measure.image_units(generator, codes[:CALIBRATED], found, check)
    with runs.Run(directory, identity, fresh=fresh) as record:
        if summary := record.summary():
            loop.say(f"{directory}: already complete")
            return summary
        files.save(directory / "directions.npz", found, names)
        report = _scored(config, directory, generator, found, units, judges, check)
        names = titles(names, found, report)
        space = "w+" if generator.num_layers else "z"
        np.savez(directory / "codes.npz", allow_pickle=False, **{space: codes})
        distances = _steps(config.distance, config.steps)
        far = units[:, None] * distances[None]
        images = edited(generator, codes, found, far, config.size, config.batch_size, check)
        summary = measured(generator, found, names, images, far) | {"unit": units}
        summary["attributes"] = report
        check()
        pictures(directory, names, images, distances)
        check()
        html = page(
            f"Directions of {Path(config.checkpoint).name}",
            _encoded(images),
            [Row(name, facts(summary, k, found)) for k, name in enumerate(names)],
            [f"sample {i + 1}" for i in range(len(codes))],
            distances,
            {
                "generator": f"{generator.flavour}, {generator.resolution} pixels",
                "rows": f"normalisation {found.normalisation}, to colours {found.to_rgb}"
                + ", whitened" * found.whitened,
                "distances in units of": config.unit,
                "samples": config.codes or f"seed {config.seed}",
                "command": " ".join(_command(config)),
            },
        )
        runs.write_text(directory / "sefa.html", html)
        record.finish(summary)
        return runs.to_json(summary)


def _steps(distance: float, count: int) -> np.ndarray:
    """Distances ``[count]`` either way, with 0 in the middle."""
    distances = np.linspace(-distance, distance, count)
    distances[count // 2] = 0
    return distances


def _panel(config: Config) -> list[Oracle]:
    """The oracles that are to be asked; none unless asked for."""
    if not config.attributes:
        return []
    return scoring.panel(
        oracles.Eyes(*config.eyes),
        config.attribute_data,
        config.attribute_labels,
        oracles.Eyes(*config.attribute_eyes),
    )


def _scored(
    config: Config,
    directory: Path,
    generator: Pretrained,
    found: sefa.Directions,
    units: np.ndarray,
    judges: list[Oracle],
    check: Callable[[], None],
) -> dict[str, Any] | None:
    """What oracles say of the directions, asked once; None if there are no oracles."""
    if not judges:
        return None
    report = scoring.read(directory)
    told = report["directions"] if report else []
    if report is None or len(told) < len(found.vectors):
        people, distances = config.attribute_samples, _steps(config.distance, scoring.STEPS)
        options: dict[str, Any] = {"batch_size": config.batch_size, "check": check}
        usual = scoring.meet(
            generator,
            judges,
            people,
            seed=config.seed,
            truncation=_truncation(config),
            **options,
        )
        report = scoring.judge(
            generator,
            found,
            units[:, None] * distances[None],
            judges,
            usual,
            distances=distances,
            people=people,
            told=told,
            keep=lambda report: runs.write_json(directory / scoring.FILE, report),
            **options,
        )
    return report


def _truncation(config: Config) -> dict[str, Any]:
    return {
        "truncation": config.truncation,
        "truncation_layers": config.truncation_layers,
    }


def settings(
    config: Config,
    generator: Pretrained,
    found: sefa.Directions,
    codes: np.ndarray,
    judges: Sequence[Oracle] = (),
) -> dict[str, Any]:
    """What identifies a run: its settings, the content of its files, and its oracles."""
    digest = hashlib.sha256("".join(judge.source for judge in judges).encode())
    for array in (*jax.tree.leaves(generator.params), codes, found.vectors):
        digest.update(np.ascontiguousarray(array).tobytes())
    told = dataclasses.asdict(config) | {"content": digest.hexdigest()[:16]}
    return {name: value for name, value in told.items() if name != "batch_size"}


def _command(config: Config) -> list[str]:
    """The command that repeats a run."""
    words = ["python -m experiments.sefa"]
    for field in dataclasses.fields(Config):
        value = getattr(config, field.name)
        if value != field.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words.append(shlex.quote(f"--{field.name}={text}"))
    return words


def _encoded(images: np.ndarray) -> list[list[list[bytes]]]:
    """Every image as JPEG, equal ones once."""
    known: dict[bytes, bytes] = {}

    def once(image: np.ndarray) -> bytes:
        digest = hashlib.sha256(image.tobytes()).digest()
        if digest not in known:
            known[digest] = encode(image)
        return known[digest]

    return [[[once(image) for image in path] for path in row] for row in images]


def measured(
    generator: Pretrained,
    found: sefa.Directions,
    names: Sequence[str],
    images: np.ndarray,
    far: np.ndarray,
) -> dict[str, Any]:
    """What each direction does, as ``{name: [K]}``; means over the samples."""
    effects = [
        measure.effect(paths.swapaxes(0, 1).astype(np.float32) / 127.5 - 1, away)
        for paths, away in zip(images, far, strict=True)
    ]
    shares = measure.layer_shares(generator, found)
    return {
        "flavour": generator.flavour,
        "resolution": generator.resolution,
        "fingerprint": generator.fingerprint,
        "layers": [_spelled(layers) for layers in found.layers],
        "name": list(names),
        "value": found.values,
        "share": found.shares,
        "change_per_unit": np.array([e.change_per_unit.mean() for e in effects]),
        "smoothness": np.array([e.smoothness.mean() for e in effects]),
        "straightness": np.array([e.straightness.mean() for e in effects]),
        "strongest_layers": [
            [int(i) for i in np.argsort(-row)[:3] if row[i] > 0] for row in shares
        ],
        "layer_shares": shares,
    }


def facts(summary: Mapping[str, Any], k: int, found: sefa.Directions) -> dict[str, str]:
    """What the page tells of a direction."""
    told = {
        "share of the spectrum": f"{100 * summary['share'][k]:.2g} %",
        "image change per unit of code": f"{summary['change_per_unit'][k]:.3f}",
        "smoothness": f"{summary['smoothness'][k]:.2f}",
    }
    if abs(summary["unit"][k] - 1) > 1e-6:
        told["one unit"] = f"{summary['unit'][k]:.3g} of code"
    if found.layers[k]:
        strongest = ", ".join(map(str, summary["strongest_layers"][k]))
        told |= {"layers": _spelled(found.layers[k]), "strongest in": strongest}
    if summary["attributes"]:
        told = scoring.facts(summary["attributes"]["directions"][k]) | told
    return told


def _spelled(layers: Sequence[int]) -> str:
    """Indices as ``0-1,6``."""
    parts: list[list[int]] = []
    for layer in layers:
        if parts and parts[-1][-1] == layer - 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    return ",".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


def pictures(
    directory: Path, names: Sequence[str], images: np.ndarray, distances: np.ndarray
) -> None:
    """Write a picture per direction, ``direction_1.png`` and on, and ``directions.gif``."""
    ends = f"{distances[0]:g} to {distances[-1]:g}"
    for k, paths in enumerate(images):
        rows = {
            f"sample {n + 1}": np.stack([reduce(image, PICTURE) for image in path])
            for n, path in enumerate(paths[:10])
        }
        title = f"{names[k][:80]}, {ends}"
        scale = max(1, PICTURE // images.shape[3])
        plots.image_rows(directory / f"direction_{k + 1}.png", rows, title, scale=scale)
    short = [name[:14] for name in names]
    if len(set(short)) < len(short):
        short = [f"{k + 1} {name}"[:14] for k, name in enumerate(names)]
    frames = []
    for t, distance in enumerate(distances):
        rows = {
            short[k]: np.stack([reduce(path[t], ANIMATED) for path in paths[:6]])
            for k, paths in enumerate(images[:6])
        }
        frame = directory / "frames" / f"step_{t:04d}.png"
        scale = max(1, ANIMATED // images.shape[3])
        plots.image_rows(frame, rows, f"distance {distance:+.2f}", scale=scale)
        frames.append(frame)
    plots.gif(directory / "directions.gif", [*frames, *frames[-2::-1]], seconds=3)


def show(summary: Mapping[str, Any]) -> None:
    """Print what each direction does."""
    print(f"{summary['flavour']}, {summary['resolution']} pixels")
    print(f"{'':20} {'share':>7} {'change':>7} {'smooth':>7}  strongest layers")
    for k, name in enumerate(summary["name"]):
        layers = ", ".join(map(str, summary["strongest_layers"][k]))
        layers = layers if summary["layers"][k] else ""
        print(
            f"{loop.printable(name[:20]):20} {100 * summary['share'][k]:6.2f}% "
            f"{summary['change_per_unit'][k]:7.3f} {summary['smoothness'][k]:7.2f}  {layers}"
        )
    if summary["attributes"]:
        scoring.show(summary["attributes"], summary["name"])


def _define() -> Callable[[], Config]:
    """Define the flags; the function reads them."""
    makers: dict[Any, Callable[..., Any]] = {
        int: absl_flags.DEFINE_integer,
        float: absl_flags.DEFINE_float,
        str: absl_flags.DEFINE_string,
        bool: absl_flags.DEFINE_bool,
        tuple: absl_flags.DEFINE_list,
    }
    texts = {
        "checkpoint": (
            str,
            "Generator: a file of PyTorch or OpenVINO, a run of jaxgan's, or one of "
            f"{', '.join(zoo.GENERATORS)}, which is downloaded once.",
        ),
        "layers": (
            str,
            "Layers to factorise and to move: all, or such as 0-1,6; groups with / between.",
        ),
        "directions": (int, "How many directions, of each group of layers."),
        "like": (str, f"Tool whose directions these are: {', '.join(sefa.TOOLS)}."),
        "normalisation": (str, f"Of rows, instead: {', '.join(NORMALISATIONS)}."),
        "to_rgb": (str, f"Conversions to colours that take part: {', '.join(TO_RGB)}."),
        "whiten": (bool, "Measure steps by how far codes are spread; as --like by default."),
        "least_spread": (
            float,
            "Leave out directions along which codes are spread less, as a share of the mean.",
        ),
        "directions_file": (str, "A directions.npz to use instead."),
        "names": (tuple, "Of the directions; a list."),
        "samples": (int, "Images to edit."),
        "codes": (str, "An .npz with z, w or w+ to edit instead."),
        "distance": (float, "How far to go either way."),
        "unit": (str, f"Of distances: {', '.join(UNITS)}."),
        "steps": (int, "Images along a direction."),
        "truncation": (float, "Share of the way from the mean code that is kept."),
        "truncation_layers": (int, "How many of the first layers; by default all."),
        "seed": (int, "Of the samples."),
        "size": (int, "Pixels of the page's images, at most."),
        "batch_size": (int, "Images made at once."),
        "attributes": (
            bool,
            "Ask other networks what the directions do to age, gender, pose and expression.",
        ),
        "attribute_samples": (int, "People they see moved."),
        "attribute_data": (
            str,
            "Labelled photographs for one more, which also tells how alike people stay.",
        ),
        "attribute_labels": (str, "Their labels: a .csv of image,Attribute,... and 0 or 1."),
        "attribute_eyes": (tuple, "Where the eyes are in their centred squares: as --eyes."),
        "eyes": (
            tuple,
            "Where the eyes are in the generator's images: x,y of the point between them, and "
            "their distance, as shares of the image.",
        ),
    }
    holders = {}
    for field in dataclasses.fields(Config):
        kind, text = texts[field.name]
        default: Any = None if field.default is dataclasses.MISSING else field.default
        default = list(map(str, default)) if isinstance(default, tuple) else default
        holders[field.name] = makers[kind](field.name, default, text)

    def config() -> Config:
        values: dict[str, Any] = {name: holder.value for name, holder in holders.items()}
        values["names"] = tuple(values["names"])
        for name in ("eyes", "attribute_eyes"):
            values[name] = flags.numbers(name, values[name])
        return Config(**values)

    return config


def main() -> None:
    """Run from the command line."""
    read_config = _define()

    def command(stop: Callable[[], None]) -> None:
        config = read_config()
        check_ranges(config)
        check_flags(config)
        name = Path(config.checkpoint).resolve().stem
        name = "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)[:120]
        directory = flags.run_directory("sefa", name + "_attributes" * config.attributes)
        flags.start_jax()
        generator = convert.load(config.checkpoint, loop.say)
        if flags.DRY_RUN.value:
            found, _ = find(config, generator)
            identity = settings(config, generator, found, codes_of(config, generator))
            runs.compare(directory, identity, fresh=flags.FRESH.value)
            flags.show_plan({directory: config})
            return
        summary = run(config, directory, generator, fresh=flags.FRESH.value, check=stop)
        show(summary)
        print(directory)

    flags.main("sefa", command)


if __name__ == "__main__":
    main()

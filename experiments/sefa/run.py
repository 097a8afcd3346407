"""A run of the SeFa laboratory: directions, edited images, pictures, a page."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.sefa import scoring
from experiments.sefa.config import Config, _command, check_ranges
from jaxgan import runs, sefa
from jaxgan.convert.formats import npz
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.judges import oracles
from jaxgan.judges.oracles import Oracle
from jaxgan.plots import raster
from jaxgan.runs import progress
from jaxgan.sefa import edit, files, measure
from jaxgan.sefa.page import Row, page
from jaxgan.sefa.render import edited, encode, reduce

PICTURE = 128  # pixels of an image in the pictures of directions, at most


ANIMATED = 96  # and in the GIF


CALIBRATED = 5  # codes that tell the length of an image unit


MAX_BYTES = 2**29  # of all images


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
            progress.say(f"{directory}: already complete")
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
        raster.image_rows(directory / f"direction_{k + 1}.png", rows, title, scale=scale)
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
        raster.image_rows(frame, rows, f"distance {distance:+.2f}", scale=scale)
        frames.append(frame)
    raster.gif(directory / "directions.gif", [*frames, *frames[-2::-1]], seconds=3)


def show(summary: Mapping[str, Any]) -> None:
    """Print what each direction does."""
    print(f"{summary['flavour']}, {summary['resolution']} pixels")
    print(f"{'':20} {'share':>7} {'change':>7} {'smooth':>7}  strongest layers")
    for k, name in enumerate(summary["name"]):
        layers = ", ".join(map(str, summary["strongest_layers"][k]))
        layers = layers if summary["layers"][k] else ""
        print(
            f"{progress.printable(name[:20]):20} {100 * summary['share'][k]:6.2f}% "
            f"{summary['change_per_unit'][k]:7.3f} {summary['smoothness'][k]:7.2f}  {layers}"
        )
    if summary["attributes"]:
        scoring.show(summary["attributes"], summary["name"])

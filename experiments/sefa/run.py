"""A complete run of the SeFa laboratory: directions, edited images, pictures, page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tabulate import tabulate

from experiments.sefa import photo, report, supervise
from experiments.sefa.config import Config, check_ranges, command_of
from experiments.sefa.identity import settings
from jaxgan import runs, sefa
from jaxgan.convert.generator import Pretrained
from jaxgan.data.pixels import to_float
from jaxgan.errors import InputError
from jaxgan.runs import progress
from jaxgan.sefa import files, known, measure, naming, render, scoring
from jaxgan.sefa.page import Row, page

UNIT_CODES = 5  # codes to measure the length of an image unit with
# Folded into a seed for these codes. No seed, and no other use, has this number.
_CALIBRATION = 2**31 + 2
SCORE_STEPS = 5  # distances to score a person at, including 0
MAX_BYTES = 2**29  # most bytes of all images
_SUMMARY = {  # entries of a summary to show
    *("name", "share", "change_per_unit", "smoothness", "layers", "strongest_layers"),
    *("flavour", "resolution", "attributes"),
}


def find(config: Config, generator: Pretrained) -> tuple[sefa.Directions, tuple[str, ...]]:
    """Find or read the directions and their names, which may be empty.

    Raises:
      InputError: If a setting does not fit the generator.
    """
    names: tuple[str, ...] = ()
    if config.directions_file:
        directions, names = files.load(config.directions_file, generator)
    else:
        directions = sefa.directions(
            generator,
            config.layers,
            config.directions,
            like=config.like,
            normalisation=config.normalisation,
            to_rgb=config.to_rgb,
            whiten=config.whiten,
            least_spread=config.least_spread,
        )
    count = len(directions.vectors)
    if len(config.names) > count:
        raise InputError(f"--names has {len(config.names)} names for {count} directions")
    names = config.names + names[len(config.names) :]
    return directions, names + ("",) * (count - len(names))


def codes_of(config: Config, generator: Pretrained) -> np.ndarray:
    """Draw or read the codes to edit.

    Raises:
      InputError: If a file holds no codes of this generator.
    """
    if config.codes is not None:
        options = config.truncation_options
        return sefa.read_codes(generator, config.codes, config.space, progress.say, **options)
    key = jax.random.key(config.seed)
    return sefa.draw_codes(generator, key, config.samples, **config.truncation_options)


def people_of(config: Config, generator: Pretrained) -> np.ndarray:
    """Return the codes to edit, or with ``--photo`` the cropped photographs."""
    return photo.targets(config, generator) if config.photo else codes_of(config, generator)


def calibration_codes(config: Config, generator: Pretrained, codes: np.ndarray) -> np.ndarray:
    """Return codes to measure an image unit: other people, or the first ones of a file."""
    if config.codes is not None:
        return codes[:UNIT_CODES]
    key = jax.random.fold_in(jax.random.key(config.seed), _CALIBRATION)
    return sefa.draw_codes(generator, key, UNIT_CODES, **config.truncation_options)


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
      config: The settings.
      directory: The run directory; it need not exist.
      generator: The generator.
      fresh: Start over.
      check: Called where it is safe to stop; it may raise ``Stopped``.

    Returns:
      The summary, as in ``summary.json``.

    Raises:
      InputError: If a setting does not fit the generator, or the directory holds another
        run.
    """
    directory = Path(directory)
    check_ranges(config)
    directions, names = find(config, generator)
    people = people_of(config, generator)
    places = render.place_rows(generator, config.distance)
    count = len(directions.vectors) + len(places)
    _check_size(config, generator, count, len(people))  # before oracles are downloaded
    judges = report.panel(config)
    count += len(supervise.attributes(config, judges))
    _check_size(config, generator, count, len(people))
    identity = settings(config, generator, directions, people, judges)
    runs.compare(directory, identity, fresh=fresh)
    units = None
    if fresh or not (directory / "summary.json").exists():
        units = _units(config, generator, directions, people, check)
    with runs.Run(directory, identity, fresh=fresh) as record:
        summary = record.summary()
        if summary and summary.keys() >= _SUMMARY:
            progress.say(f"{directory}: already complete")
            return summary
        if units is None:  # the summary is damaged
            units = _units(config, generator, directions, people, check)
        audience = scoring.Audience(generator, judges, config.batch_size, check)
        directions, names, fits = supervise.extend(
            config, directory, audience, directions, names
        )
        if fits:
            units = _units(config, generator, directions, people, check)
        files.save(directory / "directions.npz", directions, names)
        distances = _steps(config.distance, SCORE_STEPS)
        scores = report.scores(config, directory, audience, directions, units, distances)
        entries = scores["directions"] if scores else known.recognise(directions)
        names = naming.titles(names, directions.layers, known.names(entries))
        search = (
            photo.find(config, directory, generator, people, check) if config.photo else None
        )
        codes = people if search is None else search.codes
        if search is None:
            own = photo.code_arrays(generator, codes)
            np.savez(directory / "codes.npz", allow_pickle=False, **own)
        distances = _steps(config.distance, config.steps)
        away = units[:, None] * distances[None]
        images = render.draw_moved(
            generator, codes, directions, away, config.size, config.batch_size, check
        )
        summary = {
            **_measures(generator, directions, names, images, away),
            "unit": units,
            "attributes": scores,
            "supervised": fits,
            "known": None if scores else entries,
            **({} if search is None else {"photo_errors": search.errors}),
        }
        check()
        images = render.add_places(
            generator, codes, images, config.size, config.batch_size, check
        )
        if config.keep_photo:
            images = photo.beside(images, people)
        rows = [
            Row(name, report.of_direction(summary, k)) for k, name in enumerate(names)
        ] + places
        who = photo.names(config, images.shape[1])
        render.write_pictures(directory, [row.name for row in rows], images, distances, who)
        check()
        html = _page(config, generator, directions, rows, images, distances)
        runs.write_text(directory / "sefa.html", html)
        record.finish(summary)
        return runs.to_json(summary)


def _check_size(config: Config, generator: Pretrained, directions: int, samples: int) -> None:
    samples *= 1 + config.keep_photo  # photographs are shown beside their people
    side = min(generator.resolution, config.size)
    size = directions * samples * config.steps * side**2 * 3
    if size > MAX_BYTES:
        raise InputError(
            f"{directions} directions, {samples} samples, {config.steps} steps of {side} "
            f"pixels are {size >> 20} MiB, more than {MAX_BYTES >> 20}; take fewer"
        )


def _steps(distance: float, count: int) -> np.ndarray:
    """Return distances ``[count]`` to either side, with 0 in the middle."""
    distances = np.linspace(-distance, distance, count)
    distances[count // 2] = 0
    return distances


def _measures(
    generator: Pretrained,
    directions: sefa.Directions,
    names: Sequence[str],
    images: np.ndarray,
    away: np.ndarray,
) -> dict[str, Any]:
    """Measure each direction: ``{name: [K]}``, means over the samples."""
    effects = [
        measure.effect(to_float(paths.swapaxes(0, 1)), distances)
        for paths, distances in zip(images, away, strict=True)
    ]
    shares = measure.layer_shares(generator, directions)
    return {
        "flavour": generator.flavour,
        "origin": generator.origin,
        "resolution": generator.resolution,
        "fingerprint": generator.fingerprint,
        "layers": [sefa.spell_layers(layers) for layers in directions.layers],
        "name": list(names),
        "value": directions.values,
        "share": directions.shares,
        "change_per_unit": np.array([e.change_per_unit.mean() for e in effects]),
        "smoothness": np.array([e.smoothness.mean() for e in effects]),
        "straightness": np.array([e.straightness.mean() for e in effects]),
        "strongest_layers": [
            [int(i) for i in np.argsort(-row)[:3] if row[i] > 0] for row in shares
        ],
        "layer_shares": shares,
    }


def _page(
    config: Config,
    generator: Pretrained,
    directions: sefa.Directions,
    rows: Sequence[Row],
    images: np.ndarray,
    distances: np.ndarray,
) -> str:
    return page(
        f"Directions of {Path(config.checkpoint).name}",
        render.encode(images),
        rows,
        photo.names(config, images.shape[1]),
        distances,
        {
            "generator": f"{generator.flavour}, {generator.resolution} pixels",
            **({"weights": generator.origin} if generator.origin else {}),
            "rows": f"normalisation {directions.normalisation}, toRGB {directions.to_rgb}"
            + ", whitened" * directions.whitened,
            "distances in units of": config.unit,
            "samples": config.codes
            or (photo.SOURCE if config.photo else f"seed {config.seed}"),
            "command": " ".join(command_of(config)),
        },
    )


def _units(
    config: Config,
    generator: Pretrained,
    directions: sefa.Directions,
    codes: np.ndarray,
    check: Callable[[], None],
) -> np.ndarray:
    """Return the length of one unit along each direction, ``[K]``."""
    if config.unit == "std":
        return sefa.spreads(generator, directions.vectors)
    if config.unit == "image":
        some = calibration_codes(config, generator, codes)
        return measure.image_units(generator, some, directions, check)
    return np.ones(len(directions.vectors))


def show(summary: Mapping[str, Any]) -> None:
    """Print a table of the directions and their scores."""
    rows = [
        (
            progress.printable(name[:20]),
            f"{100 * summary['share'][k]:.2f}%" if summary["share"][k] else "-",
            f"{summary['change_per_unit'][k]:.3f}",
            f"{summary['smoothness'][k]:.2f}",
            ", ".join(map(str, summary["strongest_layers"][k] if summary["layers"][k] else ())),
        )
        for k, name in enumerate(summary["name"])
    ]
    headers = ("", "share", "change", "smooth", "strongest layers")
    align = ("left", "right", "right", "right", "left")
    print(f"{summary['flavour']}, {summary['resolution']} pixels")
    print(tabulate(rows, headers, "plain", disable_numparse=True, colalign=align))
    if summary["attributes"]:
        report.show(summary["attributes"], summary["name"])
        supervise.show(dict(summary))

"""Supervised directions of a run of the SeFa laboratory, in addition to SeFa's."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tabulate import tabulate

from experiments.sefa.config import Config
from jaxgan import sefa
from jaxgan.errors import InputError
from jaxgan.judges.oracles import Oracle
from jaxgan.metrics.intervals import Interval
from jaxgan.runs import cache, progress
from jaxgan.runs.directory import write_arrays
from jaxgan.sefa import exchange, supervised
from jaxgan.sefa.scoring import Audience, see

FILE = "people.npz"
ALL = "all"
PART = 100  # people to score between two writes of the file
MARK = ", supervised"  # ends a direction's name
# Folded into a seed for their codes. No seed, and no other use, has this number.
_PEOPLE = 2**31 + 3


def attributes(config: Config, judges: Sequence[Oracle]) -> list[str]:
    """Return the attributes to find directions for.

    Raises:
      InputError: If an oracle scores no such attribute.
    """
    available = [attribute.name for judge in judges for attribute in judge.attributes]
    if config.supervised == (ALL,):
        return available
    names = list(dict.fromkeys(" ".join(name.split()) for name in config.supervised))
    strange = next((name for name in names if name not in available), None)
    if strange is not None:
        raise InputError(
            f"--supervised={','.join(config.supervised)}: {strange!r} is none of what the "
            f"oracles score: {', '.join(available)}, or all"
        )
    return names


def extend(
    config: Config,
    directory: Path,
    audience: Audience,
    directions: sefa.Directions,
    names: Sequence[str],
) -> tuple[sefa.Directions, tuple[str, ...], dict[str, Any] | None]:
    """Add supervised directions and their names to SeFa's; also return the quality of the fit.

    They move all layers of SeFa's directions together.

    Raises:
      InputError: If there are too few people with a face.
    """
    targets = attributes(config, audience.judges)
    if not targets:
        return directions, tuple(names), None
    generator = audience.generator
    layers = tuple(sorted({layer for group in directions.layers for layer in group}))
    codes, scores = people(config, directory, audience, layers)
    available = [attribute.name for judge in audience.judges for attribute in judge.attributes]
    fit = supervised.fit(
        codes,
        scores[:, [available.index(name) for name in targets]],
        targets,
        generator.code_covariance if directions.whitened else None,
        condition=config.condition,
        seed=config.seed,
    )
    count = len(targets)
    more = directions._replace(
        vectors=np.concatenate([directions.vectors, fit.vectors]),
        values=np.concatenate([directions.values, np.zeros(count)]),
        shares=np.concatenate([directions.shares, np.zeros(count)]),
        layers=directions.layers + (layers,) * count,
    )
    facts = {
        "attributes": targets,
        "people": fit.people,
        "accuracy": [one._asdict() for one in fit.accuracy],
        "correlation": fit.correlation,
        "kept": fit.kept,
    }
    return more, (*names, *(name + MARK for name in targets)), facts


def people(
    config: Config, directory: Path, audience: Audience, layers: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return codes ``[N, D]`` and scores ``[N, A]`` of other people, drawn and scored once.

    The run directory stores scores as they come, so that an interrupted run resumes, and so
    that ``--fresh`` with the same number of people reuses them. If each layer has its own
    code, the mean over layers is taken.
    """
    generator, count = audience.generator, config.supervised_samples
    key = jax.random.fold_in(jax.random.key(config.seed), _PEOPLE)
    codes = sefa.draw_codes(generator, key, count, **config.truncation_options)
    judges = [(judge.source, judge.attributes) for judge in audience.judges]
    digest = cache.digest(
        *(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(generator.params)),
        codes.tobytes(),
        *(judges, config.eyes),
    )
    scores = _read_scores(directory / FILE, digest)
    while len(scores) < count:
        part = codes[len(scores) : len(scores) + PART]
        first, last = len(scores) + 1, len(scores) + len(part)
        progress.say(f"scoring people {first} to {last} of {count} for supervised directions")
        faces = see(audience._replace(judges=[_blind(one) for one in audience.judges]), part)
        scores = np.concatenate([scores.reshape(-1, faces.scores.shape[1]), faces.scores])
        write_arrays(directory / FILE, digest=np.array(digest), scores=scores)
    wide = codes[:, list(layers)].mean(axis=1) if codes.ndim == 3 else codes
    return wide, scores


def _blind(judge: Oracle) -> Oracle:
    """Return the oracle without its embeddings, which are slow."""
    return judge._replace(embed=None)


def _read_scores(path: Path, digest: str) -> np.ndarray:
    """Read the scores of the first people from an earlier start with the same digest."""
    try:
        with open(path, "rb") as content, np.load(content, allow_pickle=False) as file:
            scores = file["scores"] if str(file["digest"]) == digest else np.empty((0, 0))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return np.empty((0, 0))
    return scores if scores.ndim == 2 else np.empty((0, 0))


def exchanges(report: dict[str, Any], attribute: str) -> list[Interval | None]:
    """Return each direction's change of an attribute per identity; None if unknown."""
    intervals = []
    for entry in report["directions"]:
        pair = _pair(entry, attribute)
        one = exchange.per_identity(*pair) if pair else None
        intervals.append(one if one and np.isfinite(one).all() else None)
    return intervals


def _pair(entry: dict[str, Any], attribute: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the changes of an attribute and of identity for every moved person."""
    names = [row["attribute"] for row in entry["shifts"]]
    moves = entry.get("moved")
    if not moves or attribute not in names:
        return None
    column = names.index(attribute)
    changes = np.array(moves["changes"], float).reshape(-1, len(names))
    return changes[:, column], np.array(moves["identity"], float)


def headline(report: dict[str, Any], names: Sequence[str], attribute: str) -> str:
    """Compare a supervised direction with the best of SeFa's; empty if unknown."""
    rows = exchanges(report, attribute)
    own = [k for k, name in enumerate(names) if name == attribute + MARK and rows[k]]
    others = [k for k, name in enumerate(names) if not name.endswith(MARK) and rows[k]]
    if not own or not others:
        return ""
    best = max(others, key=lambda k: rows[k].mean)  # type: ignore
    unit = next(
        row["unit"]
        for row in report["directions"][0]["shifts"]
        if row["attribute"] == attribute
    )
    text = f"{attribute}, {unit} per change of identity: supervised {_text(rows[own[0]])}"
    other = f"the best of SeFa's, {progress.printable(names[best])}, {_text(rows[best])}"
    if rows[best].low <= 0:  # type: ignore
        return f"{text}; {other}, does not differ clearly from 0"
    pair = [_pair(report["directions"][k], attribute) for k in (own[0], best)]
    times = exchange.compare(*pair)  # type: ignore
    verdict = "not clearly different from"
    if times.low > 1 or times.high < 1:
        verdict = "more than" if times.low > 1 else "less than"
    return f"{text}, {verdict} {other}: {_text(times)} times as far"


def show(summary: dict[str, Any]) -> None:
    """Print the quality of the fits, and the changes of attributes per identity."""
    report, names, fits = summary["attributes"], summary["name"], summary.get("supervised")
    available = [row["attribute"] for row in report["directions"][0]["shifts"]]
    columns = fits["attributes"] if fits else [name for name in ("age",) if name in available]
    if fits:
        rows = [
            (name, _text(Interval(**fits["accuracy"][a]), "{:.0%}"), *numbers)
            for a, (name, *numbers) in enumerate(
                zip(
                    fits["attributes"],
                    [f"{x:.2f}" for x in fits["correlation"]],
                    [f"{x:.0%}" for x in fits["kept"]],
                    strict=True,
                )
            )
        ]
        print(f"\nsupervised directions, fitted to {fits['people']} people")
        headers = ("", "right side of the median", "correlation", "kept")
        print(tabulate(rows, headers, "plain", disable_numparse=True))
    table = {name: exchanges(report, name) for name in columns}
    if not any(one for column in table.values() for one in column):
        return
    print(
        "\nchange from end to end per change of identity (1 is the distance of two strangers)"
    )
    rows = [
        (progress.printable(name[:40]), *(_text(table[one][k]) for one in columns))
        for k, name in enumerate(names)
    ]
    print(tabulate(rows, ("", *columns), "plain", disable_numparse=True))
    for name in columns:
        if line := headline(report, names, name):
            print(line)


def facts(summary: dict[str, Any], k: int) -> dict[str, str]:
    """Return the page's facts about a supervised direction; empty for others."""
    fits = summary.get("supervised")
    a = k - len(summary["name"]) + len(fits["attributes"]) if fits else -1
    if not fits or a < 0:
        return {}
    attribute, accuracy = fits["attributes"][a], Interval(**fits["accuracy"][a])
    rows = {
        "fitted to": f"scores of {attribute} of {fits['people']} people",
        "right side of the median": _text(accuracy, "{:.0%}"),
    }
    one = exchanges(summary["attributes"], attribute)[k]
    return rows | ({f"{attribute} per change of identity": _text(one)} if one else {})


def _text(one: Interval | None, form: str = "{:.3g}") -> str:
    if one is None:
        return "unknown"
    mean, low, high = (form.format(x) for x in one)
    return f"{mean} ({low}, {high})"

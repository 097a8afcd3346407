"""What identifies an output, and the folder that it is made in."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.generate.config import Config
from experiments.generate.source import Source
from jaxgan import runs
from jaxgan.errors import InputError
from jaxgan.runs.directory import Ways
from jaxgan.runs.identity import difference

WAYS = Ways("give another --out", "--out makes another, --fresh starts over")
_MARK = {"laboratory": "generate"}
_CONTENT = ("run", "run_sha256")


def settings(
    config: Config, source: Source, contents: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Everything that decides an output: settings, and the content of what they name.

    Args:
      config: The settings.
      source: Where samples come from.
      contents: ``{name_sha256: digest}`` of further files that settings name.
    """
    values = dataclasses.asdict(config)
    for name in ("labels", "settings", "inception"):
        text = values[name]
        if text is not None and Path(text).is_file():
            content = Path(text).read_bytes()
            values[f"{name}_sha256"] = hashlib.sha256(content).hexdigest()
    known = {"batch_size": source.batch_size, "run_sha256": source.digest}
    return _MARK | values | known | dict(contents or {})


def require_same(
    place: Path, old: Mapping[str, Any] | None, new: Mapping[str, Any], *, fresh: bool
) -> None:
    """Refuse a place that holds something else.

    What it was made with is said before what the run or generator is now.

    Args:
      place: The folder or file.
      old: Settings of what it holds; ``None`` if they cannot be read.
      new: Those that are wanted.
      fresh: Allow any output of this command, since it will be replaced.

    Raises:
      InputError: If its settings differ, or it is no output of this command.
    """
    if old is None or old.get("laboratory") != _MARK["laboratory"]:
        raise InputError(f"{place} exists and is not an output of this command; {WAYS.another}")
    if fresh:
        return
    plain = [{n: x for n, x in values.items() if n not in _CONTENT} for values in (old, new)]
    words = difference(place, *plain) or difference(place, old, new)
    if words:
        raise InputError(f"{words}; {WAYS.anew}")


def compare(folder: Path, new: Mapping[str, Any], *, fresh: bool) -> None:
    """Refuse a folder that holds something else, as ``require_same`` does; reads only.

    Raises:
      InputError: If it does.
    """
    runs.compare(folder, new, fresh=True, ways=WAYS)  # it holds a run, or nothing
    file = folder / "config.json"
    if file.exists():
        old = json.loads(file.read_text("utf-8"))["settings"]
        require_same(folder, old, new, fresh=fresh)

"""Outputs of the command: their identity, and checks of the place to write."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from experiments.generate.config import Config
from experiments.generate.source import Source
from jaxgan import runs
from jaxgan.errors import InputError
from jaxgan.runs.directory import Ways
from jaxgan.runs.identity import difference

WAYS = Ways("give another --out", "--out makes another, --fresh starts over")
_MARK = {"laboratory": "generate"}
_CONTENT = ("run", "run_sha256")
Check = Callable[[], None]


class Output(NamedTuple):
    """An output to make.

    Attributes:
      config: The settings.
      source: Where the samples come from.
      place: Folder or file to write.
      fresh: Start over.
      check: Called between batches; raises ``Stopped`` to stop.
      settings: Everything that identifies the output, from ``settings``.
    """

    config: Config
    source: Source
    place: Path
    fresh: bool
    check: Check
    settings: Mapping[str, Any] = {}

    def identified(self, contents: Mapping[str, str] | None = None) -> "Output":
        """Return the output with its identity; ``contents`` as for ``settings``."""
        return self._replace(settings=settings(self.config, self.source, contents))

    def run(self, folder: Path) -> runs.Run:
        """Open a run directory for this output.

        Raises:
          InputError: If the folder holds something else.
        """
        return runs.Run(folder, self.settings, fresh=self.fresh, ways=WAYS)


def settings(
    config: Config, source: Source, contents: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return everything that determines an output: settings, and hashes of files they name.

    Args:
      config: The settings.
      source: Where the samples come from.
      contents: ``{name_sha256: digest}`` of further inputs.
    """
    values = dataclasses.asdict(config)
    for name in ("labels", "settings", "inception"):
        text = values[name]
        if text is not None and Path(text).is_file():
            content = Path(text).read_bytes()
            values[f"{name}_sha256"] = hashlib.sha256(content).hexdigest()
    facts = {"batch_size": source.batch_size, "run_sha256": source.digest}
    return _MARK | values | facts | dict(contents or {})


def require_same(
    place: Path, old: Mapping[str, Any] | None, new: Mapping[str, Any], *, fresh: bool
) -> None:
    """Check that a place holds the same output as the one to make.

    The message names changed settings before a changed run or generator.

    Args:
      place: The folder or file.
      old: Settings of the existing output; ``None`` if they cannot be read.
      new: Settings of the output to make.
      fresh: Allow any output of this command, because it will be replaced.

    Raises:
      InputError: If the settings differ, or the place holds something else.
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
    """Check that a folder holds nothing else, like ``require_same``, without writing.

    Raises:
      InputError: If it holds something else.
    """
    runs.compare(folder, new, fresh=True, ways=WAYS)  # the folder holds a run or nothing
    file = folder / "config.json"
    if file.exists():
        old = json.loads(file.read_text("utf-8"))["settings"]
        require_same(folder, old, new, fresh=fresh)

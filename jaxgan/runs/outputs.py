"""Names of the files that jaxgan writes into a run's folder; all other files are the user's."""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

_IMAGE_LABORATORIES = (
    r"frames/epoch_\d+\.(png|npz)",
    r"(real|real_one|samples|losses|clouds|side_by_side)\.png",
    r"(training|side_by_side)\.gif",
    r"samples\.npz",
    r"generator(_best)?\.npz",
    r"skipped\.txt",
    r"(summary|fid)\.csv",
    r"traversal/(dimension_-?\d+|classes)\.png",
    r"traversal/traversal\.json",
)
_SEFA = (
    r"frames/step_\d+\.png",
    r"(direction|photo)_\d+\.png",
    r"directions\.(npz|gif)",
    r"codes\.npz",
    r"sefa\.html",
    r"attributes\.json",
)
_CLAIMS = (
    r"cells/[0-9a-f]{20}/seed_\d+\.npz",
    r"work/[0-9a-f]{20}",
    r"claims\.(html|json|csv)",
)
_GENERATE = (
    r"\d{6,}\.png",
    r"samples\.raw",
    r"labels\.csv",
    r"walk\.(gif|mp4)",
    r"mix_(coarse|middle|fine|layers)\.png",
    r"(neighbours|nearest)\.png",
    r"neighbours\.(csv|json)",
)
_RUN = (
    r"summary\.json",
    r"metrics\.jsonl",
    r"trackers\.json",
    r"(checkpoints|trash)/step_\d+(\.(damaged|aside)(_\d+)?)?",
    r"checkpoints/tmp_\d+",
    r"tensorboard/events\.out\.tfevents\..*",
)
_OUTPUTS = _RUN + _IMAGE_LABORATORIES + _SEFA + _CLAIMS
_FOLDERS = re.compile(
    "checkpoints|trash|frames|traversal|tensorboard|work|cells|cells/[0-9a-f]{20}"
)


def outputs(directory: Path) -> list[Path]:
    """List the files and checkpoints of a run, except its lock and its configuration.

    The summary comes first, then the checkpoints, newest first: an interrupted deletion in
    this order leaves an older state of the run.
    """
    paths = {path.relative_to(directory).as_posix(): path for path in _inside(directory)}
    # Users may keep files such as 000001.png or labels.csv in the folder of a training run.
    patterns = _OUTPUTS + (_GENERATE if _laboratory(directory) == "generate" else ())
    pattern = re.compile("|".join(patterns))
    names = [name for name in paths if pattern.fullmatch(name)]
    checkpoints = sorted((n for n in names if n.startswith("checkpoints/")), reverse=True)
    others = sorted(set(names) - set(checkpoints), key=lambda n: (n != "summary.json", n))
    first = others[:1] if others[:1] == ["summary.json"] else []
    return [paths[name] for name in [*first, *checkpoints, *others[len(first) :]]]


def _laboratory(directory: Path) -> Any:
    """Return the laboratory in a run's configuration; None for those that train."""
    try:
        settings = json.loads((directory / "config.json").read_text("utf-8"))["settings"]
        return settings.get("laboratory")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def clear(directory: Path) -> None:
    """Delete the files and checkpoints of a run; other files stay."""
    for path in outputs(directory):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
            continue
        trash = path.with_name(f"tmp_{os.getpid()}")  # a partly deleted one is no checkpoint
        shutil.rmtree(trash, ignore_errors=True)
        path.rename(trash)
        shutil.rmtree(trash)
    for path in sorted(_inside(directory), reverse=True):  # contents before their folder
        name = path.relative_to(directory).as_posix()
        if _FOLDERS.fullmatch(name) and path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it is not empty
                path.rmdir()


def _inside(directory: Path) -> list[Path]:
    return [path for depth in ("*", "*/*", "*/*/*") for path in directory.glob(depth)]

"""Small runs of two laboratories, and what is left of them on disk."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from trials.samples import pictures

ROOT = Path(__file__).parents[2]
NAME = "run"
LIMIT = 300.0  # seconds after which a process hangs
DATA = {"points": "cloud.npy", "faces": "faces.zip"}
EVERY = 2  # epochs between two checkpoints
EPOCHS = {"points": 24, "faces": 16}
_FLAGS = {
    "points": (
        "--generator_widths=8", "--critic_widths=8", "--train_size=128", "--batch_size=32",
        "--critic_steps=1",
    ),
    "faces": ("--size=32", "--width=1", "--latent_dim=4", "--batch_size=8"),
}  # fmt: skip
_ARRAYS = ("samples.npz", "generator.npz")
_PICTURES = ("losses.png", "samples.png", "training.gif")
_TIMES = ("first_step_s", "train_s")


class Trial(NamedTuple):
    """What came of one trial.

    Attributes:
      name: Of the trial, to find it again.
      code: Exit code, the one that matters.
      faults: Names in ``FAULTS``; none if all is well.
      words: About the faults.
      lost: Epochs that were logged and not saved, or ``None`` if that is not the question.
      seconds: To the end of the process after a signal.
    """

    name: str
    code: int | None
    faults: tuple[str, ...] = ()
    words: str = ""
    lost: int | None = None
    seconds: float = 0.0


FAULTS = {
    "wrong": "ends other than an undisturbed run",
    "lost": "whole checkpoints lost",
    "interval": "more than an interval lost",
    "traceback": "tracebacks",
    "hang": "hangs",
    "other": "other endings than allowed",
}


def flags(lab: str, home: Path, out: Path | str = "runs") -> list[str]:
    """Make the flags of a small run."""
    return [
        f"--data={home / DATA[lab]}", f"--epochs={EPOCHS[lab]}", f"--frame_every={EVERY}",
        f"--checkpoint_every={EVERY}", f"--name={NAME}", f"--out={out}", *_FLAGS[lab],
    ]  # fmt: skip


def make_data(home: Path) -> None:
    """Write what both laboratories train on."""
    np.save(home / DATA["points"], np.random.default_rng(0).normal(size=(200, 2)))
    with zipfile.ZipFile(home / DATA["faces"], "w") as archive:
        for name, content in pictures(16, 32).items():
            archive.writestr(name, content)


def start(lab: str, home: Path, cwd: Path, errors: IO[str]) -> subprocess.Popen:
    """Start a run in a process, in a folder of its own."""
    environment = {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "-m", f"experiments.{lab}", *flags(lab, home)],
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=errors,
    )


def folder_of(lab: str, out: Path) -> Path:
    """The run's folder."""
    return out / lab / NAME


def checkpoints(folder: Path) -> dict[int, str]:
    """Epoch to a digest of each checkpoint that is whole, by its manifest."""
    whole = {}
    for path in sorted((folder / "checkpoints").glob("step_????????")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if path.is_symlink() or not (path / "manifest.json").is_file():
                continue
            text = (path / "manifest.json").read_bytes()
            files = {
                str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest()
                for file in path.rglob("*")
                if file.is_file() and file.name != "manifest.json"
            }
            manifest = json.loads(text)
            seal = {name: manifest[name] for name in ("files", "arrays")}
            seal_text = json.dumps(seal, sort_keys=True).encode()
            if manifest["files"] == files and manifest["sha256"] == _sha(seal_text):
                whole[int(path.name[5:])] = _sha(text)
    return whole


def count_epochs(folder: Path) -> int:
    """Epochs in the log."""
    with contextlib.suppress(OSError):
        return (folder / "metrics.jsonl").read_bytes().count(b"\n")
    return 0


def result(folder: Path) -> dict[str, Any]:
    """Digest what a run ended with: state, log, arrays, pictures, summary without times."""
    summary = json.loads((folder / "summary.json").read_text())
    digests = {"summary": [item for item in sorted(summary.items()) if item[0] not in _TIMES]}
    for name in ("metrics.jsonl", *_ARRAYS, *_PICTURES):
        if (folder / name).is_file():
            digests[name] = _sha((folder / name).read_bytes())
    newest = folder / "checkpoints" / f"step_{max(checkpoints(folder)):08d}"
    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader:
        leaves = jax.tree.leaves(reader.restore(newest.absolute() / "arrays"))
    digests["state"] = newest.name, _sha(b"".join(np.asarray(x).tobytes() for x in leaves))
    return digests


def differences(folder: Path, whole: dict[str, Any], ignored: Sequence[str] = ()) -> list[str]:
    """Names of what differs from an undisturbed run."""
    try:
        own = result(folder)
    except Exception as error:  # whatever is missing or damaged
        return [f"{type(error).__name__}: {str(error)[:100]}"]
    return [n for n in {**whole, **own} if own.get(n) != whole.get(n) and n not in ignored]


def complaints(errors: str) -> list[str]:
    """Faults of what a process wrote to stderr."""
    return ["traceback"] if "Traceback" in errors else []


def last_line(errors: str) -> str:
    """The last line that says anything."""
    return ([line for line in errors.splitlines() if line.strip()] or [""])[-1]


def in_process(lab: str, home: Path, out: Path, watch=lambda line: None) -> tuple[int, str]:
    """Run a laboratory in this process.

    Args:
      lab: Name of the laboratory.
      home: Folder of the data.
      out: Gets the runs.
      watch: Called with each text that is written to stderr.

    Returns:
      The exit code, and what was written to stderr. An exception that escapes is -1 and its
      class, as a traceback.
    """
    import importlib

    class Watcher(io.StringIO):
        def write(self, text):
            watch(text)
            return super().write(text)

    main = importlib.import_module(f"experiments.{lab}.__main__").main
    errors = Watcher()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(flags(lab, home, out))
        except Exception as error:
            code = -1
            errors.write(f"\nTraceback: {type(error).__name__}: {error}\n")
    return code, errors.getvalue()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

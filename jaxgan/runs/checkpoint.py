"""Checkpoints that are verified: orbax inside, a sha256 manifest around it.

A step is one folder, ``step_00000030``, that appears by a rename once it is complete:
the arrays as orbax writes them, and ``manifest.json`` with the sha256 of every file and
the shape and dtype of every array. Restoring takes the newest step whose files are all
what the manifest says; others are named and left alone. Arrays are saved from and
restored to host memory, so a run may go on with another number of devices.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

_MANIFEST = "manifest.json"


class Restored(NamedTuple):
    """Result of ``restore``.

    Attributes:
      step: Of the checkpoint, or ``None`` if none is intact.
      tree: What was saved, as host arrays, or ``None``.
      damaged: One line for each newer step that was passed over, newest first.
    """

    step: int | None
    tree: Any
    damaged: list[str]


def save(directory: Path, step: int, tree: Any, keep: int = 3) -> None:
    """Write a checkpoint, then delete later ones and all but the newest ``keep``.

    A later one is from a future that the run went back from, because it was damaged.

    Args:
      directory: Holds the checkpoints of one run.
      step: Number of the checkpoint; one that exists is replaced.
      tree: Arrays, typed random keys among them.
      keep: Checkpoints to keep.

    Raises:
      OSError: If it cannot be written; older checkpoints are intact then.
    """
    directory = Path(directory).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob("tmp_*"):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary = directory / f"tmp_{os.getpid()}"
    try:
        with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
            checkpointer.save(temporary / "arrays", _to_host(tree))
    except Exception as error:  # a full disk comes as one of many classes
        shutil.rmtree(temporary, ignore_errors=True)
        message = f"cannot write checkpoint {step} to {directory}: {_first_line(error)}"
        raise OSError(message) from error
    manifest = {"files": _digests(temporary), "arrays": _layout(tree)}
    (temporary / _MANIFEST).write_text(json.dumps(manifest, indent=1))
    final = directory / f"step_{step:08d}"
    shutil.rmtree(final, ignore_errors=True)
    temporary.rename(final)
    steps = _steps(directory)
    later = [folder for number, folder in steps if number > step]
    for folder in later + [folder for _, folder in steps[len(later) + keep :]]:
        shutil.rmtree(folder, ignore_errors=True)


def restore(directory: Path, like: Any) -> Restored:
    """Read the newest checkpoint that is intact.

    Args:
      directory: As given to ``save``; may not exist yet.
      like: A tree of arrays or ``jax.ShapeDtypeStruct`` with the structure, shapes and
        dtypes that are expected.
    """
    damaged = []
    for step, folder in _steps(Path(directory).absolute()):
        problem = _problem(folder, like)
        if problem is None:
            try:
                return Restored(step, _from_host(_read(folder / "arrays", like), like), damaged)
            except Exception as error:  # orbax has no exception class of its own
                problem = _first_line(error)
        damaged.append(f"checkpoint {folder.name} skipped: {problem}")
    return Restored(None, None, damaged)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read(folder: Path, like: Any) -> Any:
    target = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), _abstract(like))
    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as checkpointer:
        return checkpointer.restore(folder, args=ocp.args.StandardRestore(target))


def _layout(tree: Any) -> dict[str, str]:
    """Shape and dtype by path; orbax itself would cast one dtype to another."""
    leaves, _ = jax.tree.flatten_with_path(_abstract(tree))
    return {jax.tree_util.keystr(path): f"{x.dtype}{list(x.shape)}" for path, x in leaves}


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(tree: Any) -> Any:
    """The tree with typed random keys as plain integers."""
    return jax.tree.map(lambda x: jax.random.key_data(x) if _is_key(x) else x, tree)


def _abstract(tree: Any) -> Any:
    return jax.eval_shape(_plain, tree)


def _to_host(tree: Any) -> Any:
    return jax.tree.map(np.asarray, jax.device_get(_plain(tree)))


def _from_host(tree: Any, like: Any) -> Any:
    return jax.tree.map(
        lambda x, y: jax.random.wrap_key_data(x) if _is_key(y) else x, tree, like
    )


def _steps(directory: Path) -> list[tuple[int, Path]]:
    """Step folders, newest first; anything else in the directory is no concern."""
    steps = [
        (int(folder.name[5:]), folder)
        for folder in directory.glob("step_*")
        if folder.name[5:].isdecimal() and folder.is_dir()
    ]
    return sorted(steps, reverse=True)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path != folder / _MANIFEST
    }


def _problem(folder: Path, like: Any) -> str | None:
    """Why a checkpoint cannot be restored, or ``None``."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text())
        expected, arrays = dict(manifest["files"]), dict(manifest["arrays"])
        digests = _digests(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return f"{_MANIFEST} is missing or unreadable"
    for name in sorted(expected.keys() | digests.keys()):
        if name not in digests:
            return f"{name} is missing"
        if digests[name] != expected.get(name):
            return f"{name} is damaged (its sha256 differs)"
    expected_arrays = _layout(like)
    for name in sorted(expected_arrays.keys() | arrays.keys()):
        if expected_arrays.get(name) != arrays.get(name):
            return (
                f"it does not fit this run: {name} is {arrays.get(name)}, "
                f"not {expected_arrays.get(name)}"
            )
    return None

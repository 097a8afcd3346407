"""Checkpoints that are verified: orbax inside, a sha256 manifest around it.

A step is one folder, ``step_00000030``, that appears by a rename once it is complete:
the arrays as orbax writes them, and ``manifest.json`` with the sha256 of every file and
the shape and dtype of every array. Restoring takes the newest step whose files are all
what the manifest says; damaged ones are named, and moved aside by the next save. Arrays are
saved from and restored to host memory, so a run may go on with another number of devices,
and with their own dtypes, whether or not JAX has 64 bits enabled.
"""

import contextlib
import errno
import functools
import hashlib
import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import InputError
from jaxgan.runtime import system_error
from jaxgan.training.devices import put

_MANIFEST = "manifest.json"
_SEAL = "sha256"  # of the rest of the manifest; those of the first version have none
_STEP = re.compile(r"step_(\d+)")
_NUMBER = re.compile(r"os_error_code='(\d+)'")  # in a message of tensorstore
_TEMPORARY = re.compile(r"tmp_\d+")


class Restored(NamedTuple):
    """Result of ``restore``.

    Attributes:
      step: Of the checkpoint, or ``None`` if there is none to go on from.
      tree: What was saved, as host arrays, or ``None``.
      damaged: One line for each newer step that is damaged, newest first.
    """

    step: int | None
    tree: Any
    damaged: list[str]


def save(directory: Path, step: int, tree: Any, keep: int = 3) -> None:
    """Write a checkpoint, then delete all but the newest ``keep``.

    Later ones are from a future that the run went back from. They are moved aside, to
    ``step_NUMBER.damaged`` or, if they are whole, ``step_NUMBER.aside``.

    Args:
      directory: Holds the checkpoints of one run.
      step: Number of the checkpoint; one that exists is replaced.
      tree: Arrays, typed random keys among them.
      keep: Checkpoints to keep.

    Raises:
      OSError: If it cannot be written; older checkpoints are intact then.
    """
    shown = Path(directory)
    directory, tree = shown.absolute(), _typed(tree)
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.iterdir():
        if _TEMPORARY.fullmatch(leftover.name):
            shutil.rmtree(leftover, ignore_errors=True)
    temporary, name = directory / f"tmp_{os.getpid()}", f"step_{step:08d}"
    try:
        with _quiet(), _checkpointer() as checkpointer:
            checkpointer.save(temporary / "arrays", _to_host(tree))
        manifest = {"files": _digests(temporary), "arrays": _layout(tree)}
        manifest |= {_SEAL: _seal(manifest)}
        (temporary / _MANIFEST).write_text(json.dumps(manifest, indent=1))
    except Exception as error:  # a full disk comes as one of many classes
        for _ in range(20):  # threads of the libraries may still write into it
            shutil.rmtree(temporary, ignore_errors=True)
            time.sleep(0.01)
        raise _unwritten(error, shown / name) from error
    final = directory / name
    for number, folder in _steps(directory):
        if number > step or (number == step and _damage(folder)):
            _set_aside(folder)
    if final.is_dir() and not final.is_symlink():
        shutil.rmtree(final)
    elif os.path.lexists(final):
        _set_aside(final)
    temporary.rename(final)
    for _, folder in _steps(directory)[keep:]:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries from printing tracebacks in other threads: the error is raised too."""
    logger, hook = logging.getLogger("absl"), sys.unraisablehook  # orbax's logger
    level = logger.level
    if isinstance(hook, functools.partial) and hook.func is _ignore_late:
        (hook,) = hook.args  # an earlier save has failed
    logger.setLevel(logging.CRITICAL)
    sys.unraisablehook = functools.partial(_ignore_late, hook)
    try:
        yield
        sys.unraisablehook = hook  # else there is more to come
    finally:
        logger.setLevel(level)


def _ignore_late(hook: Callable[[Any], Any], unraisable: Any) -> None:
    """Leave out what tensorstore reports at the end of a write that was given up."""
    if str(unraisable.exc_value) != "Event loop is closed":
        hook(unraisable)


def _unwritten(error: Exception, path: Path) -> OSError:
    """Say why a checkpoint was not written: the system's error, if one is behind it."""
    cause, number = system_error(error), _NUMBER.search(str(error))
    code = cause.errno if cause else int(number[1]) if number else None
    if code is None and "RESOURCE_EXHAUSTED" in str(error):
        code = errno.ENOSPC
    if code is None:
        return OSError(f"cannot write {path}: {_first_line(error)}")
    return OSError(code, os.strerror(code), str(path))


def newest(directory: Path) -> int | None:
    """Number of the newest checkpoint, whole or not; ``None`` if there is none."""
    return next((step for step, _ in _steps(Path(directory))), None)


def restore(
    directory: Path, like: Any, accept: Callable[[int], bool] = lambda step: True
) -> Restored:
    """Read the newest checkpoint that is intact.

    Args:
      directory: As given to ``save``; may not exist yet.
      like: A tree of arrays or ``jax.ShapeDtypeStruct`` with the structure, shapes and
        dtypes that are expected.
      accept: Whether a step may be restored.

    Raises:
      InputError: If a checkpoint is intact and has other arrays; the line says which, and
        where it can, which setting of JAX makes them so.
    """
    damaged, like = [], _typed(like)
    for step, folder in _steps(Path(directory).absolute()):
        if not accept(step):
            continue
        problem = _damage(folder)
        if problem is None:
            _check_fit(folder, like)
            try:
                return Restored(step, _from_host(_read(folder / "arrays", like), like), damaged)
            except Exception as error:  # orbax has no exception class of its own
                problem = _first_line(error)
        damaged.append(f"checkpoint {folder.name} skipped: {problem}")
    return Restored(None, None, damaged)


def _set_aside(path: Path) -> None:
    """Rename what is no step of the run any more; nothing is overwritten."""
    name = path.name + (".damaged" if _damage(path) else ".aside")
    number, target = 1, path.with_name(name)
    while os.path.lexists(target):
        number += 1
        target = path.with_name(f"{name}_{number}")
    path.rename(target)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read(folder: Path, like: Any) -> Any:
    with _checkpointer() as checkpointer:
        empty = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), _plain(like))
        return checkpointer.restore(folder, empty)


def place(tree: Any, like: Any) -> Any:
    """Place restored arrays where those of a like tree are, to avoid recompiling."""

    def one(x, like):
        return put(x, like.sharding) if isinstance(like, jax.Array) else np.array(x)

    # As numbers: a random key of this process cannot move to devices of others.
    return _from_host(jax.tree.map(one, _to_host(tree), _plain(like)), like)


def _checkpointer() -> Any:
    """Orbax's, which works on the disk of this process alone, whichever others there are."""
    import orbax.checkpoint as ocp

    own = jax.process_index()
    options = ocp.options.MultiprocessingOptions(own, {own}, f"own{own}")
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=options)
    return ocp.Checkpointer(handler, multiprocessing_options=options)


def _layout(tree: Any) -> dict[str, str]:
    """Shape and dtype by path; orbax itself would cast one dtype to another."""
    return {
        jax.tree_util.keystr(path): f"{_dtype(x)}{list(x.shape)}"
        for path, x in jax.tree.leaves_with_path(tree)
    }


def _first_layout(tree: Any) -> dict[str, str]:
    """The layout in manifests without a seal, with dtypes as JAX would cast them."""
    leaves = jax.tree.leaves_with_path(jax.eval_shape(_plain, tree))
    return {jax.tree_util.keystr(path): f"{x.dtype}{list(x.shape)}" for path, x in leaves}


def _dtype(x: Any) -> str:
    return f"key<{_kind(x)}>" if _is_key(x) else str(x.dtype)


def _kind(key: Any) -> Any:
    """Name of the random number generator of a key, or of the structure of one."""
    kinds = []
    jax.eval_shape(lambda x: kinds.append(jax.random.key_impl(x)), key)
    return kinds[0]


def _typed(tree: Any) -> Any:
    """The tree with numbers of Python as arrays."""
    return jax.tree.map(lambda x: x if hasattr(x, "dtype") else np.asarray(x), tree)


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(tree: Any) -> Any:
    """The tree with typed random keys as plain integers."""

    def plain(x):
        if not _is_key(x):
            return x
        if isinstance(x, jax.ShapeDtypeStruct):
            return jax.eval_shape(jax.random.key_data, x)
        return jax.random.key_data(x)

    return jax.tree.map(plain, tree)


def _to_host(tree: Any) -> Any:
    return jax.tree.map(np.asarray, jax.device_get(_plain(tree)))


def _from_host(tree: Any, like: Any) -> Any:
    return jax.tree.map(
        lambda x, y: jax.random.wrap_key_data(x, impl=_kind(y)) if _is_key(y) else x, tree, like
    )


def _steps(directory: Path) -> list[tuple[int, Path]]:
    """Step folders, newest first; anything else in the directory is no concern."""
    folders = directory.iterdir() if directory.is_dir() else ()
    steps = [
        (int(match[1]), folder)
        for folder in folders
        if (match := _STEP.fullmatch(folder.name))
        and folder.is_dir()
        and not folder.is_symlink()
    ]
    return sorted(steps, reverse=True)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path != folder / _MANIFEST
    }


def _seal(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _manifest(folder: Path) -> dict[str, Any]:
    """Read a manifest.

    Raises:
      ValueError: If it is missing or damaged.
    """
    path = folder / _MANIFEST
    try:
        if not path.is_file():  # such as a pipe, which would wait for a writer
            raise FileNotFoundError(path)
        manifest = dict(json.loads(path.read_text()))
        content = {name: dict(manifest[name]) for name in ("files", "arrays")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{_MANIFEST} is missing or unreadable") from error
    if manifest not in (content, content | {_SEAL: _seal(content)}):
        raise ValueError(f"{_MANIFEST} is damaged (its sha256 differs)")
    return manifest


def _damage(folder: Path) -> str | None:
    """Why a checkpoint is not what was saved, or ``None``."""
    try:
        expected, digests = _manifest(folder)["files"], _digests(folder)
    except ValueError as error:
        return str(error)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    for name in sorted(expected.keys() | digests.keys()):
        if name not in digests:
            return f"{name} is missing"
        if digests[name] != expected.get(name):
            return f"{name} is damaged (its sha256 differs)"
    return None


def _check_fit(folder: Path, like: Any) -> None:
    """Refuse an intact checkpoint of other arrays."""
    manifest = _manifest(folder)
    arrays = manifest["arrays"]
    expected = _layout(like) if _SEAL in manifest else _first_layout(like)
    for name in sorted(expected.keys() | arrays.keys()):
        old, new = arrays.get(name), expected.get(name)
        if old != new:
            raise InputError(
                f"checkpoint {folder} is intact and does not fit: {name} is {old}, not {new}"
                + _reason(str(old), str(new))
            )


def _reason(old: str, new: str) -> str:
    """The setting of JAX that makes the same arrays of other dtypes, for an error line."""
    if "key<" in new and old.partition("[")[0] != new.partition("[")[0]:
        return "; jax_default_prng_impl differs"
    wide = str.maketrans("", "", "0123456789")
    kinds = [text.partition("[")[0] for text in (old, new)]
    if kinds[0].translate(wide) == kinds[1].translate(wide) and any("64" in k for k in kinds):
        return "; jax_enable_x64 differs"
    return ""

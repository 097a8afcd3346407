"""Verified checkpoints: orbax's files and a manifest of sha256 digests.

A checkpoint is a folder such as ``step_00000030``, which is renamed to this name once it is
complete. It contains the arrays as orbax writes them, and ``manifest.json`` with the sha256
of every file and the shape and dtype of every array. ``restore`` reads the newest checkpoint
whose files match its manifest; it lists damaged ones, which the next ``save`` moves aside.
Arrays pass through host memory with their own dtypes, so a run may resume with another
number of devices, and in 32-bit or 64-bit mode of JAX.
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
_SEAL = "sha256"  # digest of the rest of the manifest; absent in manifests of version 1
_STEP = re.compile(r"step_(\d+)")
_NUMBER = re.compile(r"os_error_code='(\d+)'")  # in a message of tensorstore
_TEMPORARY = re.compile(r"tmp_\d+")


class Restored(NamedTuple):
    """Result of ``restore``.

    Attributes:
      step: Number of the checkpoint; ``None`` without an intact one.
      tree: The saved arrays in host memory; ``None`` without an intact checkpoint.
      damaged: A line for each newer checkpoint that is damaged, newest first.
    """

    step: int | None
    tree: Any
    damaged: list[str]


def save(directory: Path, step: int, tree: Any, keep: int = 3) -> None:
    """Write a checkpoint, then delete all but the newest ``keep``.

    Checkpoints with a larger number, which a run that went back to an older one leaves, are
    renamed to ``step_NUMBER.aside``, or to ``step_NUMBER.damaged`` if they are damaged.

    Args:
      directory: Folder of the checkpoints of one run.
      step: Number of the checkpoint; an existing one is replaced.
      tree: A pytree of arrays, which may include typed random keys.
      keep: Number of checkpoints to keep.

    Raises:
      OSError: If it cannot be written; older checkpoints stay intact.
    """
    original = Path(directory)
    directory, tree = original.absolute(), _typed(tree)
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
        raise _unwritten(error, original / name) from error
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
    """Keep libraries from printing tracebacks of errors in other threads, which are raised."""
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
    """Ignore what tensorstore reports after an abandoned write."""
    if str(unraisable.exc_value) != "Event loop is closed":
        hook(unraisable)


def _unwritten(error: Exception, path: Path) -> OSError:
    """Make the error of a failed save: the operating system's, if that is the cause."""
    cause, number = system_error(error), _NUMBER.search(str(error))
    code = cause.errno if cause else int(number[1]) if number else None
    if code is None and "RESOURCE_EXHAUSTED" in str(error):
        code = errno.ENOSPC
    if code is None:
        return OSError(f"cannot write {path}: {_first_line(error)}")
    return OSError(code, os.strerror(code), str(path))


def newest(directory: Path) -> int | None:
    """Return the number of the newest checkpoint, intact or not; ``None`` without one."""
    return next((step for step, _ in _steps(Path(directory))), None)


def restore(
    directory: Path, like: Any, accept: Callable[[int], bool] = lambda step: True
) -> Restored:
    """Read the newest intact checkpoint, as ``experiments/generate/own_runs.py`` does.

    Args:
      directory: As in ``save``; it need not exist.
      like: A pytree of arrays or ``jax.ShapeDtypeStruct`` with the expected structure,
        shapes and dtypes.
      accept: ``step -> bool``: whether a checkpoint may be restored.

    Raises:
      InputError: If an intact checkpoint has other arrays; the message says which and, if
        possible, which setting of JAX differs.
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
    """Rename a checkpoint so that it does not count, without overwriting anything."""
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
    """Place restored arrays as those of ``like``, so that programs need not be recompiled."""

    def one(x, like):
        return put(x, like.sharding) if isinstance(like, jax.Array) else np.array(x)

    # As numbers, because random keys cannot move to devices of other processes.
    return _from_host(jax.tree.map(one, _to_host(tree), _plain(like)), like)


def _checkpointer() -> Any:
    """Make orbax's checkpointer for this process only, even if there are others."""
    import orbax.checkpoint as ocp

    own = jax.process_index()
    options = ocp.options.MultiprocessingOptions(own, {own}, f"own{own}")
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=options)
    return ocp.Checkpointer(handler, multiprocessing_options=options)


def _layout(tree: Any) -> dict[str, str]:
    """Return shapes and dtypes by path; orbax alone would cast one dtype to another."""
    return {
        jax.tree_util.keystr(path): f"{_dtype(x)}{list(x.shape)}"
        for path, x in jax.tree.leaves_with_path(tree)
    }


def _first_layout(tree: Any) -> dict[str, str]:
    """Return the layout as in manifests without a seal, with dtypes cast as JAX does."""
    leaves = jax.tree.leaves_with_path(jax.eval_shape(_plain, tree))
    return {jax.tree_util.keystr(path): f"{x.dtype}{list(x.shape)}" for path, x in leaves}


def _dtype(x: Any) -> str:
    return f"key<{_kind(x)}>" if _is_key(x) else str(x.dtype)


def _kind(key: Any) -> Any:
    """Return the name of a key's random number generator."""
    kinds = []
    jax.eval_shape(lambda x: kinds.append(jax.random.key_impl(x)), key)
    return kinds[0]


def _typed(tree: Any) -> Any:
    """Convert Python numbers in a tree to arrays."""
    return jax.tree.map(lambda x: x if hasattr(x, "dtype") else np.asarray(x), tree)


def _is_key(x: Any) -> bool:
    return jnp.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(tree: Any) -> Any:
    """Convert typed random keys in a tree to integers."""

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
    """List the checkpoint folders, newest first."""
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
        if not path.is_file():  # reading a pipe would wait for a writer
            raise FileNotFoundError(path)
        manifest = dict(json.loads(path.read_text()))
        content = {name: dict(manifest[name]) for name in ("files", "arrays")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{_MANIFEST} is missing or unreadable") from error
    if manifest not in (content, content | {_SEAL: _seal(content)}):
        raise ValueError(f"{_MANIFEST} is damaged (its sha256 differs)")
    return manifest


def _damage(folder: Path) -> str | None:
    """Say why a checkpoint is damaged; ``None`` if it is intact."""
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
    """Raise ``InputError`` if an intact checkpoint has other arrays."""
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
    """Name the setting of JAX that explains the difference, for an error message."""
    if "key<" in new and old.partition("[")[0] != new.partition("[")[0]:
        return "; jax_default_prng_impl differs"
    wide = str.maketrans("", "", "0123456789")
    kinds = [text.partition("[")[0] for text in (old, new)]
    if kinds[0].translate(wide) == kinds[1].translate(wide) and any("64" in k for k in kinds):
        return "; jax_enable_x64 differs"
    return ""

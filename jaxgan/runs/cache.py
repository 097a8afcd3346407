"""The user's cache of trained networks, measurements and compiled programs."""

import contextlib
import hashlib
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan.runs import progress
from jaxgan.runtime import cache_folder, replacing


def digest(*parts: object) -> str:
    """Return a short digest of what determines a result: bytes, or values by ``repr``."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part if isinstance(part, bytes) else repr(part).encode())
    return total.hexdigest()[:16]


def load_or_make(
    name: str, like: Any, make: Callable[[], Any], folder: Path | None = None
) -> Any:
    """Read arrays from the cache; if they are missing or damaged, make and write them.

    Args:
      name: Name of the file without its suffix; it should contain a ``digest``.
      like: A pytree with the structure and shapes of the arrays.
      make: Makes the arrays.
      folder: The cache folder; ``runtime.cache_folder()`` by default.
    """
    path = (folder or cache_folder()) / f"{name}.npz"
    arrays = load(path, like)
    if arrays is None:
        arrays = make()
        save(path, arrays)
    return arrays


def load(path: Path, like: Any) -> Any:
    """Read arrays with the structure and shapes of ``like``; ``None`` if that fails."""
    leaves, structure = jax.tree.flatten(like)
    try:
        # Opened here, because np.load does not close a truncated file.
        with open(path, "rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = [file[f"arr_{i}"] for i in range(len(file.files))]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    if [x.shape for x in arrays] != [x.shape for x in leaves]:
        return None
    return jax.tree.unflatten(structure, arrays)


def save(path: Path, arrays: Any) -> None:
    """Write arrays; if that fails, print a line and continue."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez(temporary, *map(np.asarray, jax.tree.leaves(arrays)))
    except OSError as error:
        progress.say(f"cannot keep {path.name} in {path.parent}: {error.strerror}")


_WRITE_ERROR = re.compile("Error writing persistent compilation cache entry for '(.*?)': (.*)")


@contextlib.contextmanager
def warn_once() -> Iterator[None]:
    """Say once that compiled programs cannot be cached; JAX would warn for every program."""
    show, has_warned = warnings.showwarning, False
    config: Any = jax.config

    def once(message, *arguments, **options):
        nonlocal has_warned
        match = _WRITE_ERROR.match(str(message))
        if not match:
            show(message, *arguments, **options)
            return
        folder = Path(config.jax_compilation_cache_dir or "")
        entries = folder.glob(f"{match[1]}-*-cache")
        with contextlib.suppress(OSError, ValueError):  # a partial file would stay forever
            max(entries, key=lambda path: path.stat().st_mtime_ns).unlink()
        if not has_warned:
            progress.say(f"{folder}: compiled programs cannot be kept there: {match[2]}")
        has_warned = True

    warnings.showwarning = once
    try:
        yield
    finally:
        warnings.showwarning = show

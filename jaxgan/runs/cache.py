"""The user's cache: what is trained, measured or compiled once."""

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
    """A short digest of what decides a result: bytes, or values by their ``repr``."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part if isinstance(part, bytes) else repr(part).encode())
    return total.hexdigest()[:16]


def load_or_make(
    name: str, like: Any, make: Callable[[], Any], folder: Path | None = None
) -> Any:
    """Read arrays from the cache; where they are missing or damaged, make and write them.

    Args:
      name: Name of the file without its suffix; it should hold a ``digest``.
      like: A tree of the arrays' structure and shapes.
      make: Returns the arrays.
      folder: The cache; ``runtime.cache_folder()`` by default.
    """
    path = (folder or cache_folder()) / f"{name}.npz"
    arrays = load(path, like)
    if arrays is None:
        arrays = make()
        save(path, arrays)
    return arrays


def load(path: Path, like: Any) -> Any:
    """Read arrays of the structure and shapes of ``like``; ``None`` if that fails."""
    leaves, structure = jax.tree.flatten(like)
    try:
        # Opened here, since np.load leaves a file open that is cut short.
        with open(path, "rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = [file[f"arr_{i}"] for i in range(len(file.files))]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    if [x.shape for x in arrays] != [x.shape for x in leaves]:
        return None
    return jax.tree.unflatten(structure, arrays)


def save(path: Path, arrays: Any) -> None:
    """Write arrays; where that is impossible, say so and go on."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez(temporary, *map(np.asarray, jax.tree.leaves(arrays)))
    except OSError as error:
        progress.say(f"cannot keep {path.name} in {path.parent}: {error.strerror}")


_UNKEPT = re.compile("Error writing persistent compilation cache entry for '(.*?)': (.*)")


@contextlib.contextmanager
def unkept_programs_said() -> Iterator[None]:
    """Say once that compiled programs cannot be kept; JAX would warn of every one of them."""
    show, said = warnings.showwarning, False
    config: Any = jax.config

    def once(message, *arguments, **options):
        nonlocal said
        match = _UNKEPT.match(str(message))
        if not match:
            show(message, *arguments, **options)
            return
        folder = Path(config.jax_compilation_cache_dir or "")
        written = folder.glob(f"{match[1]}-*-cache")
        with contextlib.suppress(OSError, ValueError):  # half a file would stay for good
            max(written, key=lambda path: path.stat().st_mtime_ns).unlink()
        if not said:
            progress.say(f"{folder}: compiled programs cannot be kept there: {match[2]}")
        said = True

    warnings.showwarning = once
    try:
        yield
    finally:
        warnings.showwarning = show

"""Parameters that were trained once, kept in the user's cache."""

import ast
import hashlib
import inspect
import os
import textwrap
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan.runs import progress


def folder() -> Path:
    """``$XDG_CACHE_HOME/jaxgan``, or below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxgan"


def load(path: Path, like: Any) -> Any:
    """Parameters of the structure and shapes of ``like``, or ``None``."""
    leaves, structure = jax.tree.flatten(like)
    try:
        # Opened here, since np.load leaves a file open that is cut short.
        with open(path, "rb") as content, np.load(content, allow_pickle=False) as file:
            found = [file[f"arr_{i}"] for i in range(len(file.files))]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    if [x.shape for x in found] != [x.shape for x in leaves]:
        return None
    return jax.tree.unflatten(structure, found)


def save(path: Path, params: Any) -> None:
    """Write parameters; where that is impossible, say so and go on."""
    temporary = path.with_name(f"tmp_{os.getpid()}_{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(temporary, *map(np.asarray, jax.tree.leaves(params)))
        temporary.replace(path)
    except OSError as error:
        progress.say(f"cannot keep what was trained in {path.parent}: {error.strerror}")


def code(*parts: Any) -> str:
    """A digest of the source of modules and functions: of what made something.

    Comments, docstrings and layout do not change it.
    """
    return _code(parts)


@lru_cache(maxsize=64)
def _code(parts: tuple[Any, ...]) -> str:
    text = "\n".join(_source(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()


def _source(part: Any) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(part)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)

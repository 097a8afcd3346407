"""Choose among several generators in a file by their names."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

WRAPPERS = {"module", "_orig_mod"}  # names that torch's parallel and compiled modules add
_AVERAGE_WORDS = {  # words in names of generators with averaged weights (EMA)
    *("ema", "emas", "avg", "average", "averaged", "smooth", "smoothed", "shadow", "polyak"),
    *("swa", "running", "gs", "ge", "test"),
}
_CURRENT = {"online", "current"}  # words in names of generators under training
_LIST_WORDS = {
    "ema",
    "shadow",
    "averaged",
    "polyak",
    "swa",
}  # names of averaged weights without a generator
_BUFFER = re.compile(  # names of arrays that are not parameters
    r"(.*\.)?(running_(mean|var)|num_batches_tracked|kernel|noise_?\d*|noise_const|lod|w_avg|"
    r"(resample|up|down)_filter|magnitude_ema|transform|freqs|phases|(weight)?_[uv])"
)
_OPTIMIZER = {"optim", "optimizer", "optimizers", "opt"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
ONLY = "the file's only generator"
TOP = "."  # stands for a generator without a name


def choose(
    prefixes: Sequence[str], arrays: Mapping[str, np.ndarray], name: str | None
) -> str | None:
    """Choose one of the prefixes of generators.

    Args:
      prefixes: Prefixes of names, with their dots.
      arrays: All arrays of the file.
      name: Name of the generator to take, or the end of it; None for the averaged one.

    Returns:
      The prefix; None if no generator matches, or several that differ.
    """
    if name is not None:
        ends = [p for p in prefixes if f".{name_of(p)}".endswith(f".{name}")]
        exact = [p for p in prefixes if name_of(p) == name]
        return _only(exact or ends, arrays)
    averages = [p for p in prefixes if is_averaged(p, arrays)]
    others = [p for p in prefixes if not _words(p) & _CURRENT]
    return _only(averages or others or list(prefixes), arrays)


def name_of(prefix: str) -> str:
    """Return the name of a generator for users: ``g_ema`` for ``g_ema.module.``."""
    parts = prefix.removesuffix(".").split(".")
    return ".".join(part for part in parts if part not in WRAPPERS) or TOP


def is_averaged(prefix: str, arrays: Mapping[str, np.ndarray]) -> bool:
    """Return whether weights are averaged, by their name or a count of averages beside them."""
    words = _words(prefix)
    if words & _CURRENT:
        return False
    if words & _AVERAGE_WORDS:
        return True
    beside = prefix.removesuffix("module.")
    return beside != prefix and f"{beside}n_averaged" in arrays


def lender(
    prefix: str, prefixes: Sequence[str], arrays: Mapping[str, np.ndarray]
) -> str | None:
    """Return the generator that supplies the buffers of averaged weights without buffers.

    Hand-written averaging often skips buffers, such as the statistics of norms, and uses
    those of the generator under training.
    """
    mine = _names(prefix, arrays)
    if any(_BUFFER.fullmatch(name) for name in mine):
        return None
    for other in prefixes if is_averaged(prefix, arrays) else ():
        more = _names(other, arrays) - mine
        same = len(_names(other, arrays)) == len(mine) + len(more)
        if more and same and all(_BUFFER.fullmatch(name) for name in more):
            return other
    return None


def averages_beside(prefix: str, arrays: Mapping[str, np.ndarray]) -> str | None:
    """Return the name of averaged weights that are not a generator, such as lists."""
    for name, array in arrays.items():
        *above, _ = name.split(".")
        if array.ndim > 1 and not name.startswith(prefix or "\0"):
            for depth, part in enumerate(above, 1):
                if _words(part) & _LIST_WORDS:
                    return ".".join(above[:depth])
    return None


def is_optimizer(prefix: str) -> bool:
    """Return whether a prefix belongs to the state of an optimizer."""
    return bool(_words(prefix) & _OPTIMIZER)


def spell(prefixes: Sequence[str]) -> str:
    """List the names of generators in a message."""
    return ", ".join(ascii(name_of(prefix)[:80])[1:-1] for prefix in prefixes[:10])


def origin(prefix: str, prefixes: Sequence[str], arrays: Mapping[str, np.ndarray]) -> str:
    """Describe which generator of a file was taken, and what else the file holds."""
    name = name_of(prefix)
    others = [other for other in prefixes if other != prefix]
    text = ONLY if name == TOP else f"generator {spell([prefix])}"
    if is_averaged(prefix, arrays):
        text += ", averaged over training"
    elif others and name == TOP:
        text = "the generator at the top of the file"
    if others:
        text += f"; the file also holds {spell(others)}"
    beside = (
        None
        if any(is_averaged(p, arrays) for p in prefixes)
        else averages_beside(prefix, arrays)
    )
    if beside is not None:
        text += f"; it also holds averaged weights, {spell([beside])}, which are ignored"
    return text


def _only(prefixes: Sequence[str], arrays: Mapping[str, np.ndarray]) -> str | None:
    """Return the first of the prefixes if all hold the same arrays; None otherwise."""
    if not prefixes:
        return None
    first, *others = prefixes
    return first if all(_same(first, other, arrays) for other in others) else None


def _same(first: str, other: str, arrays: Mapping[str, np.ndarray]) -> bool:
    mine = {n.removeprefix(first): a for n, a in arrays.items() if n.startswith(first)}
    theirs = {n.removeprefix(other): a for n, a in arrays.items() if n.startswith(other)}
    return mine.keys() == theirs.keys() and all(
        np.array_equal(array, theirs[name]) for name, array in mine.items()
    )


def _names(prefix: str, arrays: Mapping[str, np.ndarray]) -> set[str]:
    return {name.removeprefix(prefix) for name in arrays if name.startswith(prefix)}


def _words(prefix: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(prefix)}

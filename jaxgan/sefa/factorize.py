"""SeFa: the directions in code space that change a generator's styles most, in closed form.

A code ``w`` enters a layer as ``A w + b``. A unit step along ``v`` changes this by ``A v``
from any start. The change is largest along the eigenvectors of ``A^T A`` with the largest
eigenvalues.

Source: Shen and Zhou, arXiv 2007.06600, equations 3 to 6.

Such a step may leave the distribution of codes. With whitening, a step is measured in
standard deviations of codes instead. The directions are then the principal components of
``A w``: ``C^(1/2) u`` for the covariance ``C`` of codes and the eigenvectors ``u`` of
``C^(1/2) A^T A C^(1/2)``. GANSpace (arXiv 2004.02546) does the same with activations.
"""

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError, lookup

NORMALISATIONS = ("unit", "none")
TO_RGB = ("first", "last", "all", "none")
_ROUNDING = 1e-7  # of lengths, relative to the largest: square root of that of their squares


class Tool(NamedTuple):
    """The choices in which implementations of SeFa differ.

    Attributes:
      normalisation: ``unit`` scales each row of ``A`` to length 1; ``none`` does not.
      to_rgb: Which toRGB layers (conversions to colours) are included: one of ``TO_RGB``.
      whiten: Whether a step is measured in standard deviations of codes along it.
    """

    normalisation: str
    to_rgb: str
    whiten: bool = False


TOOLS: dict[str, Tool] = {
    "genforce": Tool("unit", "last"),  # the code of the paper's authors
    "rosinality": Tool("none", "first"),  # and implementations that follow it
    "jaxgan": Tool("unit", "last", whiten=True),
}


class Directions(NamedTuple):
    """K directions; within each group of layers, the strongest comes first.

    Attributes:
      vectors: ``[K, D]`` float32 rows of length 1, orthogonal within a group unless
        whitened. The component with the largest absolute value is positive.
      values: ``[K]`` float64 eigenvalues ``|A v|^2``, the squared change by a unit step; if
        whitened, ``|A C^(1/2) u|^2``, the squared change by a step of Mahalanobis length 1.
      shares: ``[K]``, each value divided by the sum of all D eigenvalues of its group.
      layers: For each direction the layers whose codes it moves, increasing; empty if the
        generator has no layers.
      normalisation: One of ``NORMALISATIONS``.
      to_rgb: One of ``TO_RGB``.
      whitened: Whether steps were measured in standard deviations of codes.
      fingerprint: Identifies the generator.
    """

    vectors: np.ndarray
    values: np.ndarray
    shares: np.ndarray
    layers: tuple[tuple[int, ...], ...]
    normalisation: str
    to_rgb: str
    whitened: bool
    fingerprint: str


def directions(
    generator: Pretrained,
    layers: str | Sequence[int] = "all",
    k: int = 5,
    *,
    like: str = "genforce",
    normalisation: str | None = None,
    to_rgb: str | None = None,
    whiten: bool | None = None,
    least_spread: float = 0.0,
) -> Directions:
    """Find directions by factorising the style matrices of some layers together.

    Args:
      generator: The generator with the matrices.
      layers: ``all``, a list such as ``0-1,6``, or indices. ``/`` separates groups of layers;
        each group gets its own directions. Ignored if the generator has no layers.
      k: Number of directions of each group, at most D.
      like: The implementation to follow: a name in ``TOOLS``.
      normalisation: One of ``NORMALISATIONS``, to override the choice of ``like``.
      to_rgb: One of ``TO_RGB``, to override the choice of ``like``.
      whiten: Whether to whiten, to override the choice of ``like``. It has no effect if
        codes are latents.
      least_spread: Leave out directions along which the standard deviation of codes is less
        than this times its root mean square over all directions. A step along these soon
        leaves the distribution of codes, and images often break.

    Raises:
      InputError: If an argument is invalid, the layers have no matrix to factorise, or
        fewer than k directions remain.

    Examples:
      >>> import jaxgan, numpy as np
      >>> from jaxgan.convert.generator import Pretrained, Style
      >>> style = Style("kernel", 0, np.diag([1.0, 3.0, 2.0]))
      >>> generator = Pretrained(
      ...     "example", 1, 3, 0, {}, lambda _, z: z, lambda _, z: z[:, None, None], (style,))
      >>> directions = jaxgan.sefa.directions(generator, k=2, normalisation="none")
      >>> np.abs(directions.vectors).argmax(axis=1), directions.values.round(6)
      (array([1, 2]), array([9., 4.]))
    """
    if not generator.styles:
        raise InputError(
            f"{generator.flavour} has no matrix to factorise: its latents do not enter "
            "through a single layer"
        )
    tool = lookup("tool", like, TOOLS)
    tool = Tool(
        tool.normalisation if normalisation is None else normalisation,
        tool.to_rgb if to_rgb is None else to_rgb,
        tool.whiten if whiten is None else whiten,
    )
    lookup("normalisation", tool.normalisation, dict.fromkeys(NORMALISATIONS))
    lookup("to_rgb rule", tool.to_rgb, dict.fromkeys(TO_RGB))
    if not 1 <= k <= generator.latent_dim:
        raise InputError(
            f"{k} directions: must be 1 to {generator.latent_dim}, the length of a code"
        )
    if not 0 <= least_spread < np.inf:
        raise InputError(f"least_spread={least_spread} must be a number of 0 or more")
    groups = select_groups(layers, generator.num_layers)
    parts = [_strongest(generator, group, k, tool, least_spread) for group in groups]
    return Directions(
        *(np.concatenate(part) for part in zip(*parts, strict=True)),
        layers=tuple(group for group in groups for _ in range(k)),
        normalisation=tool.normalisation,
        to_rgb=tool.to_rgb,
        whitened=tool.whiten,
        fingerprint=generator.fingerprint,
    )


def _strongest(
    generator: Pretrained, group: tuple[int, ...], k: int, tool: Tool, least_spread: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors, values and shares of a group's k strongest directions."""
    weights = matrices(generator, group, tool.normalisation, tool.to_rgb)
    if not weights:
        raise InputError(
            f"layers {','.join(map(str, group))} have no matrix to factorise: they only have "
            f"a toRGB layer, which to_rgb={tool.to_rgb!r} leaves out"
        )
    rows = np.concatenate([rows for _, rows in weights])
    values, vectors = _factorise(rows, generator.code_covariance if tool.whiten else None)
    shares = values / max(values.sum(), np.finfo(float).tiny)
    order = np.arange(k)
    if least_spread:
        relative = spreads(generator, vectors) / mean_spread(generator)
        order = np.flatnonzero(relative >= least_spread)[:k]
    if len(order) < k:
        raise InputError(
            f"{len(order)} directions have a spread of {least_spread} times the mean or more, "
            f"not {k}"
        )
    if not vectors[order].any(axis=1).all():
        raise InputError(f"the generator's codes vary along fewer than {k} directions")
    return vectors[order].astype(np.float32), values[order], shares[order]


def _factorise(
    rows: np.ndarray, covariance: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return all D eigenvalues, decreasing, and their directions as rows of length 1.

    The row of a direction along which codes do not vary is 0.
    """
    with jax.enable_x64(True):  # float32 gets the weak directions wrong
        root: Any = 1.0
        product = jnp.asarray(rows.T @ rows)
        if covariance is not None:
            sizes, axes = jnp.linalg.eigh(jnp.asarray(covariance))
            root = (axes * jnp.sqrt(jnp.maximum(sizes, 0))[None]) @ axes.T
            product = root @ product @ root
        ascending, columns = jnp.linalg.eigh(product)
        if covariance is not None:
            columns = root @ columns
    values = np.maximum(np.asarray(ascending)[::-1], 0)  # rounding may make them negative
    vectors = np.asarray(columns).T[::-1]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    sound = lengths > _ROUNDING * lengths.max()
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=sound)
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(1, keepdims=True), 1)
    return values, vectors * np.sign(largest)


def spreads(generator: Pretrained, vectors: np.ndarray) -> np.ndarray:
    """Return standard deviations ``[K]`` of the codes along unit vectors ``[K, D]``.

    Examples:
      ``units = jaxgan.sefa.spreads(generator, found.vectors)``
    """
    vectors = vectors.astype(np.float64)
    squares = np.einsum("kd,de,ke->k", vectors, generator.code_covariance, vectors)
    return np.sqrt(np.maximum(squares, 0))  # rounding may make them negative


def mean_spread(generator: Pretrained) -> float:
    """Return the root mean square, over all directions, of the codes' standard deviation.

    Examples:
      ``unit = jaxgan.sefa.mean_spread(generator)``
    """
    return float(np.sqrt(np.trace(generator.code_covariance) / generator.latent_dim))


def matrices(
    generator: Pretrained, layers: Sequence[int], normalisation: str, to_rgb: str
) -> list[tuple[int, np.ndarray]]:
    """Return the matrices to factorise, as pairs of layer and ``[rows, D]`` float64.

    Arguments are as in ``Directions``.
    """
    colours = [style for style in generator.styles if style.to_rgb]
    rgb = {"first": colours[:1], "last": colours[-1:], "all": colours, "none": []}[to_rgb]
    pairs = []
    for style in generator.styles:
        if generator.num_layers and style.layer not in layers:
            continue
        if style.to_rgb and not any(style is one for one in rgb):
            continue
        rows = style.weight.astype(np.float64)
        if normalisation == "unit":
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
        pairs.append((style.layer, rows))
    return pairs


def spell_layers(layers: Sequence[int]) -> str:
    """Write indices as ``select_layers`` reads them: ``(0, 1, 6)`` becomes ``0-1,6``."""
    ranges: list[list[int]] = []
    for layer in layers:
        if ranges and ranges[-1][-1] == layer - 1:
            ranges[-1].append(layer)
        else:
            ranges.append([layer])
    return ",".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in ranges)


def select_groups(layers: str | Sequence[int], count: int) -> list[tuple[int, ...]]:
    """Split a list at each ``/`` into groups of layers, as ``0-1/6`` into ``(0, 1), (6,)``.

    Each group, and the errors, are as for ``select_layers``.
    """
    if not count or not isinstance(layers, str):
        return [select_layers(layers, count)]
    return [select_layers(part, count) for part in layers.split("/")]


def select_layers(layers: str | Sequence[int], count: int) -> tuple[int, ...]:
    """Parse a list of layers: ``select_layers("0-1,6", 18)`` is ``(0, 1, 6)``.

    Args:
      layers: ``all``, a list of indices and ranges such as ``0-1,6`` (ends included), or
        indices.
      count: Number of the generator's layers; if it is 0, the result is empty.

    Returns:
      Indices, increasing, without repeats.

    Raises:
      InputError: If the list is malformed or a layer does not exist.
    """
    if not count:
        return ()
    rule = f"'all', or a list such as 0-1,6 of 0 to {count - 1}"
    if isinstance(layers, str):
        if layers.strip() == "all":
            return tuple(range(count))
        numbers: set[int] = set()
        for part in layers.split(","):
            ends = part.replace(" ", "").split("-")
            digits = all(end.isascii() and end.isdigit() and len(end) < 10 for end in ends)
            if not digits or len(ends) > 2:
                raise InputError(f"layers {layers!r} are not {rule}")
            first, last = int(ends[0]), int(ends[-1])
            if first > last or last >= count:
                raise InputError(f"layers {layers!r} are not {rule}")
            numbers.update(range(first, last + 1))
        return tuple(sorted(numbers))
    indices = tuple(sorted({operator.index(layer) for layer in layers}))
    if not indices or indices[0] < 0 or indices[-1] >= count:
        raise InputError(f"layers {list(layers)} are not {rule}")
    return indices

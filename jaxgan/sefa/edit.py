"""Draw codes, make codes from arrays, and move codes along directions."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError, lookup

SPACES = ("z", "w", "w+")


def draw_codes(generator: Pretrained, key: Array, count: int, **truncation: Any) -> np.ndarray:
    """Draw codes ``[count, ...]`` from normal latents; options as for ``Pretrained.codes``.

    Examples:
      ``codes = jaxgan.sefa.draw_codes(generator, jax.random.key(0), 8, truncation=0.7)``
    """
    z = jax.random.normal(key, (count, generator.z_dim))
    return np.asarray(generator.codes(z, **truncation))


def move(
    codes: ArrayLike, vector: ArrayLike, distance: ArrayLike, layers: Sequence[int] = ()
) -> Array:
    """Move codes along a direction.

    Codes are truncated before they are moved, so truncation does not scale the distance.

    Args:
      codes: ``[N, L, D]``, or ``[N, D]`` if the generator has no layers.
      vector: Direction ``[D]``.
      distance: Distance in units of the vector's length.
      layers: Layers whose codes move; ignored if the generator has no layers.

    Returns:
      Codes of the same shape.

    Raises:
      InputError: If the vector's length differs from the codes', or a layer does not exist.

    Examples:
      ``older = jaxgan.sefa.move(codes, found.vectors[0], 2.0, found.layers[0])``
    """
    codes = jnp.asarray(codes, jnp.result_type(codes, float))  # integer codes can move, too
    vector = jnp.asarray(vector)
    if codes.ndim not in (2, 3) or vector.shape != codes.shape[-1:]:
        raise InputError(
            f"a vector of shape {list(vector.shape)} does not move codes of shape "
            f"{list(codes.shape)}"
        )
    step = jnp.asarray(distance, codes.dtype) * vector
    if codes.ndim == 2:
        return codes + step[None]
    if not len(layers) or not all(0 <= layer < codes.shape[1] for layer in layers):
        raise InputError(f"layers {list(layers)} must be among 0 to {codes.shape[1] - 1}")
    mask = np.isin(np.arange(codes.shape[1]), list(layers))
    return codes + jnp.where(jnp.asarray(mask)[None, :, None], step[None, None], 0)


def path(
    codes: ArrayLike, vector: ArrayLike, distances: ArrayLike, layers: Sequence[int] = ()
) -> Array:
    """Move codes to each of T distances; arguments as for ``move``.

    Returns:
      Codes ``[T, N, L, D]`` or ``[T, N, D]``.

    Examples:
      ``steps = jaxgan.sefa.path(codes, found.vectors[0], [-2, 0, 2], found.layers[0])``
    """
    return jax.vmap(lambda distance: move(codes, vector, distance, layers))(
        jnp.asarray(distances)
    )


def mix(codes: ArrayLike, others: ArrayLike, layers: Sequence[int]) -> Array:
    """Mix styles: replace the codes of some layers by those of other people.

    Args:
      codes: ``[R, L, D]``, the codes to change.
      others: ``[C, L, D]``, the codes to take layers from.
      layers: Layers to replace.

    Returns:
      ``[R, C, L, D]``: each of ``codes`` with the layers of each of ``others``.

    Raises:
      InputError: If the codes have no layers, their shapes differ, or a layer does not exist.

    Examples:
      ``mixed = jaxgan.sefa.mix(codes[:4], codes[4:], layers=range(4))``

    Source: Karras et al., arXiv 1812.04948, section 3.1.
    """
    rows, columns = jnp.asarray(codes), jnp.asarray(others)
    if rows.ndim != 3 or columns.ndim != 3 or rows.shape[1:] != columns.shape[1:]:
        raise InputError(
            f"codes of shape {list(rows.shape)} do not mix with those of shape "
            f"{list(columns.shape)}: both must be [N, L, D]"
        )
    count = rows.shape[1]
    if not len(layers) or not all(0 <= layer < count for layer in layers):
        raise InputError(f"layers {list(layers)} must be among 0 to {count - 1}")
    mask = jnp.asarray(np.isin(np.arange(count), list(layers)))[:, None]
    return jnp.where(mask, columns[None], rows[:, None])


def check_space(generator: Pretrained, space: str) -> None:
    """Check that a generator has one of ``SPACES``.

    Raises:
      InputError: If it lacks the space, or there is no such space.
    """
    lookup("space", space, dict.fromkeys(SPACES))
    if space != "z" and not generator.num_layers:
        raise InputError(f"{generator.flavour} has no space {space}: its codes are latents, z")


def as_codes(generator: Pretrained, array: ArrayLike, space: str, **truncation: Any) -> Array:
    """Convert an array in one of the generator's spaces to codes.

    Args:
      generator: The generator of the codes.
      array: For ``z``, latents ``[N, Z]``; for ``w``, codes ``[N, D]``, one for all layers;
        for ``w+``, codes ``[N, L, D]``, which are returned without truncation.
      space: One of ``SPACES``.
      **truncation: As for ``Pretrained.codes``.

    Returns:
      Codes ``[N, L, D]``, or ``[N, D]`` for a generator without layers.

    Raises:
      InputError: If the generator lacks the space, or the array has another shape.

    Examples:
      ``codes = jaxgan.sefa.as_codes(generator, np.zeros((1, generator.z_dim)), "z")``
    """
    check_space(generator, space)
    if space == "z":
        return generator.codes(array, **truncation)
    if space == "w+":
        return generator.truncate(array)
    if np.ndim(array) != 2:
        raise InputError(f"codes w have shape {list(np.shape(array))}, not [N, D]")
    wide = np.repeat(np.asarray(array)[:, None], generator.num_layers, axis=1)
    return generator.truncate(wide, **truncation)

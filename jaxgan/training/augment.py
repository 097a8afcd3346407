"""Differentiable augmentation: random changes of images before the critic sees them.

The functions take images ``[B, H, W, C]`` in [-1, 1] and change each image independently.
``augment`` combines entries of ``AUGMENTATIONS`` for the argument ``augment`` of ``gan``,
which applies them to real and generated images. ``flip`` is for real images only.

Source: Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training,
arXiv 2006.10738, with the strengths and the order of its code.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array

from jaxgan.errors import InputError, lookup

Augmentation = Callable[[Array, Array], Array]


def _per_image(key: Array, x: Array, low: float, high: float) -> Array:
    """Draw uniform numbers ``[B, 1, 1, 1]``."""
    return jax.random.uniform(key, (len(x), 1, 1, 1), x.dtype, low, high)


def brightness(key: Array, x: Array) -> Array:
    """Add a number from -0.5 to 0.5."""
    return x + _per_image(key, x, -0.5, 0.5)


def saturation(key: Array, x: Array) -> Array:
    """Multiply each pixel's distance from its grey by a number from 0 to 2.

    Grey images do not change.
    """
    grey = x.mean(axis=-1, keepdims=True)
    return (x - grey) * _per_image(key, x, 0.0, 2.0) + grey


def contrast(key: Array, x: Array) -> Array:
    """Multiply the distance from the image's mean by a number from 0.5 to 1.5."""
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    return (x - mean) * _per_image(key, x, 0.5, 1.5) + mean


def _chain(changes: Sequence[Augmentation]) -> Augmentation:
    """Apply changes one after another."""

    def apply(key: Array, x: Array) -> Array:
        keys = jax.random.split(key, len(changes))
        for change, key_of_change in zip(changes, keys, strict=True):
            x = change(key_of_change, x)
        return x

    return apply


def _places(key: Array, count: int, limits: Sequence[tuple[int, int]]) -> list[Array]:
    """Draw for each axis integers ``[count]`` from the first limit to below the second."""
    keys = jax.random.split(key, len(limits))
    pairs = zip(keys, limits, strict=True)
    return [jax.random.randint(key, (count,), *limit) for key, limit in pairs]


def translation(key: Array, x: Array) -> Array:
    """Shift by up to an eighth of each side, rounded; new pixels are 0, a mid grey."""
    reach = [(side + 4) // 8 for side in x.shape[1:3]]
    moves = _places(key, len(x), [(-r, r + 1) for r in reach])
    padded = jnp.pad(x, ((0, 0), *((r, r) for r in reach), (0, 0)))

    def window(image: Array, down: Array, right: Array) -> Array:
        start = (reach[0] - down, reach[1] - right, 0)
        return jax.lax.dynamic_slice(image, start, x.shape[1:])

    return jax.vmap(window)(padded, *moves)


def cutout(key: Array, x: Array) -> Array:
    """Set a rectangle of half each side, rounded up, to 0; its centre is anywhere."""
    sizes = [(side + 1) // 2 for side in x.shape[1:3]]
    limits = [(0, side + 1 - size % 2) for side, size in zip(x.shape[1:3], sizes, strict=True)]
    inside = jnp.ones((1, 1, 1, 1), bool)
    for axis, centre in enumerate(_places(key, len(x), limits)):
        first = (centre - sizes[axis] // 2)[:, None]
        place = jnp.arange(x.shape[1 + axis])[None]
        within = (first <= place) & (place < first + sizes[axis])
        inside = inside & jnp.expand_dims(within, (2 - axis, 3))
    return jnp.where(inside, 0, x)


AUGMENTATIONS: dict[str, Augmentation] = {
    "color": _chain((brightness, saturation, contrast)),
    "translation": translation,
    "cutout": cutout,
}
"""Augmentations by name."""


def augment(names: Sequence[str]) -> Augmentation | None:
    """Combine augmentations, applied in the order of their names; ``None`` without names.

    Raises:
      InputError: If a name is unknown or given twice.

    Examples:
      >>> import jax, jax.numpy as jnp
      >>> from jaxgan.training.augment import augment
      >>> change = augment(["color", "translation", "cutout"])
      >>> change(jax.random.key(0), jnp.ones((2, 8, 8, 3))).shape
      (2, 8, 8, 3)
    """
    changes = [lookup("augmentation", name, AUGMENTATIONS) for name in names]
    if len({*names}) < len(names):
        raise InputError(f"an augmentation is given twice: {', '.join(names)}")
    return _chain(changes) if changes else None


def flip(key: Array, x: Array) -> Array:
    """Mirror each image ``[..., H, W, C]``, left to right, with probability one half.

    Use it as the argument ``vary`` of ``epoch``.
    """
    mask = jax.random.bernoulli(key, shape=(*x.shape[:-3], 1, 1, 1))
    return jnp.where(mask, x[..., ::-1, :], x)

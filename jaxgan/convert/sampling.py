"""Numbered samples: each depends only on a seed and its number, not on the batch size.

``experiments/generate/source.py`` shows the functions at work.
"""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.convert.generator import Pretrained
from jaxgan.training.gan import LATENTS

# Folded into a seed. No seed, and no other draw of latents, uses this number.
_STREAM = 2**31 + 3
_AHEAD = 2  # batches that are computed while an earlier one is used
MOST = 2**31 - 1  # largest sample number

Draw = Callable[[int, int], Array]


@functools.partial(jax.jit, static_argnames=("count", "dim", "law"))
def _latents(seed: Array, start: Array, count: int, dim: int, law: str) -> Array:
    key = jax.random.fold_in(jax.random.key(seed), _STREAM)
    numbers = start + jnp.arange(count, dtype=jnp.uint32)

    def one(number):
        return LATENTS[law](jax.random.fold_in(key, number), (1, dim))[0]

    return jax.vmap(one)(numbers)


def latents(seed: int, start: int, count: int, dim: int, law: str = "normal") -> Array:
    """Draw the latents of samples ``start`` to ``start + count - 1``.

    Args:
      seed: Seed, 0 to ``2**31 - 1``.
      start: Number of the first sample, from 0.
      count: Number N of samples.
      dim: Length D of a latent.
      law: Distribution of the latents, one of ``training.gan.LATENTS``.

    Returns:
      ``[N, D]`` float32. A row depends only on the seed and the sample's number.
    """
    return _latents(np.uint32(seed), np.uint32(start), count, dim, law)


def channels_of(generator: Pretrained) -> int:
    """Return the number of channels of a generator's images: 1 if they are grey, else 3."""
    code = jnp.zeros([length or 1 for length in generator.code_shape])
    more = (jnp.eye(3)[None],) if generator.transforms else ()
    shape = jax.eval_shape(generator.synthesise, generator.params, code, *more).shape
    return 1 if shape[3] == 1 else 3


@functools.partial(jax.jit, static_argnames="channels")
def to_bytes(images: Array, channels: int = 3) -> Array:
    """Convert images on a device to bytes, as ``pixels.to_uint8`` does on the host.

    Args:
      images: ``[N, H, W, C]`` float32 around [-1, 1]; NaN becomes mid grey.
      channels: Number of channels to keep, from the first.
    """
    levels = (jnp.nan_to_num(images[..., :channels]) + 1) * 127.5
    return jnp.rint(levels).clip(0, 255).astype(jnp.uint8)


def image_sampler(generator: Pretrained, seed: int, truncation: float = 1.0) -> Draw:
    """Make a function that draws samples; ``experiments/generate/source.py`` uses it.

    Args:
      generator: The generator. If it is conditional, samples take its labels in turn.
      seed: Seed of the latents.
      truncation: As for ``Pretrained.codes``.

    Returns:
      Function ``(start, count) -> [count, H, W, C]`` uint8 on the device, with C of 1 or 3.
      It returns before the images are computed, and compiles once for each count.
    """
    channels = channels_of(generator)

    def draw(start: int, count: int) -> Array:
        z = latents(seed, start, count, generator.z_dim)
        codes = generator.codes(z, truncation, first=start)
        return to_bytes(generator.images(codes), channels)

    return draw


def batches(draw: Draw, starts: Iterable[int], size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Draw batches; the next ones are computed while the caller uses an earlier one.

    Args:
      draw: Function ``(start, count) -> [count, ...]`` on a device.
      starts: Number of the first sample of each batch.
      size: Samples per batch.

    Yields:
      The number of a batch's first sample, and the batch on the host.
    """
    waiting: collections.deque[tuple[int, Array]] = collections.deque()
    for start in starts:
        waiting.append((start, draw(start, size)))
        if len(waiting) > _AHEAD:
            number, batch = waiting.popleft()
            yield number, np.asarray(batch)
    while waiting:
        number, batch = waiting.popleft()
        yield number, np.asarray(batch)

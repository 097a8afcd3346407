"""Numbered samples: each follows from a seed and its number, however many are made at once."""

import collections
import functools
from collections.abc import Callable, Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.convert.generator import Pretrained
from jaxgan.training.gan import LATENTS

# Folded into a seed: other than any seed, and than other draws of a generator's latents use.
_NUMBERED = 2**31 + 3
_AHEAD = 2  # batches that are computed while an earlier one is written
MOST = 2**31 - 1  # numbers

Draw = Callable[[int, int], Array]


@functools.partial(jax.jit, static_argnames=("count", "dim", "law"))
def _latents(seed: Array, start: Array, count: int, dim: int, law: str) -> Array:
    key = jax.random.fold_in(jax.random.key(seed), _NUMBERED)
    numbers = start + jnp.arange(count, dtype=jnp.uint32)

    def one(number):
        return LATENTS[law](jax.random.fold_in(key, number), (1, dim))[0]

    return jax.vmap(one)(numbers)


def latents(seed: int, start: int, count: int, dim: int, law: str = "normal") -> Array:
    """Latents of samples ``start`` to ``start + count - 1``.

    Args:
      seed: From 0 to ``2**31 - 1``.
      start: Number of the first sample, from 0.
      count: N.
      dim: D.
      law: Law of the latents, one of ``training.gan.LATENTS``.

    Returns:
      ``[N, D]`` float32. A row depends on the seed and the sample's number alone.
    """
    return _latents(np.uint32(seed), np.uint32(start), count, dim, law)


def channels_of(generator: Pretrained) -> int:
    """Channels of the images that a generator makes: 1 if they are grey, else 3."""
    code = jnp.zeros([length or 1 for length in generator.code_shape])
    more = (jnp.eye(3)[None],) if generator.transforms else ()
    shape = jax.eval_shape(generator.synthesise, generator.params, code, *more).shape
    return 1 if shape[3] == 1 else 3


@functools.partial(jax.jit, static_argnames="channels")
def to_bytes(images: Array, channels: int = 3) -> Array:
    """Convert images on a device to bytes, as ``pixels.to_uint8`` does on the host.

    Args:
      images: ``[N, H, W, C]`` float32 around [-1, 1]; what is not a number becomes mid grey.
      channels: The first channels to keep.
    """
    levels = (jnp.nan_to_num(images[..., :channels]) + 1) * 127.5
    return jnp.rint(levels).clip(0, 255).astype(jnp.uint8)


def image_sampler(generator: Pretrained, seed: int, truncation: float = 1.0) -> Draw:
    """Make the function that draws samples.

    Args:
      generator: Makes the images. Sample i of a conditional one has label i in turn.
      seed: Seed of the latents.
      truncation: As for ``Pretrained.codes``.

    Returns:
      ``(start, count) -> [count, H, W, C]`` uint8, C 1 or 3, on the device. It returns before
      they are computed, and compiles once for each count.
    """
    channels = channels_of(generator)

    def draw(start: int, count: int) -> Array:
        z = latents(seed, start, count, generator.z_dim)
        codes = generator.codes(z, truncation, first=start)
        return to_bytes(generator.images(codes), channels)

    return draw


def batches(draw: Draw, starts: Iterable[int], size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Draw batches, the next ones while the caller does something with an earlier one.

    Args:
      draw: ``(start, count) -> [count, ...]`` on a device.
      starts: Numbers of the batches' first samples.
      size: Samples in a batch.

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

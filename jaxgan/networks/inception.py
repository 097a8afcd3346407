"""The Inception-v3 network of the FID, which maps images to features.

This is the network of 2015-12-05, with batch norm folded into its convolutions and
parameters named as in PyTorch ports. Besides its weights, it differs from torchvision's in
two ways: 3x3 average pooling does not count pixels beyond the border, and the last block
uses max pooling.

Source: Szegedy et al., arXiv 1512.00567; Heusel et al., arXiv 1706.08500 (the FID).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array, lax

from jaxgan.errors import InputError, lookup

SIZE = 299
FEATURES = 2048


class Convention(NamedTuple):
    """How a published FID resizes and scales images for the network.

    Attributes:
      resampling: ``pixels -> [299, pixels]``: the matrix that resizes one axis.
      zero: Pixel value (0 to 255) that becomes 0.
      unit: Difference of pixel values that becomes 1.
    """

    resampling: Callable[[int], np.ndarray]
    zero: float
    unit: float


# The default of an accelerator may be TensorFloat-32, which rounds to three digits.
_PRECISION = lax.Precision.HIGHEST


def extractor(
    params: Any, batch_size: int | None = None, convention: str = "tensorflow"
) -> Callable[[np.ndarray], np.ndarray]:
    """Make the function from RGB images, uint8 ``[N, H, W, 3]``, to features ``[N, 2048]``.

    The function compiles the network once, and the resizing once per image size. It raises
    ``ValueError`` for other arrays. ``jaxgan.metrics.images.inception_features`` also loads
    the weights.

    Args:
      params: Parameters from ``convert.inception.load``.
      batch_size: Images per batch; by default 2 on a CPU, where larger batches take longer
        per image, and 64 elsewhere.
      convention: A name in ``CONVENTIONS``.

    Raises:
      InputError: If the convention is unknown, or the parameters do not fit this network.
    """
    lookup("convention", convention, CONVENTIONS)
    _check(params)
    params = jax.device_put(params)
    count = batch_size or (2 if jax.default_backend() == "cpu" else 64)
    prepare = jax.jit(functools.partial(resize_and_scale, convention=convention))
    run = jax.jit(lambda params, x: Inception().apply({"params": params}, x))

    def extract(images: np.ndarray) -> np.ndarray:
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            actual = f"{images.dtype} {images.shape}"
            raise ValueError(f"images must be uint8 [N, H, W, 3], not {actual}")
        result = np.empty((len(images), FEATURES), np.float32)
        for start in range(0, len(images), count):
            batch = images[start : start + count]
            padding = [(0, count - len(batch)), (0, 0), (0, 0), (0, 0)]
            rows: Any = run(params, prepare(np.pad(batch, padding)))
            result[start : start + count] = rows[: len(batch)]
        return result

    return extract


def _check(params: Any) -> None:
    image = jnp.zeros((1, SIZE, SIZE, 3))
    tree: Any = jax.eval_shape(Inception().init, jax.random.key(0), image)["params"]
    flat: Any = [traverse_util.flatten_dict(x, sep=".") for x in (params, tree)]
    actual, expected = flat
    for name, leaf in expected.items():
        if name not in actual:
            raise InputError(f"the weights of Inception-v3 lack {name}")
        if actual[name].shape != leaf.shape:
            shapes = f"{actual[name].shape}, not {leaf.shape}"
            raise InputError(f"the weights of Inception-v3 have a {name} of shape {shapes}")


def resize_and_scale(images: Array, convention: str = "tensorflow") -> Array:
    """Turn images ``[B, H, W, 3]`` in 0 to 255 into the network's input ``[B, 299, 299, 3]``.

    ``tensorflow`` and ``pytorch`` resize bilinearly without antialiasing, so FIDs of large
    images contain aliasing. They differ in where a pixel's value lies: at its corner, as in
    TensorFlow 1, or at its centre. ``clean`` resizes as Pillow resizes float images, with a
    cubic kernel (a = -1/2) that is widened when images shrink; values beyond 0 to 255 are
    clipped, and none is rounded. Images of 299 pixels are not resized. Then pixels are
    scaled to ``x / 128 - 1``, or to ``x / 127.5 - 1`` with ``pytorch``.

    Raises:
      InputError: If the convention is unknown.

    Source: torch-fidelity 0.4.0, pytorch-fid 0.3.0 and clean-fid 0.1.35; ``clean`` is from
    Parmar et al., arXiv 2104.11222.
    """
    resampling, zero, unit = lookup("convention", convention, CONVENTIONS)
    x = jnp.asarray(images, jnp.float32)
    # The width first, as in Pillow, so that float32 sums round alike.
    if x.shape[2] != SIZE:
        x = jnp.einsum("sw,bhwc->bhsc", resampling(x.shape[2]), x, precision=_PRECISION)
    if x.shape[1] != SIZE:
        x = jnp.einsum("sh,bhwc->bswc", resampling(x.shape[1]), x, precision=_PRECISION)
    return (x.clip(0, 255) - zero) / unit


def _bilinear(size: int, centre: float) -> np.ndarray:
    """Return the matrix of bilinear resizing; a value lies at ``centre`` in its pixel."""
    position = ((np.arange(SIZE) + centre) * size / SIZE - centre).clip(0, size - 1)
    distance = np.abs(position[:, None] - np.arange(size))
    return (1 - distance).clip(0).astype(np.float32)


def _cubic(size: int) -> np.ndarray:
    """Return the matrix of Pillow's bicubic resizing (two pixels or samples wide)."""
    scale = size / SIZE
    width = max(scale, 1.0)
    centres = (np.arange(SIZE)[:, None] + 0.5) * scale
    pixels = np.arange(size)
    x = np.abs(pixels + 0.5 - centres) / width
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    # As in Pillow, the ends of the kernel are rounded to whole pixels.
    first, end = (np.trunc(centres + side * 2 * width + 0.5) for side in (-1, 1))
    weights = np.where((pixels >= first) & (pixels < end), weights, 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


CONVENTIONS = {
    # the original in TensorFlow, torch-fidelity, the StyleGAN repositories
    "tensorflow": Convention(functools.partial(_bilinear, centre=0.0), 128.0, 128.0),
    "pytorch": Convention(
        functools.partial(_bilinear, centre=0.5), 127.5, 127.5
    ),  # pytorch-fid
    "clean": Convention(_cubic, 128.0, 128.0),  # clean-fid
}


class Unit(nn.Module):
    """Apply a convolution, a bias and ReLU: ``[B, H, W, I] -> [B, h, w, features]``.

    Attributes:
      features: Output channels.
      kernel: Height and width.
      stride: Step.
      padding: ``SAME`` or ``VALID``.
    """

    features: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (*self.kernel, x.shape[3], self.features)
        w = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (1, 1, 1, self.features))
        y = lax.conv_general_dilated(
            x,
            w,
            (self.stride, self.stride),
            self.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=_PRECISION,
        )
        return nn.relu(y + bias)


def _unit(x: Array, name: str, features: int, high: int, wide: int) -> Array:
    return Unit(features, (high, wide), name=name)(x)


def _halve(x: Array, name: str, features: int) -> Array:
    return Unit(features, (3, 3), 2, "VALID", name=name)(x)


def _chain(x: Array, name: str, *units: tuple[int, int, int]) -> Array:
    """Apply units ``(features, height, width)``, named ``name_1``, ``name_2`` and so on."""
    for number, unit in enumerate(units, 1):
        x = _unit(x, f"{name}_{number}", *unit)
    return x


def _average(x: Array) -> Array:
    """Average over 3x3 pixels; those beyond the border do not count."""
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def _largest(x: Array) -> Array:
    return nn.max_pool(x, (3, 3), padding="SAME")


def _halve_by_maximum(x: Array) -> Array:
    return nn.max_pool(x, (3, 3), strides=(2, 2))


class MixedA(nn.Module):
    """A block on 35x35 pixels: ``[B, H, W, I] -> [B, H, W, 224 + pooled]``.

    Attributes:
      pooled: Channels of the pooling branch.
    """

    pooled: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        branches = [
            _unit(x, "branch1x1", 64, 1, 1),
            _chain(x, "branch5x5", (48, 1, 1), (64, 5, 5)),
            _chain(x, "branch3x3dbl", (64, 1, 1), (96, 3, 3), (96, 3, 3)),
            _unit(_average(x), "branch_pool", self.pooled, 1, 1),
        ]
        return jnp.concatenate(branches, axis=3)


class MixedB(nn.Module):
    """A block from 35x35 to 17x17 pixels: ``[B, H, W, I] -> [B, h, w, 480 + I]``."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        double = _chain(x, "branch3x3dbl", (64, 1, 1), (96, 3, 3))
        branches = [
            _halve(x, "branch3x3", 384),
            _halve(double, "branch3x3dbl_3", 96),
            _halve_by_maximum(x),
        ]
        return jnp.concatenate(branches, axis=3)


class MixedC(nn.Module):
    """A block on 17x17 pixels: ``[B, H, W, I] -> [B, H, W, 768]``.

    Attributes:
      inner: Channels inside the branches with 1x7 and 7x1 kernels.
    """

    inner: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        c = self.inner
        double = (c, 1, 1), (c, 7, 1), (c, 1, 7), (c, 7, 1), (192, 1, 7)
        branches = [
            _unit(x, "branch1x1", 192, 1, 1),
            _chain(x, "branch7x7", (c, 1, 1), (c, 1, 7), (192, 7, 1)),
            _chain(x, "branch7x7dbl", *double),
            _unit(_average(x), "branch_pool", 192, 1, 1),
        ]
        return jnp.concatenate(branches, axis=3)


class MixedD(nn.Module):
    """A block from 17x17 to 8x8 pixels: ``[B, H, W, I] -> [B, h, w, 512 + I]``."""

    @nn.compact
    def __call__(self, x: Array) -> Array:
        long = _chain(x, "branch7x7x3", (192, 1, 1), (192, 1, 7), (192, 7, 1))
        branches = [
            _halve(_chain(x, "branch3x3", (192, 1, 1)), "branch3x3_2", 320),
            _halve(long, "branch7x7x3_4", 192),
            _halve_by_maximum(x),
        ]
        return jnp.concatenate(branches, axis=3)


class MixedE(nn.Module):
    """A block on 8x8 pixels: ``[B, H, W, I] -> [B, H, W, 2048]``.

    Attributes:
      largest: Whether to use max pooling instead of average pooling.
    """

    largest: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        single = _chain(x, "branch3x3", (384, 1, 1))
        double = _chain(x, "branch3x3dbl", (448, 1, 1), (384, 3, 3))
        pooled = (_largest if self.largest else _average)(x)
        branches = [
            _unit(x, "branch1x1", 320, 1, 1),
            _unit(single, "branch3x3_2a", 384, 1, 3),
            _unit(single, "branch3x3_2b", 384, 3, 1),
            _unit(double, "branch3x3dbl_3a", 384, 1, 3),
            _unit(double, "branch3x3dbl_3b", 384, 3, 1),
            _unit(pooled, "branch_pool", 192, 1, 1),
        ]
        return jnp.concatenate(branches, axis=3)


class Inception(nn.Module):
    """Map images from ``resize_and_scale`` to nonnegative features ``[B, 2048]``.

    Other sizes of at least 75x75 pixels work, but do not give the features of the FID.
    """

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = _halve(x, "Conv2d_1a_3x3", 32)
        x = Unit(32, (3, 3), padding="VALID", name="Conv2d_2a_3x3")(x)
        x = _halve_by_maximum(_unit(x, "Conv2d_2b_3x3", 64, 3, 3))
        x = _unit(x, "Conv2d_3b_1x1", 80, 1, 1)
        x = _halve_by_maximum(Unit(192, (3, 3), padding="VALID", name="Conv2d_4a_3x3")(x))
        for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = MixedA(pooled, name=name)(x)
        x = MixedB(name="Mixed_6a")(x)
        for letter, inner in zip("bcde", (128, 160, 160, 192), strict=True):
            x = MixedC(inner, name=f"Mixed_6{letter}")(x)
        x = MixedD(name="Mixed_7a")(x)
        x = MixedE(largest=False, name="Mixed_7b")(x)
        x = MixedE(largest=True, name="Mixed_7c")(x)
        return x.mean(axis=(1, 2))

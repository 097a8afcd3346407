"""FID, KID and PRDC of two sets of images, in one call each.

Inception-v3, or a function of your own, turns images into features; ``frechet``, ``kernels``
and ``neighbours`` compare the features.
"""

import functools
import os
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.data import image_folder, pixels
from jaxgan.errors import InputError
from jaxgan.metrics.frechet import frechet_distance
from jaxgan.metrics.kernels import KernelDistance, kernel_distance
from jaxgan.metrics.neighbours import PRDC, precision_recall

Images: TypeAlias = ArrayLike | str | os.PathLike[str]
Features: TypeAlias = Callable[[np.ndarray], Any]

# Largest mean absolute value of images in [-1, 1]; single values may go slightly beyond.
_LARGEST_MEAN = 1.0


def fid(
    real: Images,
    fake: Images,
    *,
    size: int | None = None,
    features: Features | None = None,
    weights: str | os.PathLike[str] | None = None,
    convention: str = "tensorflow",
    say: Callable[[str], None] = lambda line: None,
) -> float:
    """Compute the Frechet Inception distance (FID) of two sets of images.

    Smaller is better; equal sets have 0. Few images bias the FID upwards: compare sets of
    the same size, with about 10,000 images or more. With the conventions ``tensorflow`` and
    ``clean`` the value agrees with torch-fidelity 0.4.0 and clean-fid 0.1.35, within 1e-3 on
    small test sets. With ``features`` of your own it is a Frechet distance that compares
    only with values from the same function.

    Args:
      real: ``[N, H, W, 3]`` RGB, or ``[N, H, W, 1]`` grey levels: uint8, or floats in
        [-1, 1], which are rounded to uint8 first, as published values are of uint8 images.
        Or the path of a folder or archive of JPEG, PNG and WebP images, which are cropped to
        centred squares.
      fake: As ``real``; the two may differ in kind and number.
      size: Height and width in pixels to which images of a folder are resized; by default
        that of the other set, if it is an array of square images.
      features: A function of uint8 ``[N, H, W, C]`` to ``[N, F]``, in place of Inception-v3.
      weights: File of Inception-v3 weights, ``pt_inception-2015-12-05-6726825d.pth`` or
        ``inception-2015-12-05.pt``. By default they are downloaded once (77 MiB).
      convention: How images are resized for the network. Values compare only within one
        convention: ``tensorflow`` (torch-fidelity, the StyleGAN repositories: bilinear
        without antialiasing, pixel corners aligned), ``pytorch`` (pytorch-fid: the same with
        pixel centres aligned) or ``clean`` (clean-fid: bicubic with antialiasing, as Pillow).
        See ``jaxgan.networks.inception.resize_and_scale``.
      say: Called with a line of text before a download.

    Returns:
      The squared distance, without unit.

    Raises:
      InputError: If images or weights cannot be read or downloaded, or an array has a wrong
        shape, type or range.
      ValueError: If a set has fewer than two images, or ``features`` returns a wrong shape.

    Source: Heusel et al., arXiv 1706.08500.

    Examples:
      >>> import jaxgan, numpy as np
      >>> real = np.random.default_rng(0).integers(0, 200, (8, 2, 2, 3), np.uint8)
      >>> def mean_colour(images):
      ...     return images.mean(axis=(1, 2))
      >>> round(jaxgan.metrics.fid(real, real + np.uint8(10), features=mean_colour), 6)
      300.0
    """
    extraction = _Extraction(size, features, weights, convention, say)
    return frechet_distance(*extraction.of_pair(real, fake))


def kid(
    real: Images,
    fake: Images,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
    size: int | None = None,
    features: Features | None = None,
    weights: str | os.PathLike[str] | None = None,
    convention: str = "tensorflow",
    say: Callable[[str], None] = lambda line: None,
) -> KernelDistance:
    """Compute the kernel Inception distance (KID) of two sets of images.

    Smaller is better. The estimate is unbiased, so it also suits few images.

    Args:
      real: As for ``fid``.
      fake: As for ``fid``.
      subsets: Number of random subsets, each drawn without replacement.
      subset_size: Images in a subset; at most the size of the smaller set.
      seed: Seed of the subsets.
      size: As for ``fid``.
      features: As for ``fid``.
      weights: As for ``fid``.
      convention: As for ``fid``.
      say: As for ``fid``.

    Returns:
      Mean and standard deviation over the subsets, not multiplied by 1,000.

    Raises:
      InputError: As for ``fid``.
      ValueError: As for ``fid``, or if there is no subset of two images or more.

    Source: Binkowski et al., arXiv 1801.01401.

    Examples:
      >>> import jaxgan, numpy as np
      >>> real, fake = np.random.default_rng(0).integers(0, 256, (2, 9, 2, 2, 3), np.uint8)
      >>> def mean_colour(images):
      ...     return images.mean(axis=(1, 2)) / 255
      >>> near = jaxgan.metrics.kid(real, fake, features=mean_colour)
      >>> far = jaxgan.metrics.kid(real, fake // 9, features=mean_colour)
      >>> near.mean < far.mean
      True
    """
    extraction = _Extraction(size, features, weights, convention, say)
    pair = extraction.of_pair(real, fake)
    return kernel_distance(*pair, subsets=subsets, subset_size=subset_size, seed=seed)


def prdc(
    real: Images,
    fake: Images,
    *,
    k: int = 5,
    size: int | None = None,
    features: Features | None = None,
    weights: str | os.PathLike[str] | None = None,
    convention: str = "tensorflow",
    say: Callable[[str], None] = lambda line: None,
) -> PRDC:
    """Compute precision, recall, density and coverage of generated images.

    Precision and density measure fidelity, recall and coverage variety; larger is better.

    Args:
      real: As for ``fid``.
      fake: As for ``fid``.
      k: The distance to the k-th neighbour is the radius of the ball around an image.
      size: As for ``fid``.
      features: As for ``fid``.
      weights: As for ``fid``.
      convention: As for ``fid``.
      say: As for ``fid``.

    Raises:
      InputError: As for ``fid``.
      ValueError: As for ``fid``, or unless both sets have more than k images.

    Source: Kynkaanniemi et al., arXiv 1904.06991; Naeem et al., arXiv 2002.09797.

    Examples:
      >>> import jaxgan, numpy as np
      >>> real = np.random.default_rng(0).integers(0, 256, (9, 2, 2, 3), np.uint8)
      >>> same = real[[0] * 9]  # a collapsed generator
      >>> jaxgan.metrics.prdc(real, same, k=3, features=lambda x: x.reshape(9, -1))[:2]
      (1.0, 0.0)
    """
    extraction = _Extraction(size, features, weights, convention, say)
    return precision_recall(*extraction.of_pair(real, fake), k)


def inception_features(
    weights: str | os.PathLike[str] | None = None,
    convention: str = "tensorflow",
    say: Callable[[str], None] = lambda line: None,
) -> Features:
    """Return the function from images to features that ``fid`` uses by default.

    Args:
      weights: As for ``fid``.
      convention: As for ``fid``.
      say: As for ``fid``.

    Returns:
      A function of uint8 ``[N, H, W, 3]`` or ``[N, H, W, 1]`` to ``[N, 2048]`` float32. A
      single channel is repeated three times.

    Raises:
      InputError: If the weights cannot be read or downloaded.
    """
    from jaxgan.convert import zoo  # imports jax

    return _inception(os.fspath(weights or zoo.inception(say)), convention)


class _Extraction(NamedTuple):
    """How to turn images into features; the fields are arguments of ``fid``."""

    size: int | None
    features: Features | None
    weights: str | os.PathLike[str] | None
    convention: str
    say: Callable[[str], None]

    def of_pair(self, real: Images, fake: Images) -> tuple[np.ndarray, np.ndarray]:
        """Return features ``[N, F]`` of both sets."""
        if self.features is not None and self.weights is not None:
            raise InputError("features= and weights= exclude each other: pass one")
        sets = {"real": real, "fake": fake}
        arrays = {n: _bytes(n, x) for n, x in sets.items() if not _is_path(x)}
        sides = [x.shape[1] for x in arrays.values() if x.shape[1] == x.shape[2]]
        for name, source in sets.items():
            if name not in arrays:
                arrays[name] = _read(name, source, self.size or next(iter(sides), None))
        extract = self.features or inception_features(self.weights, self.convention, self.say)
        return _extracted(extract, arrays["real"]), _extracted(extract, arrays["fake"])


def _is_path(images: Images) -> bool:
    return isinstance(images, str | os.PathLike)


def _bytes(name: str, images: Images) -> np.ndarray:
    """Convert an array to uint8 ``[N, H, W, C]``."""
    x = np.asarray(images)
    if x.ndim != 4 or x.shape[3] not in (1, 3) or not x.size:
        raise InputError(f"{name} has shape {list(x.shape)}; images are [N, H, W, 3] or 1")
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind != "f":
        raise InputError(f"{name} is {x.dtype}; images are uint8, or floats in [-1, 1]")
    if not np.isfinite(x).all():
        raise InputError(f"{name} is not finite")
    size = float(np.mean(np.abs(x), dtype=np.float64))
    if size > _LARGEST_MEAN:
        raise InputError(f"{name} has a mean size of {size:.3g}; floats are in [-1, 1]")
    if x.min() >= 0:
        raise InputError(
            f"{name} has no number below 0; floats are in [-1, 1]: 2 * x - 1 brings them "
            "there from [0, 1]"
        )
    return pixels.to_uint8(x)


def _read(name: str, source: Any, size: int | None) -> np.ndarray:
    if size is None:
        raise InputError(f"{name} is a folder or an archive: give size=, in pixels")
    packed = image_folder.pack(source, size)
    if packed.skipped:
        first, reason = packed.skipped[0]
        count = len(packed.skipped)
        warnings.warn(
            f"{name}: {count} of {count + len(packed.names)} images cannot be read and are "
            f"left out; the first, {first}: {reason}",
            stacklevel=4,
        )
    for line in packed.remarks:
        warnings.warn(f"{name}: {line}", stacklevel=4)
    return packed.images


def _extracted(extract: Features, images: np.ndarray) -> np.ndarray:
    rows = np.asarray(extract(images))
    if rows.ndim != 2 or len(rows) != len(images):
        raise ValueError(
            f"features of {len(images)} images have shape {list(rows.shape)}, not "
            f"[{len(images)}, F]"
        )
    return rows


@functools.lru_cache(maxsize=1)
def _inception(path: str, convention: str) -> Features:
    """Load the network; cached, since it takes about ten seconds to compile."""
    from jaxgan.convert import inception as weights  # these import jax
    from jaxgan.networks import inception

    extract = inception.extractor(weights.load(path), convention=convention)

    def features(images: np.ndarray) -> np.ndarray:
        return extract(np.broadcast_to(images, (*images.shape[:3], 3)))

    return features

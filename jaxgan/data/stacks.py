"""Stacked MNIST: each of three channels is an independent image of a labelled data set.

Source: Metz et al., Unrolled Generative Adversarial Networks, arXiv 1611.02163, section 3.3.1.
"""

import numpy as np

CHANNELS = 3


def stack(images: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Stack random images, drawn independently for each channel, with replacement.

    Args:
      images: ``[N, H, W, 1]``. With K classes the stacks have ``K**3`` modes.
      count: Number of stacks.
      seed: Seed of the draws.

    Returns:
      ``[count, H, W, 3]``, with the dtype of the images.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.data import stacks
      >>> stacks.stack(np.zeros((10, 28, 28, 1), np.uint8), count=5).shape
      (5, 28, 28, 3)
    """
    rows = np.random.default_rng(seed).integers(0, len(images), (CHANNELS, count))
    stacks = np.empty((count, *images.shape[1:3], CHANNELS), images.dtype)
    for channel, numbers in enumerate(rows):
        stacks[..., channel] = images[numbers, ..., 0]
    return stacks

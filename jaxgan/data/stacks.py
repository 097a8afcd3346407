"""Stacked MNIST: images whose three channels are independent images of a labelled data set.

Source: Metz et al., Unrolled Generative Adversarial Networks, arXiv 1611.02163, section 3.3.1.
"""

import numpy as np

CHANNELS = 3


def stack(images: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Stack random images; each channel of each stack is drawn by itself, with replacement.

    Args:
      images: ``[N, H, W, 1]``, of K classes; the stacks have ``K**3`` modes.
      count: Stacks to draw.
      seed: The stacks are a function of it, the images and the count.

    Returns:
      ``[count, H, W, 3]``, of the dtype of the images.
    """
    chosen = np.random.default_rng(seed).integers(0, len(images), (CHANNELS, count))
    stacks = np.empty((count, *images.shape[1:3], CHANNELS), images.dtype)
    for channel, numbers in enumerate(chosen):
        stacks[..., channel] = images[numbers, ..., 0]
    return stacks

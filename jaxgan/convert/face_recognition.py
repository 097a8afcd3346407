"""Read the weights of dlib's face recognition network from dlib's own file.

The file lists the layers from the image to the embedding: name, arrays, settings and the
state of training of each. No code from it runs.

Format: dlib's ``serialize.h``, ``tensor.h`` and ``dnn/layers.h`` (Boost Software License).
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError

_INPUT = b"\x15input_rgb_image_sized"
_ALIAS, _FLAGS = 5, 3  # numbers that describe a part of an array; bytes that end a layer
_SETTINGS = {  # count of numbers after a layer's arrays
    "con_4": 7 + 2 * _ALIAS + 8,
    "affine_": 2 * _ALIAS + 1,
    "relu_": 0,
    "max_pool_2": 6,
    "avg_pool_2": 6,
    "add_prev_": 0,
}
_ARRAYS = ("con_4", "affine_")
_LARGEST = 2**26  # most numbers in an array
# Number of blocks, channels, and whether the first block halves the image.
STAGES = ((3, 32, False), (4, 64, True), (3, 128, True), (3, 256, True), (1, 256, True))


class Weights(NamedTuple):
    """Weights of the network, with each norm folded into the convolution before it.

    Attributes:
      kernels: 29 kernels ``[h, w, I, O]`` float32, in the order of use.
      biases: 29 biases ``[O]``.
      embedding: ``[256, 128]`` float32, the last layer.
    """

    kernels: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    embedding: np.ndarray


def load(path: str | Path) -> Weights:
    """Read ``dlib_face_recognition_resnet_model_v1.dat``.

    ``jaxgan/judges/recognition.py`` runs the network.

    Raises:
      InputError: If the file cannot be read, or holds another network.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    try:
        return _weights(_Reader(content))
    except _Foreign as error:
        raise InputError(f"{path} is not dlib's face recognition network: {error}") from error


class _Foreign(Exception):
    """The file holds something else; the message says why."""


class _Reader:
    """Reads dlib's numbers, names and arrays, one after the other."""

    def __init__(self, content: bytes):
        self.content = content
        self.at = 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if not 0 <= count <= len(self.content) - self.at:
            raise _Foreign("it ends too early")
        piece, self.at = self.content[self.at : end], end
        return piece

    def number(self) -> int:
        """Read an integer: one byte with its length and sign, then its bytes."""
        (head,) = self.take(1)
        size = head & 0x0F
        if head & 0x70 or not 0 < size <= 8:
            raise _Foreign(f"byte {self.at - 1} begins no number")
        value = int.from_bytes(self.take(size), "little")
        return -value if head & 0x80 else value

    def numbers(self, count: int) -> list[int]:
        return [self.number() for _ in range(count)]

    def name(self) -> str:
        return self.take(self.number()).decode("ascii", "replace")

    def array(self) -> np.ndarray:
        version, *shape = self.numbers(5)
        if version != 2 or any(size < 0 for size in shape) or math.prod(shape) > _LARGEST:
            raise _Foreign(f"byte {self.at} follows no array")
        flat = np.frombuffer(self.take(4 * math.prod(shape)), "<f4")
        if not np.isfinite(flat).all():
            raise _Foreign("its numbers are not finite")
        return flat.reshape(shape).astype(np.float32)


def _weights(reader: _Reader) -> Weights:
    reader.at = reader.content.find(_INPUT) + len(_INPUT)
    if reader.at < len(_INPUT):
        raise _Foreign("it has no input of RGB images")
    reader.numbers(8)  # three means and the size
    kernels, biases, rest = [], [], iter(_layer_names())
    while (name := reader.name()) != "fc_2":
        if name not in _SETTINGS or name != next(rest, None):
            raise _Foreign(f"layer {name[:20]!r} is out of place")
        array = reader.array().ravel() if name in _ARRAYS else np.empty(0, np.float32)
        settings = reader.numbers(_SETTINGS[name])
        if name == "con_4":
            count, high, wide, stride = settings[:4]
            channels = kernels[-1].shape[3] if kernels else 3
            shape = count, channels, high, wide
            if (count, high, stride) != _convolution(len(kernels)) or high != wide:
                raise _Foreign(f"convolution {len(kernels) + 1} has another shape")
            if len(array) != math.prod(shape) + count:
                raise _Foreign(f"convolution {len(kernels) + 1} has {len(array)} weights")
            kernels.append(array[:-count].reshape(shape).transpose(2, 3, 1, 0))
            biases.append(array[-count:])
        elif name == "affine_":
            count = len(biases[-1])
            if len(array) != 2 * count:
                raise _Foreign(f"norm {len(kernels)} has {len(array)} weights")
            scale, shift = array[:count], array[count:]
            kernels[-1] = kernels[-1] * scale
            biases[-1] = biases[-1] * scale + shift
        reader.take(_FLAGS)
        for _ in range(3):
            reader.array()
        if name == "con_4" and len(kernels) == 1:
            reader.number()  # samples per input, only in the first layer
    if next(rest, None) is not None:
        raise _Foreign(f"it has only {len(kernels)} convolutions")
    reader.numbers(2)
    embedding = reader.array()
    if embedding.shape != (256, 128, 1, 1):
        raise _Foreign(f"its last layer has shape {list(embedding.shape)}")
    return Weights(tuple(kernels), tuple(biases), embedding[:, :, 0, 0])


def _layer_names() -> list[str]:
    """Names of all layers but the last."""
    names = ["con_4", "affine_", "relu_", "max_pool_2"]
    for count, _, halved in STAGES:
        for i in range(count):
            names += ["con_4", "affine_", "relu_", "con_4", "affine_"]
            names += ["avg_pool_2"] * (halved and i == 0) + ["add_prev_", "relu_"]
    return [*names, "avg_pool_2"]


def _convolution(number: int) -> tuple[int, int, int]:
    """Channels, size and stride of a convolution, counted from 0."""
    if number == 0:
        return 32, 7, 2
    shapes = [
        (width, 3, 2 if halved and i == 0 else 1)
        for count, width, halved in STAGES
        for i in range(2 * count)
    ]
    return shapes[number - 1] if number <= len(shapes) else (0, 0, 0)

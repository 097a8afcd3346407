"""MobileStyleGAN as checkpoints of bes-dev/MobileStyleGAN.pytorch.

A checkpoint holds the whole distillation: the mapping network, the student (the
MobileStyleGAN), its teacher (a StyleGAN2) and the networks of the loss.
"""

import math
import os

import numpy as np

from jaxgan.convert.flavours import _mapping
from jaxgan.convert.flavours._mobilestylegan import FLAVOUR, assemble
from jaxgan.convert.formats import owners
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError

_MARKS = (
    "input.input",
    "conv1.conv.style_inv",
    "layers.0.up.modulation.weight",
    "layers.0.conv1.conv.weight_permute",
)
_TEACHER = "layers.0.to_rgb.conv.weight"
_MAPPING, _MEAN = "layers.1.weight", "style_mean"
_EPSILON = 1e-8
_FILTERS = {"g0_col": (2, 1), "g1_col": (2, 1), "g0_row": (1, 2), "g1_row": (1, 2)}


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the student with its mapping network; None for other flavours.

    Raises:
      InputError: If the student or its mapping network is missing or does not fit.
    """
    student = checkpoint.choose(_MARKS, FLAVOUR)
    if student is None:
        if checkpoint.prefixes([_TEACHER]):
            raise InputError(
                f"{checkpoint.path} holds the teacher of a {FLAVOUR}, but not the student, "
                "which is the generator: its layers.0.conv1.conv.weight_permute is missing"
            )
        return None
    mapping = _beside(checkpoint, student, _MAPPING)
    if mapping is None:
        raise student.error(f"it lacks the mapping network: no {_MAPPING} is beside it")
    average = None
    blocks = max(student.count(r"layers\.(\d+)\."), 1)
    with np.errstate(all="ignore"):  # assemble refuses numbers that are not finite
        arrays, random_noise = _student_arrays(student, blocks)
        arrays |= _mapping_arrays(mapping)
    around = _beside(checkpoint, student, _MEAN)
    if around is not None:
        # In these files the first two layers of a block share a code.
        mean = around.take(_MEAN, (1, 3 * blocks + 2, None))[0]
        average = mean[[0, *(3 * b + i for b in range(blocks) for i in (1, 1, 2)), -1]]
    origin = student.origin
    if random_noise:
        origin += "; its noise is drawn from a fixed seed, for the file holds none"
    whole = Checkpoint(checkpoint.path, None, arrays)
    return assemble(StateDict(whole, "", FLAVOUR, origin), average)


def _beside(checkpoint: Checkpoint, student: StateDict, mark: str) -> StateDict | None:
    """Return the network with an array ``mark`` that is nearest to the student by name.

    Raises:
      InputError: If several are equally near, and their names do not show which is averaged.
    """

    def nearness(start: str) -> int:
        return len(os.path.commonprefix([start.split("."), student.prefix.split(".")]))

    starts = checkpoint.prefixes([mark])
    if not starts:
        return None
    nearest = max(map(nearness, starts))
    starts = [start for start in starts if nearness(start) == nearest]
    prefix = owners.choose(starts, checkpoint.arrays, None)
    if prefix is None:
        raise student.error(f"it has several {mark}, under {owners.spell(starts)}")
    return StateDict(checkpoint, prefix, FLAVOUR)


def _mapping_arrays(mapping: StateDict) -> dict[str, np.ndarray]:
    arrays = {}
    for i in range(mapping.count(r"layers\.(\d+)\.weight") - 1):
        weight = mapping.take(f"layers.{i + 1}.weight", (None, None))
        bias = mapping.take(f"layers.{i + 1}.bias", (len(weight),))
        arrays[f"mapping.{i}.weight"] = weight * (_mapping.RATE / math.sqrt(weight.shape[1]))
        arrays[f"mapping.{i}.bias"] = bias * _mapping.RATE
    return arrays


def _student_arrays(student: StateDict, blocks: int) -> tuple[dict[str, np.ndarray], bool]:
    """Multiply constant factors into the arrays and drop the lower-resolution outputs.

    Returns:
      Arrays for ``assemble``, and whether noise was drawn.
    """
    arrays, random_noise = {}, False
    rng = np.random.default_rng(0)
    layers = [f"layers.{b}.conv{i + 1}" for b in range(blocks) for i in range(2)]
    for i, name in enumerate(["conv1", *layers]):
        side = 4 * 2 ** ((i + 1) // 2)
        arrays |= _layer(student, name)
        noise = rng.standard_normal((1, 1, side, side), np.float32)
        strength = student.take(f"{name}.noise.weight", (1,))
        if f"{name}.noise.noise" in student:
            noise = student.take(f"{name}.noise.noise", (1, 1, side, side))
        else:
            random_noise |= bool(strength.any())
        arrays[f"{name}.noise"] = strength * noise
    for name in ("to_img1", *(f"layers.{b}.to_img" for b in range(blocks - 1))):
        for part in ("bias", "conv.weight", "conv.modulation.weight", "conv.modulation.bias"):
            student.drop(f"{name}.{part}")
    for name in ("idwt", *(f"layers.{b}.up.idwt" for b in range(blocks))):
        for part, shape in _FILTERS.items():  # two taps, so they are Haar filters
            student.take(f"{name}.{part}", (1, 1, *shape))
    student.drop("device_info")
    last = f"layers.{blocks - 1}.to_img.conv"
    weight = student.take(f"{last}.weight", (None, None, 1, 1))
    arrays[f"{last}.weight"] = weight
    arrays[f"{last}.modulation.scale"] = np.array(1 / math.sqrt(weight.shape[1]), np.float32)
    arrays |= {name: student.take(name, student.shape(name)) for name in student.names()}
    return arrays, random_noise


def _layer(student: StateDict, name: str) -> dict[str, np.ndarray]:
    """Demodulate the weights of a layer; the factor does not depend on the code."""
    inverse = student.take(f"{name}.conv.style_inv", (1, 1, None, 1, 1)).ravel()
    scale = 1 / math.sqrt(9 * inverse.size)
    arrays, power = {}, np.ones(inverse.size)
    if name == "conv1":
        weight = student.take(f"{name}.conv.weight", (None, inverse.size, 3, 3))
    else:
        weight = student.take(f"{name}.conv.weight_permute", (None, inverse.size, 1, 1))
        taps = student.take(f"{name}.conv.weight_dw", (inverse.size, 1, 3, 3))
        arrays[f"{name}.conv.weight_dw"] = taps
        power = np.square(taps, dtype=np.float64).sum(axis=(1, 2, 3))
    squares = np.square(weight, dtype=np.float64).sum(axis=(2, 3)) * power
    factor = 1 / np.sqrt(squares @ np.square(scale * inverse.astype(np.float64)) + _EPSILON)
    arrays[f"{name}.weight"] = (weight * factor[:, None, None, None]).astype(np.float32)
    arrays[f"{name}.conv.modulation.scale"] = np.array(scale, np.float32)
    return arrays

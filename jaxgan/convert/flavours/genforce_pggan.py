"""Generators of PGGAN as the PyTorch code of genforce (GenForce, SeFa) keeps them.

Settings that leave no trace in a file are taken to have their defaults: an equalised
learning rate, no tanh at the end, and, where the widths do not tell, kernels that are not
fused with the upsampling.
"""

import math
import re
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.networks.pggan import Generator, pixel_norm

# Where a generator may be, the preferred one first: its weights averaged over training,
# then the last ones; in a file that is passed on, then in one to resume training from.
PREFIXES = (
    "generator_smooth.",
    "models.generator_smooth.",
    "generator.",
    "models.generator.",
)
ACTIVATED = math.sqrt(2)  # gain of weights that an activation follows

_MARKS = ("lod", "layer0.weight", "output0.weight", "output0.bias", "output1.weight")
_MAX_LATENT = 512  # what is longer has a label behind it


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """The generator of a checkpoint, or None if it holds none of this flavour.

    Codes are latents with a mean square of one. The generator scales its input to that, so
    that a code which was moved is scaled again.

    The rows of the style matrix are the units of the first layer, in the order of its
    weights: the 16 pixels of a channel, bottom right first, then those of the next.

    Raises:
      InputError: If the keys are of this flavour, but an array is missing, unknown or
        other than it has to be, or the network is conditional or not fully grown.
    """
    prefix = checkpoint.prefix(_MARKS, PREFIXES)
    if prefix is None:
        return None
    state = StateDict(checkpoint, prefix, "genforce PGGAN")
    blocks = count_blocks(state, "")
    check_lod(state, "lod")
    biases: list[np.ndarray] = []
    for i in range(2 * blocks):
        shape = biases[-1].shape if i % 2 else (None,)
        biases.append(state.take(f"layer{i}.bias", shape))
    channels = tuple(len(bias) for bias in biases[::2])
    first = state.take("layer0.weight", (channels[0], None, 4, 4))
    latent = first.shape[1]
    if latent > _MAX_LATENT:
        more = f"has {latent} inputs, more than the {_MAX_LATENT} of a latent"
        raise state.error(f"its layer0.weight {more}; conditional networks are not supported")

    # To convolve one pixel until 4x4 are left is to transpose the flipped kernel.
    kernel = (first * gain(first, ACTIVATED))[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)
    params: dict[str, Any] = {"conv_0": {"kernel": kernel}}
    fused = _is_fused(state, channels)
    for i in range(1, 2 * blocks):
        inputs, features = channels[(i - 1) // 2], channels[i // 2]
        if fused and i % 2 == 0:
            weight = state.take(f"layer{i}.weight", (inputs, features, 3, 3)).swapaxes(0, 1)
        else:
            weight = state.take(f"layer{i}.weight", (features, inputs, 3, 3))
        weight = weight * gain(weight, ACTIVATED)
        kernel = weight.transpose(2, 3, 1, 0) if i % 2 else doubling(weight, fused)
        params[f"conv_{i}"] = {"kernel": kernel}
    params |= {f"bias_{i}": bias[None, None, None] for i, bias in enumerate(biases)}
    params["to_rgb"] = take_to_rgb(state, "", channels)
    state.finish()

    generator = Generator(channels)

    def synthesise(params: Any, codes: Array) -> Array:
        images: Any = generator.apply({"params": params}, codes)
        return images

    rows = first.transpose(0, 2, 3, 1).reshape(-1, latent)
    return Pretrained(
        flavour=state.flavour,
        resolution=2 ** (blocks + 1),
        latent_dim=latent,
        num_layers=0,
        params=jax.device_put(params),
        encode=lambda _, z: pixel_norm(z),
        synthesise=synthesise,
        styles=(Style("layer0.weight", 0, rows),),
    )


def _is_fused(state: StateDict, channels: tuple[int, ...]) -> bool:
    """Whether weights before an upsampling lie as those of transposed convolutions do."""
    widths = zip(channels, channels[1:], strict=False)
    return any(
        inputs != features and state.shape(f"layer{2 * i}.weight")[:2] == (inputs, features)
        for i, (inputs, features) in enumerate(widths, 1)
    )


def count_blocks(state: StateDict, prefix: str) -> int:
    """How many resolutions the layers below a prefix are of.

    Raises:
      InputError: If they are not of 8 to 1024 pixels.
    """
    layers, outputs = (
        state.count(rf"{re.escape(prefix + name)}(\d+)\.") for name in ("layer", "output")
    )
    blocks = max((layers + 1) // 2, outputs)
    if not 2 <= blocks <= 9:
        raise state.error(f"its layers are of {blocks} resolutions, not of 2 to 9")
    return blocks


def check_lod(state: StateDict, name: str) -> None:
    """Take the level of detail, which is above 0 while a network is growing."""
    lod = state.take(name, ())
    if lod != 0:
        raise state.error(f"its {name} is {lod:g}; networks that still grow are not supported")


def gain(weight: np.ndarray, activation: float) -> float:
    """What weights ``[O, I, ...]`` with an equalised learning rate are multiplied by."""
    return activation / math.sqrt(weight[0].size)


def doubling(weight: np.ndarray, fused: bool) -> np.ndarray:
    """The kernel ``[4, 4, O, I]`` that upsamples twice by weights ``[O, I, 3, 3]``.

    Of a ``ConvTranspose`` with a stride of 2 and a padding of 1. Fused weights are those
    of a transposed convolution from the start, others of a convolution of doubled pixels:
    the two are one operation, on weights that are flipped.
    """
    if not fused:
        weight = weight[:, :, ::-1, ::-1]
    taps = np.pad(weight, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = taps[:, :, 1:] + taps[:, :, :-1]
    taps = taps[..., 1:] + taps[..., :-1]
    return taps.transpose(2, 3, 0, 1)


def take_to_rgb(
    state: StateDict, prefix: str, channels: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """The last conversion to colours; the others only served growing networks."""
    params = {}
    for i, features in enumerate(channels):
        weight = state.take(f"{prefix}output{i}.weight", (3, features, 1, 1))
        bias = state.take(f"{prefix}output{i}.bias", (3,))
        kernel = (weight * gain(weight, 1)).transpose(2, 3, 1, 0)
        params = {"kernel": kernel, "bias": bias[None, None, None]}
    return params

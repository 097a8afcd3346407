"""PGGAN as genforce's PyTorch repositories (GenForce, SeFa) store it.

Settings that do not show in a file have these defaults, unless the user gives them:

* ``use_wscale``: equalised learning rate (true);
* ``final_tanh``: tanh at the end (false);
* ``fused_scale``: kernels fused with the upsampling (false, unless the widths show
  otherwise);
* ``label_size``: how many of the last inputs are a label (0).
"""

import math
import re
from typing import Any

import numpy as np

from jaxgan.convert.blueprint import Blueprint, functions
from jaxgan.convert.flavours._stylegan2 import check_blocks, check_colours
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.convert.options import Settings
from jaxgan.networks.pggan import Generator

ACTIVATION_GAIN = math.sqrt(2)  # gain of weights before an activation
MAX_BLOCKS = 9  # most resolutions: up to 1024 pixels

_MARKS = ("lod", "layer0.weight", "output0.weight", "output0.bias", "output1.weight")
_MAX_LATENT = 512  # longer inputs are latents with a label


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the generator of a checkpoint; None for other flavours.

    Codes are latents with a mean square of 1. The generator normalises its input, so an
    edited code is scaled again. In a code, a label follows the latent.

    The rows of the style matrix are the units of the first layer, in the order of its
    weights: the 16 pixels of a channel, bottom right first, then those of the next channel.
    The columns of labels are zero, so no direction changes a label.

    Raises:
      InputError: If the keys are of this flavour, but an array is missing, unknown or
        misshapen, or the network is not fully grown.
    """
    # genforce's StyleGAN has layers with the same names.
    prefixes = [p for p in checkpoint.prefixes(_MARKS) if not p.endswith("synthesis.")]
    state = checkpoint.choose_among(prefixes, "genforce PGGAN")
    return None if state is None else assemble(state, checkpoint.settings)


def assemble(state: StateDict, settings: Settings | None = None) -> Pretrained:
    """Build a generator from all arrays of ``state``; errors as for ``find``."""
    settings = settings or Settings({})
    wscale, tanh = settings.get("use_wscale", True), settings.get("final_tanh", False)
    blocks = count_blocks(state, "")
    check_lod(state, "lod")
    biases: list[np.ndarray] = []
    for i in range(2 * blocks):
        shape = biases[-1].shape if i % 2 else (None,)
        biases.append(state.take(f"layer{i}.bias", shape))
    channels = tuple(len(bias) for bias in biases[::2])
    first = state.take("layer0.weight", (channels[0], None, 4, 4))
    labels = _count_labels(state, first.shape[1], settings.get("label_size", 0))
    fused = settings.get("fused_scale", _is_fused(state, channels))
    params = _take_convolutions(state, channels, first, fused, wscale)
    params |= {f"bias_{i}": bias[None, None, None] for i, bias in enumerate(biases)}
    params["to_rgb"] = take_to_rgb(state, "", channels, wscale)
    state.finish()

    generator = Generator(channels, params["to_rgb"]["bias"].size)

    blueprint = Blueprint(generator, normalised=True, tanh=tanh)
    rows = first.transpose(0, 2, 3, 1).reshape(-1, first.shape[1])
    rows = np.where(np.arange(first.shape[1]) < first.shape[1] - labels, rows, 0)
    return Pretrained(
        flavour=state.flavour,
        resolution=2 ** (blocks + 1),
        latent_dim=first.shape[1],
        num_layers=0,
        params=params,
        styles=(Style("layer0.weight", 0, rows),),
        z_dim=first.shape[1] - labels,
        num_labels=labels,
        origin=state.origin,
        blueprint=blueprint,
        **functions(blueprint),
    )


def _count_labels(state: StateDict, inputs: int, labels: int) -> int:
    """Return how many of the inputs are a label.

    Raises:
      InputError: If too few or too many inputs remain for the latent.
    """
    if not 0 <= labels < inputs:
        raise state.error(f"its layer0.weight has {inputs} inputs, and not {labels} labels")
    if not labels and inputs > _MAX_LATENT:
        more = f"{inputs} inputs, more than the {_MAX_LATENT} of a latent"
        how = "where it is conditional, say how many are labels with the setting label_size"
        raise state.error(f"its layer0.weight has {more}: {how}")
    return labels


def _take_convolutions(
    state: StateDict,
    channels: tuple[int, ...],
    first: np.ndarray,
    fused: bool,
    wscale: bool,
) -> dict[str, Any]:
    """Take the weights of all layers but the ``first``, and return the kernels of all."""
    # A convolution from one pixel to 4x4 is a transposed one with a flipped kernel.
    kernel = (first * gain(first, ACTIVATION_GAIN, wscale))[:, :, ::-1, ::-1].transpose(
        2, 3, 0, 1
    )
    params: dict[str, Any] = {"conv_0": {"kernel": kernel}}
    for i in range(1, 2 * len(channels)):
        inputs, features = channels[(i - 1) // 2], channels[i // 2]
        if fused and i % 2 == 0:
            weight = state.take(f"layer{i}.weight", (inputs, features, 3, 3)).swapaxes(0, 1)
        else:
            weight = state.take(f"layer{i}.weight", (features, inputs, 3, 3))
        weight = weight * gain(weight, ACTIVATION_GAIN, wscale)
        kernel = weight.transpose(2, 3, 1, 0) if i % 2 else doubling(weight, fused)
        params[f"conv_{i}"] = {"kernel": kernel}
    return params


def _is_fused(state: StateDict, channels: tuple[int, ...]) -> bool:
    """Return whether upsampling layers store the weights of transposed convolutions."""
    widths = zip(channels, channels[1:], strict=False)
    return any(
        inputs != features and state.shape(f"layer{2 * i}.weight")[:2] == (inputs, features)
        for i, (inputs, features) in enumerate(widths, 1)
    )


def count_blocks(state: StateDict, prefix: str) -> int:
    """Count the resolutions of the layers below a prefix.

    Raises:
      InputError: If they do not end at 8 to 1024 pixels.
    """
    layers, outputs = (
        state.count(rf"{re.escape(prefix + name)}(\d+)\.") for name in ("layer", "output")
    )
    return check_blocks(state, max((layers + 1) // 2, outputs), MAX_BLOCKS)


def check_lod(state: StateDict, name: str) -> None:
    """Take the level of detail, which is above 0 while a network is growing."""
    lod = state.take(name, ())
    if lod != 0:
        raise state.error(f"its {name} is {lod:g}; networks that still grow are not supported")


def gain(weight: np.ndarray, activation: float, wscale: bool) -> float:
    """Return the factor of weights ``[O, I, ...]`` with an equalised learning rate.

    Without ``wscale`` it is 1, because the weights include it.
    """
    return activation / math.sqrt(weight[0].size) if wscale else 1.0


def doubling(weight: np.ndarray, fused: bool) -> np.ndarray:
    """Turn weights ``[O, I, 3, 3]`` into a kernel ``[4, 4, O, I]`` that doubles the size.

    The kernel is for a ``ConvTranspose`` with stride 2 and padding 1. Fused weights are those
    of a transposed convolution; others are those of a convolution after nearest-neighbour
    upsampling, which is the same operation with flipped weights.
    """
    if not fused:
        weight = weight[:, :, ::-1, ::-1]
    taps = np.pad(weight, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = taps[:, :, 1:] + taps[:, :, :-1]
    taps = taps[..., 1:] + taps[..., :-1]
    return taps.transpose(2, 3, 0, 1)


def take_to_rgb(
    state: StateDict, prefix: str, channels: tuple[int, ...], wscale: bool
) -> dict[str, np.ndarray]:
    """Take all toRGB layers; return the last, which a fully grown network uses.

    Raises:
      InputError: If an array is missing or misshapen.
    """
    params, colours = {}, 0
    for i, features in enumerate(channels):
        weight = state.take(f"{prefix}output{i}.weight", (colours or None, features, 1, 1))
        colours = len(weight)
        bias = state.take(f"{prefix}output{i}.bias", (colours,))
        kernel = (weight * gain(weight, 1, wscale)).transpose(2, 3, 1, 0)
        params = {"kernel": kernel, "bias": bias[None, None, None]}
    check_colours(state, colours)
    return params

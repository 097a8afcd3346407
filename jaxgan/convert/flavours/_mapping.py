"""Load the mapping networks of StyleGAN and StyleGAN2, with or without labels."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxgan.convert.formats.state_dict import StateDict
from jaxgan.convert.place import place
from jaxgan.networks import stylegan2

RATE = 0.01  # lr multiplier of a mapping network, a factor of its weights and biases


class Names(NamedTuple):
    """Names of the arrays of a mapping network in a flavour.

    Attributes:
      dense: Maps layer i to the prefix of its weight ``[out, in]`` and bias ``[out]``.
      embed: Prefix of the weight ``[E, C]`` and bias ``[E]`` that embed labels, for networks
        that normalise labels and latents separately.
      label: Name of the matrix ``[C, E]`` that embeds labels, for networks that normalise
        labels and latents together.
    """

    dense: Callable[[int], str]
    embed: str = ""
    label: str = ""


class Encoder(NamedTuple):
    """A mapping network.

    Attributes:
      network: The network.
      layers: Number of codes per latent, one per layer; 0 if one code serves all layers.
      params: Its parameters.
      z_dim: Length of a latent.
      num_labels: Length of a label; 0 if there are none.
    """

    network: stylegan2.Mapping
    layers: int
    params: dict[str, Any]
    z_dim: int
    num_labels: int


def take(
    state: StateDict,
    names: Names,
    *,
    depth: int,
    features: int,
    layers: int,
    kind: type[stylegan2.Mapping] = stylegan2.Mapping,
    gain: float = 1.0,
    wscale: bool = True,
) -> Encoder:
    """Take the arrays of a mapping network.

    Args:
      state: Arrays of a generator.
      names: Their names.
      depth: Number of layers.
      features: Length of a code.
      layers: Number of codes per image.
      kind: Class of the network.
      gain: Factor of all weights.
      wscale: Whether weights are stored without the gain of an equalised learning rate.

    Raises:
      InputError: If an array is missing or misshapen.
    """
    params, joint = _take_embedding(state, names, wscale)
    num_labels, embedding = params["embed"]["kernel"].shape if params else (0, 0)
    inputs = hidden = None
    z_dim = 0
    many = False
    for i in range(depth):
        name, units = names.dense(i), hidden
        if i == depth - 1:
            many = state.shape(f"{name}weight")[:1] == (layers * features,)
            units = features = layers * features if many else features
        weight = state.take(f"{name}weight", (units, inputs))
        bias = state.take(f"{name}bias", (len(weight),))
        inputs = weight.shape[1]
        if i == 0:
            z_dim, hidden = inputs - embedding, len(weight)
        scale = RATE * (gain / math.sqrt(inputs) if wscale else 1)
        params[f"dense_{i}"] = {"kernel": place(weight.T, scale), "bias": bias * RATE}
        inputs = len(weight)
    if z_dim <= 0:
        raise state.error(
            f"its {names.dense(0)}weight takes {embedding} inputs of a label and no latent"
        )
    network = kind(depth, features, hidden, embedding or None, joint)
    return Encoder(network, layers if many else 0, params, z_dim, num_labels)


def _take_embedding(state: StateDict, names: Names, wscale: bool) -> tuple[dict, bool]:
    """Take the embedding of labels; return also whether they are normalised with latents."""
    if names.label and names.label in state:
        kernel = state.take(names.label, (None, None))
        bias = np.zeros(kernel.shape[1], np.float32)
        return {"embed": {"kernel": kernel, "bias": bias}}, True
    weight, bias = f"{names.embed}weight", f"{names.embed}bias"
    if not names.embed or not (weight in state or bias in state):
        return {}, False
    kernel = state.take(weight, (None, None)).T
    shift = state.take(bias, (kernel.shape[1],))
    scale = 1 / math.sqrt(len(kernel)) if wscale else 1
    return {"embed": {"kernel": kernel * scale, "bias": shift}}, False

"""The network of all flavours of StyleGAN2, each of which has its own names of arrays."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.convert.formats.state_dict import StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.networks import stylegan2

_RATE = 0.01  # learning rate of the mapping network, a factor of its weights and biases
_FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


class Part(NamedTuple):
    """Names of the arrays of a modulated convolution in a flavour.

    Attributes:
      weight: Name of the kernel ``[O, I, k, k]``.
      bias: Name of the bias ``[O]``.
      style: Prefix of the weight ``[I, D]`` and the bias ``[I]`` of the style.
      noise: Name of the noise ``[H, W]``; none in a conversion to colours.
      strength: Name of the factor of the noise.
    """

    weight: str
    bias: str
    style: str
    noise: str = ""
    strength: str = ""


class Form(NamedTuple):
    """The way in which a flavour writes a StyleGAN2.

    Attributes:
      dense: Layer i of the mapping network to the prefix of its weight and bias.
      const: Name of the input ``[C, 4, 4]`` of the first layer.
      layer: Number i of a layer to its names.
      to_rgb: Number b of a conversion to colours to its names.
      filters: Number of resolutions to the names of the blur kernels.
      filter_sum: Sum of a blur kernel.
      flipped: Whether the kernels of upsampling layers are those of the convolution that
        is transposed; otherwise they are flipped along both axes.
      style_shift: Number to add to a style's bias, so that it is the scale at a code of 0.
      ones: Numbers of axes of length one before and after an array, where there are some,
        by ``const``, ``filter``, ``rgb_bias`` or an attribute of ``Part``.
    """

    dense: Callable[[int], str]
    const: str
    layer: Callable[[int], Part]
    to_rgb: Callable[[int], Part]
    filters: Callable[[int], list[str]]
    filter_sum: float
    flipped: bool
    style_shift: float
    ones: Mapping[str, tuple[int, int]]


def assemble(
    state: StateDict,
    form: Form,
    *,
    depth: int,
    blocks: int,
    average: tuple[StateDict, str],
    clamp: float | None = None,
) -> Pretrained:
    """Assemble a generator from all arrays of ``state``.

    Args:
      state: Arrays of one generator.
      form: The flavour's way of writing them.
      depth: Layers of the mapping network.
      blocks: Number of resolutions 4, 8 and so on.
      average: Arrays that may hold the mean code, and its name.
      clamp: Bound of ``networks.stylegan2.Synthesis``.

    Raises:
      InputError: If an array is missing, misshapen or left over.
    """
    depth, blocks = max(depth, 1), max(blocks, 2)  # the smallest network has all its parts
    reader = _Reader(state, form)
    synthesis, channels = reader.synthesis(blocks)
    params = {"mapping": reader.mapping(depth), "synthesis": synthesis}
    for name in form.filters(blocks):
        reader.check_filter(name)
    holder, name = average
    mean = holder.take_mean(name, 2 * blocks, reader.latent_dim) if name in holder else None
    state.finish()

    mapping = stylegan2.Mapping(depth)
    network = stylegan2.Synthesis(channels, clamp)

    def encode(params: Any, z: Array) -> Any:
        return mapping.apply({"params": params["mapping"]}, z)

    def synthesise(params: Any, codes: Array) -> Any:
        return network.apply({"params": params["synthesis"]}, codes)

    return Pretrained(
        flavour=state.flavour,
        resolution=2 ** (blocks + 1),
        latent_dim=reader.latent_dim,
        num_layers=2 * blocks,
        params=jax.tree.map(jnp.asarray, params),
        encode=encode,
        synthesise=synthesise,
        styles=tuple(reader.styles),
        average=mean,
        origin=state.origin,
    )


class _Reader:
    """Takes the arrays of a network into its tree of parameters.

    Attributes:
      latent_dim: Length of a code; None before the first style.
      styles: The styles so far.
    """

    def __init__(self, state: StateDict, form: Form):
        self.latent_dim: Any = None
        self.styles: list[Style] = []
        self._state = state
        self._form = form

    def synthesis(self, blocks: int) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Return the parameters, and the channels of each resolution."""
        const = self._take("const", self._form.const, (None, 4, 4))
        width = len(const)
        params = {"const": const.transpose(1, 2, 0)[None], "layer_0": self._layer(0, width)}
        params["to_rgb_0"] = self._to_rgb(0, width)
        channels = [width]
        for b in range(1, blocks):
            params[f"layer_{2 * b - 1}"] = self._layer(2 * b - 1, width)
            width = params[f"layer_{2 * b - 1}"]["bias"].size
            params[f"layer_{2 * b}"] = self._layer(2 * b, width)
            params[f"to_rgb_{b}"] = self._to_rgb(b, width)
            channels.append(width)
        return params, tuple(channels)

    def mapping(self, depth: int) -> dict[str, Any]:
        dim = self.latent_dim
        params = {}
        for i in range(depth):
            name = self._form.dense(i)
            weight = self._state.take(f"{name}weight", (dim, dim))
            bias = self._state.take(f"{name}bias", (dim,))
            params[f"dense_{i}"] = {
                "kernel": weight.T * (_RATE / math.sqrt(dim)),
                "bias": bias * _RATE,
            }
        return params

    def check_filter(self, name: str) -> None:
        kernel = self._take("filter", name, (4, 4))
        if not np.allclose(kernel, _FILTER * self._form.filter_sum, atol=1e-6):
            raise self._state.error(f"its {name} is not the blur [1, 3, 3, 1] of that network")

    def _layer(self, i: int, inputs: int) -> dict[str, Any]:
        """Take layer i; the odd ones enlarge, and only they change the number of channels."""
        up = i % 2 == 1
        part = self._form.layer(i)
        weight = self._take("weight", part.weight, (None if up else inputs, inputs, 3, 3))
        if up and not self._form.flipped:
            weight = weight[:, :, ::-1, ::-1]
        kernel = weight.transpose((2, 3, 0, 1) if up else (2, 3, 1, 0)) / math.sqrt(9 * inputs)
        side = 4 * 2 ** ((i + 1) // 2)
        noise = self._take("noise", part.noise, (side, side))
        noise = noise * self._take("strength", part.strength, ())
        return {
            "kernel": kernel,
            "squares": stylegan2.tap_squares(kernel, up),
            "noise": noise[None, :, :, None],
            "bias": self._take("bias", part.bias, (len(weight),))[None, None, None],
            "style": self._style(part, i, inputs, to_rgb=False),
        }

    def _to_rgb(self, b: int, inputs: int) -> dict[str, Any]:
        part = self._form.to_rgb(b)
        weight = self._take("weight", part.weight, (3, inputs, 1, 1))
        return {
            "kernel": weight[:, :, 0, 0].T / math.sqrt(inputs),
            "bias": self._take("rgb_bias", part.bias, (3,))[None, None, None],
            "style": self._style(part, 2 * b + 1, inputs, to_rgb=True),
        }

    def _style(self, part: Part, layer: int, inputs: int, to_rgb: bool) -> dict[str, Any]:
        name = f"{part.style}weight"
        weight = self._take("style", name, (inputs, self.latent_dim))
        bias = self._take("style", f"{part.style}bias", (inputs,))
        self.latent_dim = weight.shape[1]
        self.styles.append(Style(name, layer, weight, to_rgb))
        return {
            "kernel": weight.T / math.sqrt(self.latent_dim),
            "bias": bias + self._form.style_shift,
        }

    def _take(self, kind: str, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        before, after = self._form.ones.get(kind, (0, 0))
        array = self._state.take(name, (1,) * before + shape + (1,) * after)
        if not array.size:
            raise self._state.error(f"its {name} is empty")
        return array.reshape(array.shape[before : array.ndim - after])

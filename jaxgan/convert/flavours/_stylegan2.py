"""Build a StyleGAN2; each flavour has its own names of arrays."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jax import Array

from jaxgan.convert.blueprint import Blueprint, functions
from jaxgan.convert.flavours import _mapping
from jaxgan.convert.formats.state_dict import StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.convert.place import place
from jaxgan.networks import stylegan2

_MAX_BLOCKS = 11  # up to 4096 pixels
_FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


class Part(NamedTuple):
    """Names of the arrays of a modulated convolution in a flavour.

    Attributes:
      weight: Name of the kernel ``[O, I, k, k]``.
      bias: Name of the bias ``[O]``.
      style: Prefix of the weight ``[I, D]`` and the bias ``[I]`` of the style.
      noise: Name of the noise ``[H, W]``; none in a toRGB layer. If the file holds no noise
        at all, it is drawn.
      strength: Name of the factor of the noise. If the file holds neither, the network has no
        noise.
    """

    weight: str
    bias: str
    style: str
    noise: str = ""
    strength: str = ""


class Form(NamedTuple):
    """How a flavour stores a StyleGAN2.

    Attributes:
      dense: Maps layer i of the mapping network to the prefix of its weight and bias.
      const: Name of the input ``[C, 4, 4]`` of the first layer.
      layer: Maps layer i to its names.
      to_rgb: Maps toRGB layer b to its names.
      filters: Maps the number of resolutions to the names of the blur kernels. A file may
        hold none.
      filter_sum: Sum of a blur kernel.
      flipped: Whether the kernels of upsampling layers are those of the convolution that
        is transposed; otherwise they are flipped along both axes.
      style_shift: Number to add to a style's bias, so that it is the scale at a code of 0.
      ones: Numbers of leading and trailing axes of length 1, by ``const``, ``filter``,
        ``rgb_bias`` or an attribute of ``Part``.
      skip: Maps resolution b, from 1, to the kernel ``[O, I, 1, 1]`` of its residual
        connection, which only some networks have.
      embed: As for ``_mapping.Names``.
      label: As for ``_mapping.Names``.
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
    skip: Callable[[int], str] | None = None
    embed: str = ""
    label: str = ""


def assemble(
    state: StateDict,
    form: Form,
    *,
    depth: int,
    blocks: int,
    average: tuple[StateDict, str],
    clamp: float | None = None,
    wscale: bool = True,
    tanh: bool = False,
) -> Pretrained:
    """Build a generator from all arrays of ``state``.

    Args:
      state: Arrays of one generator.
      form: How the flavour stores them.
      depth: Layers of the mapping network.
      blocks: Number of resolutions 4, 8 and so on.
      average: Arrays that may hold the mean code, and its name.
      clamp: Bound of ``networks.stylegan2.Synthesis``.
      wscale: Whether weights are stored without the gain of an equalised learning rate.
      tanh: Whether a tanh follows the network.

    Raises:
      InputError: If an array is missing, misshapen or left over.
    """
    depth, blocks = max(depth, 1), max(blocks, 2)  # the smallest network that has all parts
    check_blocks(state, blocks, _MAX_BLOCKS)
    reader = _Reader(state, form, blocks, wscale)
    synthesis, network = reader.synthesis(clamp)
    encoder = _mapping.take(
        state,
        _mapping.Names(form.dense, form.embed, form.label),
        depth=depth,
        features=reader.latent_dim,
        layers=2 * blocks,
        wscale=wscale,
    )
    reader.check_filters()
    holder, name = average
    mean = holder.take_mean(name, 2 * blocks, reader.latent_dim) if name in holder else None
    state.finish()

    blueprint = Blueprint(network, encoder.network, encoder.layers, tanh=tanh)

    return Pretrained(
        flavour=state.flavour,
        resolution=2 ** (blocks + 1),
        latent_dim=reader.latent_dim,
        num_layers=2 * blocks,
        params={"mapping": encoder.params, "synthesis": synthesis},
        styles=tuple(reader.styles),
        average=mean,
        z_dim=encoder.z_dim,
        num_labels=encoder.num_labels,
        origin=state.origin + reader.note,
        blueprint=blueprint,
        **functions(blueprint),
    )


def count_blocks(state: StateDict, pattern: str) -> int:
    """Count the resolutions 4, 8, ... up to the largest number that ``pattern`` matches.

    Raises:
      InputError: If this number is not a valid resolution.
    """
    resolution = state.count(pattern) - 1
    blocks = resolution.bit_length() - 2
    if resolution != 2 ** (blocks + 1):
        raise state.error(f"its {resolution} pixels are not 4 times a power of 2")
    return blocks


def check_blocks(state: StateDict, blocks: int, most: int) -> int:
    """Return ``blocks``, a number of resolutions.

    Raises:
      InputError: If it is not 2 to ``most``.
    """
    if not 2 <= blocks <= most:
        raise state.error(f"its layers are of {blocks} resolutions, not of 2 to {most}")
    return blocks


def check_colours(state: StateDict, channels: int) -> None:
    """Check that images are grey, RGB, or RGB with opacity.

    Raises:
      InputError: If they have another number of channels.
    """
    if channels not in (1, 3, 4):
        raise state.error(f"its images have {channels} channels; only 1, 3 or 4 are supported")


class _Reader:
    """Takes the arrays of a synthesis network into its tree of parameters.

    Attributes:
      latent_dim: Length of a code; None before the first style.
      styles: The styles so far.
      note: Remark about the noise.
    """

    def __init__(self, state: StateDict, form: Form, blocks: int, wscale: bool):
        self.latent_dim: Any = None
        self.styles: list[Style] = []
        self._state, self._form, self._blocks, self._wscale = state, form, blocks, wscale
        layers = [form.layer(i) for i in range(2 * blocks - 1)]
        self._has_noise = any(part.noise in state for part in layers)
        self._has_strength = any(part.strength in state for part in layers)
        self.note = ""
        if self._has_strength and not self._has_noise:
            self.note = "; its noise is drawn from a fixed seed, for the file holds none"

    def synthesis(self, clamp: float | None) -> tuple[dict[str, Any], stylegan2.Synthesis]:
        """Return the parameters and the network."""
        form, architecture = self._form, self._architecture()
        const = self._take("const", form.const, (None, 4, 4))
        params: dict[str, Any] = {"const": const.transpose(1, 2, 0)[None]}
        channels: list[int] = []
        width, colours = len(const), 0
        for b in range(self._blocks):
            before = width
            for i in (2 * b - 1, 2 * b) if b else (0,):
                params[f"layer_{i}"] = self._layer(i, width)
                width = params[f"layer_{i}"]["bias"].size
            channels.append(width)
            if architecture == "resnet" and b and form.skip:
                weight = self._state.take(form.skip(b), (width, before, 1, 1))
                params[f"skip_{b}"] = weight[:, :, 0, 0].T * self._gain(before)
            if architecture == "skip" or b == self._blocks - 1:
                params[f"to_rgb_{b}"] = self._to_rgb(b, width, colours or None)
                colours = params[f"to_rgb_{b}"]["bias"].size
        check_colours(self._state, colours)
        return params, stylegan2.Synthesis(tuple(channels), clamp, colours, architecture)

    def check_filters(self) -> None:
        """Check that the blur kernels are those of the network, if the file holds any."""
        names = self._form.filters(self._blocks)
        for name in names if any(name in self._state for name in names) else ():
            kernel = self._take("filter", name, (4, 4))
            if not np.allclose(kernel, _FILTER * self._form.filter_sum, atol=1e-6):
                why = f"its {name} is not the blur [1, 3, 3, 1] of that network"
                raise self._state.error(why)

    def _architecture(self) -> str:
        """Return which of ``stylegan2.ARCHITECTURES`` it is, by the names of arrays."""
        skip, state = self._form.skip, self._state
        if skip and any(skip(b) in state for b in range(1, self._blocks)):
            return "resnet"
        parts = [self._form.to_rgb(b) for b in range(self._blocks - 1)]
        names = [name for part in parts for name in (part.weight, f"{part.style}weight")]
        return "skip" if any(name in state for name in names) else "orig"

    def _layer(self, i: int, inputs: int) -> dict[str, Any]:
        """Take layer i; only odd layers upsample and change the number of channels."""
        up = i % 2 == 1
        part = self._form.layer(i)
        weight = self._take("weight", part.weight, (None if up else inputs, inputs, 3, 3))
        if up and not self._form.flipped:
            weight = weight[:, :, ::-1, ::-1]
        axes = (2, 3, 0, 1) if up else (2, 3, 1, 0)
        kernel = place(weight.transpose(axes), self._gain(9 * inputs))
        squares = np.einsum("hwab,hwab->ab", kernel, kernel)
        return {
            "kernel": kernel,
            "squares": squares.T if up else squares,
            "noise": self._noise(part, i),
            "bias": self._take("bias", part.bias, (len(weight),))[None, None, None],
            "style": self._style(part, i, inputs, to_rgb=False),
        }

    def _noise(self, part: Part, i: int) -> Array:
        """Take or draw the noise ``[1, H, W, 1]`` of layer i, times its strength."""
        shape = (4 * 2 ** ((i + 1) // 2),) * 2
        if not (self._has_noise or self._has_strength):
            return place(np.zeros((1, *shape, 1), np.float32))
        if self._has_noise:
            noise = self._take("noise", part.noise, shape)
        else:
            noise = np.random.default_rng(i).standard_normal(shape, np.float32)
        strength = self._take("strength", part.strength, ())
        return place(noise[None, :, :, None], float(strength))

    def _to_rgb(self, b: int, inputs: int, colours: int | None) -> dict[str, Any]:
        part = self._form.to_rgb(b)
        weight = self._take("weight", part.weight, (colours, inputs, 1, 1))
        return {
            "kernel": weight[:, :, 0, 0].T * self._gain(inputs),
            "bias": self._take("rgb_bias", part.bias, (len(weight),))[None, None, None],
            "style": self._style(part, 2 * b + 1, inputs, to_rgb=True),
        }

    def _style(self, part: Part, layer: int, inputs: int, to_rgb: bool) -> dict[str, Any]:
        name = f"{part.style}weight"
        weight = self._take("style", name, (inputs, self.latent_dim))
        bias = self._take("style", f"{part.style}bias", (inputs,))
        self.latent_dim = weight.shape[1]
        self.styles.append(Style(name, layer, weight, to_rgb))
        return {
            "kernel": place(weight.T, self._gain(self.latent_dim)),
            "bias": bias + self._form.style_shift,
        }

    def _gain(self, inputs: int) -> float:
        """Return the factor of weights with ``inputs`` inputs."""
        return 1 / math.sqrt(inputs) if self._wscale else 1.0

    def _take(self, kind: str, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
        before, after = self._form.ones.get(kind, (0, 0))
        array = self._state.take(name, (1,) * before + shape + (1,) * after)
        return array.reshape(array.shape[before : array.ndim - after])

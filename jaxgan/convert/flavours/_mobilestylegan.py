"""Build MobileStyleGAN from arrays, for both of its file formats."""

from typing import Any

import numpy as np

from jaxgan.convert.blueprint import Blueprint, functions
from jaxgan.convert.formats.state_dict import StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.networks import mobilestylegan, stylegan2

FLAVOUR = "MobileStyleGAN"


def assemble(state: StateDict, average: np.ndarray | None = None) -> Pretrained:
    """Build a generator from arrays with constant factors already multiplied in.

    Args:
      state: ``mapping.{i}.weight`` ``[out, in]`` and ``.bias``; ``input.input``; of each layer
        such as ``conv1`` or ``layers.0.conv2`` the ``weight``, demodulated, the ``noise``
        times its strength, and the ``bias``; ``weight_dw``, ``modulation.weight``,
        ``modulation.bias`` and ``modulation.scale``, the factor of the style, where there is
        one; and the last ``to_img``.
      average: Mean code ``[D]`` or ``[L, D]``, if the file has one.

    Raises:
      InputError: If an array is missing, misshapen or left over.
    """
    reader = _Reader(state)
    blocks = max(state.count(r"layers\.(\d+)\."), 1)
    params = {"synthesis": reader.synthesis(blocks), "mapping": reader.mapping()}
    state.finish()
    widths = [params["synthesis"][f"layer_{b}_1"]["bias"].size for b in range(blocks)]
    dim = reader.styles[0].weight.shape[1]
    mapping = stylegan2.Mapping(len(params["mapping"]), dim)
    network = mobilestylegan.Synthesis((params["synthesis"]["const"].shape[3], *widths))

    blueprint = Blueprint(network, mapping)
    return Pretrained(
        flavour=FLAVOUR,
        resolution=8 * 2**blocks,
        latent_dim=dim,
        z_dim=len(params["mapping"]["dense_0"]["kernel"]),
        num_layers=3 * blocks + 2,
        params=params,
        styles=tuple(reader.styles),
        average=average,
        origin=state.origin,
        blueprint=blueprint,
        **functions(blueprint),
    )


class _Reader:
    """Takes the arrays into trees of parameters.

    ``networks.mobilestylegan`` stores the four wavelet bands of channels one after another.
    In the files the three detail bands alternate, so the parameters are reordered.

    Attributes:
      styles: The styles so far.
    """

    def __init__(self, state: StateDict):
        self.styles: list[Style] = []
        self._state = state
        self._dim: Any = None

    def synthesis(self, blocks: int) -> dict[str, Any]:
        const = self._state.take("input.input", (1, None, 4, 4))
        width = const.shape[1]
        params = {
            "const": const.transpose(0, 2, 3, 1),
            "layer": self._layer("conv1", width, 4, split=False),
        }
        for b in range(blocks):
            name, side = f"layers.{b}", 8 * 2**b
            if width % 4:
                raise self._state.error(f"its {name} cannot part {width} channels in four")
            params[f"up_{b}"] = self._style(f"{name}.up", width)
            for i in range(2):
                inputs = width if i else width // 4
                layer = self._layer(f"{name}.conv{i + 1}", inputs, side)
                params[f"layer_{b}_{i}"] = layer
                width = layer["bias"].size
        name = f"layers.{blocks - 1}.to_img"
        weight = self._state.take(f"{name}.conv.weight", (12, width, 1, 1))
        bias = self._state.take(f"{name}.bias", (1, 12, 1, 1))
        params["to_rgb_style"] = self._style(f"{name}.conv", width, to_rgb=True)
        params["to_rgb"] = {"kernel": weight[:, :, 0, 0].T, "bias": bias.ravel()}
        return _reorder_bands(params, blocks)

    def mapping(self) -> dict[str, Any]:
        params = {}
        for i in range(max(self._state.count(r"mapping\.(\d+)\."), 1)):
            inputs = self._dim if i else None  # latents and codes may differ in length
            weight = self._state.take(f"mapping.{i}.weight", (self._dim, inputs))
            bias = self._state.take(f"mapping.{i}.bias", (self._dim,))
            params[f"dense_{i}"] = {"kernel": weight.T, "bias": bias}
        return params

    def _layer(self, name: str, inputs: int, side: int, split: bool = True) -> dict[str, Any]:
        params: dict[str, Any] = {"style": self._style(f"{name}.conv", inputs)}
        weight = self._state.take(
            f"{name}.weight", (None, inputs, 1, 1) if split else (inputs, inputs, 3, 3)
        )
        if split:
            taps = self._state.take(f"{name}.conv.weight_dw", (inputs, 1, 3, 3))
            params |= {"taps": taps[:, 0].transpose(1, 2, 0), "kernel": weight[:, :, 0, 0].T}
        else:
            params["kernel"] = weight.transpose(2, 3, 1, 0)
        noise = self._state.take(f"{name}.noise", (1, 1, side, side))
        bias = self._state.take(f"{name}.bias", (1, len(weight), 1, 1))
        return params | {
            "noise": noise.transpose(0, 2, 3, 1),
            "bias": bias.transpose(0, 2, 3, 1),
        }

    def _style(self, name: str, inputs: int, to_rgb: bool = False) -> dict[str, Any]:
        name = f"{name}.modulation"
        weight = self._state.take(f"{name}.weight", (inputs, self._dim))
        bias = self._state.take(f"{name}.bias", (inputs,))
        scale = 1.0
        if f"{name}.scale" in self._state:
            scale = self._state.take(f"{name}.scale", ()).item()
        self._dim = weight.shape[1]
        self.styles.append(Style(f"{name}.weight", len(self.styles), weight, to_rgb))
        return {"Dense_0": {"kernel": weight.T * scale, "bias": bias * scale}}


def _reorder_bands(params: dict[str, Any], blocks: int) -> dict[str, Any]:
    """Reorder parameters so that bands follow one another."""

    def reorder(x: np.ndarray) -> np.ndarray:
        quarter = x.shape[-1] // 4
        mean, differences = x[..., :quarter], x[..., quarter:]
        return np.concatenate([mean, *(differences[..., i::3] for i in range(3))], axis=-1)

    for b in range(blocks):
        before = params[f"layer_{b - 1}_1" if b else "layer"]
        before |= {name: reorder(before[name]) for name in ("kernel", "bias")}
        style = params[f"up_{b}"]["Dense_0"]
        style |= {name: reorder(style[name]) for name in style}
    params["to_rgb"] = {name: reorder(x) for name, x in params["to_rgb"].items()}
    return params

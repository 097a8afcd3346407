"""MobileStyleGAN in the form of two OpenVINO networks."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.convert.formats import _pickle, _zip, torchfile
from jaxgan.convert.formats.openvino import Graph
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.errors import InputError
from jaxgan.networks import mobilestylegan, stylegan2

FLAVOUR = "MobileStyleGAN"
NETWORKS = ("MappingNetwork", "SynthesisNetwork")
_FREE_BYTES = 2**24  # any wheel may unfold to so many


def is_path(path: Path) -> bool:
    """Tell whether ``load`` reads a path."""
    return path.suffix in (".xml", ".whl") or os.path.exists(path / f"{NETWORKS[1]}.xml")


def load(path: Path) -> Pretrained:
    """Read the two networks.

    Args:
      path: A folder with the ``.xml`` and ``.bin`` of each, one of the ``.xml``, or a wheel
        that holds them.

    Raises:
      InputError: If a file is missing, damaged, or that of another network.
    """
    files = _files(path)
    mapping, synthesis = (
        Graph(f"{path}: {name}", files[f"{name}.xml"], files[f"{name}.bin"])
        for name in NETWORKS
    )
    arrays = _mapping_arrays(mapping) | _synthesis_arrays(synthesis)
    state = StateDict(Checkpoint(str(path), None, arrays), "", FLAVOUR)
    reader = _Reader(state)
    blocks = max(state.count(r"m\.layers\.(\d+)\."), 1)
    params = {"synthesis": reader.synthesis(blocks), "mapping": reader.mapping()}
    state.finish()
    return pretrained(params, tuple(reader.styles))


def pretrained(params: Mapping[str, Any], styles: tuple[Style, ...]) -> Pretrained:
    """Make a generator from parameters of ``stylegan2.Mapping`` and ``Synthesis``."""
    synthesis = params["synthesis"]
    blocks = sum(name.startswith("up_") for name in synthesis)
    widths = [synthesis[f"layer_{b}_1"]["bias"].size for b in range(blocks)]
    mapping = stylegan2.Mapping(len(params["mapping"]))
    network = mobilestylegan.Synthesis((synthesis["const"].shape[3], *widths))

    def encode(params: Any, z: Array) -> Any:
        return mapping.apply({"params": params["mapping"]}, z)

    def synthesise(params: Any, codes: Array) -> Any:
        return network.apply({"params": params["synthesis"]}, codes)

    return Pretrained(
        flavour=FLAVOUR,
        resolution=8 * 2**blocks,
        latent_dim=styles[0].weight.shape[1],
        num_layers=3 * blocks + 2,
        params=jax.tree.map(jnp.asarray, params),
        encode=encode,
        synthesise=synthesise,
        styles=styles,
    )


def _files(path: Path) -> dict[str, bytes]:
    """Read the four files by name."""
    names = [f"{network}.{kind}" for network in NETWORKS for kind in ("xml", "bin")]
    if path.suffix != ".whl":
        folder = path if path.is_dir() else path.parent
        return {name: _content(folder / name) for name in names}
    try:
        data = torchfile.content(path)
        budget = _pickle.Budget(
            _pickle.MAX_STEPS, torchfile.MAX_UNFOLDING * len(data) + _FREE_BYTES
        )
        entries = {
            name.decode("utf-8", "replace").rpartition("/")[2]: bytes(content)
            for name, content in _zip.read(data, budget).items()
        }
    except _pickle.Refused as error:
        raise InputError(f"{path} {error}") from error
    for name in names:
        if name not in entries:
            raise InputError(f"{path} holds no {name}")
    return {name: entries[name] for name in names}


def _content(path: Path) -> bytes:
    try:
        return torchfile.content(path)
    except _pickle.Refused as error:
        raise InputError(f"{path} {error}") from error


def _mapping_arrays(graph: Graph) -> dict[str, np.ndarray]:
    """Return weight ``[out, in]`` and bias of each dense layer, whose names mean nothing."""
    arrays = {}
    layers = [number for number, node in graph.nodes.items() if node.kind == "MatMul"]
    for i, layer in enumerate(layers):
        bias = graph.source(graph.user(layer, "Add"), "Reshape")
        arrays[f"mapping.{i}.weight"] = graph.constant(graph.source(layer, "Const"))
        arrays[f"mapping.{i}.bias"] = graph.constant(graph.source(bias, "Const"))
    return arrays


def _synthesis_arrays(graph: Graph) -> dict[str, np.ndarray]:
    """Return the arrays with readable names, and under such names the arrays beside them."""
    arrays = {
        node.name: graph.constant(number)
        for number, node in graph.nodes.items()
        if node.kind == "Const" and node.name.startswith("m.")
    }
    for name in list(arrays):
        if name.endswith("modulation.weight"):
            product = graph.user(graph.number(name), "MatMul")
            shaped = graph.user(graph.user(product, "Add"), "Reshape")
            scaled = graph.user(shaped, "Multiply")
            if not name.endswith("up.modulation.weight"):
                scale = graph.constant(graph.source(scaled, "Const"))
                arrays[name.replace("weight", "scale")] = scale
        elif name.endswith((".conv1.bias", ".conv2.bias")):
            noisy = graph.source(graph.user(graph.number(name), "Add"), "Add")
            weight = graph.source(graph.source(noisy, "Convolution"), "Const")
            noise = graph.source(noisy, "Const")
            arrays[name.replace("bias", "weight")] = graph.constant(weight)
            arrays[name.replace("bias", "noise")] = graph.constant(noise)
    return arrays


class _Reader:
    """Takes the arrays of both networks into trees of parameters.

    In ``networks.mobilestylegan`` the four bands of channels lie one after another. In the
    files the three bands of differences alternate, so the parameters are reordered.

    Attributes:
      styles: The styles so far.
    """

    def __init__(self, state: StateDict):
        self.styles: list[Style] = []
        self._state = state
        self._dim: Any = None

    def synthesis(self, blocks: int) -> dict[str, Any]:
        const = self._state.take("m.input.input", (1, None, 4, 4))
        width = const.shape[1]
        params = {
            "const": const.transpose(0, 2, 3, 1),
            "layer": self._layer("m.conv1", width, 4, split=False),
        }
        for b in range(blocks):
            name, side = f"m.layers.{b}", 8 * 2**b
            if width % 4:
                raise self._state.error(f"its {name} cannot part {width} channels in four")
            params[f"up_{b}"] = self._style(f"{name}.up", width)
            for i in range(2):
                inputs = width if i else width // 4
                layer = self._layer(f"{name}.conv{i + 1}", inputs, side)
                params[f"layer_{b}_{i}"] = layer
                width = layer["bias"].size
        name = f"m.layers.{blocks - 1}.to_img"
        weight = self._state.take(f"{name}.conv.weight", (12, width, 1, 1))
        bias = self._state.take(f"{name}.bias", (1, 12, 1, 1))
        params["to_rgb_style"] = self._style(f"{name}.conv", width, to_rgb=True)
        params["to_rgb"] = {"kernel": weight[:, :, 0, 0].T, "bias": bias.ravel()}
        return _reorder_bands(params, blocks)

    def mapping(self) -> dict[str, Any]:
        params = {}
        for i in range(max(self._state.count(r"mapping\.(\d+)\."), 1)):
            weight = self._state.take(f"mapping.{i}.weight", (self._dim, self._dim))
            bias = self._state.take(f"mapping.{i}.bias", (self._dim,))
            params[f"dense_{i}"] = {"kernel": weight.T, "bias": bias}
        return params

    def _layer(self, name: str, inputs: int, side: int, split: bool = True) -> dict[str, Any]:
        params: dict[str, Any] = {"style": self._style(f"{name}.conv", inputs)}
        weight = self._state.take(
            f"{name}.weight", (None, inputs, 1, 1) if split else (inputs, inputs, 3, 3)
        )
        if split:
            taps = self._state.take(f"{name}.conv.weight_dw", (inputs, 1, 1, 3, 3))
            params |= {"taps": taps[:, 0, 0].transpose(1, 2, 0), "kernel": weight[:, :, 0, 0].T}
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
        bias = self._state.take(f"{name}.bias", (1, inputs))
        scale = 1.0
        if f"{name}.scale" in self._state:
            scale = self._state.take(f"{name}.scale", (1, 1, 1, 1)).item()
        self._dim = weight.shape[1]
        self.styles.append(Style(f"{name}.weight", len(self.styles), weight, to_rgb))
        return {"Dense_0": {"kernel": weight.T * scale, "bias": bias[0] * scale}}


def _reorder_bands(params: dict[str, Any], blocks: int) -> dict[str, Any]:
    """Reorder parameters so that bands lie one after another."""

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

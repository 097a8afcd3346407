"""The first StyleGAN as genforce's PyTorch repositories (GenForce, SeFa) store it.

Settings that do not show in a file have these defaults, unless the user gives them:

* ``use_wscale``: equalised learning rate (true);
* ``final_tanh``: tanh at the end (false);
* ``fused_scale``: kernels fused with the upsampling: ``true``, ``false``, or the default
  ``auto``, which means from 128 pixels on.

The learning rate of the mapping network is a hundredth of the others.
"""

import math
from typing import Any

import numpy as np

from jaxgan.convert.blueprint import Blueprint, functions
from jaxgan.convert.flavours import _mapping
from jaxgan.convert.flavours.genforce_pggan import (
    ACTIVATION_GAIN,
    check_lod,
    count_blocks,
    doubling,
    gain,
    take_to_rgb,
)
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError
from jaxgan.networks.stylegan import Mapping, Synthesis

FUSED_FROM = 128  # pixels after the first fused upsampling

_MARKS = ("synthesis.lod", "synthesis.layer0.const", "synthesis.layer0.apply_noise.noise")
_NAMES = _mapping.Names("mapping.dense{}.".format, label="mapping.label_weight")
_BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the generator of a checkpoint; None for other flavours.

    Raises:
      InputError: If the keys are of this flavour, but an array is missing, unknown or
        misshapen, or the network is not fully grown.
    """
    state = checkpoint.choose(_MARKS, "genforce StyleGAN")
    return None if state is None else assemble(state, checkpoint.settings)


def assemble(state: StateDict, settings: Settings | None = None) -> Pretrained:
    """Build a generator from all arrays of ``state``; errors as for ``find``."""
    settings = settings or Settings({})
    wscale, tanh = settings.get("use_wscale", True), settings.get("final_tanh", False)
    blocks = count_blocks(state, "synthesis.")
    check_lod(state, "synthesis.lod")
    reader = _Reader(state, _fused_from(settings), wscale)
    params, synthesis = reader.synthesis(blocks)
    latent = reader.latent_dim
    encoder = _mapping.take(
        state,
        _NAMES,
        depth=max(state.count(r"mapping\.dense(\d+)\."), 1),
        features=latent,
        layers=2 * blocks,
        kind=Mapping,
        gain=ACTIVATION_GAIN,
        wscale=wscale,
    )
    average = state.take_mean("truncation.w_avg", 2 * blocks, latent)
    state.finish()

    blueprint = Blueprint(synthesis, encoder.network, encoder.layers, tanh=tanh)

    return Pretrained(
        flavour=state.flavour,
        resolution=2 ** (blocks + 1),
        latent_dim=latent,
        num_layers=2 * blocks,
        params={"mapping": encoder.params, "synthesis": params},
        styles=tuple(reader.styles),
        average=average,
        z_dim=encoder.z_dim,
        num_labels=encoder.num_labels,
        origin=state.origin,
        blueprint=blueprint,
        **functions(blueprint),
    )


def _fused_from(settings: Settings) -> float:
    """Return the resolution in pixels from which upsampling is fused."""
    try:
        fused: Any = settings.get("fused_scale", "auto")
    except InputError:
        fused = settings.get("fused_scale", False)
    if fused not in ("auto", True, False):
        raise InputError(f"the setting fused_scale={fused[:40]} must be auto, true or false")
    return FUSED_FROM if fused == "auto" else 0 if fused else math.inf


class _Reader:
    """Takes the arrays of a synthesis network into its tree of parameters.

    Attributes:
      latent_dim: Length of a code; None before the first style.
      styles: The styles so far.
    """

    def __init__(self, state: StateDict, fused_from: float, wscale: bool):
        self.latent_dim: Any = None
        self.styles: list[Style] = []
        self._state, self._fused_from, self._wscale = state, fused_from, wscale

    def synthesis(self, blocks: int) -> tuple[dict[str, Any], Synthesis]:
        """Return the parameters and the network."""
        params: dict[str, Any] = {}
        widths: list[int] = []
        for i in range(2 * blocks):
            name, size = f"synthesis.layer{i}", 4 * 2 ** (i // 2)
            bias = self._state.take(f"{name}.bias", (widths[-1] if i % 2 else None,))
            features = len(bias)
            if i == 0:
                const = self._state.take(f"{name}.const", (1, features, 4, 4))
                params["const"] = const.transpose(0, 2, 3, 1)
            else:
                shape = (features, widths[-1], 3, 3)
                params[f"conv_{i}"] = {"kernel": self._kernel(i, name, shape, size)}
            noise = self._state.take(f"{name}.apply_noise.noise", (1, 1, size, size))
            params[f"epilogue_{i}"] = {
                "noise": noise[0, 0],
                "strength": self._state.take(f"{name}.apply_noise.weight", (features,)),
                "bias": bias,
                "style": self._style(i, name, features),
            }
            widths.append(features)
        channels = tuple(widths[::2])
        params["to_rgb"] = take_to_rgb(self._state, "synthesis.", channels, self._wscale)
        return params, Synthesis(channels, params["to_rgb"]["bias"].size)

    def _kernel(self, i: int, name: str, shape: tuple[int, ...], size: int) -> np.ndarray:
        weight = self._state.take(f"{name}.weight", shape)
        weight = weight * gain(weight, ACTIVATION_GAIN, self._wscale)
        if i % 2:
            return weight.transpose(2, 3, 1, 0)
        _check_blur(self._state, f"{name}.blur.kernel", len(weight))
        return doubling(weight, fused=size >= self._fused_from)

    def _style(self, i: int, name: str, features: int) -> dict[str, np.ndarray]:
        weight = self._state.take(f"{name}.style.weight", (2 * features, self.latent_dim))
        bias = self._state.take(f"{name}.style.bias", (2 * features,))
        bias = bias + (np.arange(len(bias)) < features)
        self.latent_dim = weight.shape[1]
        self.styles.append(Style(f"{name}.style.weight", i, weight))
        return {"kernel": weight.T * gain(weight, 1, self._wscale), "bias": bias}


def _check_blur(state: StateDict, name: str, features: int) -> None:
    kernel = state.take(name, (features, 1, 3, 3))
    if not np.allclose(kernel, _BLUR, rtol=0, atol=1e-3):
        raise state.error(f"its {name} is not the outer product of [1, 2, 1] / 4 with itself")

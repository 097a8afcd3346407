"""The first StyleGAN in the form of genforce's PyTorch repositories (GenForce, SeFa).

Settings that leave no trace in a file are assumed to have their defaults: an equalised
learning rate, a hundredth of it in the mapping network, no tanh at the end, and kernels
that are fused with the upsampling to 128 pixels and more.
"""

from typing import Any

import jax
import numpy as np
from jax import Array

from jaxgan.convert.flavours.genforce_pggan import (
    ACTIVATED,
    check_lod,
    count_blocks,
    doubling,
    gain,
    take_to_rgb,
)
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.networks.stylegan import Mapping, Synthesis

FUSED_FROM = 128  # pixels after an upsampling that is fused

_MARKS = ("synthesis.lod", "synthesis.layer0.const", "synthesis.layer0.apply_noise.noise")
_MAPPING_RATE = 0.01
_BLUR = np.outer([1, 2, 1], [1, 2, 1]) / 16


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Open the generator of a checkpoint; None if there is none of this flavour.

    Raises:
      InputError: If the keys are of this flavour, but an array is missing, unknown or of
        another shape, or the network is conditional or not fully grown.
    """
    state = checkpoint.choose(_MARKS, "genforce StyleGAN")
    return None if state is None else assemble(state)


def assemble(state: StateDict) -> Pretrained:
    """Assemble a generator from all arrays of ``state``; errors as for ``find``."""
    if "mapping.label_weight" in state:
        raise state.error("it has mapping.label_weight; conditional networks are not supported")
    blocks = count_blocks(state, "synthesis.")
    check_lod(state, "synthesis.lod")
    params: dict[str, Any] = {"mapping": _take_mapping(state, 2 * blocks)}
    depth, latent = len(params["mapping"]), len(params["mapping"]["dense_0"]["bias"])
    params["synthesis"], channels, styles = _take_synthesis(state, blocks, latent)
    average = state.take_mean("truncation.w_avg", 2 * blocks, latent)
    state.finish()

    mapping, synthesis = Mapping(depth), Synthesis(channels)

    def encode(params: Any, z: Array) -> Array:
        codes: Any = mapping.apply({"params": params["mapping"]}, z)
        return codes

    def synthesise(params: Any, codes: Array) -> Array:
        images: Any = synthesis.apply({"params": params["synthesis"]}, codes)
        return images

    return Pretrained(
        flavour=state.flavour,
        resolution=2 ** (blocks + 1),
        latent_dim=latent,
        num_layers=2 * blocks,
        params=jax.device_put(params),
        encode=encode,
        synthesise=synthesise,
        styles=styles,
        average=average,
        origin=state.origin,
    )


def _take_mapping(state: StateDict, num_layers: int) -> dict[str, Any]:
    bias = state.take("mapping.dense0.bias", (None,))
    latent, depth = len(bias), state.count(r"mapping\.dense(\d+)\.")
    params = {}
    for i in range(depth):
        name = f"mapping.dense{i}"
        if state.shape(f"{name}.weight") == (num_layers * latent, latent):
            raise state.error(f"its {name} makes a code for each layer, which is not supported")
        weight = state.take(f"{name}.weight", (latent, latent))
        bias = state.take(f"{name}.bias", (latent,)) if i else bias
        kernel = weight.T * (_MAPPING_RATE * gain(weight, ACTIVATED))
        params[f"dense_{i}"] = {"kernel": kernel, "bias": bias * _MAPPING_RATE}
    return params


def _take_synthesis(
    state: StateDict, blocks: int, latent: int
) -> tuple[dict[str, Any], tuple[int, ...], tuple[Style, ...]]:
    """Return the parameters, the width of each resolution, and the styles."""
    params: dict[str, Any] = {}
    widths: list[int] = []
    styles = []
    for i in range(2 * blocks):
        name, size = f"synthesis.layer{i}", 4 * 2 ** (i // 2)
        bias = state.take(f"{name}.bias", (widths[-1] if i % 2 else None,))
        features = len(bias)
        if i == 0:
            const = state.take(f"{name}.const", (1, features, 4, 4))
            params["const"] = const.transpose(0, 2, 3, 1)
        else:
            weight = state.take(f"{name}.weight", (features, widths[-1], 3, 3))
            weight = weight * gain(weight, ACTIVATED)
            kernel = weight.transpose(2, 3, 1, 0)
            if i % 2 == 0:
                _check_blur(state, f"{name}.blur.kernel", features)
                kernel = doubling(weight, fused=size >= FUSED_FROM)
            params[f"conv_{i}"] = {"kernel": kernel}
        style = state.take(f"{name}.style.weight", (2 * features, latent))
        shift = state.take(f"{name}.style.bias", (2 * features,))
        shift[:features] += 1
        params[f"epilogue_{i}"] = {
            "noise": state.take(f"{name}.apply_noise.noise", (1, 1, size, size))[0, 0],
            "strength": state.take(f"{name}.apply_noise.weight", (features,)),
            "bias": bias,
            "style": {"kernel": style.T * gain(style, 1), "bias": shift},
        }
        widths.append(features)
        styles.append(Style(f"{name}.style.weight", i, style))
    channels = tuple(widths[::2])
    params["to_rgb"] = take_to_rgb(state, "synthesis.", channels)
    return params, channels, tuple(styles)


def _check_blur(state: StateDict, name: str, features: int) -> None:
    kernel = state.take(name, (features, 1, 3, 3))
    if not np.allclose(kernel, _BLUR, rtol=0, atol=1e-3):
        raise state.error(f"its {name} is not the outer product of [1, 2, 1] / 4 with itself")

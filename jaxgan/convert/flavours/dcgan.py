"""The DCGAN of PyTorch's tutorial and of countless courses, with ``main.0.weight``."""

import dataclasses
from typing import Any

import flax.linen as nn
import numpy as np
from jax import Array

from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.networks import dcgan

FLAVOUR = "DCGAN"
_KERNEL = 4
# The first layer of a discriminator has no batch norm behind it.
_MARKS = ("main.0.weight", "main.1.running_mean", "main.1.running_var")


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Open the generator of a checkpoint; None if there is none of this flavour.

    Raises:
      InputError: If the generator is damaged, or of a size that ``networks.dcgan`` lacks.
    """
    arrays = checkpoint.choose(_MARKS, FLAVOUR)
    if arrays is None:
        return None
    # A batch norm lies between two stages, so it also shows where a weight is missing.
    weights = [f"main.{3 * i}.weight" in arrays for i in range(len(arrays.names()))]
    norms = [f"main.{3 * i - 2}.weight" in arrays for i in range(len(weights))]
    present = (i for i, pair in enumerate(zip(weights, norms, strict=True)) if any(pair))
    stages = 1 + max(present, default=0)
    sizes = {size.bit_length() - 2: size for size in dcgan.SIZES}
    if stages not in sizes:
        allowed = ", ".join(f"{count} ({size} pixels)" for count, size in sizes.items())
        raise arrays.error(f"it has {stages} stages; {allowed} are read here")
    size = sizes[stages]
    first = arrays.take("main.0.weight", (None, None, _KERNEL, _KERNEL))
    latent_dim, channels = first.shape[:2]
    params, stats = {"ConvTranspose_0": {"kernel": _kernel(first)}}, {}
    for i in range(stages - 1):
        norm = f"main.{3 * i + 1}"
        vector = {
            name: arrays.take(f"{norm}.{name}", (channels,))[None, None, None]
            for name in ("weight", "bias", "running_mean", "running_var")
        }
        arrays.drop(f"{norm}.num_batches_tracked")
        if (vector["running_var"] < 0).any():
            raise arrays.error(f"its {norm}.running_var is negative")
        params[f"BatchNorm_{i}"] = {"scale": vector["weight"], "bias": vector["bias"]}
        stats[f"BatchNorm_{i}"] = {"mean": vector["running_mean"], "var": vector["running_var"]}
        last = i == stages - 2
        outputs = None if last else channels // 2
        name = f"main.{3 * i + 3}.weight"
        weight = arrays.take(name, (channels, outputs, _KERNEL, _KERNEL))
        params[f"ConvTranspose_{i + 1}"] = {"kernel": _kernel(weight)}
        if last and weight.shape[1] not in (1, 3):
            raise arrays.error(f"its {name} makes {weight.shape[1]} channels, not 1 or 3")
        if not last:
            channels = weight.shape[1]
    arrays.finish()
    network = dcgan.Generator(size, channels, weight.shape[1])
    style = Style("main.0.weight", 0, first.transpose(1, 2, 3, 0).reshape(-1, latent_dim))
    variables = {"params": params, "batch_stats": stats}
    generator = pretrained(FLAVOUR, size, latent_dim, network, variables, (style,))
    return dataclasses.replace(generator, origin=arrays.origin)


def pretrained(
    flavour: str,
    resolution: int,
    latent_dim: int,
    network: nn.Module,
    variables: Any,
    styles: tuple[Style, ...],
) -> Pretrained:
    """Make a generator whose codes are its latents, which enter by at most one matrix."""

    def synthesise(variables, codes: Array) -> Any:
        return network.apply(variables, codes, train=False)

    return Pretrained(
        flavour=flavour,
        resolution=resolution,
        latent_dim=latent_dim,
        num_layers=0,
        params=variables,
        encode=lambda variables, z: z,
        synthesise=synthesise,
        styles=styles,
    )


def _kernel(weight: np.ndarray) -> np.ndarray:
    """Bring ``[in, out, h, w]`` of a transposed convolution to ``[h, w, out, in]``."""
    return np.ascontiguousarray(weight.transpose(2, 3, 1, 0))

"""DCGANs: stacks of transposed convolutions, told by shapes and order, not by names.

Strides, paddings and activations are read where a file has them, which holds modules.
Otherwise they are the usual ones: ReLU, and tanh at the end.
"""

import os.path
from collections import Counter
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxgan.convert.flavours._modules import Modules, Unknown
from jaxgan.convert.flavours._parts import Misfit, Step, parts_of, side_of, steps_of
from jaxgan.convert.flavours._stack import Stack
from jaxgan.convert.flavours._windows import Unclear
from jaxgan.convert.formats import owners
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.convert.options import Settings
from jaxgan.networks.upsampler import Upsampler

FLAVOUR = "DCGAN"
# Names of PyTorch's tutorial, by which a damaged one is known. The first layer of a
# discriminator has no batch norm behind it.
_MARKS = ("main.0.weight", "main.1.running_mean", "main.1.running_var")
_MAX_ARRAYS = 200


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Open the generator of a checkpoint; None if there is none of this flavour.

    Settings: ``image_size``, ``strides``, ``paddings``, ``output_paddings``; ``activation``
    with ``slope``, ``final_activation``; ``norm``, of layers that have no arrays of a norm;
    ``eps``; and ``label_size``, the length of a label at the end of a latent.

    Raises:
      InputError: If the generator is damaged, or it is not clear how its layers are applied.
    """
    state = checkpoint.choose_among(_prefixes(checkpoint), FLAVOUR)
    if state is None:
        return None
    try:
        return _read(state, Modules(checkpoint.value, state.prefix), checkpoint.settings)
    except (Misfit, Unknown, Unclear) as error:
        raise state.error(str(error)) from error


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


def _read(state: StateDict, modules: Modules, settings: Settings) -> Pretrained:
    shapes = {name: state.shape(name) for name in state.names()}
    steps = steps_of(parts_of(shapes), modules.kinds())
    stack = Stack(state, steps, modules, settings)
    layers, size, _ = stack.choose()
    for name in shapes:
        if name.endswith("num_batches_tracked"):
            state.drop(name)
    state.finish()
    network, style = Upsampler(layers), stack.style
    length = style.weight.shape[1]
    labels = settings.get("label_size", 0)
    if not 0 <= labels < length:
        raise state.error(f"label_size={labels} must be less than {length}, its latents")
    if labels:  # directions leave the label as it is
        style.weight[:, length - labels :] = 0

    def encode(params: Any, z: Array, *rows: Array) -> Any:
        return jnp.concatenate((z, *rows), axis=1)

    def synthesise(params: Any, codes: Array) -> Any:
        return network.apply({"params": params}, codes)

    return Pretrained(
        flavour=FLAVOUR,
        resolution=size,
        latent_dim=length,
        num_layers=0,
        params=stack.params,
        encode=encode,
        synthesise=synthesise,
        styles=(style,),
        z_dim=length - labels,
        num_labels=labels,
        origin="; ".join([state.origin, *stack.said]),
    )


def _prefixes(checkpoint: Checkpoint) -> list[str]:
    """List the prefixes of generators, whole ones and damaged ones of the tutorial."""
    counts = Counter(prefix for name in checkpoint.arrays for prefix in _above(name))
    shapes = {name: array.shape for name, array in checkpoint.arrays.items()}
    tutorial = checkpoint.prefixes(_MARKS)
    taken = [f"{prefix}main." for prefix in tutorial]
    kept = []
    for prefix in sorted(counts, key=len):
        if counts[prefix] > _MAX_ARRAYS or any(prefix.startswith(other) for other in taken):
            continue
        inside = {n[len(prefix) :]: s for n, s in shapes.items() if n.startswith(prefix)}
        if _is_generator(inside) and not _is_fed(prefix, shapes):
            taken.append(prefix)
            if not any(other.startswith(prefix) for other in taken[: len(tutorial)]):
                kept.append(_named(prefix, list(inside), checkpoint.weights))
    return tutorial + kept


def _above(name: str) -> list[str]:
    """List the prefixes of a name, from the empty one to the longest."""
    pieces = name.split(".")
    return ["".join(f"{piece}." for piece in pieces[:i]) for i in range(len(pieces))]


def _is_generator(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Tell whether arrays fit together from latents to an image that is larger."""
    try:
        steps = steps_of(parts_of(shapes))
    except Misfit:
        return False
    return any(step.kind == "transposed" for step in steps) or _enlarges(steps)


def _enlarges(steps: list[Step]) -> bool:
    """Tell whether numbers before a convolution leave room for more than an activation."""
    numbers = [step.part.number for step in steps]
    return any(
        a and b and a[0] == b[0] and b[1] - a[1] > 2
        for a, b in zip(numbers, numbers[1:], strict=False)
    )


def _is_fed(prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Tell whether a dense layer beside the layers makes their input, small images."""
    around = (_above(prefix[:-1]) or [""])[-1]
    first = next(s for n, s in shapes.items() if n.startswith(prefix) and len(s) == 4)
    return any(
        len(shape) == 2 and side_of(shape[0], first[0]) > 1
        for name, shape in shapes.items()
        if prefix and name.startswith(around) and not name.startswith(prefix)
    )


def _named(prefix: str, names: list[str], weights: str | None) -> str:
    """Choose among prefixes of the same arrays the one that names the generator.

    Mostly the last piece that all names share is that of a Sequential inside it.
    """
    shared = os.path.commonprefix(names).rpartition(".")[0]
    ways = [prefix + way for way in _above(f"{shared}.x" if shared else "x")]
    for way in ways:
        if weights is not None and f".{owners.name_of(way)}".endswith(f".{weights}"):
            return way
    return ways[-2] if len(ways) > 1 else ways[-1]

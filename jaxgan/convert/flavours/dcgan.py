"""DCGANs: stacks of transposed convolutions, recognised by shapes and order, not by names.

If the file holds modules, strides, paddings and activations come from these. Otherwise the
usual ones are assumed: ReLU, and tanh at the end.
"""

import dataclasses
import os.path
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import numpy as np
from jax import Array

from jaxgan.convert.blueprint import Blueprint, functions
from jaxgan.convert.flavours._modules import Modules, Unknown
from jaxgan.convert.flavours._parts import COLOURS, Misfit, Step, parts_of, side_of, steps_of
from jaxgan.convert.flavours._stack import UPSAMPLING, Stack
from jaxgan.convert.flavours._windows import Unclear
from jaxgan.convert.formats import owners
from jaxgan.convert.formats._inert import legible
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.convert.options import Settings
from jaxgan.networks.upsampler import Upsampler

FLAVOUR = "DCGAN"
# Names of PyTorch's tutorial, to recognise a damaged one. The first layer of a discriminator
# has no batch norm after it.
_MARKS = ("main.0.weight", "main.1.running_mean", "main.1.running_var")
_MAX_ARRAYS = 200
_MAX_TRIES = 50
_Shapes = dict[str, tuple[int, ...]]


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the generator of a checkpoint; None for other flavours.

    Settings: ``image_size``, ``strides``, ``paddings``, ``output_paddings``; ``activation``
    with ``slope``; ``final_activation``; ``norm``, for layers without arrays of a norm;
    ``eps``; and ``label_size``, the length of a label at the end of a latent.

    Raises:
      InputError: If the generator is damaged, or its layers are ambiguous.
    """
    state = checkpoint.choose_among(_prefixes(checkpoint), FLAVOUR)
    if state is None:
        return None
    try:
        modules = Modules(checkpoint.value, state.prefix)
        generator = _read(state, modules, checkpoint.settings)
        notes = [generator.origin, *_unread(state.prefix, generator, checkpoint.arrays)]
        return dataclasses.replace(generator, origin="; ".join(notes))
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
    """Make a generator whose codes are its latents, which enter through one matrix or none."""

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
    if labels:  # directions do not change the label
        is_latent = np.arange(length) < length - labels
        style = style._replace(weight=np.where(is_latent, style.weight, np.float32(0)))

    blueprint = Blueprint(network)
    if UPSAMPLING in stack.assumptions:  # its place is a guess, too
        stack.assumptions.append(f"images have {size} pixels")
    return Pretrained(
        flavour=FLAVOUR,
        resolution=size,
        latent_dim=length,
        num_layers=0,
        params=stack.params,
        styles=(style,),
        z_dim=length - labels,
        num_labels=labels,
        origin="; ".join([state.origin, *stack.assumptions]),
        blueprint=blueprint,
        **functions(blueprint),
    )


def _unread(prefix: str, generator: Pretrained, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """List arrays that may belong to the network but are ignored, one sentence each."""
    around = prefix[: prefix[:-1].rfind(".") + 1]
    pieces: dict[str, _Shapes] = {}
    for name, array in arrays.items() if prefix else ():
        if name.startswith(around) and not name.startswith(prefix):
            piece = name[len(around) :].split(".")[0]
            pieces.setdefault(piece, {})[name] = array.shape
    sentences = []
    for piece, shapes in pieces.items():
        kernels = [shape for shape in shapes.values() if len(shape) == 4]
        tables = [name for name, shape in shapes.items() if len(shape) == 2]
        if len(kernels) > 1 and kernels[0][1] == kernels[-1][0] == 3:
            sentences.append(f"its {legible(piece)}, which may change the images, is ignored")
        elif tables and "emb" in piece.lower():
            size = shapes[tables[0]][1]
            sentence = f"its {legible(tables[0])} is ignored"
            if size < generator.latent_dim and not generator.num_labels:
                sentence += f": the last {size} latents may be of labels "
                sentence += f"(setting label_size={size})"
            sentences.append(sentence)
    return sentences


def _prefixes(checkpoint: Checkpoint) -> list[str]:
    """List the prefixes of generators, including damaged ones of the tutorial."""
    tutorial = checkpoint.prefixes(_MARKS)
    inside = {f"{prefix}main." for prefix in tutorial}
    plain, whole, tries = [], set(), 0
    for prefix, shapes in sorted(_networks(checkpoint.arrays).items(), key=lambda i: len(i[0])):
        if tries == _MAX_TRIES or any(p in inside or p in whole for p in _above(prefix)):
            continue
        modules = Modules(checkpoint.value, prefix)
        if not _is_generator(shapes, modules) or _is_several(shapes, modules):
            continue
        tries += 1
        if not _is_fed(prefix, shapes, checkpoint.arrays):
            whole.add(prefix)
            if not any(main.startswith(prefix) for main in inside):
                plain.append(_naming_prefix(prefix, list(shapes), checkpoint.weights))
    return tutorial + plain


def _networks(arrays: Mapping[str, np.ndarray]) -> dict[str, _Shapes]:
    """Return the shapes below each prefix that may hold a small generator."""
    counts, weights, colours = Counter(), Counter(), set()
    for name, array in arrays.items():
        above = _above(name)
        counts.update(above)
        if array.ndim == 4:
            weights.update(above)
            if not COLOURS.isdisjoint(array.shape[:2]):
                colours.update(above)
    below = {p: {} for p in colours if weights[p] > 1 and counts[p] <= _MAX_ARRAYS}
    for name, array in arrays.items():
        for prefix in _above(name):
            if prefix in below:
                below[prefix][name[len(prefix) :]] = array.shape
    return below


def _above(name: str) -> list[str]:
    """List the prefixes of a name, from empty to the longest."""
    dots = [i for i, letter in enumerate(name) if letter == "."]
    return ["", *(name[: i + 1] for i in dots)]


def _is_generator(shapes: _Shapes, modules: Modules) -> bool:
    """Return whether arrays form a network from latents to a larger image."""
    try:
        steps = steps_of(parts_of(shapes), modules.kinds())
    except Misfit:
        return False
    spreads = any(step.kind == "transposed" and step.kernel > 1 for step in steps)
    return spreads or modules.enlarge or _may_enlarge(steps)


def _is_several(shapes: _Shapes, modules: Modules) -> bool:
    """Return whether one part is a generator and another takes its images, like a critic."""
    start = _above(os.path.commonprefix(list(shapes)))[-1]
    pieces: dict[str, _Shapes] = {}
    for name, shape in shapes.items():
        piece = name[len(start) :].split(".")[0]
        pieces.setdefault(piece, {})[name] = shape
    for name, piece in pieces.items() if len(pieces) > 1 else ():
        others = [s for other, p in pieces.items() if other != name for s in p.values()]
        inputs = {shape[1] for shape in others if len(shape) == 4} & COLOURS
        if inputs and _is_generator(piece, modules):
            steps = steps_of(parts_of(piece), modules.kinds())
            if steps[-1].outputs in inputs:
                return True
    return False


def _may_enlarge(steps: list[Step]) -> bool:
    """Return whether gaps in the numbers allow more than an activation between two layers."""
    numbers = [step.part.number for step in steps]
    return any(
        a and b and a[0] == b[0] and b[1] - a[1] > 2
        for a, b in zip(numbers, numbers[1:], strict=False)
    )


def _is_fed(prefix: str, inside: _Shapes, arrays: Mapping[str, np.ndarray]) -> bool:
    """Return whether a separate dense layer makes the input of the layers, small images."""
    if not prefix or any(len(shape) == 2 for shape in inside.values()):
        return False
    first = next(shape for shape in inside.values() if len(shape) == 4)
    around = prefix[: prefix[:-1].rfind(".") + 1]
    dense, others = set(), set()  # names beside the layers
    for name, array in arrays.items():
        if name.startswith(around) and not name.startswith(prefix):
            piece = name[len(around) :].split(".")[0]
            if array.ndim == 2 and side_of(array.shape[0], first[0]) > 1:
                dense.add(piece)
            elif array.ndim > 2:
                others.add(piece)  # a network of its own
    return bool(dense - others)


def _naming_prefix(prefix: str, names: list[str], weights: str | None) -> str:
    """Choose the prefix that names the generator, among prefixes of the same arrays.

    Usually the last common component is the name of a Sequential inside the generator. It is
    not if a number or ``state_dict`` precedes it, or if it says that weights are averaged.
    """
    ways = [prefix + way for way in _above(os.path.commonprefix(names))]
    for way in ways:
        if weights is not None and f".{owners.name_of(way)}".endswith(f".{weights}"):
            return way
    if (
        len(ways) < 2
        or re.search(r"(^|\.)(\d+|state_dict)\.$", ways[-2])
        or owners.is_averaged(ways[-1].removeprefix(ways[-2]), {})
    ):
        return ways[-1]
    return ways[-2]

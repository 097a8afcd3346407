"""StyleGAN2 in the form of NVlabs' repositories stylegan2-ada-pytorch and stylegan3."""

import math
import numbers
from typing import Any

from jaxgan.convert.flavours._stylegan2 import Form, Part, assemble
from jaxgan.convert.formats._objects import Inert
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained

# Settings of a network that do not show in its arrays: module, name, values that are read.
_READ = (
    ("mapping", "activation", ("lrelu",)),
    ("mapping", "lr_multiplier", (0.01,)),
    ("synthesis", "activation", ("lrelu", "linear")),
    ("synthesis", "lr_multiplier", (1,)),
)


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Open the averaged generator, or the only one; None if there is none of this flavour.

    Layers in float16 run in float32, with the same clamps. A bare state dict does not hold
    the clamps, so none are applied.

    Raises:
      InputError: If its arrays are not those of such a network, or it is conditional, of
        another architecture than ``skip``, or not of three colours.
    """
    state = checkpoint.choose(_MARKS, "NVlabs StyleGAN2")
    if state is None:
        return None
    module = _module(checkpoint.value, state.prefix)
    _check(state, module)
    resolution = state.count(r"synthesis\.b(\d+)\.") - 1
    blocks = resolution.bit_length() - 2
    if resolution != 2 ** (blocks + 1):
        raise state.error(f"its {resolution} pixels are not 4 times a power of 2")
    return assemble(
        state,
        _FORM,
        depth=state.count(r"mapping\.fc(\d+)\."),
        blocks=blocks,
        average=(state, "mapping.w_avg"),
        clamp=_clamp(state, module),
    )


def _check(state: StateDict, module: Any) -> None:
    """Refuse networks that are not supported."""
    names = state.names()
    if any(name.startswith("mapping.embed.") for name in names):
        raise state.error("it is conditional (mapping.embed); only unconditional ones are read")
    resnet = any(".skip." in name for name in names)
    if resnet or not any(name.startswith("synthesis.b4.torgb.") for name in names):
        architecture = "resnet" if resnet else "orig"
        raise state.error(f"its architecture is {architecture!r}; only 'skip' is read")
    colours = state.shape(_to_rgb(0).weight)[:1]
    if colours != (3,):
        raise state.error(f"its images have {list(colours)} channels; only 3 are read")
    for part, name, known in _READ:
        for value in _settings(_inside(module, part), name):
            if not isinstance(value, str | numbers.Real) or value not in known:
                read = " or ".join(map(str, known))
                raise state.error(f"its {name} is {str(value)[:40]!r}; only {read} is read")


def _inside(module: Any, name: str) -> Any:
    """Return a part of a module; None if it has none of that name."""
    parts = module.state.get("_modules") if _is_module(module) else None
    return parts.get(name) if isinstance(parts, dict) else None


def _is_module(value: Any) -> bool:
    return isinstance(value, Inert) and isinstance(value.state, dict)


def _clamp(state: StateDict, module: Any) -> float | None:
    clamps = _settings(module, "conv_clamp")
    first = clamps[0] if clamps else None
    same = all(type(other) is type(first) and other == first for other in clamps)
    if same and first is None:
        return None
    if same and isinstance(first, numbers.Real) and 0 < float(first) < math.inf:
        return float(first)
    raise state.error("its conv_clamp is not one positive number for all layers")


def _module(value: Any, start: str) -> Any:
    """Return the object whose arrays have that prefix."""
    for name in start.split(".")[:-1]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _settings(module: Any, name: str) -> list[Any]:
    """List the values of a setting in a module and in those inside it.

    They come from the arguments of the constructor and from attributes. Defaults of
    constructors, which differ between the two repositories, are in attributes only.
    """
    if not _is_module(module):
        return []
    holders = (module.state, module.state.get("_init_kwargs"))
    values = [x[name] for x in holders if isinstance(x, dict) and name in x]
    parts = module.state.get("_modules")
    parts = parts.values() if isinstance(parts, dict) else ()
    return values + [value for part in parts for value in _settings(part, name)]


def _layer(i: int) -> Part:
    name = f"synthesis.b{4 * 2 ** ((i + 1) // 2)}.conv{0 if i % 2 else 1}."
    return Part(
        weight=f"{name}weight",
        bias=f"{name}bias",
        style=f"{name}affine.",
        noise=f"{name}noise_const",
        strength=f"{name}noise_strength",
    )


def _to_rgb(b: int) -> Part:
    name = f"synthesis.b{4 * 2**b}.torgb."
    return Part(weight=f"{name}weight", bias=f"{name}bias", style=f"{name}affine.")


def _filters(blocks: int) -> list[str]:
    owners = [f"synthesis.b{4 * 2**b}" for b in range(blocks)]
    owners += [_layer(i).weight.removesuffix(".weight") for i in range(2 * blocks - 1)]
    return [f"{owner}.resample_filter" for owner in owners]


_FORM = Form(
    dense="mapping.fc{}.".format,
    const="synthesis.b4.const",
    layer=_layer,
    to_rgb=_to_rgb,
    filters=_filters,
    filter_sum=1.0,
    flipped=True,
    style_shift=0.0,
    ones={},
)
_MARKS = (_FORM.const, f"{_layer(0).style}weight")

"""StyleGAN2 as NVlabs' repositories stylegan2-ada-pytorch and stylegan3 store it."""

import math
import numbers
from typing import Any

from jaxgan.convert.flavours import _persistent
from jaxgan.convert.flavours._stylegan2 import Form, Part, assemble, count_blocks
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained

# Settings of layers that do not show in their arrays: name, supported values.
_DENSE = (("activation", ("lrelu",)), ("lr_multiplier", (0.01,)))
_SYNTHESIS = (("activation", ("lrelu", "linear")), ("lr_multiplier", (1,)))


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the averaged generator, or the only one; None for other flavours.

    Layers in float16 run in float32, with the same clamps. A bare state dict lacks these; the
    user can give the setting ``conv_clamp``. Its default 0 means no clamp.

    Raises:
      InputError: If the arrays do not fit such a network, or a setting is not supported.
    """
    state = checkpoint.choose(_MARKS, "NVlabs StyleGAN2")
    if state is None:
        return None
    module = _persistent.module(checkpoint.value, state.prefix)
    blocks = count_blocks(state, r"synthesis\.b(\d+)\.")
    _check(state, module)
    skips = [name for name in state.names() if name.endswith(".skip.resample_filter")]
    return assemble(
        state,
        _FORM._replace(filters=lambda blocks: _filters(blocks) + skips),
        depth=state.count(r"mapping\.fc(\d+)\."),
        blocks=blocks,
        average=(state, "mapping.w_avg"),
        clamp=_clamp(state, checkpoint, module),
    )


def _check(state: StateDict, module: Any) -> None:
    """Refuse networks with unsupported settings."""
    mapping, synthesis = (_persistent.part(module, name) for name in ("mapping", "synthesis"))
    names = {name.split(".")[1] for name in state.names() if name.startswith("mapping.fc")}
    layers = [(_persistent.part(mapping, name), _DENSE) for name in sorted(names)]
    for layer, settings in [*layers, (synthesis, _SYNTHESIS)]:
        for name, values in settings:
            for value in _persistent.settings(layer, name):
                if not isinstance(value, str | numbers.Real) or value not in values:
                    choices = " or ".join(map(str, values))
                    raise state.error(
                        f"its {name} is {str(value)[:40]!r}; only {choices} is supported"
                    )


def _clamp(state: StateDict, checkpoint: Checkpoint, module: Any) -> float | None:
    """Return the clamp, which is the same for all layers and toRGB layers."""
    synthesis = _persistent.part(module, "synthesis")
    blocks = [_persistent.part(synthesis, name) for name in _blocks(state)]
    clamps = [
        value
        for block in blocks
        for name in ("conv0", "conv1", "torgb")
        for value in _persistent.settings(_persistent.part(block, name), "conv_clamp")
    ]
    if module is None:
        clamps = [checkpoint.settings.get("conv_clamp", 0.0) or None]
    first = clamps[0] if clamps else None
    same = all(type(other) is type(first) and other == first for other in clamps)
    if same and first is None:
        return None
    if same and isinstance(first, numbers.Real) and 0 < float(first) < math.inf:
        return float(first)
    raise state.error("its conv_clamp is not one positive number for all layers")


def _blocks(state: StateDict) -> set[str]:
    """Return the names of the synthesis network's parts."""
    names = (name.split(".") for name in state.names())
    return {parts[1] for parts in names if parts[0] == "synthesis" and len(parts) > 1}


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
    skip=lambda b: f"synthesis.b{4 * 2**b}.skip.weight",
    embed="mapping.embed.",
)
_MARKS = (_FORM.const, f"{_layer(0).style}weight")

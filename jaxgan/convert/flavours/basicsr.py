"""StyleGAN2 as BasicSR and GFPGAN store it."""

from jaxgan.convert.flavours import rosinality
from jaxgan.convert.flavours._stylegan2 import Form, Part, assemble
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.generator import Pretrained


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the averaged generator, or the only one; None for other flavours.

    From a file of GFPGAN this is the generator inside the face restorer, without conditions
    from a photo. Variants with bilinear upsampling are not supported: GFPGAN's "clean" one is
    recognised and refused; BasicSR's cannot be distinguished by its names.

    Raises:
      InputError: If the arrays do not fit such a network.
    """
    state = checkpoint.choose(_MARKS, "BasicSR StyleGAN2")
    if state is None:
        return None
    if "style_conv1.bias" in state:
        raise state.error("it enlarges by bilinear interpolation, which is not supported")
    blocks = max(
        state.count(r"to_rgbs\.(\d+)\.") + 1,
        (state.count(r"style_convs\.(\d+)\.") + 1) // 2 + 1,
        state.count(r"noises\.noise(\d+)$") // 2 + 1,
    )
    return assemble(
        state,
        _FORM,
        depth=state.count(r"style_mlp\.(\d+)\.") - 1,  # number 0 is the pixel norm
        blocks=blocks,
        average=(rosinality.find_average(checkpoint, state), rosinality.AVERAGE),
    )


def _layer(i: int) -> Part:
    name = f"style_convs.{i - 1}." if i else "style_conv1."
    return Part(
        weight=f"{name}modulated_conv.weight",
        bias=f"{name}activate.bias",
        style=f"{name}modulated_conv.modulation.",
        noise=f"noises.noise{i}",
        strength=f"{name}weight",
    )


def _to_rgb(b: int) -> Part:
    name = f"to_rgbs.{b - 1}." if b else "to_rgb1."
    return Part(
        weight=f"{name}modulated_conv.weight",
        bias=f"{name}bias",
        style=f"{name}modulated_conv.modulation.",
    )


_FORM = Form(
    dense=lambda i: f"style_mlp.{i + 1}.",
    const="constant_input.weight",
    layer=_layer,
    to_rgb=_to_rgb,
    filters=lambda blocks: [],  # the file does not store them
    filter_sum=4.0,
    flipped=True,
    style_shift=0.0,
    ones=rosinality.ONES,
)
_MARKS = (_FORM.const, _layer(0).weight, _to_rgb(0).weight)

"""StyleGAN2 as rosinality/stylegan2-pytorch stores it."""

from jaxgan.convert.flavours._stylegan2 import Form, Part, assemble
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained

_FLAVOUR = "rosinality StyleGAN2"
AVERAGE = "latent_avg"  # name of the mean code
ONES = {  # as in ``Form``
    "const": (1, 0),
    "weight": (1, 0),
    "noise": (2, 0),
    "strength": (1, 0),
    "rgb_bias": (1, 2),
}


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the averaged generator, or the only one; None for other flavours.

    If the file has no noise, it is drawn from a fixed seed, and ``origin`` says so.

    Raises:
      InputError: If the arrays do not fit such a network.
    """
    state = checkpoint.choose(_MARKS, _FLAVOUR)
    if state is None:
        return None
    blocks = max(
        state.count(r"to_rgbs\.(\d+)\.") + 1,
        (state.count(r"convs\.(\d+)\.") + 1) // 2 + 1,
        state.count(r"noises\.noise_(\d+)$") // 2 + 1,
    )
    return assemble(
        state,
        _FORM,
        depth=state.count(r"style\.(\d+)\.") - 1,  # number 0 is the pixel norm
        blocks=blocks,
        average=(find_average(checkpoint, state), AVERAGE),
    )


def find_average(checkpoint: Checkpoint, state: StateDict) -> StateDict:
    """Return the arrays that hold the mean code: the generator's own or those around it.

    A training run stores it at the top, however deep the generator is nested.
    """
    start = state.prefix
    while start and f"{start}{AVERAGE}" not in checkpoint.arrays:
        outer = start[:-1].rpartition(".")[0]
        start = f"{outer}." if outer else ""
    return state if start == state.prefix else StateDict(checkpoint, start, state.flavour)


def _layer(i: int) -> Part:
    name = f"convs.{i - 1}." if i else "conv1."
    return Part(
        weight=f"{name}conv.weight",
        bias=f"{name}activate.bias",
        style=f"{name}conv.modulation.",
        noise=f"noises.noise_{i}",
        strength=f"{name}noise.weight",
    )


def _to_rgb(b: int) -> Part:
    name = f"to_rgbs.{b - 1}." if b else "to_rgb1."
    return Part(
        weight=f"{name}conv.weight", bias=f"{name}bias", style=f"{name}conv.modulation."
    )


def _filters(blocks: int) -> list[str]:
    layers = [f"convs.{2 * b}.conv.blur.kernel" for b in range(blocks - 1)]
    return [*layers, *(f"to_rgbs.{b}.upsample.kernel" for b in range(blocks - 1))]


_FORM = Form(
    dense=lambda i: f"style.{i + 1}.",
    const="input.input",
    layer=_layer,
    to_rgb=_to_rgb,
    filters=_filters,
    filter_sum=4.0,
    flipped=True,
    style_shift=0.0,
    ones=ONES,
)
_MARKS = (_FORM.const, _layer(0).weight, _to_rgb(0).weight)

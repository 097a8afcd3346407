"""StyleGAN2 as genforce's PyTorch repositories (GenForce, SeFa) store it.

Settings that do not show in a file have these defaults, unless the user gives them:

* ``use_wscale``: equalised learning rate (true);
* ``final_tanh``: tanh at the end (false).
"""

from jaxgan.convert.flavours._stylegan2 import Form, Part, assemble
from jaxgan.convert.formats.state_dict import Checkpoint
from jaxgan.convert.generator import Pretrained


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the averaged generator, or the only one; None for other flavours.

    Raises:
      InputError: If the arrays do not fit such a network.
    """
    state = checkpoint.choose(_MARKS, "genforce StyleGAN2")
    if state is None:
        return None
    blocks = max(
        state.count(r"synthesis\.output(\d+)\."),
        state.count(r"synthesis\.layer(\d+)\.") // 2 + 1,
    )
    return assemble(
        state,
        _FORM,
        depth=state.count(r"mapping\.dense(\d+)\."),
        blocks=blocks,
        average=(state, "truncation.w_avg"),
        wscale=checkpoint.settings.get("use_wscale", True),
        tanh=checkpoint.settings.get("final_tanh", False),
    )


def _layer(i: int) -> Part:
    name = f"synthesis.layer{i}."
    return Part(
        weight=f"{name}weight",
        bias=f"{name}bias",
        style=f"{name}style.",
        noise=f"{name}noise",
        strength=f"{name}noise_strength",
    )


def _to_rgb(b: int) -> Part:
    name = f"synthesis.output{b}."
    return Part(weight=f"{name}weight", bias=f"{name}bias", style=f"{name}style.")


def _filters(blocks: int) -> list[str]:
    layers = [f"synthesis.layer{2 * b - 1}.filter.kernel" for b in range(1, blocks)]
    return [*layers, "synthesis.upsample.kernel"]


_FORM = Form(
    dense="mapping.dense{}.".format,
    const="synthesis.early_layer.const",
    layer=_layer,
    to_rgb=_to_rgb,
    filters=_filters,
    filter_sum=4.0,
    flipped=False,
    style_shift=1.0,
    ones={"const": (1, 0), "noise": (2, 0), "filter": (2, 0)},
    embed="mapping.LabelEmbed.",
    label="mapping.label_weight",
)
_MARKS = (_FORM.const, _layer(0).strength)

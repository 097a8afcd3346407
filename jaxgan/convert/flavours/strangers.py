"""Messages for checkpoints without a supported generator: what they hold instead."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from jaxgan.convert.flavours import dnnlib_tf
from jaxgan.convert.flavours._parts import COLOURS
from jaxgan.convert.formats._inert import Inert, legible

_MOST_NAMES = 3_000  # most names of arrays to look at

# Networks with patterns. Each pattern must match the start of some array's name, or of a part
# of it after a dot. The first network that matches is reported.
_UNSUPPORTED: dict[str, tuple[str, ...]] = {  # generators of images
    "the StyleGAN2 of lucidrains' stylegan2-pytorch": (
        r"blocks\.\d+\.to_style1\.weight",
        r"blocks\.\d+\.to_noise1\.weight",
    ),
    "a GigaGAN of lucidrains' gigagan-pytorch": (
        r"style_to_conv_modulations\.weight",
        r"init_conv\.weights",
    ),
    "a lightweight GAN of lucidrains' lightweight-gan": (
        r"initial_conv\.0\.weight",
        r"layers\.0\.\d+\.\d+\.",
        r"out_conv\.weight",
    ),
    "a BigGAN of ajbrock's BigGAN-PyTorch": (
        r"linear\.(weight|u0)",
        r"blocks\.\d+\.0\.conv1\.",
        r"blocks\.\d+\.0\.bn1\.",
    ),
    "a BigGAN of Hugging Face's pytorch-pretrained-BigGAN": (
        r"gen_z\.weight",
        r"layers\.0\.bn_0\.",
    ),
    "a generator of PyTorch-StudioGAN": (r"linear0\.", r"blocks\.\d+\.0\.(bn0|bn1|deconv0)\."),
    "a PGGAN of akanimax's pro_gan_pytorch": (
        r"rgb_converters\.0\.weight",
        r"layers\.0\.conv_1\.weight",
    ),
    "a PGGAN of PyTorch Hub (facebookresearch's pytorch_GAN_zoo)": (
        r"scaleLayers\.0\.0\.module\.weight",
        r"toRGBLayers\.0\.module\.weight",
    ),
    "a StyleGAN-XL": (r"mapping\.embed_proj\.weight", r"synthesis\.L0_"),
    "an EG3D generator, of scenes in three dimensions": (
        r"backbone\.synthesis\.b4\.const",
        r"decoder\.net\.0\.weight",
    ),
    "a StyleSwin": (r"input\.input", r"layers\.0\.blocks\.0\.attn\.0\.relative_position"),
    "a FastGAN, as Projected GANs have": (
        r"init\.init\.0\.weight",
        r"feat_8\.1\.weight",
    ),
}
_OTHERS: dict[str, tuple[str, ...]] = {
    "a LoRA, which only changes another network": (r"lora_(up|down|A|B)\.",),
    "a diffusion model, which has no code of an image to move": (
        r"(model\.)?diffusion_model\.|(unet\.)?down_blocks\.\d+\.resnets\.|downs\.0\.0\."
        r"|input_blocks\.0\.0\.",
    ),
    "an autoencoder of images (VQGAN, or that of a diffusion model)": (
        r"post_quant_conv\.weight",
    ),
    "a generator that turns images into images (CycleGAN, pix2pix), which has no latents": (
        r"model\.\d+\.conv_block\.\d+\.weight|model\.model\.\d+\.model\.\d+\.(model\.|weight)",
    ),
    "an encoder of faces (ArcFace, pSp, e4e) without its generator": (
        r"input_layer\.0\.weight",
        r"body\.0\.res_layer\.",
    ),
    "a StyleGAN2 discriminator": (
        r"final_conv\.|b4\.conv\.weight",
        r"final_linear\.|b4\.out\.weight",
    ),
    "a discriminator of genforce": (r"input0\.weight", r"layer0\.weight"),
    "an Inception network": (r"Mixed_5b\.|mixed\.conv\.",),
    "a VGG network": (r"features\.0\.weight",),
    "a ResNet": (r"layer1\.0\.conv1\.weight",),
    "a transformer": (
        r"(self_attn|attn|attention)\.",
        r"(mlp|ffn|feed_forward|intermediate)\.",
    ),
}
_FUNCTIONS = {  # that build a TensorFlow network
    "D_": "a discriminator",
    "vgg16": "the VGG network of LPIPS",
    "inception": "an Inception network",
}

_SUFFIX = r"(_?(ema|avg|smooth|net|model|state|dict|weights|params|[EsSAB2]))*"
_GENERATOR = re.compile(rf"(net|model|avg|shadow)?_?(G|gen|generator){_SUFFIX}|g{_SUFFIX}")
_DISCRIMINATOR = re.compile(rf"(net|model)?_?(D|disc|discriminator|critic){_SUFFIX}|d{_SUFFIX}")


def content(value: Any, arrays: Mapping[str, np.ndarray]) -> str:
    """Describe the content of a file in a few words, to follow "holds"."""
    networks = dnnlib_tf.networks_of(value)
    if networks:
        return _tensorflow(networks)
    if isinstance(value, dict) and "param_groups" in value:
        return "the state of an optimizer"
    if not arrays:
        return "no arrays"
    names = list(islice(arrays, _MOST_NAMES))
    return (
        unsupported(names)
        or _generator(names, arrays)
        or _fitting(names, _OTHERS)
        or ("a discriminator" if _owner(names, _DISCRIMINATOR) else "")
        or _describe_shapes(list(arrays.values()))
        or _describe_layers([array.shape for array in arrays.values()])
        or _describe_count(list(arrays))
    )


def unsupported(names: Sequence[str]) -> str:
    """Name the unsupported generator by its names of arrays; empty if there is none."""
    what = _fitting(names[:_MOST_NAMES], _UNSUPPORTED)
    return what and f"{what}, which is not supported"


def _fitting(names: Sequence[str], networks: Mapping[str, tuple[str, ...]]) -> str:
    for what, patterns in networks.items():
        marks = (re.compile(rf"(?:^|\.)(?:{pattern})") for pattern in patterns)
        if all(any(mark.search(name) for name in names) for mark in marks):
            return what
    return ""


def _tensorflow(networks: Mapping[str, Inert]) -> str:
    descriptions = []
    for owner, network in networks.items():
        name = network.state.get("build_func_name")
        name = legible(name[:60]) if isinstance(name, str) else "without a name"
        kind = next((w for start, w in _FUNCTIONS.items() if name.startswith(start)), "")
        descriptions.append(
            f"{legible(owner[:60])}: " * bool(owner) + name + f" ({kind})" * bool(kind)
        )
    several = "s" if len(descriptions) > 1 else ""
    more = f" and {len(descriptions) - 5} more" if len(descriptions) > 5 else ""
    return f"the TensorFlow network{several} {', '.join(descriptions[:5])}{more}"


def _owner(names: Sequence[str], pattern: re.Pattern[str]) -> str:
    """Return the prefix of the first network whose name matches; empty if none does."""
    for name in names:
        parts = name.split(".")[:-1]
        for depth, part in enumerate(parts[:3], 1):
            if pattern.fullmatch(part) and (depth == 1 or len(part) > 1 or part.isupper()):
                return ".".join(parts[:depth]) + "."
    return ""


def _generator(names: Sequence[str], arrays: Mapping[str, np.ndarray]) -> str:
    """Describe the network that is named like a generator."""
    prefix = _owner(names, _GENERATOR)
    if not prefix:
        return ""
    own = [name.removeprefix(prefix) for name in arrays if name.startswith(prefix)]
    what = _fitting(own[:_MOST_NAMES], _OTHERS)
    owner = legible(prefix[:-1][:60])
    return what or f"a generator {owner} of a kind that is not known: {_describe_count(own)}"


def _describe_shapes(arrays: Sequence[np.ndarray]) -> str:
    """Describe arrays by their shapes alone."""
    shape = arrays[0].shape
    if len(arrays) == 1 and len(shape) in (2, 3) and shape[-1] >= 16:
        return f"one array of shape {list(shape)}, which may be codes: give those as --codes"
    weights = [array.shape for array in arrays if array.ndim in (2, 4)]
    if len(weights) < 2 or len(weights[0]) != 4:
        return ""
    (features, channels, *_), (outputs, *rest) = weights[0], weights[-1]
    if channels not in (1, 3, 4) or features <= channels:
        return ""
    if outputs == 1:
        return "a discriminator, by its shapes"
    return f"a network that makes {outputs} numbers of an image" if len(rest) == 1 else ""


def _describe_layers(shapes: Sequence[tuple[int, ...]]) -> str:
    """Describe a network that may well be a generator of images."""
    spatial = [shape for shape in shapes if len(shape) == 4]
    if len(spatial) > 2 and any(not COLOURS.isdisjoint(shape[:2]) for shape in spatial):
        return (
            f"a network of {len(spatial)} convolutions that is not a DCGAN: by their shapes, "
            "its layers do not form a chain, or none of them upsamples"
        )
    dense = [shape for shape in shapes if len(shape) == 2]
    if len(dense) > 1 and max(map(len, shapes)) == 2 and _follow(dense):
        return f"a network of {len(dense)} dense layers only, which is not supported"
    return ""


def _follow(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Return whether each dense layer ``[out, in]`` fits the one before it."""
    return all(a[0] == b[1] for a, b in zip(shapes, shapes[1:], strict=False))


def _describe_count(names: Sequence[str]) -> str:
    """State the number of arrays and the name of the first."""
    one = len(names) == 1
    lasts = [name.rpartition(".")[2] for name in names]
    if all(last.isdigit() or not last for last in lasts):
        what = "one array without a name" if one else f"{len(names)} arrays without names"
        return f"{what}, where a state dict has some"
    first = ascii(names[0][:60])
    return f"one array, {first}" if one else f"{len(names)} arrays, the first of them {first}"

"""Pickled TensorFlow networks: StyleGAN, StyleGAN2, StyleGAN2-ADA and PGGAN of their authors.

A file holds networks as names and arrays, usually three: the generator G, the discriminator D
and Gs, the generator with averaged weights. TensorFlow stores weights as ``[h, w, in, out]``
or ``[in, out]``.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jaxgan.convert.flavours import genforce_pggan, genforce_stylegan
from jaxgan.convert.flavours._stylegan2 import Form, Part, assemble, check_blocks, count_blocks
from jaxgan.convert.formats._inert import Inert
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError

CLASSES = ("dnnlib.tflib.network.Network", "tfutil.Network")
_LABELS = "LabelConcat/weight"  # one row per class, beside the latent
_MAX_DEPTH = 100  # most layers of a mapping network
_OWNERS = ("G", "D", "Gs")  # names of the three networks in a file

# Settings that change a network but not its arrays, and the supported values. Other settings
# change shapes and names of arrays, the training, or nothing that matters here.
_CHOICES: dict[str, tuple[Any, ...]] = {
    "mapping_lrmul": (0.01,),
    "mapping_nonlinearity": ("lrelu",),
    "nonlinearity": ("lrelu",),
    "normalize_latents": (True,),
    "resample_kernel": ([1, 3, 3, 1],),
    # StyleGAN
    "blur_filter": ([1, 2, 1],),
    "fused_scale": ("auto", True, False),
    "use_instance_norm": (True,),
    "use_pixel_norm": (False,),
    "use_styles": (True,),
    "use_wscale": (True, False),
    # PGGAN
    "pixelnorm_epsilon": (1e-8,),
    "tanh_at_end": (False, None),
    "use_leakyrelu": (True,),
    "use_pixelnorm": (True,),
}


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the averaged generator, or the only one; None if there is no known one.

    Layers in float16 run in float32, with the same clamps.

    Raises:
      InputError: If the arrays or settings do not fit such a network.
    """
    networks = networks_of(checkpoint.value)
    arrays = {
        f"{owner}.{name}".removeprefix("."): array
        for owner, network in networks.items()
        for name, array in variables(network).items()
    }
    inside = dataclasses.replace(checkpoint, arrays=arrays)
    for marks, name, read in _KINDS:
        prefixes = [p for p in inside.prefixes(marks) if p.removesuffix(".") in networks]
        state = inside.choose_among(prefixes, f"TensorFlow {name}")
        if state is not None:
            settings = _settings(networks[state.prefix.removesuffix(".")])
            _check(state, settings, _CHOICES)
            return read(state, inside, settings)
    return None


def networks_of(value: Any) -> dict[str, Inert]:
    """Return the networks in a file by name."""
    items = {"": value}
    if isinstance(value, dict):
        items = {str(name): item for name, item in value.items()}
    elif isinstance(value, list | tuple):
        networks = len(value) == len(_OWNERS) and all(map(_is_network, value))
        names = _OWNERS if networks else map(str, range(len(value)))
        items = dict(zip(names, value, strict=True))
    return {name: item for name, item in items.items() if _is_network(item)}


def variables(network: Inert) -> dict[str, np.ndarray]:
    """Return the arrays of a network and its parts by TensorFlow's names.

    Weights are transposed to PyTorch's order: ``[out, in, h, w]``, ``[out, in]``.
    """
    arrays = {}
    for start, part in _parts(network):
        pairs = part.state.get("variables")
        for pair in pairs if isinstance(pairs, list | tuple) else ():
            match pair:
                case (str(name), np.ndarray() | np.generic() as array):
                    arrays[start + name] = _turned(name, np.asarray(array))
    return arrays


def _is_network(value: Any) -> bool:
    return isinstance(value, Inert) and value.name in CLASSES and isinstance(value.state, dict)


def _parts(network: Inert) -> Iterator[tuple[str, Inert]]:
    """Yield a network and those inside it, each with the prefix of its arrays' names."""
    yield "", network
    components = network.state.get("components")
    for name, part in components.items() if isinstance(components, dict) else ():
        if _is_network(part):
            yield f"G_{name}/", part


def _turned(name: str, array: np.ndarray) -> np.ndarray:
    if not name.endswith("weight") or name == _LABELS:
        return array
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def _settings(network: Inert) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for _, part in _parts(network):
        values = part.state.get("static_kwargs")
        settings |= values if isinstance(values, dict) else {}
    return settings


def _check(
    state: StateDict, settings: Mapping[str, Any], choices: Mapping[str, tuple[Any, ...]]
) -> None:
    """Refuse a network with an unsupported setting."""
    for name, values in choices.items():
        value = settings.get(name, values[0])
        plain = list(value) if isinstance(value, tuple) else value
        numbers = plain if isinstance(plain, list) else [plain]
        simple = all(x is None or isinstance(x, str | int | float) for x in numbers)
        if not simple or plain not in values:
            actual = ascii(plain)[:40] if simple else type(value).__name__
            text = " or ".join(map(repr, values))
            raise state.error(f"its setting {name} is {actual}; only {text} is supported")


# StyleGAN2


def _stylegan2(
    state: StateDict, checkpoint: Checkpoint, settings: Mapping[str, Any]
) -> Pretrained:
    blocks = count_blocks(state, r"G_synthesis/(\d+)x\d+/")
    clamp = settings.get("conv_clamp")
    if clamp is not None and not (isinstance(clamp, int | float) and 0 < clamp < np.inf):
        raise state.error("its conv_clamp is not one positive number")
    form = _FORM
    if (
        "G_synthesis/ToRGB_lod0/weight" in state
    ):  # configurations B to D have the layers of StyleGAN
        genforce_pggan.check_lod(state, "lod")
        form = _FORM._replace(to_rgb=lambda b: _colours(f"ToRGB_lod{blocks - 1 - b}"))
        for name in state.names():
            if re.match(r"G_synthesis/(lod$|ToRGB_lod[1-9])", name):
                state.drop(name)
    state.drop("lod")
    return assemble(
        state,
        form,
        depth=state.count(r"G_mapping/Dense(\d+)/"),
        blocks=blocks,
        average=(state, "dlatent_avg"),
        clamp=None if clamp is None else float(clamp),
    )


def _layer(i: int) -> Part:
    size = 4 * 2 ** ((i + 1) // 2)
    name = f"G_synthesis/{size}x{size}/{_scope(i - 1) if i else 'Conv'}/"
    return Part(
        weight=f"{name}weight",
        bias=f"{name}bias",
        style=f"{name}mod_",
        noise=f"G_synthesis/noise{i}",
        strength=f"{name}noise_strength",
    )


def _colours(scope: str) -> Part:
    name = f"G_synthesis/{scope}/"
    return Part(weight=f"{name}weight", bias=f"{name}bias", style=f"{name}mod_")


_FORM = Form(
    dense="G_mapping/Dense{}/".format,
    const="G_synthesis/4x4/Const/const",
    layer=_layer,
    to_rgb=lambda b: _colours(f"{4 * 2**b}x{4 * 2**b}/ToRGB"),
    filters=lambda blocks: [],
    filter_sum=1.0,
    flipped=False,
    style_shift=1.0,
    ones={"const": (1, 0), "noise": (2, 0)},
    skip=lambda b: f"G_synthesis/{4 * 2**b}x{4 * 2**b}/Skip/weight",
    embed="G_mapping/LabelEmbed/",
    label=f"G_mapping/{_LABELS}",
)


# StyleGAN and PGGAN: the networks of genforce with other names


def _stylegan(
    state: StateDict, checkpoint: Checkpoint, settings: Mapping[str, Any]
) -> Pretrained:
    blocks = _count_blocks(state, "G_synthesis/")
    names = {"mapping.label_weight": f"G_mapping/{_LABELS}", "truncation.w_avg": "dlatent_avg"}
    for i in range(min(state.count(r"G_mapping/Dense(\d+)/"), _MAX_DEPTH)):
        names |= _pairs(f"mapping.dense{i}", f"G_mapping/Dense{i}")
    names["synthesis.lod"] = "lod"
    state.drop("G_synthesis/lod")  # an older copy
    for i, scope in enumerate(["4x4/Const", *_scopes(blocks)]):
        here, there = f"synthesis.layer{i}", f"G_synthesis/{scope}"
        names |= _pairs(here, there) | _pairs(f"{here}.style", f"{there}/StyleMod")
        names[f"{here}.apply_noise.weight"] = f"{there}/Noise/weight"
        names[f"{here}.apply_noise.noise"] = f"G_synthesis/noise{i}"
        names[f"{here}.const"] = f"{there}/const"
    for b in range(blocks):
        names |= _pairs(f"synthesis.output{b}", f"G_synthesis/ToRGB_lod{blocks - 1 - b}")

    arrays = _renamed(state, checkpoint, names)
    for i in range(2, 2 * blocks, 2):  # a constant that only genforce stores
        features = len(np.atleast_1d(arrays.get(f"synthesis.layer{i}.bias", 0)))
        kernel = np.broadcast_to(_BLUR, (features, 1, 3, 3))
        arrays[f"synthesis.layer{i}.blur.kernel"] = kernel
    options = Settings({n: settings[n] for n in ("fused_scale", "use_wscale") if n in settings})
    renamed = _Renamed(dataclasses.replace(checkpoint, arrays=arrays), state, names)
    return _with_names(genforce_stylegan.assemble(renamed, options), names)


def _pggan(state: StateDict, checkpoint: Checkpoint, settings: Mapping[str, Any]) -> Pretrained:
    _check(state, settings, {"label_size": (0,)})
    blocks = _count_blocks(state, "")
    scopes = list(_scopes(blocks))
    fused = not any("/Conv0/" in name for name in state.names())
    names = {"lod": "lod"} | _pairs("layer0", "4x4/Dense")
    for i, scope in enumerate(scopes, 1):
        names |= _pairs(f"layer{i}", scope if fused else scope.removesuffix("_up"))
    for b in range(blocks):
        names |= _pairs(f"output{b}", f"ToRGB_lod{blocks - 1 - b}")

    arrays = _renamed(state, checkpoint, names)
    first = arrays["layer0.weight"]
    if first.ndim != 2 or len(first) % 16 or not first.size:
        raise state.error(f"its 4x4/Dense/weight has shape {list(first.T.shape)}")
    pixels = first.reshape(-1, 4, 4, first.shape[1]).transpose(0, 3, 1, 2)
    arrays["layer0.weight"] = pixels[..., ::-1, ::-1]
    options = Settings(
        {"fused_scale": fused, "use_wscale": bool(settings.get("use_wscale", True))}
    )
    renamed = _Renamed(dataclasses.replace(checkpoint, arrays=arrays), state, names)
    return _with_names(genforce_pggan.assemble(renamed, options), names)


class _Renamed(StateDict):
    """Arrays by another flavour's names; messages use the names in the file."""

    def __init__(self, checkpoint: Checkpoint, state: StateDict, names: Mapping[str, str]):
        super().__init__(checkpoint, "", state.flavour, state.origin)
        self._names = names

    def error(self, why: str) -> InputError:
        return super().error(
            re.sub(r"[\w.]*\w", lambda match: self._names.get(match[0], match[0]), why)
        )


def _renamed(
    state: StateDict, checkpoint: Checkpoint, names: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """Return all arrays of the network, by the other flavour's names where they exist."""
    others = {there: here for here, there in names.items()}
    return {
        others.get(name, name): checkpoint.arrays[state.prefix + name] for name in state.names()
    }


def _with_names(generator: Pretrained, names: Mapping[str, str]) -> Pretrained:
    """Rename the styles of a generator as in its file."""
    styles = tuple(style._replace(name=names[style.name]) for style in generator.styles)
    return dataclasses.replace(generator, styles=styles)


def _count_blocks(state: StateDict, start: str) -> int:
    """Count the resolutions of a network; each has a toRGB layer."""
    blocks = state.count(rf"{start}ToRGB_lod(\d+)/")
    return check_blocks(state, blocks, genforce_pggan.MAX_BLOCKS)


def _pairs(here: str, there: str) -> dict[str, str]:
    return {f"{here}.{part}": f"{there}/{part}" for part in ("weight", "bias")}


def _scopes(blocks: int) -> Iterator[str]:
    """Yield the scopes of all 3x3 convolutions."""
    yield "4x4/Conv"
    for i in range(2 * (blocks - 1)):
        size = 8 * 2 ** (i // 2)
        yield f"{size}x{size}/{_scope(i)}"


def _scope(i: int) -> str:
    """Return the name of a layer above 4x4 pixels; each resolution has two."""
    return "Conv1" if i % 2 else "Conv0_up"


_BLUR = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16
_KINDS = (
    ((_layer(0).style + "weight", _layer(0).style + "bias"), "StyleGAN2", _stylegan2),
    (
        ("G_synthesis/4x4/Const/StyleMod/weight", "G_synthesis/4x4/Conv/StyleMod/weight"),
        "StyleGAN",
        _stylegan,
    ),
    (("4x4/Dense/weight",), "PGGAN", _pggan),
)

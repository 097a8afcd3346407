"""Analyse the code of TorchScript archives as text, without running it.

Freezing a module turns its weights into constants without names. The code shows which
operation uses which constant.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from jaxgan.convert.formats._bounds import Budget, Refused
from jaxgan.convert.formats._inert import Inert

_MAX_CODE = 2**22  # bytes
_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"'  # a string
    r"|torch\.(?:nn\.functional\.)?(?P<call>\w+)\(|CONSTANTS\.c(?P<constant>\d+)"
    r"|(?<![\w.])(?P<number>\d[\d.]*(?:e[+-]?\d+)?|True|False)|[()\[\],]"
)
_NORM = ("", "weight", "bias", "running_mean", "running_var", "", "", "eps")
_LAYERS = {  # class of torch.nn, and its attributes by argument of the operation
    "batch_norm": ("BatchNorm2d", _NORM),
    "instance_norm": ("InstanceNorm2d", _NORM),
    "_convolution": (
        "Conv2d",
        ("", "weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding")
        + ("groups",),
    ),
    **{
        f"conv{n}d": (
            f"Conv{n}d",
            ("", "weight", "bias", "stride", "padding", "dilation", "groups"),
        )
        for n in (1, 2, 3)
    },
    **{
        f"conv_transpose{n}d": (
            f"ConvTranspose{n}d",
            ("", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation"),
        )
        for n in (1, 2, 3)
    },
    "linear": ("Linear", ("", "weight", "bias")),
    "prelu": ("PReLU", ("", "weight")),
    "embedding": ("Embedding", ("weight",)),
}
ACTIVATIONS = {
    "elu": ("ELU", ("", "alpha")),
    "gelu": ("GELU", ()),
    "leaky_relu": ("LeakyReLU", ("", "negative_slope")),
    "relu": ("ReLU", ()),
    "selu": ("SELU", ()),
    "sigmoid": ("Sigmoid", ()),
    "silu": ("SiLU", ()),
    "tanh": ("Tanh", ()),
    # The following are refused by name if they matter.
    **{name: (name, ()) for name in ("hardtanh", "hardswish", "mish", "relu6", "softplus")},
}
_PLACES = ACTIVATIONS | {  # operations that are layers even without arrays
    "upsample_nearest2d": ("Upsample", ("", "", "scale_factor")),
    **{
        name: (name, ())
        for name in ("upsample_bilinear2d", "upsample_bicubic2d", "pixel_shuffle", "cat")
    },
}


class _Use(NamedTuple):
    """A call: the name of the operation, and its known arguments by position."""

    operation: str
    constants: dict[int, int]
    values: dict[int, Any]


def name_constants(constants: Any, code: bytes, budget: Budget) -> Inert:
    """Name the constants as in a sequence of layers: ``0.weight``, ``1.running_mean``.

    Args:
      constants: The tuple of constants, among them arrays.
      code: Source code of the module.
      budget: Charged for reading the code.

    Returns:
      A ``Sequential`` of the layers with their arrays, in the order in which the code uses
      them. Other constants come last, as ``constants.0`` and so on.
    """
    if not isinstance(constants, tuple | list) or len(code) > _MAX_CODE:
        raise Refused("has a frozen module with unsupported constants")
    layers: dict[str, Any] = {}
    uses = set()
    for operation, places, values in _uses(code, budget):
        if operation in _LAYERS and places:
            title, roles = _LAYERS[operation]
        elif operation in _PLACES:
            title, roles = _PLACES[operation]
        else:
            continue
        state = {role: values[i] for i, role in enumerate(roles) if role and i in values}
        for place, index in places.items():
            role = roles[place] if place < len(roles) else ""
            if role and index < len(constants) and isinstance(constants[index], np.ndarray):
                state[role] = constants[index]
                uses.add(index)
        if state.pop("transposed", False):
            title = "ConvTranspose2d"
        layers[str(len(layers))] = Inert(f"__torch__.{title}", state)
    rest = {str(i): c for i, c in enumerate(constants) if i not in uses}
    layers["constants"] = {i: c for i, c in rest.items() if isinstance(c, np.ndarray)}
    return Inert("__torch__.Sequential", layers)


def add_activations(module: Any, code: bytes, budget: Budget) -> None:
    """Add the activations that a module's own code applies to its submodules.

    If the activations between layers differ, nothing is added.

    Args:
      module: A module that the code defines.
      code: Source code of all modules outside torch.
      budget: Charged for reading the code.
    """
    if isinstance(module, Inert) and isinstance(module.state, dict) and len(code) <= _MAX_CODE:
        activations = []
        for operation, _, values in _uses(code, budget):
            if operation in ACTIVATIONS:
                title, roles = ACTIVATIONS[operation]
                state = {r: values[i] for i, r in enumerate(roles) if r and i in values}
                activations.append(Inert(title, state))
        module.state |= of_one_kind(activations)


def of_one_kind(activations: list[Inert]) -> dict[str, Inert]:
    """Return the activation between layers and that of images; none if they are ambiguous."""
    kinds = {
        (a.name, *a.state.values()): a for a in activations if a.name not in ("Tanh", "Sigmoid")
    }
    ends = {a.name: a for a in activations if a.name in ("Tanh", "Sigmoid")}
    if len(kinds) > 1 or len(ends) > 1:
        return {}
    return {
        f"an activation of the code, {a.name}": a for a in (*kinds.values(), *ends.values())
    }


def _uses(code: bytes, budget: Budget) -> Iterator[_Use]:
    """Yield the calls in the order of execution."""
    open_calls: list[tuple[_Use, list[int]]] = []
    for token in _TOKEN.finditer(code.decode("utf-8", "replace")):
        budget.step()
        text = token[0]
        if token["call"] or text in ("(", "["):
            operation = (token["call"] or text).removesuffix("_")
            open_calls.append((_Use(operation, {}, {}), [0]))
        elif not open_calls:
            continue
        elif token["constant"]:
            use, at = open_calls[-1]
            if len(token["constant"]) < 9:
                use.constants[at[0]] = int(token["constant"])
        elif token["number"]:
            use, at = open_calls[-1]
            use.values[at[0]] = _number(text)
        elif text == ",":
            open_calls[-1][1][0] += 1
        elif text in (")", "]"):
            use, at = open_calls.pop()
            if use.operation == "[" and open_calls:
                outer, place = open_calls[-1]
                outer.values[place[0]] = tuple(use.values.values())
            yield use


def _number(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text) if re.search("[.e]", text) else int(text[:18])
    except ValueError:  # a string such as 1.2.3
        return None

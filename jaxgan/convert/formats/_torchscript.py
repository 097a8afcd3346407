"""The weights of a frozen TorchScript archive, which are constants of its code.

Freezing takes the weights out of the modules and forgets their names. The code, which is
read as text and never run, tells which operation uses which constant.
"""

import re
from typing import Any

import numpy as np

from jaxgan.convert.formats._bounds import Budget, Refused

_MAX_CODE = 2**22  # bytes
_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"'  # a text
    r"|torch\.(?P<call>\w+)\(|CONSTANTS\.c(?P<constant>\d+)|[()\[\],]"
)
_NORM = ("", "weight", "bias", "running_mean", "running_var")
_ROLES = {  # of the arguments of an operation
    "batch_norm": _NORM,
    "instance_norm": _NORM,
    **dict.fromkeys(
        ("_convolution", "conv1d", "conv2d", "conv3d", "linear", "prelu", "embedding"),
        ("", "weight", "bias"),
    ),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), ("", "weight", "bias")
    ),
}
# Operations without arrays, which take a place among the layers.
_PLACES = {
    *("relu", "relu_", "leaky_relu", "leaky_relu_", "elu", "elu_", "gelu", "selu", "selu_"),
    *("silu", "silu_", "sigmoid", "tanh", "upsample_nearest2d"),
}


def name_constants(constants: Any, code: bytes, budget: Budget) -> dict[str, np.ndarray]:
    """Name the constants as those of a sequence of layers: ``0.weight``, ``1.running_mean``.

    Args:
      constants: The tuple of constants, among them arrays.
      code: The source text of the module.
      budget: Pays for the reading of the text.

    Returns:
      The arrays, in the order in which the code uses them. Those with another use come last,
      as ``constants.0`` and so on.
    """
    if not isinstance(constants, tuple | list) or len(code) > _MAX_CODE:
        raise Refused("has a frozen module whose constants are not read")
    named, used = {}, set()
    for layer, (operation, places) in enumerate(_uses(code.decode("utf-8", "replace"), budget)):
        for place, index in places.items():
            roles = _ROLES.get(operation, ())
            role = roles[place] if place < len(roles) else ""
            if role and index < len(constants) and isinstance(constants[index], np.ndarray):
                named[f"{layer}.{role}"] = constants[index]
                used.add(index)
    for index, constant in enumerate(constants):
        if isinstance(constant, np.ndarray) and index not in used:
            named[f"constants.{index}"] = constant
    return named


def _uses(code: str, budget: Budget) -> list[tuple[str, dict[int, int]]]:
    """List the operations that use constants, as they run, with constants by argument."""
    uses = []
    open_calls: list[tuple[str, dict[int, int], list[int]]] = []
    for token in _TOKEN.finditer(code):
        budget.step()
        text = token[0]
        if token["call"] or text in ("(", "["):
            open_calls.append((token["call"] or "", {}, [0]))
        elif not open_calls:
            continue
        elif token["constant"]:
            operation, places, at = open_calls[-1]
            if len(token["constant"]) < 9:
                places[at[0]] = int(token["constant"])
        elif text == ",":
            open_calls[-1][2][0] += 1
        elif text in (")", "]"):
            operation, places, _ = open_calls.pop()
            if operation in _PLACES or (operation in _ROLES and places):
                uses.append((operation, places))
    return uses

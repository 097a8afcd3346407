"""Take the weights of PyTorch layers, with spectral or weight norm folded in."""

import numpy as np

from jaxgan.convert.flavours._parts import ORIGINAL, Part, Step
from jaxgan.convert.formats.state_dict import StateDict


def take_weight(state: StateDict, step: Step, inputs: int | None) -> np.ndarray:
    """Take the weight of a layer, with its spectral or weight norm folded in.

    Args:
      state: The arrays.
      step: A ``transposed``, ``conv`` or ``dense`` step.
      inputs: Number of input channels; any if None.

    Returns:
      The array as in PyTorch: ``[in, out, k, k]``, ``[out, in, k, k]``, or
      ``[out * k * k, in]``.

    Raises:
      InputError: If the arrays are damaged.
    """
    part, kind, outputs, k = step
    shape = {
        "transposed": (inputs, outputs, k, k),
        "conv": (outputs, inputs, k, k),
        "dense": (outputs * k * k, inputs),
    }[kind]
    weight = state.take(part.name(part.main), shape)
    if part.main == "weight":
        return weight
    if part.main in ("weight_v", ORIGINAL + "1"):
        leaf = "weight_g" if part.main == "weight_v" else ORIGINAL + "0"
        wide = part.shapes.get(leaf, ())
        lengths = [n if wide[i : i + 1] == (n,) else 1 for i, n in enumerate(weight.shape)]
        factor = state.take(part.name(leaf), tuple(lengths)).astype(np.float64)
        axes = tuple(i for i, n in enumerate(lengths) if n == 1)
        norm = np.sqrt(np.square(weight, dtype=np.float64).sum(axes, keepdims=True))
        return _finite(state, part, weight * _divide(factor, norm))
    around = ("weight_u", "weight_v")
    if part.main == ORIGINAL:
        around = tuple(f"parametrizations.weight.0._{leaf}" for leaf in "uv")
    # PyTorch moves the output channels first before it computes the norm.
    rows = weight.swapaxes(0, 1) if kind == "transposed" else weight
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    u, v = (state.take(part.name(a), (n,)) for a, n in zip(around, rows.shape, strict=True))
    return _finite(state, part, _divide(weight, u @ rows @ v))


def _divide(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return x / by


def _finite(state: StateDict, part: Part, weight: np.ndarray) -> np.ndarray:
    weight = weight.astype(np.float32)
    if not np.isfinite(weight).all():
        raise state.error(f"the norm of its {part.name(part.main)} is 0")
    return weight

"""Read the weights of FID's Inception-v3 from either of two PyTorch files.

They are the state dict ``pt_inception-2015-12-05-6726825d.pth`` of pytorch-fid and
torch-fidelity, and the TorchScript archive ``inception-2015-12-05.pt`` of the StyleGAN
repositories.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flax import traverse_util

from jaxgan.convert.formats import torchfile
from jaxgan.errors import InputError

_EPSILON = 1e-3  # epsilon of the batch norms
_CLASSIFIER = {"weight": (1008, 2048), "bias": (1008,)}


def _tower(branch: str, tower: str, units: int) -> dict[str, str]:
    numbers = ["", *(f"_{i}" for i in range(1, units))]
    return {f"{branch}_{i}": f"{tower}.conv{n}" for i, n in enumerate(numbers, 1)}


# Names of the units of each block in the archive; blocks are in its order.
_ENDS = {"branch1x1": "conv", "branch_pool": "tower_2.conv"}
_A = _ENDS | _tower("branch5x5", "tower", 2) | _tower("branch3x3dbl", "tower_1", 3)
_B = {"branch3x3": "conv"} | _tower("branch3x3dbl", "tower", 3)
_C = _ENDS | _tower("branch7x7", "tower", 3) | _tower("branch7x7dbl", "tower_1", 5)
_D = _tower("branch3x3", "tower", 2) | _tower("branch7x7x3", "tower_1", 4)
_E = {
    "branch1x1": "conv",
    "branch3x3_1": "tower_conv",
    "branch3x3_2a": "tower_mixed_conv",
    "branch3x3_2b": "tower_mixed_conv_1",
    "branch3x3dbl_1": "tower_1_conv",
    "branch3x3dbl_2": "tower_1_conv_1",
    "branch3x3dbl_3a": "tower_1_mixed_conv",
    "branch3x3dbl_3b": "tower_1_mixed_conv_1",
    "branch_pool": "tower_2_conv",
}
_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_MIXED = {"5b": _A, "5c": _A, "5d": _A, "6a": _B, "6b": _C, "6c": _C, "6d": _C, "6e": _C}
_MIXED |= {"7a": _D, "7b": _E, "7c": _E}
_SCRIPT = {name: f"conv_{i}" if i else "conv" for i, name in enumerate(_STEM)} | {
    f"Mixed_{block}.{unit}": f"{f'mixed_{i}' if i else 'mixed'}.{name}"
    for i, (block, units) in enumerate(_MIXED.items())
    for unit, name in units.items()
}


def load(path: str | Path) -> dict[str, Any]:
    """Return parameters for ``networks.inception.extractor``, with batch norms folded in.

    ``zoo.inception`` downloads such a file; ``docs/fid.md`` shows how they are used.

    Raises:
      InputError: If the file cannot be read or holds another network, such as torchvision's
        Inception-v3.
    """
    try:
        return _parameters(torchfile.tensors(path))
    except _Foreign as error:
        files = "pt_inception-2015-12-05-6726825d.pth or inception-2015-12-05.pt"
        line = f"{path} is not the Inception-v3 of the FID: {error}; give {files}"
        raise InputError(line) from error


class _Foreign(Exception):
    """The arrays are not those of the network; the message says why."""


def _parameters(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    script = next((n for n in tensors if n.endswith("layers.conv.weight")), None)
    if script is None:
        classifier, rename = "fc", None
        parts = ("conv.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.weight")
    else:
        prefix = script.removesuffix("conv.weight")
        classifier = prefix.removesuffix("layers.") + "output"
        rename = {unit: prefix + name for unit, name in _SCRIPT.items()}
        parts = ("weight", "beta", "mean", "var")
    rest = dict(tensors)
    parameters = {}
    for unit in _SCRIPT:
        name = rename[unit] if rename else unit
        weight = _take(rest, f"{name}.{parts[0]}", (None,) * 4)
        norms = [_take(rest, f"{name}.{part}", weight.shape[:1]) for part in parts[1:]]
        parameters[f"{unit}.kernel"], parameters[f"{unit}.bias"] = _fold(name, weight, *norms)
        rest.pop(f"{name}.bn.num_batches_tracked", None)
    # Some copies of the archive lack the classifier. In a state dict, the number of classes
    # distinguishes it from torchvision's network, whose blocks have the same shapes.
    for part, shape in _CLASSIFIER.items():
        if not rename or f"{classifier}.{part}" in rest:
            _take(rest, f"{classifier}.{part}", shape)
    if rest:
        raise _Foreign(f"it has {_some(rest)}, which that network lacks")
    return traverse_util.unflatten_dict(parameters, sep=".")


def _take(rest: dict[str, np.ndarray], name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Take the array of a name; None in a shape stands for any size."""
    if name not in rest:
        raise _Foreign(f"it lacks {name}")
    array = rest.pop(name)
    if len(array.shape) != len(shape):
        raise _Foreign(f"its {name} has {len(array.shape)} axes, not {len(shape)}")
    if any(size not in (None, length) for size, length in zip(shape, array.shape, strict=True)):
        raise _Foreign(f"its {name} has shape {array.shape}, not {shape}")
    if array.dtype.kind != "f":
        raise _Foreign(f"its {name} is {array.dtype}, not floating point")
    return array


def _fold(
    name: str,
    weight: np.ndarray,
    shift: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    scale: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fold a norm into kernel ``[h, w, I, O]`` and bias ``[1, 1, 1, O]`` of a convolution."""
    with np.errstate(all="ignore"):
        slope = (1.0 if scale is None else scale) / np.sqrt(var.astype(float) + _EPSILON)
        kernel = (weight.transpose(2, 3, 1, 0) * slope).astype(np.float32)
        bias = (shift - mean * slope).astype(np.float32)
    if not (np.isfinite(kernel).all() and np.isfinite(bias).all()):
        raise _Foreign(f"its {name} is not finite or has a negative variance")
    return kernel, bias[None, None, None]


def _some(names: Mapping[str, Any]) -> str:
    first = next(iter(names))
    return first if len(names) == 1 else f"{first} and {len(names) - 1} more"

"""Weights of the Inception-v3 of the FID, from PyTorch's two files of them.

The state dict ``pt_inception-2015-12-05-6726825d.pth`` of pytorch-fid and torch-fidelity
and the TorchScript archive ``inception-2015-12-05.pt``, with or without the classifier.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from numpy.typing import ArrayLike

from jaxgan.convert import torchfile
from jaxgan.errors import InputError, lookup
from jaxgan.networks.inception import CONVENTIONS, FEATURES, SIZE, Inception, features

_EPSILON = 1e-3  # of its batch norms
_CLASSES = 1008
_FILES = "pt_inception-2015-12-05-6726825d.pth or inception-2015-12-05.pt"

_WEIGHT, _SCALE, _SHIFT, _MEAN, _VAR = "conv.weight", "bn.weight", "bn.bias", "mean", "var"


def _tower(branch: str, tower: str, units: int) -> dict[str, str]:
    numbers = ["", *(f"_{i}" for i in range(1, units))]
    return {f"{branch}_{i}": f"{tower}.conv{n}" for i, n in enumerate(numbers, 1)}


# The archive's names of a block's units.
_ENDS = {"branch1x1": "conv", "branch_pool": "tower_2.conv"}
_A = _ENDS | _tower("branch5x5", "tower", 2) | _tower("branch3x3dbl", "tower_1", 3)
_B = {"branch3x3": "conv"} | _tower("branch3x3dbl", "tower", 3)
_C = _ENDS | _tower("branch7x7", "tower", 3) | _tower("branch7x7dbl", "tower_1", 5)
_D = _tower("branch3x3", "tower", 2) | _tower("branch7x7x3", "tower_1", 4)

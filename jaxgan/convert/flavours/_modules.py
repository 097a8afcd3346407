"""Read the settings of a network's layers from the PyTorch modules in a file."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from jaxgan.convert.flavours._parts import Part
from jaxgan.convert.formats._inert import Inert
from jaxgan.networks.upsampler import Layer, Window

MAX_MODULES = 10_000
MAX_DEPTH = 100
SLOPE = 0.2  # of a leaky ReLU with an unknown slope
_LARGEST = 1e3  # largest slope, alpha or epsilon
_CONTAINERS = {"Sequential", "ModuleList", "ModuleDict"}
_NO_EFFECT = {  # modules without effect
    *("Dropout", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout"),
    *("Identity", "Flatten", "Unflatten", "UnFlatten", "Reshape", "View"),
}
_UPSAMPLING = {"Upsample", "UpsamplingNearest2d"}
_ACTIVATIONS = {  # attribute with the parameter, and its default
    "ELU": ("elu", "alpha", 1.0),
    "GELU": ("gelu", "", 0.0),
    "LeakyReLU": ("leaky_relu", "negative_slope", SLOPE),
    "ReLU": ("relu", "", 0.0),
    "SELU": ("selu", "", 0.0),
    "Sigmoid": ("sigmoid", "", 0.0),
    "SiLU": ("silu", "", 0.0),
    "Tanh": ("tanh", "", 0.0),
}


class Unknown(Exception):
    """A module is not supported; the message says which, without the path."""


class _Leaf(NamedTuple):
    """A module without submodules.

    Attributes:
      path: Its name.
      module: The object.
      inside: Path of its container.
    """

    path: str
    module: Inert
    inside: str


class Modules:
    """The modules below a prefix of a file; none if the file holds only arrays.

    Attributes:
      enlarge: Whether there are upsampling modules without arrays.
    """

    def __init__(self, value: Any, prefix: str):
        for name in filter(None, prefix.split(".")):
            value = _child(value, name)
        self._kinds: dict[str, str] = {}  # class of each container by path
        self._leaves = list(islice(self._walk("", value, 0), MAX_MODULES))
        self._places = {leaf.path: i for i, leaf in enumerate(self._leaves)}
        self.enlarge = any(_name(leaf.module) in _UPSAMPLING for leaf in self._leaves)

    def shared_activations(self) -> list[Layer]:
        """Return the activations outside any Sequential, whose order is unknown.

        Raises:
          Unknown: If one of them is not supported.
        """
        return [
            layer
            for leaf in self._leaves
            if self._kinds[leaf.inside] not in ("Sequential", "")
            and _name(leaf.module) in _ACTIVATIONS
            for layer in _layers(leaf)
        ]

    def kinds(self) -> dict[str, str]:
        """Return the kind of each convolution by path."""
        names = {"ConvTranspose2d": "transposed", "Conv2d": "conv"}
        kinds = {leaf.path: names.get(_name(leaf.module), "") for leaf in self._leaves}
        return {path: kind for path, kind in kinds.items() if kind}

    def kind(self, path: str) -> str:
        """Return the class name of a module; empty if it is unknown."""
        place = self._places.get(path)
        return "" if place is None else _name(self._leaves[place].module)

    def attribute(self, path: str, name: str) -> Any:
        """Return an attribute of a module; None if it is unknown."""
        place = self._places.get(path)
        return None if place is None else _attribute(self._leaves[place].module, name)

    def window(self, path: str) -> Window | None:
        """Return the window of a convolution; None if it is unknown.

        Raises:
          Unknown: If it is dilated, grouped, or different along the two axes.
        """
        steps = [self.attribute(path, n) for n in ("stride", "padding", "output_padding")]
        if steps[0] is None or steps[1] is None:
            return None
        if steps[1] == "same":
            taps = _both(self.attribute(path, "kernel_size"))
            steps[1] = taps // 2 if type(taps) is int and taps % 2 else None
        plain = {"dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
        odd = [n for n, usual in plain.items() if self.attribute(path, n) not in (None, usual)]
        square = [_both(step) for step in (steps[0], steps[1], steps[2] or (0, 0))]
        if odd or not all(type(step) is int for step in square):
            what = odd[0] if odd else "stride or padding"
            raise Unknown(f"its {path} has a {what} that is not supported")
        window = Window(*square)
        if not 0 < window.stride <= 16 or max(window) > 16:
            raise Unknown(f"its {path} has a stride or padding that is not from 0 to 16")
        return window

    def between(self, first: Part, second: Part | None) -> tuple[list[Layer], bool]:
        """Return the layers without arrays between two layers, and whether these are all.

        Args:
          first: A layer.
          second: The next layer with arrays; None for the end of the network.

        Raises:
          Unknown: If a module between them is not supported.
        """
        start = self._places.get(first.owner, -1)
        end = self._places.get(second.owner, -1) if second else len(self._leaves)
        if start < 0 or end < start:
            return [], False
        leaves = self._leaves[start + 1 : end]
        if any(_has_arrays(leaf.module) for leaf in leaves):
            return [], False
        inside = [leaf for leaf in leaves if self._kinds[leaf.inside] == "Sequential"]
        layers = [layer for leaf in inside for layer in _layers(leaf)]
        return layers, self._in_order(first.owner, second.owner if second else None)

    def _in_order(self, first: str, second: str | None) -> bool:
        """Return whether Sequentials fix the order from one module to the next."""
        around = _above(first)
        if second is not None:
            others = _above(second)
            joint = max(set(around) & set(others), key=len)
            around = [path for path in (*around, *others) if path.startswith(joint)]
        return all(self._kinds[path] in ("Sequential", "") for path in around)

    def _walk(self, path: str, value: Any, depth: int) -> Iterator[_Leaf]:
        is_module = isinstance(value, Inert)
        self._kinds[path] = _name(value) if is_module else ""
        for name, child in _inside(value).items():
            if not isinstance(child, Inert) or not isinstance(child.state, dict):
                continue
            here = f"{path}.{name}" if path else str(name)
            if _name(child) in _CONTAINERS or any(
                isinstance(inner, Inert) for inner in _inside(child).values()
            ):
                if depth < MAX_DEPTH and len(self._kinds) < MAX_MODULES:
                    yield from self._walk(here, child, depth + 1)
            else:
                yield _Leaf(here, child, path)


def _child(value: Any, name: str) -> Any:
    """Return the item of a container for one component of a name."""
    if isinstance(value, list | tuple):
        index = int(name) if re.fullmatch(r"\d{1,9}", name) else len(value)
        return value[index] if index < len(value) else None
    return _inside(value).get(name)


def _inside(value: Any) -> dict[Any, Any]:
    """Return the submodules of a module, or the items of a dictionary or another object."""
    match value:
        case Inert(state={"_modules": dict(items)}) | Inert(items=dict(items)):
            return items
        case Inert(state=dict(items)) | dict(items):
            return items
    return {}


def _layers(leaf: _Leaf) -> list[Layer]:
    """Return the layers that a module without arrays stands for."""
    name = _name(leaf.module)
    if name in _NO_EFFECT:
        return []
    if name in _ACTIVATIONS:
        kind, attribute, default = _ACTIVATIONS[name]
        value = _number(_attribute(leaf.module, attribute), default)
        if name == "GELU" and _attribute(leaf.module, "approximate") not in (None, "none"):
            raise Unknown(f"its {leaf.path} approximates a GELU, which is not supported")
        return [Layer(kind, value=value)]
    if name == "InstanceNorm2d":
        return [Layer("instance", value=_number(_attribute(leaf.module, "eps"), 1e-5))]
    if name in _UPSAMPLING:
        factor = _both(_attribute(leaf.module, "scale_factor"))
        mode = _attribute(leaf.module, "mode")
        if mode in (None, "nearest") and factor in (2, 3, 4, 8):
            return [Layer("enlarge", window=Window(int(factor)))]
        if {_attribute(leaf.module, name) for name in ("scale_factor", "size")} == {None}:
            raise Unknown(
                f"its {leaf.path} does not say how far it upsamples, as after torch.jit.trace: "
                "save the module itself, or its state dict"
            )
        raise Unknown(f"its {leaf.path} upsamples in an unsupported way")
    raise Unknown(f"its {leaf.path} is a {name[:60]}, which is not supported")


def _has_arrays(module: Inert) -> bool:
    state = module.state
    parts = [state, *(state.get(part) for part in ("_parameters", "_buffers"))]
    return any(
        isinstance(value, np.ndarray)
        for part in parts
        if isinstance(part, dict)
        for value in part.values()
    )


def _name(module: Inert) -> str:
    return module.name.rpartition(".")[2]


def _attribute(module: Inert, name: str) -> Any:
    """Return a number, a string or a pair of them; ``unknown`` for anything else."""
    value = module.state.get(name) if isinstance(module.state, dict) else None
    parts = value if isinstance(value, tuple | list) else (value,)
    plain = all(type(part) in (int, float, bool, str, type(None)) for part in parts)
    return value if plain else "unknown"


def _number(value: Any, default: float) -> float:
    """Return a setting of a layer, which may be missing."""
    if value is None:
        return default
    if type(value) not in (int, float) or not abs(value) < _LARGEST:
        raise Unknown(f"it has a layer with the setting {str(value)[:40]}")
    return float(value)


def _both(pair: Any) -> Any:
    """Return the number of a pair of equal numbers; None otherwise."""
    if isinstance(pair, tuple | list):
        pair = pair[0] if len(pair) == 2 and pair[0] == pair[1] else None
    return pair if type(pair) in (int, float) else None


def _above(path: str) -> list[str]:
    """List the paths of the containers around a module."""
    pieces = path.split(".")[:-1]
    return [".".join(pieces[:count]) for count in range(len(pieces) + 1)]

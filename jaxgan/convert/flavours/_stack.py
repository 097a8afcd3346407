"""Assemble a DCGAN's layers in the order of application, with their parameters."""

import re
from collections.abc import Sequence

import numpy as np

from jaxgan.convert.flavours import _windows
from jaxgan.convert.flavours._modules import SLOPE, Modules, Unknown
from jaxgan.convert.flavours._parts import Part, Step
from jaxgan.convert.flavours._weights import take_weight
from jaxgan.convert.formats.state_dict import StateDict
from jaxgan.convert.generator import Style
from jaxgan.convert.options import Settings
from jaxgan.errors import InputError
from jaxgan.networks.upsampler import ACTIVATIONS, Layer, Window

_SPATIAL = ("transposed", "conv")
_FINAL = ("tanh", "sigmoid")
_EPSILON = 1e-5
UPSAMPLING = "upsampling by repeating pixels is assumed"
_INSTANCE = "norms without statistics are read as instance norms"
# The generator of PyTorch-GAN, which is widely copied: names that identify it, and settings
# that do not show. In its later norms, 0.8 is the epsilon, not the momentum.
_PYTORCH_GAN = {("l1.0", "conv_blocks.0"), ("l1.0", "conv_blocks.1")}
_PYTORCH_GAN_ACTIVATION, _PYTORCH_GAN_EPSILON = "leaky_relu", 0.8


class Stack:
    """Reads the arrays of a generator and completes the settings that they do not show.

    Attributes:
      params: Parameters of an ``Upsampler``.
      assumptions: Assumptions, one sentence each.
    """

    def __init__(
        self, state: StateDict, steps: Sequence[Step], modules: Modules, settings: Settings
    ):
        self.params: dict[str, dict[str, np.ndarray]] = {}
        self.assumptions: list[str] = []
        self._state, self._modules, self._settings = state, modules, settings
        self._layers: list[Layer] = []
        self._windows: list[Window | None] = []
        self._early: set[str] = set()  # norms with an activation before them
        self._spreads = any(step.kind == "transposed" for step in steps)
        self._guesses: dict[str, str] = {}  # assumed layers, and their settings
        names = tuple(step.part.owner for step in steps[:2])
        self._is_pytorch_gan = names in _PYTORCH_GAN and not modules.kind(names[0])
        if self._is_pytorch_gan:
            self.assumptions.append(
                f"{_PYTORCH_GAN_ACTIVATION} and the epsilon {_PYTORCH_GAN_EPSILON} of "
                "PyTorch-GAN are assumed"
            )
        self.style = _style(steps[0], self._convolution(steps[0], None))
        self._rest(*steps[:3])
        for i in range(1, len(steps)):
            self._step(steps[i], steps[i - 1])
            self._rest(*steps[i : i + 3])
        if self._layers[-1].kind == "sigmoid":  # [0, 1]
            two = _wide(np.full(steps[-1].outputs, 2))
            self._add(Layer("scale"), scale=two, shift=two - 3)

    def choose(self) -> _windows.Choice:
        """Return the layers with their strides.

        Raises:
          Unclear: If the strides are ambiguous.
        """
        choice = _windows.choose(self._layers, self._windows, self._settings)
        self.assumptions += [choice.assumption] if choice.assumption else []
        if self._guesses:
            many = len(self._guesses) > 1
            names = f"(setting{'s' * many} {', '.join(self._guesses.values())})"
            verb = "are" if many else "is"
            self.assumptions.append(f"{' and '.join(self._guesses)} {verb} assumed {names}")
        return choice

    def _add(self, layer: Layer, **params: np.ndarray) -> None:
        if params:
            self.params[f"layer_{len(self._layers)}"] = params
        self._layers.append(layer)

    def _step(self, step: Step, before: Step) -> None:
        """Add the layer of a step."""
        if step.kind == "norm":
            self._norm(step, before)
        elif step.kind == "prelu":
            if step.part.length not in (1, step.outputs):
                raise Unknown(f"its {step.part.owner} has a slope for each of many numbers")
            slope = self._state.take(step.part.name("weight"), (None,))
            self._add(Layer("prelu"), slope=_wide(np.resize(slope, step.outputs)))
        else:
            self._convolution(step, before.outputs)

    def _convolution(self, step: Step, inputs: int | None) -> np.ndarray:
        part, kind, outputs, k = step
        weight = take_weight(self._state, step, inputs)
        units = outputs * k * k if kind == "dense" else outputs
        bias = np.zeros(units, np.float32)
        if "bias" in part.shapes:
            bias = self._state.take(part.name("bias"), (units,))
        if kind != "dense":
            self._windows.append(self._modules.window(part.owner))
            layer = Layer(kind, outputs, k)
            kernel = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
            self._add(layer, kernel=kernel, bias=_wide(bias))
            return weight
        # A dense layer is a transposed convolution of a single pixel.
        self._windows.append(Window())
        kernel = weight.reshape(outputs, k, k, -1).transpose(1, 2, 0, 3)
        layer = Layer("transposed", outputs, k)
        zeros = _wide(np.zeros(outputs, np.float32))
        self._add(layer, kernel=np.ascontiguousarray(kernel), bias=zeros)
        self._add(
            Layer("scale", side=k), scale=_wide(np.ones_like(bias), k), shift=_wide(bias, k)
        )
        return weight

    def _norm(self, step: Step, before: Step) -> None:
        part, _, channels, _ = step
        kind = self._modules.kind(part.owner)
        if kind and not re.fullmatch(r"(Batch|SyncBatch|Instance)Norm(1d|2d)?", kind):
            raise Unknown(f"its {part.owner} is a {kind[:60]}, which is not supported")
        shape, eps = (part.length,), self._epsilon(part, first=before.kind == "dense")
        factor, shift = np.ones(shape, np.float32), np.zeros(shape, np.float32)
        if "weight" in part.shapes:
            factor = self._state.take(part.name("weight"), shape)
            shift = self._state.take(part.name("bias"), shape)
        if "running_var" not in part.shapes:
            if before.kind == "dense" or (kind and not kind.startswith("Instance")):
                raise Unknown(f"its {part.owner} has no statistics, which it needs there")
            if not kind and _INSTANCE not in self.assumptions:
                self.assumptions.append(_INSTANCE)
            self._add(Layer("instance", value=eps), scale=_wide(factor), shift=_wide(shift))
            return
        mean = self._state.take(part.name("running_mean"), shape).astype(np.float64)
        var = self._state.take(part.name("running_var"), shape).astype(np.float64)
        if (var < 0).any():
            raise self._state.error(f"its {part.name('running_var')} is negative")
        factor = factor / np.sqrt(var + eps)
        side = round((part.length // channels) ** 0.5)
        shift = _wide(shift - mean * factor, side)
        self._add(Layer("scale", side=side), scale=_wide(factor, side), shift=shift)

    def _epsilon(self, part: Part, first: bool) -> float:
        eps = self._modules.attribute(part.owner, "eps")
        if type(eps) is not float:
            usual = _PYTORCH_GAN_EPSILON if self._is_pytorch_gan and not first else _EPSILON
            eps = self._settings.get("eps", usual)
        if not 0 < eps < 1e3:
            raise InputError(f"the epsilon {eps} of a norm must be over 0")
        return eps

    def _rest(self, step: Step, after: Step | None = None, later: Step | None = None) -> None:
        """Add the layers without arrays after a step."""
        layers, complete = self._modules.between(step.part, after.part if after else None)
        if not layers and not complete:
            layers = self._usual_layers(step, after, later) if after else self._final()
        for layer in layers:
            if layer.kind == "instance":
                one = _wide(np.ones(step.outputs, np.float32))
                self._add(layer, scale=one, shift=one - 1)
            else:
                self._add(layer)

    def _usual_layers(self, step: Step, after: Step, later: Step | None) -> list[Layer]:
        """Return the usual layers between two others.

        Inside a Sequential, gaps in the numbers count the layers without arrays.
        """
        gap = _gap(step, after)
        if after.kind == "prelu":
            return []
        if after.kind == "norm":
            last = later is not None and _gap(after, later) == 0
            if not gap or (step.kind == "dense" and not last):
                return []
            self._early.add(after.part.owner)
            if not last:
                self._say("activations are taken to be before the norms")
            return [self._activation()]
        if gap == 0 or step.kind == "prelu":
            return []
        early = step.part.owner in self._early
        if after.kind == "conv":
            return self._enlarging_layers(step, after, gap, early)
        if early:
            return []
        layers = [self._activation()]
        if step.kind in _SPATIAL:
            layers = self._unseen_norm(step, gap) + layers
        return layers

    def _enlarging_layers(
        self, step: Step, after: Step, gap: int | None, early: bool
    ) -> list[Layer]:
        """Return the usual layers before a convolution, perhaps with upsampling."""
        first = len(self._windows) == 1  # it takes the output of a dense layer
        flat = step.kind in ("dense", "norm")  # perhaps with a norm of its own
        starts = gap is None and first and flat and after.part.number
        if starts:  # a Sequential with other layers before it
            gap = starts[1]
        bare = early or (first and gap == 1 and (starts or step.part.is_vector))
        enlarges = (gap or 0) > (0 if bare else 1) and not (early and self._spreads)
        layers = [] if bare else [self._activation()]
        if enlarges:
            self._say(UPSAMPLING)
            layers.append(Layer("enlarge", window=Window(2)))
        return layers

    def _say(self, what: str) -> None:
        self.assumptions += [what] if what not in self.assumptions else []

    def _unseen_norm(self, step: Step, gap: int | None) -> list[Layer]:
        """Return the norm after a convolution, which may have one without arrays."""
        norm = self._settings.get("norm", "")
        if norm == "instance":
            return [Layer("instance", value=self._settings.get("eps", _EPSILON))]
        if norm not in ("", "none"):
            raise InputError(f"the setting norm={norm[:40]} must be none or instance")
        if not norm and gap is not None and gap > 1:
            raise Unknown(
                f"{gap} layers after its {step.part.owner} have no arrays: give the setting "
                "norm=instance or norm=none"
            )
        return []

    def _activation(self) -> Layer:
        layers = [
            layer for layer in self._modules.shared_activations() if layer.kind not in _FINAL
        ]
        if layers:
            return layers[0]
        usual = _PYTORCH_GAN_ACTIVATION if self._is_pytorch_gan else "relu"
        kind = self._settings.get("activation", usual)
        if "activation" not in self._settings and not self._is_pytorch_gan:
            self._guesses[f"{kind} between"] = "activation"
        if kind not in ACTIVATIONS:
            names = ", ".join(ACTIVATIONS)
            raise InputError(f"the setting activation={kind[:40]} must be one of {names}")
        slope = 0.0
        if kind in ("leaky_relu", "elu"):
            slope = self._settings.get("slope", SLOPE if kind == "leaky_relu" else 1.0)
        return Layer(kind, value=slope)

    def _final(self) -> list[Layer]:
        layers = [layer for layer in self._modules.shared_activations() if layer.kind in _FINAL]
        if layers:
            return layers[:1]
        kind = self._settings.get("final_activation", "tanh")
        if "final_activation" not in self._settings:
            self._guesses[f"{kind} at the end"] = "final_activation"
        if kind not in (*_FINAL, "none"):
            choices = "tanh, sigmoid or none"
            raise InputError(f"the setting final_activation={kind[:40]} must be {choices}")
        return [Layer(kind)] if kind != "none" else []


def _gap(first: Step, second: Step) -> int | None:
    """Count the modules between two in a Sequential; None if they are not in the same one."""
    a, b = first.part.number, second.part.number
    return b[1] - a[1] - 1 if a and b and a[0] == b[0] else None


def _style(step: Step, weight: np.ndarray) -> Style:
    name = step.part.name(step.part.main)
    if step.kind == "transposed":
        weight = weight.transpose(1, 2, 3, 0).reshape(-1, len(weight))
    return Style(name, 0, np.ascontiguousarray(weight))


def _wide(vector: np.ndarray, side: int = 1) -> np.ndarray:
    """Reshape ``[C * side * side]`` to ``[1, side, side, C]`` float32."""
    planes = vector.reshape(1, -1, side, side).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(planes, np.float32)

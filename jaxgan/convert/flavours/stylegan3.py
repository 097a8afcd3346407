"""StyleGAN3, configurations T and R, as NVlabs' repository stylegan3 stores it."""

import functools
import math
import numbers
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxgan.convert.blueprint import Blueprint, functions
from jaxgan.convert.flavours import _mapping, _persistent
from jaxgan.convert.flavours._stylegan2 import check_colours
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained, Style
from jaxgan.convert.options import Settings
from jaxgan.networks import stylegan3
from jaxgan.networks.resampling import Resampling, Signal, resampling, signals

_FLAVOUR = "NVlabs StyleGAN3"
_INPUT = "synthesis.input."
_MARKS = (f"{_INPUT}freqs", f"{_INPUT}phases", f"{_INPUT}affine.weight")
_NAME = re.compile(r"(synthesis\.L(\d{1,2})_(\d{1,4})_\d{1,5}\.)weight")
_EPSILON = 1e-8  # of demodulation, relative to a style's mean square
_SIDES = (16, 4096)
_RANGES: dict[str, tuple[Any, float, float]] = {  # of settings: default, least, most
    "num_critical": (2, 1, 97),
    "first_cutoff": (2.0, 0.1, 1e4),
    "first_stopband": (2**2.1, 1, 1e4),
    "last_stopband_rel": (2**0.3, 1, 10),
    "margin_size": (10, 0, 1000),
    "output_scale": (0.25, 1e-9, 1e9),
    "filter_size": (6, 1, 64),
    "lrelu_upsampling": (2, 1, 2),
    "conv_clamp": (256.0, 1e-9, 1e30),
}

_Ask = Callable[[str], Any]


def find(checkpoint: Checkpoint) -> Pretrained | None:
    """Load the averaged generator, or the only one; None for other flavours.

    Layers in float16 run in float32, with the same clamps. Settings that do not show in
    arrays come from the pickled object. For a bare state dict they come from the user, or
    else they are NVlabs' defaults.

    Raises:
      InputError: If the arrays do not fit such a network with these settings.
    """
    state = checkpoint.choose(_MARKS, _FLAVOUR)
    if state is None:
        return None
    module = _persistent.module(checkpoint.value, state.prefix)
    synthesis = _persistent.part(module, "synthesis")
    ask = functools.partial(_setting, state, synthesis, checkpoint.settings)
    rates = _persistent.settings(_persistent.part(module, "mapping"), "lr_multiplier")
    if not all(isinstance(rate, float) and rate == _mapping.RATE for rate in rates):
        raise state.error(
            f"its mapping network has an lr_multiplier other than {_mapping.RATE}"
        )
    return _assemble(state, _layers(state), checkpoint.settings, ask)


def _kernel(state: StateDict, layer: str, user: Settings) -> tuple[int, bool]:
    """Return the kernel size of the convolutions, and whether filters are radial.

    The latter comes from a filter in the file, or else from the user.
    """
    shape = state.shape(f"{layer}weight")
    if len(shape) != 4:
        raise state.error(f"its {layer}weight has shape {list(shape)}, not [O, I, k, k]")
    name = f"{layer}down_filter"
    radial = user.get("use_radial_filters", shape[3] == 1)
    return shape[3], len(state.shape(name)) == 2 if name in state else radial


def _assemble(
    state: StateDict, layers: dict[str, int], user: Settings, ask: _Ask
) -> Pretrained:
    """Build a generator from all arrays of ``state``."""
    reader = _Reader(state)
    kernel, radial = _kernel(state, next(iter(layers)), user)
    synthesis, network = reader.synthesis(layers, kernel, radial, ask)
    count = len(layers) + 1
    encoder = _mapping.take(
        state,
        _mapping.Names("mapping.fc{}.".format, "mapping.embed."),
        depth=max(state.count(r"mapping\.fc(\d{1,2})\."), 1),
        features=reader.dim,
        layers=count,
    )
    params = {
        "mapping": encoder.params,
        "synthesis": synthesis,
        "transform": reader.transform(),
    }
    mean = None
    if "mapping.w_avg" in state:
        mean = state.take_mean("mapping.w_avg", count, reader.dim)
    state.finish()

    blueprint = Blueprint(network, encoder.network, encoder.layers)
    return Pretrained(
        flavour=state.flavour,
        resolution=list(layers.values())[-1],
        latent_dim=reader.dim,
        num_layers=count,
        params=params,
        styles=tuple(reader.styles),
        average=mean,
        z_dim=encoder.z_dim,
        num_labels=encoder.num_labels,
        origin=state.origin,
        transforms=True,
        blueprint=blueprint,
        **functions(blueprint),
    )


def _layers(state: StateDict) -> dict[str, int]:
    """Return the prefixes of layers, toRGB last, with the sizes in their names."""
    matches = filter(None, map(_NAME.fullmatch, state.names()))
    by_number = {int(match[2]): (match[1], int(match[3])) for match in matches}
    if len(by_number) < 3 or sorted(by_number) != list(range(len(by_number))):
        raise state.error(f"it has layers {sorted(by_number)}, not 0 to 14 or such")
    layers = dict(by_number[i] for i in range(len(by_number)))
    side = list(layers.values())[-1]
    if not _SIDES[0] <= side <= _SIDES[1] or side.bit_count() != 1:
        sides = f"a power of 2 from {_SIDES[0]} to {_SIDES[1]}"
        raise state.error(f"its {side} pixels are not {sides}")
    return layers


def _setting(state: StateDict, module: Any, user: Settings, name: str) -> Any:
    """Return a setting of the pickled object, or of the user, or the default."""
    default, least, most = _RANGES[name]
    values = _persistent.settings(module, name) or [user.get(name, default)]
    if name == "conv_clamp" and not any(values):  # None, or 0 from the user
        return None
    kind: Any = numbers.Integral if isinstance(default, int) else numbers.Real
    same = all(isinstance(value, kind) and value == values[0] for value in values)
    if not same or not least <= values[0] <= most:
        what = "whole number" if isinstance(default, int) else "number"
        raise state.error(f"its {name} is not one {what} from {least:g} to {most:g}")
    return type(default)(values[0])


def _design(
    state: StateDict, sizes: list[int], kernel: int, radial: bool, ask: _Ask
) -> tuple[Signal, tuple[Resampling, ...]]:
    """Design the input signal and the filters of the layers.

    Raises:
      InputError: If the settings give other sizes than the names in the file.
    """
    layers, critical = len(sizes) - 1, ask("num_critical")
    if critical >= layers:
        raise state.error(f"its num_critical is {critical}, of {layers} layers")
    cutoff, stopband, last = map(ask, ("first_cutoff", "first_stopband", "last_stopband_rel"))
    margin, taps, oversampling = map(ask, ("margin_size", "filter_size", "lrelu_upsampling"))
    try:
        bands = signals(
            sizes[-1],
            layers=layers,
            critical=critical,
            first_cutoff=cutoff,
            first_stopband=stopband,
            last_stopband=last,
            margin=margin,
        )
        ways = tuple(
            resampling(
                *(bands[max(i - 1, 0)], bands[i], kernel),
                taps=taps,
                oversampling=oversampling,
                radial=radial and i < layers - critical,
            )
            for i in range(layers)
        )
    except ValueError as error:  # from SciPy: the bands of a filter do not fit
        raise state.error("its settings leave no room for filters") from error
    own_sizes = [band.size for band in bands]
    if own_sizes != sizes:
        raise state.error(f"its layers have sizes {sizes}; its settings give {own_sizes}")
    return bands[0], ways


class _Reader:
    """Takes the arrays of a network into its tree of parameters.

    Attributes:
      dim: Length of a code.
      styles: The styles so far.
    """

    def __init__(self, state: StateDict):
        self.styles: list[Style] = []
        self._state = state
        self._affine = state.take(f"{_INPUT}affine.weight", (4, None))
        self.dim = self._affine.shape[1]

    def synthesis(
        self, layers: dict[str, int], kernel: int, radial: bool, ask: _Ask
    ) -> tuple[dict[str, Any], stylegan3.Synthesis]:
        """Return the parameters and the network."""
        *names, last = layers
        band, ways = _design(self._state, list(layers.values()), kernel, radial, ask)
        params: dict[str, Any] = {"input": self._input()}
        channels = [len(params["input"]["kernel"])]
        for i, (name, way) in enumerate(zip(names, ways, strict=True)):
            params[f"layer_{i}"] = self._layer(name, i + 1, channels[-1], kernel)
            channels.append(params[f"layer_{i}"]["bias"].size)
            self._check_filter(f"{name}up_filter", way.up_filter)
            self._check_filter(f"{name}down_filter", way.down_filter)
        params["to_rgb"] = self._to_rgb(last, len(layers), channels[-1])
        network = stylegan3.Synthesis(
            channels=tuple(channels),
            band=band,
            resamplings=ways,
            kernel_size=kernel,
            colours=params["to_rgb"]["bias"].size,
            clamp=ask("conv_clamp"),
            scale=ask("output_scale"),
        )
        return params, network

    def transform(self) -> np.ndarray:
        """Take the transform ``[3, 3]`` of the input signal; the default is the identity."""
        name = f"{_INPUT}transform"
        if name not in self._state:
            return np.eye(3, dtype=np.float32)
        return self._state.take(name, (3, 3))

    def _input(self) -> dict[str, Any]:
        """Take the Fourier features, their weights, and the affine map of the transform."""
        state = self._state
        weight = state.take(f"{_INPUT}weight", (None, None))
        waves = len(weight)
        if weight.shape[1] != waves:
            raise state.error(
                f"its {_INPUT}weight has shape {list(weight.shape)}, not a square"
            )
        return {
            "frequencies": state.take(f"{_INPUT}freqs", (waves, 2)).T,
            "phases": state.take(f"{_INPUT}phases", (waves,))[None],
            "kernel": weight.T / math.sqrt(waves),
            "placement": {
                "kernel": self._affine.T / math.sqrt(self.dim),
                "bias": state.take(f"{_INPUT}affine.bias", (4,)),
            },
        }

    def _layer(self, name: str, code: int, inputs: int, kernel: int) -> dict[str, Any]:
        """Take a layer; its kernel is normalised to a mean square of 1 per output."""
        weight = self._state.take(f"{name}weight", (None, inputs, kernel, kernel))
        power = np.square(weight, dtype=np.float64).mean(axis=(1, 2, 3), keepdims=True)
        scale = np.sqrt(np.maximum(power, np.finfo(np.float64).tiny))
        weight = (weight / scale).astype(np.float32)
        squares = np.square(weight).sum(axis=(2, 3)).T + np.float32(_EPSILON / inputs)
        return {
            "kernel": self._gain(name) * weight.transpose(2, 3, 1, 0),
            "squares": squares,
            "bias": self._bias(name, len(weight)),
            "style": self._style(name, code, inputs, to_rgb=False),
        }

    def _to_rgb(self, name: str, code: int, inputs: int) -> dict[str, Any]:
        weight = self._state.take(f"{name}weight", (None, inputs, 1, 1))
        check_colours(self._state, len(weight))
        return {
            "kernel": self._gain(name) * weight[:, :, 0, 0].T / np.float32(math.sqrt(inputs)),
            "bias": self._bias(name, len(weight)),
            "style": self._style(name, code, inputs, to_rgb=True),
        }

    def _style(self, name: str, code: int, inputs: int, to_rgb: bool) -> dict[str, Any]:
        name = f"{name}affine."
        weight = self._state.take(f"{name}weight", (inputs, self.dim))
        self.styles.append(Style(f"{name}weight", code, weight, to_rgb))
        bias = self._state.take(f"{name}bias", (inputs,))
        return {"kernel": weight.T / math.sqrt(self.dim), "bias": bias}

    def _bias(self, name: str, outputs: int) -> np.ndarray:
        return self._state.take(f"{name}bias", (outputs,))[None, None, None]

    def _gain(self, name: str) -> np.ndarray:
        """Return the factor that scales a layer's input to an average magnitude of 1."""
        square = self._state.take(f"{name}magnitude_ema", ())
        if square <= 0:
            raise self._state.error(f"its {name}magnitude_ema is not above 0")
        return 1 / np.sqrt(square)

    def _check_filter(self, name: str, expected: np.ndarray) -> None:
        """Compare a filter with the designed one. A bare state dict may lack filters."""
        if name not in self._state:
            return
        actual = self._state.take(name, expected.shape)
        if not np.allclose(actual, expected, atol=1e-6):
            raise self._state.error(f"its {name} is not the filter that its settings give")

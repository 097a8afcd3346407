"""Infer the strides and paddings of generators, which do not show in arrays."""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from jaxgan.convert.options import Settings
from jaxgan.networks.upsampler import Layer, Window

MAX_SIZE = 1024
_USUAL = {16, 28, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512}
_SPATIAL = ("transposed", "conv")
_SETTINGS = ("strides", "paddings", "output_paddings")
# Stacks of well-known courses, by their kernels. Their sizes: 3, 6, 13, 28 (GANs
# specialisation, MNIST); 3, 7, 15, 31, 64 (the same, CelebA); 4, 7, 14, 28.
_COURSES = {
    (3, 4, 3, 4): ((1, 1, 2, 2), (0, 0, 0, 0)),
    (3, 3, 3, 3, 4): ((1, 2, 2, 2, 2), (0, 0, 0, 0, 0)),
    (4, 3, 4, 4): ((1, 2, 2, 2), (0, 1, 1, 1)),
}


class Unclear(Exception):
    """The strides are ambiguous; the message says why, without the path."""


class Choice(NamedTuple):
    """A network with all strides.

    Attributes:
      layers: Its layers.
      size: Height and width of its images.
      assumption: What was assumed; empty if nothing was.
    """

    layers: tuple[Layer, ...]
    size: int
    assumption: str = ""


def choose(
    layers: Sequence[Layer], partial: Sequence[Window | None], settings: Settings
) -> Choice:
    """Complete the unknown windows of convolutions.

    Args:
      layers: All layers of the network.
      partial: The window of each convolution; None if the file does not show it.
      settings: The user's ``image_size``, ``strides``, ``paddings`` and ``output_paddings``;
        the last three are numbers separated by slashes, one for each None.

    Raises:
      Unclear: If no choice makes images of the user's size, or of a usual size.
    """
    size = settings.get("image_size", 0)
    spatial = [layer for layer in layers if layer.kind in _SPATIAL]
    open_ = [layer for layer, window in zip(spatial, partial, strict=True) if window is None]
    if not open_:
        return _complete(layers, partial, [], size)
    strides, paddings, extras = (_numbers(settings, n, len(open_)) for n in _SETTINGS)
    if strides or paddings or extras:
        if not strides or not paddings:
            raise Unclear("the settings strides and paddings belong together: give both")
        columns = strides, paddings, extras or [0] * len(open_)
        windows = [Window(*row) for row in zip(*columns, strict=True)]
        return _complete(layers, partial, windows, size)
    sizes = []
    before = takewhile(lambda pair: pair[1] is not None, zip(spatial, partial, strict=True))
    latents = all(layer._replace(window=window).size(1) == 1 for layer, window in before)
    for windows in _plans(open_, latents):
        *inner, last = _sizes(layers, partial, windows)
        sizes.append(last)
        fits = last == size if size else last in _USUAL
        if fits and all(0 < side <= MAX_SIZE for side in (*inner, last)):
            plain = len(sizes) == 1 and all(layer.kernel % 2 == 0 for layer in open_)
            assumption = "" if plain else f"{_spell(windows)} are assumed"
            return Choice(_fill(layers, partial, windows), last, assumption)
    kernels = "/".join(str(layer.kernel) for layer in open_)
    problem = f"not {size}" if size else "which is no usual size"
    images = f"{_join(sizes)} pixels, {problem}"
    raise Unclear(
        f"its kernels {kernels} with usual strides make images of {images}: "
        "give the settings strides and paddings, such as strides=1/2/2 and paddings=0/1/1"
    )


def _complete(
    layers: Sequence[Layer],
    partial: Sequence[Window | None],
    windows: Sequence[Window],
    size: int,
) -> Choice:
    sizes = _sizes(layers, partial, windows)
    text = _spell(windows or [window for window in partial if window])
    if not all(0 < side <= MAX_SIZE for side in sizes):
        raise Unclear(f"{text} make layers of {_join(sizes)} pixels")
    if size not in (0, sizes[-1]):
        raise Unclear(f"{text} make images of {sizes[-1]} pixels, not {size}")
    return Choice(_fill(layers, partial, windows), sizes[-1])


def _plans(layers: Sequence[Layer], latents: bool) -> Iterator[list[Window]]:
    """Yield choices of windows, the likeliest first.

    Args:
      layers: The convolutions.
      latents: Whether the first one takes single pixels (latents).
    """
    spread = [layer for layer in layers if layer.kind == "transposed"]
    kernels = tuple(layer.kernel for layer in spread)

    def plan(windows: Sequence[Window]) -> list[Window]:
        rest = iter([Window(), *windows[1:]] if latents else windows)
        return [
            next(rest) if layer.kind == "transposed" else _same(layer.kernel)
            for layer in layers
        ]

    double = [_double(kernel) for kernel in kernels]
    if latents and len(kernels) > 1:
        if kernels in _COURSES and spread[-1] is layers[-1]:
            yield plan([Window(*pair) for pair in zip(*_COURSES[kernels], strict=True)])
        if kernels[-1] == 1 and layers[-1].features == 1:  # 32 pixels minus the border
            yield plan([*double[:-1], Window(1, 2)])
    if kernels and kernels[-1] % 2 and kernels[-1] not in kernels[latents:-1]:
        yield plan([*double[:-1], _same(kernels[-1])])
    yield plan(double)
    if latents:
        yield plan([Window(2, 0) for _ in kernels])
    elif kernels and kernels[0] % 2:
        yield plan([_same(kernels[0]), *double[1:]])


def _double(kernel: int) -> Window:
    """Return the window of a transposed convolution that doubles the size."""
    return Window() if kernel == 1 else Window(2, (kernel - 1) // 2, kernel % 2)


def _same(kernel: int) -> Window:
    """Return the window that keeps the size, for an odd kernel."""
    return Window(1, (kernel - 1) // 2)


def _sizes(
    layers: Sequence[Layer], partial: Sequence[Window | None], windows: Sequence[Window]
) -> list[int]:
    sizes = [1]
    for layer in _fill(layers, partial, windows):
        sizes.append(layer.size(sizes[-1]))
    return sizes


def _fill(
    layers: Sequence[Layer], partial: Sequence[Window | None], windows: Sequence[Window]
) -> tuple[Layer, ...]:
    rest = iter(windows)
    each = iter([next(rest) if window is None else window for window in partial])
    return tuple(
        layer._replace(window=next(each)) if layer.kind in _SPATIAL else layer
        for layer in layers
    )


def _numbers(settings: Settings, name: str, count: int) -> list[int]:
    """Return the numbers of a setting; empty if it is not given."""
    text = settings.get(name, "")
    if text and not re.fullmatch(r"\d{1,2}(/\d{1,2})*", text):
        raise Unclear(f"the setting {name}={text[:40]} must be numbers joined by slashes")
    numbers = [int(number) for number in text.split("/") if number]
    if numbers and (len(numbers) != count or (name == "strides" and 0 in numbers)):
        raise Unclear(f"the setting {name}={text} must be {count} numbers, strides from 1")
    return numbers


def _join(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, dict.fromkeys(sizes)))


def _spell(windows: Sequence[Window]) -> str:
    columns = ["/".join(map(str, column)) for column in zip(*windows, strict=True)]
    extra = f" and output paddings {columns[2]}" if set(columns[2]) - set("0/") else ""
    return f"strides {columns[0]} and paddings {columns[1]}{extra}"

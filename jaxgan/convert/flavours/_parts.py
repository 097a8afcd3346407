"""Recognise a convolutional network by the shapes and the order of its arrays."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jaxgan.convert.formats._inert import legible

COLOURS = frozenset((1, 3, 4))  # channels of images
MAX_CONVOLUTIONS = 16
ORIGINAL = "parametrizations.weight.original"
_WEIGHTS = ("weight", "weight_orig", "weight_v", ORIGINAL, ORIGINAL + "1")  # [.., .., k, k]
_STATISTICS = ("running_mean", "running_var")
_COUNTER = "num_batches_tracked"
_LEAVES = {  # names of the arrays of known layers
    *(*_WEIGHTS, "weight_u", "weight_g", ORIGINAL + "0", "bias", *_STATISTICS),
    *(f"parametrizations.weight.0._{leaf}" for leaf in "uv"),
}


class Misfit(Exception):
    """The arrays do not form such a network; the message says why, without the path."""


class Part(NamedTuple):
    """The arrays of one layer.

    Attributes:
      owner: Name of the layer.
      shapes: Shape of each array by the rest of its name.
    """

    owner: str
    shapes: Mapping[str, tuple[int, ...]]

    def name(self, leaf: str) -> str:
        """Return the full name of an array."""
        return f"{self.owner}.{leaf}" if self.owner else leaf

    @property
    def main(self) -> str:
        """Name of the array that has the shape of the weight; ``weight`` if there is none."""
        if "weight_orig" in self.shapes:
            return "weight_orig"  # its weight_v is a vector
        return next((leaf for leaf in _WEIGHTS if leaf in self.shapes), "weight")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return self.shapes.get(self.main, ())

    @property
    def is_vector(self) -> bool:
        """Whether the layer is a norm or a PReLU."""
        return any(leaf in self.shapes for leaf in _STATISTICS) or len(self.shape) == 1

    @property
    def length(self) -> int:
        """Length of the vectors of a norm; 0 for other layers."""
        shapes = (self.shapes.get(leaf, ()) for leaf in (*_STATISTICS, "weight"))
        return next((shape[0] for shape in shapes if len(shape) == 1), 0)

    @property
    def number(self) -> tuple[str, int] | None:
        """The container and the index in it; None if the last component is not a number."""
        container, _, last = self.owner.rpartition(".")
        return (container, int(last)) if re.fullmatch(r"\d{1,9}", last) else None


class Step(NamedTuple):
    """The operation of a layer.

    Attributes:
      part: Its arrays.
      kind: ``transposed``, ``conv``, ``dense``, ``norm`` or ``prelu``.
      outputs: Number of output channels.
      kernel: Kernel size of a convolution; side of the images that a dense layer makes.
    """

    part: Part
    kind: str
    outputs: int
    kernel: int = 1


def parts_of(shapes: Mapping[str, tuple[int, ...]]) -> list[Part]:
    """Group arrays by layer, in the order of the file."""
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        owner, infix, leaf = name.rpartition("parametrizations.")
        if not infix:
            owner, _, leaf = name.rpartition(".")
        if leaf != _COUNTER:
            parts.setdefault(owner.removesuffix("."), {})[infix + leaf] = shape
    return [Part(owner, shapes) for owner, shapes in parts.items()]


def steps_of(parts: Sequence[Part], kinds: Mapping[str, str] | None = None) -> list[Step]:
    """Sort layers in the order in which the network applies them.

    Args:
      parts: Layers in the order of the file.
      kinds: Kinds of convolutions by owner, if the file has them.

    Raises:
      Misfit: If there is no order in which each layer fits the one before it.
    """
    first = None
    for order in _orders(parts):
        try:
            return _chain(order, kinds or {})
        except Misfit as misfit:
            first = first or misfit
    raise first or Misfit("it has no layers")


def _chain(parts: Sequence[Part], kinds: Mapping[str, str]) -> list[Step]:
    chain = _Chain(parts, kinds)
    for part in parts:
        chain.add(part)
    return chain.end()


class _Chain:
    """Checks that each layer takes as many channels as the one before it makes."""

    def __init__(self, parts: Sequence[Part], kinds: Mapping[str, str]):
        weights = [part.shape for part in parts if len(part.shape) == 4]
        last = weights[-1] if weights else (0, 0)
        # Odd kernels that keep the channels are convolutions if even ones do the upsampling.
        odd = [shape for shape in weights[1:-1] if shape[2] % 2 and shape[2] > 1]
        refines = 0 < len(odd) < len(weights) - 2 and all(a == b for a, b, *_ in odd)
        self.convolves = (last[0] in COLOURS and last[1] not in COLOURS) or refines
        self.kinds = kinds
        self.steps: list[Step] = []
        self.channels: int | None = None  # None before the first layer
        self.flat = False  # after a dense layer, whose outputs may become images

    def add(self, part: Part) -> None:
        for leaf in part.shapes:
            if leaf not in _LEAVES:
                raise Misfit(f"it has {legible(part.name(leaf))}, which that network lacks")
        if part.is_vector:
            self._vector(part)
        elif len(part.shape) == 2:
            self._dense(part)
        else:
            self._convolution(part)

    def end(self) -> list[Step]:
        if not self.steps:
            raise Misfit("it has no layers")
        last = self.steps[-1]
        if last.kind == "norm" and self.channels not in COLOURS:
            raise Misfit(f"it lacks {_beside(last.part, 2)}")
        if self.channels not in COLOURS:
            name = last.part.name(last.part.main)
            raise Misfit(f"its {name} makes {self.channels} channels, not 1, 3 or 4")
        count = sum(step.kind in ("transposed", "conv") for step in self.steps)
        least = 2 if self.steps[0].kind == "dense" else 3  # for images of 16 pixels
        if not least <= count <= MAX_CONVOLUTIONS:
            raise Misfit(
                f"it has {count} convolutions; {least} to {MAX_CONVOLUTIONS} are supported"
            )
        return self.steps

    def _vector(self, part: Part) -> None:
        if self.channels is None:
            raise Misfit(f"it lacks {_beside(part, -1)}")
        before = self.steps[-1].kind
        if set(part.shapes) == {"weight"}:
            if part.length not in (1, self.channels) or before == "prelu":
                raise Misfit(f"it has {part.name('weight')}, which that network lacks")
            self.steps.append(Step(part, "prelu", self.channels))
            return
        if before == "norm":
            raise Misfit(f"it lacks {_beside(part, -1)}")
        if self.flat and part.length != self.channels and side_of(self.channels, part.length):
            self._unfold(part.length)
        for pair in (_STATISTICS, ("weight", "bias")):
            if any(leaf in part.shapes for leaf in pair):
                for leaf in pair:
                    _check(part, leaf, (self.channels,))
        self.steps.append(Step(part, "norm", self.channels))

    def _dense(self, part: Part) -> None:
        _check(part, part.main, (None, self.channels))
        if any(step.kind in ("transposed", "conv") for step in self.steps):
            raise Misfit(f"its {part.name(part.main)} is a dense layer after a convolution")
        self._layer(part, "dense", part.shape[0])
        self.flat = True

    def _convolution(self, part: Part) -> None:
        shape = part.shape
        taps = shape[2] if len(shape) > 2 else 0
        if not taps or 0 in shape:
            _check(part, part.main, (None if self.flat else self.channels, None, "k", "k"))
        _check(part, part.main, (None, None, taps, taps))
        kind = self.kinds.get(part.owner) or self._kind(shape)
        inputs, outputs = list(shape)[:2]
        if kind == "conv":
            inputs, outputs = outputs, inputs
        if self.channels is None and kind == "conv":
            raise Misfit(f"its {part.name(part.main)} is a convolution, but comes first")
        if not self.flat:
            channels = [self.channels, None] if kind == "transposed" else [None, self.channels]
            _check(part, part.main, (*channels, taps, taps))
        elif side_of(self.channels, inputs):
            self._unfold(inputs)
        else:
            reason = f"{self.channels} numbers are no square images of {inputs} channels"
            raise Misfit(f"its {part.name(part.main)} does not fit: {reason}")
        self._layer(part, kind, outputs, taps)

    def _kind(self, shape: tuple[int, ...]) -> str:
        """Distinguish convolutions ``[out, in, k, k]`` from transposed ones by channels."""
        if self.channels is None:
            return "transposed"
        fits = [c == self.channels for c in shape[:2]]
        if self.flat:
            fits = [bool(side_of(self.channels, c)) for c in shape[:2]]
        if fits[0] == fits[1]:
            return "conv" if fits[0] and self.convolves and shape[2] % 2 else "transposed"
        return "transposed" if fits[0] else "conv"

    def _layer(self, part: Part, kind: str, outputs: int, kernel: int = 1) -> None:
        if "bias" in part.shapes:
            _check(part, "bias", (outputs,))
        self.steps.append(Step(part, kind, outputs, kernel))
        self.channels, self.flat = outputs, False

    def _unfold(self, channels: int) -> None:
        """Reshape the outputs of the last dense layer to images."""
        index = max(i for i, step in enumerate(self.steps) if step.kind == "dense")
        side = side_of(self.steps[index].outputs, channels)
        for i in range(index, len(self.steps)):
            self.steps[i] = self.steps[i]._replace(outputs=channels)
        self.steps[index] = self.steps[index]._replace(kernel=side)
        self.channels, self.flat = channels, False


def side_of(numbers: int | None, channels: int) -> int:
    """Return the side of square images with these numbers and channels; 0 if none fits."""
    if not numbers or not channels or numbers % channels:
        return 0
    side = math.isqrt(numbers // channels)
    return side if side * side * channels == numbers else 0


def _check(part: Part, leaf: str, expected: Sequence[int | str | None]) -> None:
    if leaf not in part.shapes:
        raise Misfit(f"it lacks {part.name(leaf)}")
    shape = part.shapes[leaf]
    if len(shape) != len(expected) or any(
        w not in (None, s) for w, s in zip(expected, shape, strict=True)
    ):
        allowed = ", ".join("any" if w is None else str(w) for w in expected)
        raise Misfit(f"its {part.name(leaf)} has shape {list(shape)}, not [{allowed}]")


def _beside(part: Part, offset: int) -> str:
    """Return the name of the missing weight before or after a norm."""
    if part.number is None:
        return f"a layer {'before' if offset < 0 else 'after'} {part.owner}"
    container, index = part.number
    return ".".join(filter(None, (container, str(index + offset), "weight")))


def _orders(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    """Yield possible orders of the layers, the likeliest first."""
    by_number = sorted(parts, key=lambda part: _digits(part.owner))
    if _is_numbered(by_number):
        yield by_number
        return
    yield parts
    yield by_number
    for some in (parts, by_number):
        yield _interleaved(some)


def _digits(name: str) -> list[tuple[bool, int, str]]:
    """Return a key that sorts names by the numbers in them."""
    pieces = re.split(r"(\d{1,9})", name)
    return [(p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in pieces]


def _is_numbered(parts: Sequence[Part]) -> bool:
    """Return whether neighbours differ first in a number, as in a Sequential."""
    for a, b in zip(parts, parts[1:], strict=False):
        pairs = zip(a.owner.split("."), b.owner.split("."), strict=False)
        differing = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
        if not all(re.fullmatch(r"\d{1,9}", piece) for piece in differing):
            return False
    return True


def _interleaved(parts: Sequence[Part]) -> list[Part]:
    """Put each norm after the first layer that lacks one and has as many channels."""
    norms = [part for part in parts if part.is_vector]
    order = []
    for part in parts:
        if not part.is_vector:
            order.append(part)
            channels = part.shape[:1] if len(part.shape) == 2 else part.shape[:2]
            length = norms[0].length if norms else 0
            if length and (
                length in channels or (len(channels) == 1 and side_of(channels[0], length))
            ):
                order.append(norms.pop(0))
    return order + norms

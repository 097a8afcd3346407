"""MobileStyleGAN as two OpenVINO networks.

When OpenVINO saves a network, it changes the names of files, operations and arrays, and also
the graph: it multiplies constants, removes reshapes and, in half precision, adds a conversion
after each array. So the arrays are found along the path from the input to the output.
"""

import os.path
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgan.convert.flavours._mobilestylegan import FLAVOUR, assemble
from jaxgan.convert.formats import _pickle, _zip, torchfile
from jaxgan.convert.formats.openvino import Graph
from jaxgan.convert.formats.state_dict import Checkpoint, StateDict
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError

NETWORKS = ("MappingNetwork", "SynthesisNetwork")  # names of the exported files
_OTHERS = ("generator.npz", "config.json")  # files in folders of other generators
_FREE_BYTES = 2**24  # any wheel may expand to this many
_MAX_NETWORKS = 16  # most networks in a folder
_MAX_STYLE = 16  # most operations between a code and a style
_CLOSE = 1e-3  # tolerance for numbers in half precision


def is_path(path: Path) -> bool:
    """Return whether ``load`` can read a path."""
    if path.suffix == ".bin":
        return os.path.isfile(path.with_suffix(".xml"))
    if path.suffix in (".xml", ".whl"):
        return True
    if not os.path.isdir(path) or any((path / name).exists() for name in _OTHERS):
        return False
    return any(path.glob("*.xml"))


def load(path: Path) -> Pretrained:
    """Load the two networks.

    Args:
      path: A folder with the ``.xml`` and ``.bin`` of each, whatever their names, one of
        these files, or a wheel that holds them.

    Raises:
      InputError: If a file is missing, damaged, or holds another network.
    """
    graphs = {
        name: Graph(f"{path}: {name}", xml, constants)
        for name, (xml, constants) in _files(path).items()
    }
    with np.errstate(all="ignore"):  # assemble refuses numbers that are not finite
        arrays = _mapping_arrays(_only(path, graphs, "mapping"))
        arrays |= _synthesis_arrays(_only(path, graphs, "synthesis"))
    return assemble(StateDict(Checkpoint(str(path), None, arrays), "", FLAVOUR))


def _files(path: Path) -> dict[str, tuple[bytes, bytes]]:
    """Read the ``.xml`` and the ``.bin`` of each network by name."""
    if path.suffix == ".whl":
        entries = _entries(path)
        names = [name.removesuffix(".xml") for name in entries if name.endswith(".xml")]
        names = _select(path, [name for name in names if f"{name}.bin" in entries])
        return {name: (entries[f"{name}.xml"], entries[f"{name}.bin"]) for name in names}
    folder = path if path.is_dir() else path.parent
    names = {file.stem for file in folder.glob("*.xml")}
    if folder != path:
        names.add(path.stem)
    return {
        name: (_content(folder / f"{name}.xml"), _content(folder / f"{name}.bin"))
        for name in _select(path, sorted(names))
    }


def _entries(path: Path) -> dict[str, bytes]:
    """Read the files in a wheel, without their folders."""
    try:
        data = torchfile.content(path)
        limit = torchfile.MAX_UNFOLDING * len(data) + _FREE_BYTES
        entries = _zip.read(data, _pickle.Budget(_pickle.MAX_STEPS, limit))
    except _pickle.Refused as error:
        raise InputError(f"{path} {error}") from error
    return {
        name.decode("utf-8", "replace").rpartition("/")[2]: bytes(content)
        for name, content in entries.items()
    }


def _content(path: Path) -> bytes:
    try:
        return torchfile.content(path)
    except _pickle.Refused as error:
        raise InputError(f"{path} {error}") from error


def _select(path: Path, names: Sequence[str]) -> Sequence[str]:
    """Select the networks with the exporter's names, if there are any."""
    by_file = path.suffix in (".xml", ".bin") and path.stem not in NETWORKS
    if set(NETWORKS) <= set(names) and not by_file:
        return NETWORKS
    if len(names) > _MAX_NETWORKS:
        raise InputError(f"{path} has {len(names)} .xml beside it, more than {_MAX_NETWORKS}")
    return names


def _only(path: Path, graphs: Mapping[str, Graph], part: str) -> Graph:
    """Return the mapping or the synthesis network; only the latter has convolutions."""
    networks = {}
    for name, graph in graphs.items():
        kinds = {node.kind for node in graph.nodes.values()}
        convolves = "Convolution" in kinds
        if "MatMul" in kinds and convolves == (part == "synthesis"):
            networks[name] = graph
    if path.stem in networks and not path.is_dir():
        return networks[path.stem]
    if len(networks) != 1:
        own = ", ".join(ascii(name[:80])[1:-1] for name in networks)
        raise InputError(
            f"{path} needs one {part} network of a {FLAVOUR}, an .xml with its .bin, "
            + (f"not {own}" if networks else "which is missing")
        )
    return next(iter(networks.values()))


class _Step(NamedTuple):
    """An operation with constants on the path from the input to the output.

    Attributes:
      kind: Its type; ``Style`` stands for a product with a style.
      arrays: Its constants; for a style the weight ``[C, D]``, the bias ``[C]`` and a factor
        of both.
    """

    kind: str
    arrays: tuple[np.ndarray, ...]


_HAAR = ("GroupConvolutionBackpropData",) * 2  # along both axes, for the low-pass band
_WITH_CONSTANT = (
    *("Add", "Multiply", "MatMul", "PReLU", "Convolution", "GroupConvolution"),
    _HAAR[0],
)
_WITHOUT = (  # operations that join or select bands, or only change a shape
    *("Result", "Convert", "Reshape", "Squeeze", "Unsqueeze", "Broadcast", "Tile"),
    *("Add", "VariadicSplit", "Split", "StridedSlice", "Slice"),
)


def _steps(graph: Graph) -> list[_Step]:
    """Return the operations with constants from the input to the output."""
    steps: list[_Step] = []
    number, visited = graph.result(), set()
    while number is not None:
        if number in visited:
            raise graph.error("runs in a circle")
        visited.add(number)
        step, number = _step(graph, number)
        if step is not None:
            steps.append(step)
    return steps[::-1]


def _step(graph: Graph, number: int) -> tuple[_Step | None, int | None]:
    """Return an operation, if it has constants, and the number of its predecessor."""
    node, inputs = graph.nodes[number], graph.inputs(number)
    if node.kind == "Const":
        return _Step("Const", (graph.constant(number),)), None
    if node.kind == "Multiply" and len(inputs) == 2:
        if any(graph.nodes[source].kind == "Parameter" for source in inputs):
            return None, None  # the pixel norm
        for style, image in (inputs, inputs[::-1]):
            arrays = _style(graph, style)
            if arrays is not None:
                return _Step("Style", arrays), image
    constant = _constant(graph, number)
    if constant is not None:
        return _Step(node.kind, (constant,)), _other(graph, number)
    if node.kind not in _WITHOUT or not inputs:
        raise graph.error(f"has {ascii(node.kind[:40])[1:-1]}, which no {FLAVOUR} has there")
    return None, inputs[0]


def _style(graph: Graph, number: int) -> tuple[np.ndarray, ...] | None:
    """Return weight, bias and factor of a style; None for other operations."""
    bias, factor = None, np.ones((), np.float32)
    for _ in range(_MAX_STYLE):
        kind, constant = graph.nodes[number].kind, _constant(graph, number)
        match kind:
            case "MatMul" if constant is not None and bias is not None:
                return constant, bias, factor
            case "Add" if constant is not None and bias is None:
                bias = constant.ravel()
            case "Multiply" if constant is not None and constant.size == 1 and bias is None:
                factor = factor * constant.reshape(())
            case "Reshape" | "Unsqueeze" if graph.inputs(number):
                pass
            case _:
                return None
        number = graph.inputs(number)[0] if constant is None else _other(graph, number)
    return None


def _constant(graph: Graph, number: int) -> np.ndarray | None:
    """Return the constant of an operation with one variable and one constant input."""
    node, inputs = graph.nodes[number], graph.inputs(number)
    sources = [source for source in inputs if graph.nodes[source].kind == "Const"]
    if node.kind not in _WITH_CONSTANT or len(inputs) != 2 or len(sources) != 1:
        return None
    constant = graph.constant(sources[0])
    transposed = node.kind == "MatMul" and node.data.get("transpose_b") != "true"
    return constant.T if transposed else constant


def _other(graph: Graph, number: int) -> int:
    """Return the number of the variable input of such an operation."""
    return next(s for s in graph.inputs(number) if graph.nodes[s].kind != "Const")


def _split(steps: Sequence[_Step], kind: str) -> list[list[_Step]]:
    """Split steps before each one of a kind; steps before the first are dropped."""
    starts = [i for i, step in enumerate(steps) if step.kind == kind]
    ends = [*starts[1:], len(steps)]
    return [list(steps[start:end]) for start, end in zip(starts, ends, strict=False)]


def _check(graph: Graph, name: str, steps: Sequence[_Step], kinds: Sequence[str]) -> None:
    """Check the operations of a layer, and the slope of its leaky ReLU."""
    actual = [step.kind for step in steps]
    if actual != list(kinds):
        has = ", ".join(ascii(kind[:40])[1:-1] for kind in actual[:8])
        raise graph.error(f"has {has} in {name}, not {', '.join(kinds)}")
    for step in steps:
        if step.kind == "PReLU" and not np.allclose(step.arrays[0], 0.2, atol=_CLOSE):
            raise graph.error(f"has a leaky ReLU in {name} whose slope is not 0.2")


def _mapping_arrays(graph: Graph) -> dict[str, np.ndarray]:
    arrays = {}
    for i, steps in enumerate(_split(_steps(graph), "MatMul")):
        _check(graph, f"layer {i}", steps, ("MatMul", "Add", "PReLU", "Multiply"))
        weight, bias, _, gain = (step.arrays[0] for step in steps)
        if not np.allclose(gain, 2**0.5, atol=_CLOSE):
            raise graph.error(f"has a factor after layer {i} that is not the root of 2")
        arrays[f"mapping.{i}.weight"] = weight
        arrays[f"mapping.{i}.bias"] = bias.ravel()
    return arrays


def _synthesis_arrays(graph: Graph) -> dict[str, np.ndarray]:
    steps = _steps(graph)
    parts = _split(steps, "Style")
    blocks = max((len(parts) - 2) // 3, 1)
    names = [f"layers.{b}.{part}" for b in range(blocks) for part in ("up", "conv1", "conv2")]
    names = ["conv1", *names, f"layers.{blocks - 1}.to_img"]
    if len(parts) != len(names) or steps[0].kind != "Const":
        raise graph.error(f"has {len(parts)} styles, not two and three for each block")
    arrays = {"input.input": steps[0].arrays[0]}
    for name, part in zip(names, parts, strict=True):
        weight, bias, factor = part[0].arrays
        conv = "" if name.endswith("up") else ".conv"
        if name.endswith("up"):
            _check(graph, name, part, ("Style", *_HAAR))
            factor = factor * _haar_factor(graph, name, part)
        elif name.endswith("to_img"):
            _check(graph, name, part, ("Style", "Convolution", "Add", *_HAAR))
            haar = _haar_factor(graph, name, part)
            arrays[f"{name}.conv.weight"] = part[1].arrays[0] * haar
            arrays[f"{name}.bias"] = part[2].arrays[0] * haar
        else:
            arrays |= _layer_arrays(graph, name, part)
        arrays[f"{name}{conv}.modulation.weight"] = weight
        arrays[f"{name}{conv}.modulation.bias"] = bias
        arrays[f"{name}{conv}.modulation.scale"] = factor
    return arrays


def _layer_arrays(graph: Graph, name: str, steps: Sequence[_Step]) -> dict[str, np.ndarray]:
    """Return the arrays of a convolution with noise and bias, or with their sum."""
    shifts = [step.arrays[0] for step in steps if step.kind == "Add"]
    sums = ("Add",) * min(max(len(shifts), 1), 2)
    taps = () if name == "conv1" else ("GroupConvolution",)
    _check(graph, name, steps, ("Style", *taps, "Convolution", *sums, "PReLU"))
    arrays = {f"{name}.weight": steps[1 + len(taps)].arrays[0]}
    if taps:
        array = steps[1].arrays[0]
        arrays[f"{name}.conv.weight_dw"] = array.reshape(-1, 1, *array.shape[-2:])
    if len(shifts) == 1:
        (total,) = shifts
        if total.ndim != 4:
            raise graph.error(f"has a sum of shape {list(total.shape)} in {name}, not 4 axes")
        noise = total.mean(axis=1, keepdims=True, dtype=np.float64)
        bias = total.mean(axis=(2, 3), keepdims=True, dtype=np.float64) - noise.mean()
        shifts = [noise, bias]
    return arrays | {f"{name}.noise": shifts[0], f"{name}.bias": shifts[1]}


def _haar_factor(graph: Graph, name: str, steps: Sequence[_Step]) -> np.ndarray:
    """Return the factor of an inverse Haar transform, which varies in half precision."""
    filters = [step.arrays[0].astype(np.float32) for step in steps if step.kind in _HAAR]
    for taps in filters:
        if taps.shape[1:] not in ((1, 1, 2, 1), (1, 1, 1, 2)) or np.ptp(taps):
            raise graph.error(f"has another wavelet in {name} than that of Haar")
    return np.asarray(2 * filters[0].flat[0] * filters[1].flat[0])

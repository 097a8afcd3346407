"""A reader of OpenVINO networks: a graph in XML and a file of constants."""

import math
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError

_MAX_XML = 2**22  # bytes: ten times those of a network with 900 operations
_CONVERSIONS = ("Convert", "Reshape", "Squeeze", "Unsqueeze")
_MAX_CONVERSIONS = 4  # in a row
_DTYPES = {"f32": np.float32, "f16": np.float16, "i32": np.int32, "i64": np.int64}


class Node(NamedTuple):
    """An operation.

    Attributes:
      name: Name, from the original network or from the exporter.
      kind: Type, such as ``Convolution``; ``Const`` is an array.
      data: Attributes as text.
      inputs: Numbers of its input nodes by port.
    """

    name: str
    kind: str
    data: dict[str, str]
    inputs: dict[int, int]


class Graph:
    """A network as a graph of operations.

    Attributes:
      nodes: Nodes by number.
    """

    def __init__(self, path: str, xml: bytes, constants: bytes):
        self._path = path
        self._constants = constants
        self.nodes = self._parse(xml)

    def error(self, why: str) -> InputError:
        """Make a one-line error."""
        return InputError(f"{self._path} {why}")

    def result(self) -> int:
        """Return the number of the node that gives the network's only output.

        Raises:
          InputError: If there is none, or more than one.
        """
        results = [number for number, node in self.nodes.items() if node.kind == "Result"]
        if len(results) != 1:
            raise self.error(f"has {len(results)} outputs, not one")
        return results[0]

    def inputs(self, number: int) -> list[int]:
        """Return the numbers of a node's input nodes, in the order of its ports.

        Conversions of an array to another type or shape are skipped: half-precision files
        convert every array.
        """
        inputs = self.nodes[number].inputs
        return [self._array(inputs[port]) for port in sorted(inputs)]

    def _array(self, number: int) -> int:
        """Return the array that a node converts, or the node itself."""
        source = number
        for _ in range(_MAX_CONVERSIONS):
            node = self.nodes[source]
            if node.kind not in _CONVERSIONS or 0 not in node.inputs:
                break
            source = node.inputs[0]
        return source if self.nodes[source].kind == "Const" else number

    def constant(self, number: int) -> np.ndarray:
        """Return the array of a ``Const`` node.

        Raises:
          InputError: If the node has another kind or some of its bytes are missing.
        """
        node = self.nodes[number]
        kind = node.data.get("element_type", "f32")
        if kind not in _DTYPES:
            raise self.error(
                f"has an array {ascii(node.name[:80])} of {ascii(kind[:20])}; "
                f"{', '.join(_DTYPES)} are supported"
            )
        try:
            if node.kind != "Const":
                raise ValueError
            dtype = np.dtype(_DTYPES[kind])
            shape = tuple(int(size) for size in node.data["shape"].split(",") if size.strip())
            offset, size = int(node.data["offset"]), int(node.data["size"])
            count = math.prod(shape)
            if min((*shape, offset)) < 0 or not 0 < count * dtype.itemsize == size:
                raise ValueError
            return np.frombuffer(self._constants, dtype, count, offset).reshape(shape)
        except (KeyError, ValueError) as error:
            raise self.error(f"has no readable array {ascii(node.name[:80])}") from error

    def _parse(self, xml: bytes) -> dict[int, Node]:
        if len(xml) > _MAX_XML:
            raise self.error(f"has {len(xml) >> 20} MiB of XML, more than {_MAX_XML >> 20}")
        try:
            root = ElementTree.fromstring(xml, ElementTree.XMLParser(target=_PlainTree()))
            nodes = {}
            for layer in root.iterfind("./layers/layer"):
                data = layer.find("data")
                attributes = {} if data is None else dict(data.attrib)
                number = int(layer.attrib["id"])
                nodes[number] = Node(layer.attrib["name"], layer.attrib["type"], attributes, {})
            for edge in root.iterfind("./edges/edge"):
                start, end = int(edge.attrib["from-layer"]), int(edge.attrib["to-layer"])
                if start not in nodes:
                    raise KeyError
                nodes[end].inputs[int(edge.attrib["to-port"])] = start
        except _Forbidden as error:
            raise self.error("declares a document type, which may name anything") from error
        except (ElementTree.ParseError, KeyError, ValueError, LookupError) as error:
            raise self.error("is no readable OpenVINO network") from error
        if not nodes:
            raise self.error("is no OpenVINO network")
        return nodes


class _Forbidden(Exception):
    """The XML declares entities or includes other files."""


class _PlainTree(ElementTree.TreeBuilder):
    """Builds only elements and refuses declarations, so that there are no entities."""

    def doctype(self, name, pubid, system):
        raise _Forbidden

"""A reader of OpenVINO's networks: a graph in XML, and a file of constants."""

import math
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError

_MAX_XML = 2**22  # ten times the bytes of a network of 900 operations
_DTYPES = {"f32": np.float32, "f16": np.float16, "i32": np.int32, "i64": np.int64}


class Node(NamedTuple):
    """An operation.

    Attributes:
      name: Name, from the original network or made up by the exporter.
      kind: Type, such as ``Convolution``; ``Const`` is an array.
      data: Attributes as text.
      inputs: Numbers of the nodes that it reads, by port.
      users: Numbers of the nodes that read it.
    """

    name: str
    kind: str
    data: dict[str, str]
    inputs: dict[int, int]
    users: list[int]


class Graph:
    """A network as a graph of operations.

    Attributes:
      nodes: Number to node.
      numbers: Name of a node to its number.
    """

    def __init__(self, path: str, xml: bytes, constants: bytes):
        self._path = path
        self._constants = constants
        self.nodes = self._parse(xml)
        self.numbers = {node.name: number for number, node in self.nodes.items()}

    def error(self, why: str) -> InputError:
        """Make the error to raise, in one line."""
        return InputError(f"{self._path} {why}")

    def number(self, name: str) -> int:
        """Return the number of the node of that name.

        Raises:
          InputError: If there is none.
        """
        if name not in self.numbers:
            raise self.error(f"lacks {name}")
        return self.numbers[name]

    def user(self, number: int, kind: str) -> int:
        """Return the one node of a kind that reads a node.

        Raises:
          InputError: If there is none, or more than one.
        """
        users = [user for user in self.nodes[number].users if self.nodes[user].kind == kind]
        if len(users) != 1:
            name = self.nodes[number].name
            raise self.error(f"has {len(users)} {kind} after {ascii(name[:80])}, not one")
        return users[0]

    def source(self, number: int, kind: str) -> int:
        """Return the one node of a kind that a node reads.

        Raises:
          InputError: If there is none, or more than one.
        """
        inputs = self.nodes[number].inputs.values()
        sources = [source for source in inputs if self.nodes[source].kind == kind]
        if len(sources) != 1:
            name = self.nodes[number].name
            raise self.error(f"has {len(sources)} {kind} before {ascii(name[:80])}, not one")
        return sources[0]

    def constant(self, number: int) -> np.ndarray:
        """Return the array of a ``Const`` node.

        Raises:
          InputError: If the node is of another kind or some of its bytes are missing.
        """
        node = self.nodes[number]
        try:
            if node.kind != "Const":
                raise ValueError
            dtype = np.dtype(_DTYPES[node.data["element_type"]])
            shape = tuple(int(size) for size in node.data["shape"].split(",") if size.strip())
            offset, size = int(node.data["offset"]), int(node.data["size"])
            if min(*shape, offset, 0) < 0 or math.prod(shape) * dtype.itemsize != size:
                raise ValueError
            return np.frombuffer(self._constants, dtype, math.prod(shape), offset).reshape(
                shape
            )
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
                nodes[number] = Node(
                    layer.attrib["name"], layer.attrib["type"], attributes, {}, []
                )
            for edge in root.iterfind("./edges/edge"):
                start, end = int(edge.attrib["from-layer"]), int(edge.attrib["to-layer"])
                nodes[end].inputs[int(edge.attrib["to-port"])] = start
                nodes[start].users.append(end)
        except _Forbidden as error:
            raise self.error("declares a document type, which may name anything") from error
        except (ElementTree.ParseError, KeyError, ValueError, LookupError) as error:
            raise self.error("is no readable OpenVINO network") from error
        if not nodes:
            raise self.error("is no OpenVINO network")
        return nodes


class _Forbidden(Exception):
    """XML that declares its own entities, or reads other files."""


class _PlainTree(ElementTree.TreeBuilder):
    """Builds elements only: without a declaration there are no entities."""

    def doctype(self, name, pubid, system):
        raise _Forbidden

"""The reader of OpenVINO's graphs against files that are damaged or mean harm."""

import numpy as np
import pytest

from jaxgan.convert.formats.openvino import Graph
from jaxgan.errors import InputError
from tests.convert.openvino_files import Writer
from tests.generators import line_of


@pytest.fixture
def file():
    """``product = x @ weight``, ``total = product + bias``."""
    file = Writer()
    x = file.add("Parameter", "x")
    weight = file.const("weight", np.arange(6.0).reshape(2, 3).astype(np.float32))
    product = file.add("MatMul", "product", x, weight)
    file.add("Add", "total", product, file.const("bias", np.array([1, -2])))
    return file


def test_arrays_and_neighbours(file):
    graph = Graph("file", file.xml, file.constants)
    product = graph.user(graph.number("weight"), "MatMul")
    assert graph.nodes[product].name == "product"
    weight = graph.constant(graph.source(product, "Const"))
    np.testing.assert_array_equal(weight, [[0, 1, 2], [3, 4, 5]])
    total = graph.user(product, "Add")
    assert graph.constant(graph.source(total, "Const")).tolist() == [1, -2]
    assert graph.nodes[total].kind == "Add"


def test_a_neighbour_must_be_the_only_one(file):
    graph = Graph("file", file.xml, file.constants)
    cases = [
        (lambda: graph.number("nothing"), "file lacks nothing"),
        (lambda: graph.user(graph.number("bias"), "MatMul"), "0 MatMul after 'bias'"),
        (lambda: graph.source(graph.number("x"), "Const"), "0 Const before 'x'"),
        (lambda: graph.constant(graph.number("x")), "no readable array 'x'"),
    ]
    for call, words in cases:
        with pytest.raises(InputError) as error:
            call()
        assert words in line_of(error)


BOMB = (
    '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1 or str()};" * 10}">' for i in range(1, 9))
    + "]>"
)


@pytest.mark.parametrize(
    "declaration",
    [
        BOMB,
        '<!DOCTYPE net SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "<!DOCTYPE net>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_declarations_are_refused(file, declaration, encoding):
    xml = file.xml.decode().replace('<?xml version="1.0"?>', declaration)
    with pytest.raises(InputError) as error:
        Graph("file", xml.encode(encoding), file.constants)
    assert "declares a document type" in line_of(error)


@pytest.mark.parametrize(
    "damage",
    [
        lambda xml: b"",
        lambda xml: b"\x00" * 50,
        lambda xml: xml[: len(xml) // 2],
        lambda xml: b"<net/>",
        lambda xml: xml.replace(b'id="1"', b'id="one"'),
        lambda xml: xml.replace(b'id="1"', b'number="1"'),
        lambda xml: xml.replace(b'from-layer="1"', b'from-layer="99"'),
        lambda xml: xml.replace(b'to-layer="2"', b'to-layer="99"'),
        lambda xml: xml.replace(b'to-port="0"', b""),
        lambda xml: xml.replace(b"name=", b"called="),
        lambda xml: xml.replace(b"weight", b"&other;"),
        lambda xml: xml.replace(b"1.0", b'1.0" encoding="latin-99', 1),
    ],
)
def test_damaged_graphs_are_refused(file, damage):
    with pytest.raises(InputError) as error:
        Graph("file", damage(file.xml), file.constants)
    assert "OpenVINO network" in line_of(error)


@pytest.mark.parametrize(
    "damage",
    [
        (b'offset="0"', b'offset="-4"'),
        (b'offset="0"', b'offset="36"'),
        (b'offset="0"', b'offset="1e3"'),
        (b'size="24"', b'size="20"'),
        (b'shape="2, 3"', b'shape="2, 4"'),
        (b'shape="2, 3"', b'shape="-2, -3"'),
        (b'shape="2, 3"', b'shape="two"'),
        (b'shape="2, 3"', b'shape="99999999999, 99999999999"'),
        (b'element_type="f32"', b'element_type="boolean"'),
        (b'element_type="f32"', b'type="f32"'),
    ],
)
def test_damaged_arrays_are_refused(file, damage):
    graph = Graph("file", file.xml.replace(*damage), file.constants)
    with pytest.raises(InputError) as error:
        graph.constant(graph.number("weight"))
    assert "no readable array 'weight'" in line_of(error)


def test_an_enormous_graph_is_refused(file):
    with pytest.raises(InputError) as error:
        Graph("file", file.xml + b" " * 2**25, file.constants)
    assert "MiB of XML" in line_of(error)

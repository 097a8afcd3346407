"""The reader of OpenVINO's graphs against files that are damaged or mean harm."""

import numpy as np
import pytest

from jaxgan.convert.formats.openvino import Graph
from jaxgan.errors import InputError
from tests.convert.openvino_files import Writer
from tests.generators import line_of


@pytest.fixture(params=[False, True], ids=["single", "half"])
def file(request):
    """``total = x @ weight + bias``."""
    file = Writer(request.param)
    x = file.add("Parameter", "x")
    weight = file.const("weight", np.arange(6.0).reshape(2, 3).astype(np.float32))
    product = file.add("MatMul", "product", x, weight)
    shaped = file.add("Reshape", "shaped", file.const("bias", np.array([1, -2])))
    file.add("Result", "result", file.add("Add", "total", product, shaped))
    return file


def test_arrays_and_neighbours(file):
    graph = Graph("file", file.xml, file.constants)
    (total,) = graph.inputs(graph.result())
    assert graph.nodes[total].kind == "Add"
    product, bias = graph.inputs(total)
    assert graph.constant(bias).tolist() == [1, -2]
    x, weight = graph.inputs(product)
    assert graph.nodes[x].name == "x"
    np.testing.assert_array_equal(graph.constant(weight), [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(InputError) as error:
        graph.constant(x)
    assert "no readable array 'x'" in line_of(error)


@pytest.mark.parametrize("results", [0, 2])
def test_a_network_has_one_output(file, results):
    xml = file.xml.replace(b'"Result"', b'"Result"' if results else b'"Other"')
    xml = xml.replace(b'"Add"', b'"Result"' if results else b'"Add"')
    with pytest.raises(InputError) as error:
        Graph("file", xml, file.constants).result()
    assert f"has {results} outputs, not one" in line_of(error)


def test_conversions_without_end():
    file = Writer()
    number = file.add("Convert", "x", 0)
    assert Graph("file", file.xml, b"").inputs(number) == [number]


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
        (b'size="24"', b'bytes="24"'),
    ],
)
@pytest.mark.parametrize("file", [False], indirect=True)
def test_damaged_arrays_are_refused(file, damage):
    graph = Graph("file", file.xml.replace(*damage), file.constants)
    with pytest.raises(InputError) as error:
        graph.constant(1)
    assert "no readable array 'weight'" in line_of(error)


def test_quantised_arrays_are_refused(file):
    xml = file.xml.replace(b'"f32"', b'"u8"').replace(b'"f16"', b'"u8"')
    with pytest.raises(InputError) as error:
        Graph("file", xml, file.constants).constant(1)
    assert "an array 'weight' of 'u8'; f32, f16, i32, i64 are supported" in line_of(error)


def test_an_enormous_graph_is_refused(file):
    with pytest.raises(InputError) as error:
        Graph("file", file.xml + b" " * 2**25, file.constants)
    assert "MiB of XML" in line_of(error)

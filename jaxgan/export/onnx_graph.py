"""A graph of ONNX, while it is put together; needs the ``onnx`` extra."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import InputError

OPSET, IR = 18, 8  # of onnxruntime 1.14 and later


class Unsupported(InputError):
    """A program has an operation for which there is no form here."""


class Value(NamedTuple):
    """A result in the graph.

    Attributes:
      name: Its name.
      shape: Its shape, of which a symbolic dimension is None. It may have 1 where the shape
        in the program is larger, if operations that broadcast follow.
    """

    name: str
    shape: tuple[int | None, ...]


def shape_of(aval: Any) -> tuple[int | None, ...]:
    """The shape of an array in a program, with None for what is symbolic."""
    return tuple(n if isinstance(n, int) else None for n in aval.shape)


class Graph:
    """Nodes and constants, while they are collected.

    Attributes:
      nodes: Operations.
      constants: Names and arrays, each array once.
      batch: Name of an input whose first dimension is the batch.

    Raises:
      InputError: If onnx is not installed.
    """

    def __init__(self):
        try:
            import onnx
        except ImportError as error:
            raise InputError("ONNX needs the onnx extra: pip install 'jaxgan[onnx]'") from error
        self.onnx: Any = onnx
        self.nodes: list[Any] = []
        self.constants: dict[tuple, tuple[str, np.ndarray]] = {}
        self.batch = ""

    def add(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        name = name or f"v{len(self.nodes)}"
        node = self.onnx.helper.make_node(kind, list(inputs), [name], **attributes)
        self.nodes.append(node)
        return name

    def constant(self, array: Any) -> Value:
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.constants:
            self.constants[key] = (f"c{len(self.constants)}", array)
        return Value(self.constants[key][0], array.shape)

    def integers(self, *numbers: int) -> str:
        return self.constant(np.array(numbers, np.int64)).name

    def file(self, inputs: Sequence[Value], output: Value) -> bytes:
        helper, number = self.onnx.helper, self.onnx.TensorProto.FLOAT

        def info(value):
            shape = ["batch" if n is None else n for n in value.shape]
            return helper.make_tensor_value_info(value.name, number, shape)

        tensors = [
            self.onnx.numpy_helper.from_array(array, name)
            for name, array in self.constants.values()
        ]
        graph = helper.make_graph(
            self.nodes, "generator", [info(x) for x in inputs], [info(output)], tensors
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, producer_name="jaxgan", opset_imports=opset)
        model.ir_version = IR
        self.onnx.checker.check_model(model)
        return model.SerializeToString()

    def value(self, x: Any) -> Value:
        return x if isinstance(x, Value) else self.constant(x)

    def reshape(self, name: str, shape: Sequence[int | None]) -> str:
        return self.add(
            "Reshape", [name, self.integers(*(-1 if n is None else n for n in shape))]
        )

    def whole(self, x: Any, aval: Any) -> Value:
        """Carry out broadcasts that were left to operations that follow."""
        x, shape = self.value(x), shape_of(aval)
        if x.shape == shape:
            return x
        if None in shape:
            batch = self.add("Shape", [self.batch], start=0, end=1)
            parts = [batch if n is None else self.integers(n) for n in shape]
            target = self.add("Concat", parts, axis=0)
        else:
            target = self.integers(*(n or 0 for n in shape))
        return Value(self.add("Expand", [x.name, target]), shape)

    def sliced(self, x: str, starts: Any, ends: Any, axes: Any, steps: Any = None) -> str:
        lists = [list(starts), list(ends), list(axes)] + ([list(steps)] if steps else [])
        return self.add("Slice", [x, *(self.integers(*numbers) for numbers in lists)])


def refuse(name: str) -> Unsupported:
    """Make the error to raise for an operation."""
    return Unsupported(f"ONNX: there is no form here of the operation {name}")

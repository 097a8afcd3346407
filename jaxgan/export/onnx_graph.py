"""Build an ONNX graph; needs the ``onnx`` extra."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import InputError

OPSET, IR = 18, 8  # which onnxruntime reads from 1.14 on


class Unsupported(InputError):
    """The program has an operation that cannot be converted to ONNX."""


class Value(NamedTuple):
    """A value in the graph.

    Attributes:
      name: Its name.
      shape: Its shape; None stands for a symbolic dimension. A dimension may be 1 although it
        is larger in the JAX program, if later operations broadcast it.
    """

    name: str
    shape: tuple[int | None, ...]


def shape_of(aval: Any) -> tuple[int | None, ...]:
    """Return the shape of an array, with None for symbolic dimensions."""
    return tuple(n if isinstance(n, int) else None for n in aval.shape)


class Graph:
    """The nodes and constants of a graph under construction.

    Attributes:
      nodes: ONNX nodes.
      constants: Names and arrays; equal arrays are stored once.
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
        """Broadcast a value to its shape in the JAX program, if that is still to do."""
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
    """Make the error for an operation that cannot be converted."""
    return Unsupported(f"ONNX: the operation {name} is not supported")

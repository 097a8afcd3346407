"""Convert a JAX program to an ONNX file; needs the ``onnx`` extra.

The operations that generators use are converted one by one; for any other operation,
``Unsupported`` names it. Values that depend on weights alone become constants. Explicit
broadcasts are dropped where the operation that follows broadcasts by itself.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, Literal

from jaxgan.export.onnx_forms import ALIKE, BINARY, FORMS, SPECIAL, UNARY, elementwise
from jaxgan.export.onnx_graph import Graph, Value, refuse, shape_of

_MAX_FOLDED = 2**16  # most numbers in a computed constant, unless an input is larger

_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def convert(closed: Any, inputs: Sequence[str], output: str) -> bytes:
    """Convert a program to the content of an ONNX file.

    ``jaxgan/export/programs.py`` shows it at work.

    Args:
      closed: Closed jaxpr with one output, as ``jax.make_jaxpr`` returns it. Only the first
        dimension of an array may be symbolic.
      inputs: Names of the inputs.
      output: Name of the output.

    Raises:
      InputError: If onnx is not installed.
      Unsupported: If an operation cannot be converted.
    """
    graph = Graph()
    jaxpr = closed.jaxpr
    values = [
        Value(name, shape_of(x.aval)) for name, x in zip(inputs, jaxpr.invars, strict=True)
    ]
    constants = [np.asarray(x) for x in closed.consts]
    (result,) = _run(graph, jaxpr, constants, values)
    graph.add("Identity", [graph.whole(result, jaxpr.outvars[0].aval).name], output)
    return graph.file(values, Value(output, shape_of(jaxpr.outvars[0].aval)))


def _run(
    graph: Graph, jaxpr: Jaxpr, constants: Sequence[Any], inputs: Sequence[Any]
) -> list[Any]:
    """Add a jaxpr; its values are NumPy arrays if constant, else ``Value``."""
    env: dict[Any, Any] = dict(zip(jaxpr.constvars, constants, strict=True))
    env |= zip(jaxpr.invars, inputs, strict=True)
    for value in inputs:
        if isinstance(value, Value) and value.shape[:1] == (None,):
            graph.batch = graph.batch or value.name

    def read(x):
        return (
            np.asarray(x.val, getattr(x.aval, "dtype", None))
            if isinstance(x, Literal)
            else env[x]
        )

    for equation in jaxpr.eqns:
        values = [read(x) for x in equation.invars]
        results = _step(graph, equation, values)
        env |= zip(equation.outvars, results, strict=True)
    return [read(x) for x in jaxpr.outvars]


def _step(graph: Graph, equation: Any, values: list[Any]) -> list[Any]:
    """Add one operation, or evaluate it if all inputs are constants."""
    inner = next((equation.params[x] for x in _INNER if x in equation.params), None)
    if inner is not None:
        is_closed = hasattr(inner, "consts")
        jaxpr, constants = (inner.jaxpr, inner.consts) if is_closed else (inner, [])
        return _run(graph, jaxpr, [np.asarray(x) for x in constants], values)
    shapes = [shape_of(x.aval) for x in equation.outvars]
    constant = all(isinstance(x, np.ndarray) for x in values)
    if constant and all(None not in shape for shape in shapes):
        size = sum(math.prod(n or 1 for n in shape) for shape in shapes)
        if size <= max(_MAX_FOLDED, *(x.size for x in values), 0):
            outputs = equation.primitive.bind(*values, **equation.params)
            several = equation.primitive.multiple_results
            return [np.asarray(x) for x in (outputs if several else [outputs])]
    name = equation.primitive.name
    if name in BINARY or name in UNARY or name == "select_n":
        return [elementwise(graph, name, values)]
    if name in ALIKE:
        x = graph.value(values[0])
        return [Value(ALIKE[name](graph, x.name, equation.params), x.shape)]
    if name in SPECIAL:
        return [SPECIAL[name](graph, values, equation)]
    if name not in FORMS:
        raise refuse(name)
    pairs = zip(values, equation.invars, strict=True)
    result = FORMS[name](graph, [graph.whole(x, v.aval) for x, v in pairs], equation, shapes)
    return result if isinstance(result, list) else [Value(result, shapes[0])]

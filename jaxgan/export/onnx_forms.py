"""The ONNX counterpart of each JAX operation that generators use."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxgan.export.onnx_graph import Graph, Value, refuse, shape_of

BINARY = {
    **{"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "add_any": "Add"},
    **{"max": "Max", "min": "Min", "eq": "Equal", "gt": "Greater", "lt": "Less"},
    **{"ge": "GreaterOrEqual", "le": "LessOrEqual", "and": "And", "or": "Or"},
}
UNARY = {
    **{"tanh": "Tanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "neg": "Neg", "abs": "Abs"},
    **{"sin": "Sin", "cos": "Cos", "erf": "Erf", "logistic": "Sigmoid", "sign": "Sign"},
    **{"floor": "Floor", "ceil": "Ceil", "not": "Not", "stop_gradient": "Identity"},
    **{"copy": "Identity", "copy_p": "Identity"},
}
_REDUCE = {"reduce_sum": "ReduceSum", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin"}


def _number(graph: Graph, dtype: Any) -> int:
    """Return ONNX's number of a dtype."""
    return graph.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


# Operations ``(graph, input, parameters) -> name`` whose result has the shape of the input.
# The input may still await its broadcast.
ALIKE: dict[str, Callable[..., str]] = {
    "convert_element_type": lambda g, x, p: g.add("Cast", [x], to=_number(g, p["new_dtype"])),
    "square": lambda g, x, p: g.add("Mul", [x, x]),
    "integer_pow": lambda g, x, p: g.add(
        "Pow", [x, g.constant(np.array(p["y"], np.float32)).name]
    ),
    "rsqrt": lambda g, x, p: g.add("Reciprocal", [g.add("Sqrt", [x])]),
    "erfc": lambda g, x, p: g.add("Sub", [g.constant(np.float32(1)).name, g.add("Erf", [x])]),
    "expm1": lambda g, x, p: g.add("Sub", [g.add("Exp", [x]), g.constant(np.float32(1)).name]),
}


def _broadcast(graph: Graph, values: list[Any], equation: Any) -> Value:
    """Add the new axes with length 1; later operations broadcast them."""
    x, where = graph.value(values[0]), equation.params["broadcast_dimensions"]
    shape: list[int | None] = [1] * len(equation.params["shape"])
    for i, n in zip(where, x.shape, strict=True):
        shape[i] = n
    if tuple(shape) == x.shape:
        return x
    return Value(graph.reshape(x.name, shape), tuple(shape))


def _reshape(g, x, e, shapes):
    return g.reshape(x[0].name, shapes[0])


def _transpose(g, x, e, shapes):
    return g.add("Transpose", [x[0].name], perm=list(e.params["permutation"]))


def _concatenate(g, x, e, shapes):
    return g.add("Concat", [v.name for v in x], axis=e.params["dimension"])


def _stack(g, x, e, shapes):
    axis = e.params["axis"]
    parts = [g.add("Unsqueeze", [v.name, g.integers(axis)]) for v in x]
    return g.add("Concat", parts, axis=axis)


def _rev(g, x, e, shapes):
    axes = e.params["dimensions"]
    ends = [-(2**31)] * len(axes)
    return g.sliced(x[0].name, [-1] * len(axes), ends, axes, [-1] * len(axes))


def _slice(g, x, e, shapes):
    p, axes = e.params, [i for i, n in enumerate(shapes[0]) if n is not None]
    steps = p["strides"] or [1] * len(shapes[0])
    cut = [[part[i] for i in axes] for part in (p["start_indices"], p["limit_indices"])]
    return g.sliced(x[0].name, *cut, axes, [steps[i] for i in axes])


def _split(g, x, e, shapes):
    axis, start, parts = e.params["axis"], 0, []
    for size, shape in zip(e.params["sizes"], shapes, strict=True):
        parts.append(Value(g.sliced(x[0].name, [start], [start + size], [axis]), shape))
        start += size
    return parts


def _pad(g, x, e, shapes):
    around = e.params["padding_config"]
    if any(inside for *_, inside in around):
        raise refuse("pad with interior padding")
    pads = [low for low, *_ in around] + [high for _, high, _ in around]
    return g.add("Pad", [x[0].name, g.integers(*pads), x[1].name])


def _argmax(g, x, e, shapes):
    out = g.add("ArgMax", [x[0].name], axis=e.params["axes"][0], keepdims=0)
    return g.add("Cast", [out], to=_number(g, e.params["index_dtype"]))


def _reduce(g, x, e, shapes):
    axes = g.integers(*e.params["axes"])
    return g.add(_REDUCE[e.primitive.name], [x[0].name, axes], keepdims=0)


def _dot(g, x, e, shapes):
    (left, right), (left_batch, right_batch) = e.params["dimension_numbers"]
    a, b = x
    plain = not left_batch and len(b.shape) == 2 and tuple(right) == (0,)
    if plain and tuple(left) == (len(a.shape) - 1,):
        return g.add("MatMul", [a.name, b.name])
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first, second = [next(letters) for _ in a.shape], [next(letters) for _ in b.shape]
    for i, j in zip((*left, *left_batch), (*right, *right_batch), strict=True):
        second[j] = first[i]
    out = [first[i] for i in left_batch]
    out += [c for i, c in enumerate(first) if i not in (*left, *left_batch)]
    out += [c for j, c in enumerate(second) if j not in (*right, *right_batch)]
    text = f"{''.join(first)},{''.join(second)}->{''.join(out)}"
    return g.add("Einsum", [a.name, b.name], equation=text)


def _convolution(g, x, e, shapes):
    p = e.params
    lhs, rhs, out = p["dimension_numbers"]
    image = g.add("Transpose", [x[0].name], perm=list(lhs))
    weights = g.add("Transpose", [x[1].name], perm=list(rhs))
    pads = [low for low, _ in p["padding"]] + [high for _, high in p["padding"]]
    if p["batch_group_count"] != 1:
        raise refuse("conv_general_dilated with batch_group_count")
    if all(n == 1 for n in p["lhs_dilation"]):
        y = g.add(
            "Conv",
            [image, weights],
            pads=pads,
            strides=list(p["window_strides"]),
            dilations=list(p["rhs_dilation"]),
            group=p["feature_group_count"],
        )
    else:
        kernel = [x[1].shape[i] or 0 for i in rhs[2:]]
        y = _transposed(g, p, image, weights, kernel)
    return g.add("Transpose", [y], perm=[out.index(i) for i in range(len(out))])


def _transposed(g: Graph, p: Any, image: str, weights: str, kernel: list[int]) -> str:
    """Add a transposed convolution; the weights are ``OIHW``."""
    ones = (*p["window_strides"], *p["rhs_dilation"], p["feature_group_count"])
    sides = zip(*p["padding"], strict=True)
    pads = [[k - 1 - n for k, n in zip(kernel, side, strict=True)] for side in sides]
    more = [max(0, -n) for n in pads[1]]
    strides = list(p["lhs_dilation"])
    if (
        any(n != 1 for n in ones)
        or min(pads[0]) < 0
        or any(n >= stride for n, stride in zip(more, strides, strict=True))
    ):
        raise refuse("conv_general_dilated with this padding")
    flipped_weights = g.sliced(weights, [-1, -1], [-(2**31)] * 2, [2, 3], [-1, -1])
    inputs_first = g.add("Transpose", [flipped_weights], perm=[1, 0, 2, 3])
    return g.add(
        "ConvTranspose",
        [image, inputs_first],
        strides=strides,
        pads=[*pads[0], *(max(0, n) for n in pads[1])],
        output_padding=more,
    )


def _gather(g: Graph, values: list[Any], equation: Any) -> Value:
    """Add a slice at a fixed index: ``x[:, 3]`` becomes a gather when N is symbolic."""
    p, shape = equation.params, shape_of(equation.outvars[0].aval)
    x, indices, numbers = g.value(values[0]), values[1], p["dimension_numbers"]
    batches = (*numbers.operand_batching_dims, *numbers.start_indices_batching_dims)
    if not isinstance(indices, np.ndarray) or indices.ndim != 1 or batches:
        raise refuse("gather with computed indices")
    starts, ends, axes = [], [], []
    for axis, start in zip(numbers.start_index_map, indices.tolist(), strict=True):
        size = p["slice_sizes"][axis]
        if isinstance(size, int):
            starts, ends, axes = [*starts, start], [*ends, start + size], [*axes, axis]
    whole = g.whole(x, equation.invars[0].aval)
    cut = g.sliced(whole.name, starts, ends, axes) if axes else whole.name
    unit_axes = list(numbers.collapsed_slice_dims)
    return Value(g.add("Squeeze", [cut, g.integers(*unit_axes)]) if unit_axes else cut, shape)


FORMS: dict[str, Callable[..., Any]] = {  # operations that need their inputs broadcast
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), _reshape),
    **dict.fromkeys(_REDUCE, _reduce),
    **{"transpose": _transpose, "concatenate": _concatenate, "stack": _stack, "rev": _rev},
    **{"slice": _slice, "split": _split, "pad": _pad, "argmax": _argmax},
    **{"dot_general": _dot, "conv_general_dilated": _convolution},
}
SPECIAL = {"broadcast_in_dim": _broadcast, "gather": _gather}


def elementwise(graph: Graph, name: str, values: Sequence[Any]) -> Value:
    """Add an elementwise operation, which broadcasts its inputs."""
    inputs = [graph.value(x) for x in values]
    names = [x.name for x in inputs]
    rank = max(len(x.shape) for x in inputs)
    shapes = [(1,) * (rank - len(x.shape)) + x.shape for x in inputs]
    shape = tuple(next((n for n in axis if n != 1), 1) for axis in zip(*shapes, strict=True))
    if name == "select_n":
        return Value(graph.add("Where", [names[0], names[2], names[1]]), shape)
    return Value(graph.add(BINARY.get(name) or UNARY[name], names), shape)

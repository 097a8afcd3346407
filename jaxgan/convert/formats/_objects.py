"""The objects that a checkpoint may name: functions of this module, and inert objects."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from jaxgan.convert.formats._arrays import (
    DTYPES,
    UNTYPED,
    Storage,
    check_bools,
    check_shape,
    count_elements,
    itemsize,
    tensor,
    view_of,
)
from jaxgan.convert.formats._pickle import Budget, Name, Refused, key, kind, legible

_NUMPY_CODES = {f"{dtype.kind}{dtype.itemsize}" for dtype in DTYPES.values()}
_STORAGES = {  # dtype of a storage class
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.FloatStorage": "float32",
    "torch.DoubleStorage": "float64",
    "torch.CharStorage": "int8",
    "torch.ShortStorage": "int16",
    "torch.IntStorage": "int32",
    "torch.LongStorage": "int64",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
    "torch.ComplexFloatStorage": "complex64",
    "torch.ComplexDoubleStorage": "complex128",
    "torch.storage.UntypedStorage": UNTYPED,
}


@dataclass(eq=False, slots=True)
class Inert:
    """An object of a file without its class: data, and no behaviour.

    Attributes:
      name: Name of its class.
      state: Its state, mostly ``{attribute: value}``.
      meta: Notes in an NVlabs object, such as its source text, which never runs.
    """

    name: str
    state: Any = None
    meta: dict = field(default_factory=dict)


@dataclass
class Objects:
    """Resolves the names and objects in a pickle stream.

    Attributes:
      budget: Budget of the whole file.
      nested: Reads a file that is inside this one.
      stored: Bytes of the storages by key; None where there are none.
      declares: Whether storages are only declared, and their bytes not known yet.
      declared: Dtype and number of elements of each storage that the stream names.
      unfilled: Arrays by id that wait for their content.
    """

    budget: Budget
    nested: Callable[[bytes], Any]
    stored: dict[str, memoryview] | None = None
    declares: bool = False
    declared: dict[str, tuple[str, int]] = field(default_factory=dict)
    unfilled: dict[int, np.ndarray] = field(default_factory=dict)

    def find(self, module: str, name: str) -> Any:
        """Resolve a global name."""
        text = f"{module}.{name}"
        if text in _CALLS:
            return Name(text, call=partial(_call, self, text))
        if text in _CLASSES:
            return Name(text, new=_CLASSES[text])
        if text in _STORAGES or text == "numpy.ndarray":
            return Name(text)
        if module == "torch" and name in DTYPES:
            return text
        if module.split(".")[0] == "__torch__":
            return Name(text, new=partial(Inert, text))
        raise Refused(f"names {legible(text)}; only arrays, containers and settings are read")

    def persistent(self, identity: Any) -> Storage:
        """Return the storage ``('storage', class, key, device, elements)``."""
        match identity:
            case (str(tag), Name(text=text), str(name), str(), int(count), *rest) if (
                tag == "storage" and len(rest) < 2
            ):
                view = rest[0] if rest else None
            case _:
                raise Refused("asks for a stored object that is not a storage")
        dtype = _STORAGES.get(text)
        if dtype is None or self.stored is None or count < 0:
            raise Refused(f"asks for a storage of {text} where there is none")
        if self.declared.setdefault(name, (dtype, count)) != (dtype, count):
            raise Refused(f"describes the storage {legible(name)} in two ways")
        size = count * itemsize(dtype)
        content = self.stored.get(name)
        if not self.declares and (content is None or len(content) != size):
            raise Refused(f"has no storage {legible(name)} of {size} bytes")
        return view_of(Storage(dtype, content, size), view)

    def build(self, target: Any, state: Any) -> None:
        """Give an object its state."""
        match target, state:
            case Inert(state=None), _:
                target.state = state
            case dict(), dict():
                pass  # attributes of an ordered dictionary: the versions of modules
            case np.dtype(), (int(), str(order), *_) if order in ("<", "|", "="):
                pass  # little-endian already
            case np.ndarray(), (int(), tuple(shape), np.dtype() as dtype, turned, bytes(raw)):
                self._fill(target, shape, dtype, turned is True, raw)
            case _:
                raise Refused(f"sets the state of a {kind(target)} in a way that is not known")

    def _fill(self, array, shape, dtype, fortran, raw) -> None:
        check_shape(shape)
        if self.unfilled.pop(id(array), None) is None:
            raise Refused("sets the content of an array twice")
        if math.prod(shape) * dtype.itemsize != len(raw):
            raise Refused(f"has an array of shape {list(shape)} with {len(raw)} bytes")
        self.budget.take(count_elements(shape) * dtype.itemsize)
        array.__setstate__((1, shape, dtype, fortran, raw))
        check_bools(array)
        array.flags.writeable = False


def _rebuild_tensor(objects: Objects, args: tuple) -> Any:
    match args:
        case (Storage() as storage, int(offset), tuple(size), tuple(stride), *rest):
            if storage.dtype == UNTYPED:
                raise Refused("has a tensor without a dtype")
            match rest:
                case [] | [_, _] | [_, _, None]:
                    pass
                case [_, _, dict(views)] if not views:
                    pass
                case _:
                    raise Refused("has a tensor that is a conjugate or negative view")
            return tensor(objects.budget, storage, storage.dtype, (offset, size, stride))
    return NotImplemented


def _rebuild_tensor_v3(objects: Objects, args: tuple) -> Any:
    match args:
        case (Storage() as storage, int(offset), tuple(size), tuple(stride), _, _, str(dtype)):
            dtype = dtype.removeprefix("torch.")
            if dtype in DTYPES:
                return tensor(objects.budget, storage, dtype, (offset, size, stride))
    return NotImplemented


def _rebuild_parameter(objects: Objects, args: tuple) -> Any:
    match args:
        case (np.ndarray() as array, *_):
            return array
    return NotImplemented


def _load_from_bytes(objects: Objects, args: tuple) -> Any:
    match args:
        case (bytes(content),):
            objects.budget.take(len(content))
            return objects.nested(content)
    return NotImplemented


def _persistent_object(objects: Objects, args: tuple) -> Any:
    match args:
        case ({"class_name": str(name), "state": state, **meta},):
            return Inert(name, state, meta)
    return NotImplemented


def _ordered_dict(objects: Objects, args: tuple) -> Any:
    match args:
        case ():
            return {}
        case ([*pairs],) if all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
            return {key(name): value for name, value in pairs}
    return NotImplemented


def _size(objects: Objects, args: tuple) -> Any:
    match args:
        case ([*lengths],):
            check_shape(tuple(lengths))
            return tuple(lengths)
    return NotImplemented


def _device(objects: Objects, args: tuple) -> Any:
    match args:
        case (str(name),):
            return name
        case (str(name), int(index)) if len(name) < 32:
            return f"{name}:{index}"
    return NotImplemented


def _first(objects: Objects, args: tuple) -> Any:
    return args[0] if args else NotImplemented


def _set(objects: Objects, args: tuple) -> Any:
    match args:
        case ([*members],):
            return {key(member) for member in members}
    return NotImplemented


def _no_bytes(objects: Objects, args: tuple) -> Any:
    return NotImplemented if args else b""


def _encode(objects: Objects, args: tuple) -> Any:
    match args:
        case (str(text), str(encoding)) if encoding == "latin1":
            objects.budget.take(len(text))
            try:
                return text.encode("latin1")
            except UnicodeEncodeError:
                pass
    return NotImplemented


def _dtype(objects: Objects, args: tuple) -> Any:
    match args:
        case (str(code), *_) if len(code) < 5 and code.lstrip("<|=") in _NUMPY_CODES:
            return np.dtype("<" + code.lstrip("<|="))
    return NotImplemented


def _scalar(objects: Objects, args: tuple) -> Any:
    match args:
        case (np.dtype() as dtype, bytes(raw)) if len(raw) == dtype.itemsize:
            array = np.frombuffer(raw, dtype)
            check_bools(array)
            return array[0]
    return NotImplemented


def _unfilled_array(objects: Objects, args: tuple) -> Any:
    match args:
        case (Name(text="numpy.ndarray"), (int(),), _):
            array = np.empty(0, np.uint8)
            objects.unfilled[id(array)] = array
            return array
    return NotImplemented


def _call(objects: Objects, text: str, args: tuple) -> Any:
    # The function may copy its arguments, and may be called often.
    copied = [arg for arg in args[:8] if isinstance(arg, list | tuple | dict)]
    objects.budget.step(len(args) + sum(map(len, copied)))
    value = _CALLS[text](objects, args)
    if value is NotImplemented:
        raise Refused(f"calls {text} with arguments that are not known")
    return value


_CALLS: dict[str, Callable[[Objects, tuple], Any]] = {
    "__builtin__.bytes": _no_bytes,
    "__builtin__.set": _set,
    "_codecs.encode": _encode,
    "builtins.set": _set,
    "collections.OrderedDict": _ordered_dict,
    "numpy._core.multiarray._reconstruct": _unfilled_array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.multiarray._reconstruct": _unfilled_array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.dtype": _dtype,
    "torch.Size": _size,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch.device": _device,
    "torch.jit._pickle.build_boollist": _first,
    "torch.jit._pickle.build_doublelist": _first,
    "torch.jit._pickle.build_intlist": _first,
    "torch.jit._pickle.build_tensorlist": _first,
    "torch.jit._pickle.restore_type_tag": _first,
    "torch.storage._load_from_bytes": _load_from_bytes,
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent_object,
}
_CLASSES: dict[str, Callable[[], Any]] = {
    "argparse.Namespace": partial(Inert, "argparse.Namespace"),
    "dnnlib.util.EasyDict": dict,
}

"""Resolve the names in a checkpoint to functions of this module or to inert objects."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from jaxgan.convert.formats import _ndarrays
from jaxgan.convert.formats._arrays import (
    DTYPES,
    UNTYPED,
    Storage,
    check_shape,
    itemsize,
    tensor,
    view_of,
)
from jaxgan.convert.formats._bounds import Budget, Refused
from jaxgan.convert.formats._inert import Inert, Name, key, kind, legible

_STORAGES = {  # dtype by storage class
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


@dataclass
class Objects:
    """Resolves the names and objects in a pickle stream.

    Attributes:
      budget: Budget of the whole file.
      read_inner: Reads a file inside this one.
      storages: Bytes of the storages by key; None if there are none.
      declares: Whether storages are only declared and their bytes not known yet.
      declarations: Dtype and number of elements of each storage that the stream names.
      pending: Arrays by id that wait for their content.
      names: Names of the stream by their text.
    """

    budget: Budget
    read_inner: Callable[[memoryview], Any]
    storages: dict[str, memoryview] | None = None
    declares: bool = False
    declarations: dict[str, tuple[str, int]] = field(default_factory=dict)
    pending: dict[int, np.ndarray] = field(default_factory=dict)
    names: dict[str, Name] = field(default_factory=dict)

    def find(self, module: str, name: str) -> Any:
        """Resolve a global name."""
        text = f"{module}.{name}"
        if module == "torch" and name in DTYPES:
            return text
        if text not in self.names:
            call = partial(_call, self, text) if text in _CALLS else None
            self.names[text] = Name(text, call)
        return self.names[text]

    def persistent(self, identity: Any) -> Any:
        """Return the storage ``('storage', class, key, device, elements)``, or a class.

        A storage of an unknown class is inert.
        """
        match identity:
            case (str(tag), Name() as name, *_) if tag == "module":
                return name
            case (str(tag), Name(text=text), str(name), str(), int(count), *rest) if (
                tag == "storage" and len(rest) < 2
            ):
                view = rest[0] if rest else None
            case _:
                raise Refused("asks for a stored object that is not a storage")
        dtype = _STORAGES.get(text)
        if dtype is None and not self.declares:
            return Inert(text, args=(name,))
        if dtype is None or self.storages is None or count < 0:
            raise Refused(f"asks for a storage of {legible(text)} where there is none")
        if self.declarations.setdefault(name, (dtype, count)) != (dtype, count):
            raise Refused(f"describes the storage {legible(name)} in two ways")
        size = count * itemsize(dtype)
        content = self.storages.get(name)
        if not self.declares and (content is None or len(content) != size):
            raise Refused(f"has no storage {legible(name)} of {size} bytes")
        return view_of(Storage(dtype, content, size), view)

    def build(self, target: Any, state: Any) -> None:
        """Give an object its state."""
        match target, state:
            case dict(), _:
                pass  # attributes of a dictionary, such as versions of modules
            case np.ndarray(), tuple():
                if self.pending.pop(id(target), None) is None:
                    raise Refused("sets the content of an array twice")
                _ndarrays.fill(self.budget, target, state)
            case _:
                raise Refused(f"sets the state of a {kind(target)} in a way that is not known")

    def array(self, state: tuple | None = None) -> np.ndarray:
        """Make an array, which may still wait for its content."""
        array = np.empty(0, np.uint8)
        self.pending[id(array)] = array
        if state is not None:
            self.build(array, state)
        return array


def _rebuild_tensor(objects: Objects, args: tuple) -> Any:
    match args:
        case (Storage() as storage, int(offset), tuple(size), tuple(stride), *rest):
            views = rest[2] if len(rest) > 2 else None  # "conjugate", "negative"
            plain = views is None or (type(views) is dict and not views)
            if storage.dtype != UNTYPED and plain:
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
        case (bytes() | memoryview() as content,):
            objects.budget.take(len(content))
            return objects.read_inner(memoryview(content))
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
            return {key(name, i): value for i, (name, value) in enumerate(pairs)}
        case (dict(entries),):
            return entries
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
            return {key(member, i) for i, member in enumerate(members)}
    return NotImplemented


def _no_bytes(objects: Objects, args: tuple) -> Any:
    return NotImplemented if args else b""


def _encode(objects: Objects, args: tuple) -> Any:
    match args:
        case (str(text), str(encoding)) if encoding in ("latin1", "latin-1"):
            return _ndarrays.octets(objects.budget, text)
    return NotImplemented


def _scalar(objects: Objects, args: tuple) -> Any:
    return _ndarrays.scalar(objects.budget, args)


def _from_buffer(objects: Objects, args: tuple) -> Any:
    match args:
        case (raw, Inert() as dtype, tuple(shape), str(order)):
            return objects.array((1, shape, dtype, order == "F", raw))
    return NotImplemented


def _pending_array(objects: Objects, args: tuple) -> Any:
    match args:
        case (Name(text="numpy.ndarray"), (int(),), _):
            return objects.array()
    return NotImplemented


def _typed_tensor(objects: Objects, args: tuple) -> Any:
    """Rebuild a tensor of a subclass as a plain tensor."""
    match args:
        case (Name(call=call), Name(), tuple(inner), *_) if call is not None:
            return call(inner)
    return NotImplemented


def _new(objects: Objects, args: tuple) -> Any:
    """Make an object as pickle protocols 0 and 1 do: from class, base and the base's value."""
    match args:
        case (Name() as name, Name(text=base), value):
            instance = name.call(()) if name.call is not None else Inert(name.text)
            match instance, value:
                case dict(), dict():
                    return value
                case Inert(), dict() if base.endswith(".dict"):
                    instance.items = value
                case Inert(), list() if base.endswith(".list"):
                    instance.members = value
                case Inert(), _ if value is not None:
                    instance.args = value if type(value) is tuple else (value,)
            return instance
    return NotImplemented


def _new_object(objects: Objects, args: tuple) -> Any:
    match args:
        case (Name() as name, *rest):
            rest = tuple(rest)
            return name.call(rest) if name.call is not None else Inert(name.text, args=rest)
    return NotImplemented


def _call(objects: Objects, text: str, args: tuple) -> Any:
    # The function may copy its arguments, and may be called often.
    containers = [arg for arg in args[:8] if isinstance(arg, list | tuple | dict)]
    objects.budget.step(len(args) + sum(map(len, containers)))
    value = _CALLS[text](objects, args)
    return Inert(text, args=args) if value is NotImplemented else value


def _no_entries(objects: Objects, args: tuple) -> Any:
    return {}


_CALLS: dict[str, Callable[[Objects, tuple], Any]] = {
    "__builtin__.bytes": _no_bytes,
    "__builtin__.frozenset": _set,
    "__builtin__.set": _set,
    "_codecs.encode": _encode,
    "builtins.frozenset": _set,
    "builtins.set": _set,
    "collections.Counter": _ordered_dict,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _no_entries,
    "copy_reg.__newobj__": _new_object,
    "copy_reg._reconstructor": _new,
    "copyreg.__newobj__": _new_object,
    "copyreg._reconstructor": _new,
    "dnnlib.util.EasyDict": _no_entries,
    "numpy._core.multiarray._reconstruct": _pending_array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "numpy.core.multiarray._reconstruct": _pending_array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "torch.Size": _size,
    "torch._tensor._rebuild_from_type_v2": _typed_tensor,
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

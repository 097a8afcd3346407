"""The architecture of a generator, without its arrays, in a form that JSON can hold.

``jaxgan/convert/exported.py`` shows how files store it.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxgan.convert.generator import image_functions
from jaxgan.errors import InputError
from jaxgan.networks import mobilestylegan, pggan, stylegan, stylegan2, stylegan3, upsampler

_NETWORKS: dict[str, type[nn.Module]] = {
    "pggan": pggan.Generator,
    "stylegan.mapping": stylegan.Mapping,
    "stylegan.synthesis": stylegan.Synthesis,
    "stylegan2.mapping": stylegan2.Mapping,
    "stylegan2.synthesis": stylegan2.Synthesis,
    "stylegan3.synthesis": stylegan3.Synthesis,
    "mobilestylegan.synthesis": mobilestylegan.Synthesis,
    "upsampler": upsampler.Upsampler,
}
_LARGEST = 2**16  # largest whole number
_LONGEST = 256  # most items of a list
_MOST_WIDTHS = 20  # most whole numbers of a list: channels by resolution or layer
_DEEPEST = 64  # most layers of a mapping network
_MOST_TAPS = 4096  # most numbers of a filter


class Blueprint(NamedTuple):
    """How a generator's parameters make its images.

    Attributes:
      synthesis: Network that maps codes to images.
      mapping: Network that maps latents to codes. None if latents are codes; the parameters
        are then those of ``synthesis`` alone.
      wide: Number of codes per latent, one per layer; 0 if one code serves all layers.
      normalised: Whether latents are scaled to a mean square of 1 if they are codes.
      tanh: Whether a tanh follows the network.
    """

    synthesis: nn.Module
    mapping: nn.Module | None = None
    wide: int = 0
    normalised: bool = False
    tanh: bool = False


def functions(blueprint: Blueprint) -> dict[str, Any]:
    """Make ``encode``, ``synthesise`` and ``prepare`` of a ``Pretrained``."""
    mapping, network = blueprint.mapping, blueprint.synthesis

    def encode(params: Any, z: Array, *labels: Array) -> Any:
        if mapping is None:
            z = pggan.pixel_norm(z) if blueprint.normalised else z
            return jnp.concatenate((z, *labels), axis=1)
        codes: Any = mapping.apply({"params": params["mapping"]}, z, *labels)
        return codes.reshape(z.shape[0], blueprint.wide, -1) if blueprint.wide else codes

    def place(params: Any, codes: Array, transform: Array) -> Any:
        transform = params["transform"] @ transform
        return network.apply({"params": params["synthesis"]}, codes, transform)

    if isinstance(network, stylegan3.Synthesis):
        return {"encode": encode, "synthesise": place}
    part = None if mapping is None else "synthesis"
    synthesise, prepare = image_functions(network, part, tanh=blueprint.tanh)
    return {"encode": encode, "synthesise": synthesise, "prepare": prepare}


def to_json(blueprint: Blueprint) -> dict[str, Any]:
    """Convert a blueprint to JSON values, which ``from_json`` reads."""
    return {name: _plain(value) for name, value in blueprint._asdict().items()}


def from_json(values: Mapping[str, Any]) -> Blueprint:
    """Read a blueprint. Numbers are bounded, and only networks of this package are built.

    Raises:
      InputError: If an entry is invalid; the message names it.
    """
    return _named_tuple(Blueprint, values, "network")


def _plain(value: Any) -> Any:
    if isinstance(value, nn.Module):
        (name,) = (name for name, kind in _NETWORKS.items() if type(value) is kind)
        fields = {name: _plain(getattr(value, name)) for name in _fields(type(value))}
        return {"network": name} | fields
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "_asdict"):
        return {name: _plain(x) for name, x in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(x) for x in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _fields(kind: type) -> dict[str, Any]:
    """Return the types of a network's settings by name."""
    hints = typing.get_type_hints(kind)
    fields: Any = dataclasses.fields(kind)
    return {x.name: hints[x.name] for x in fields if x.name not in ("parent", "name")}


def _read(value: Any, kind: Any, where: str) -> Any:
    """Check a JSON value and convert it to a type."""
    if isinstance(kind, types.UnionType):
        (kind,) = (x for x in typing.get_args(kind) if x is not types.NoneType)
        return None if value is None else _read(value, kind, where)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        items = _list(value, where, _MOST_WIDTHS if item is int else _LONGEST)
        return tuple(_read(x, item, f"{where}.{i}") for i, x in enumerate(items))
    if kind is np.ndarray:
        return _taps(value, where)
    if kind is nn.Module:
        return _network(value, where)
    if hasattr(kind, "_fields"):
        return _named_tuple(kind, value, where)
    if type(value) is int and abs(value) > _LARGEST:  # too large for a float
        raise InputError(f"its {where} is not what jaxgan writes there")
    if kind is float and (type(value) is int or value == "inf"):
        value = float(value)
    sound = type(value) is kind and kind in (int, float, bool, str)
    if not sound or (kind in (int, float) and value != math.inf and abs(value) > _LARGEST):
        raise InputError(f"its {where} is not what jaxgan writes there")
    if math.isnan(value) if kind is float else where.endswith(".depth") and value > _DEEPEST:
        raise InputError(f"its {where} is not what jaxgan writes there")
    return value


def _list(value: Any, where: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise InputError(f"its {where} must be a list of at most {most}")
    return value


def _taps(value: Any, where: str) -> np.ndarray:
    rows = _list(value, where, _MOST_TAPS)
    try:
        array = np.array(rows, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"its {where} is not a filter") from error
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    if not array.size or array.size > _MOST_TAPS or not (array.ndim == 1 or square):
        raise InputError(f"its {where} is not a filter")
    return array


def _named_tuple(kind: Any, values: Any, where: str) -> Any:
    return kind(**_entries(typing.get_type_hints(kind), values, where))


def _network(values: Any, where: str) -> nn.Module:
    name = values.get("network") if isinstance(values, Mapping) else None
    if not isinstance(name, str) or name not in _NETWORKS:
        raise InputError(f"its {where} must be one of {', '.join(_NETWORKS)}")
    rest = {x: value for x, value in values.items() if x != "network"}
    return _NETWORKS[name](**_entries(_fields(_NETWORKS[name]), rest, where))


def _entries(kinds: Mapping[str, Any], values: Any, where: str) -> dict[str, Any]:
    if not isinstance(values, Mapping) or values.keys() != kinds.keys():
        raise InputError(f"its {where} must have the entries {', '.join(kinds)}")
    return {name: _read(values[name], kind, f"{where}.{name}") for name, kind in kinds.items()}

"""Read settings from the modules that NVlabs' repositories pickle, without running code."""

from typing import Any

from jaxgan.convert.formats._inert import Inert


def module(value: Any, prefix: str) -> Any:
    """Return the object whose arrays have a prefix; None if there is none."""
    for name in prefix.split(".")[:-1]:
        value = value.get(name) if isinstance(value, dict) else part(value, name)
    return value if _is_module(value) else None


def part(holder: Any, name: str) -> Any:
    """Return a part of a module by name; None if there is none."""
    return _parts(holder).get(name)


def settings(holder: Any, name: str) -> list[Any]:
    """List the values of a setting in a module and its submodules.

    Values are constructor arguments and attributes. Constructor defaults appear only among
    the attributes.
    """
    if not _is_module(holder):
        return []
    dicts = (holder.state, holder.state.get("_init_kwargs"))
    values = [x[name] for x in dicts if isinstance(x, dict) and name in x]
    inner = (settings(inside, name) for inside in _parts(holder).values())
    return values + [value for group in inner for value in group]


def _is_module(value: Any) -> bool:
    return isinstance(value, Inert) and isinstance(value.state, dict)


def _parts(holder: Any) -> dict[str, Any]:
    parts = holder.state.get("_modules") if _is_module(holder) else None
    return parts if isinstance(parts, dict) else {}

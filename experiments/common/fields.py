"""Define flags from the fields of a dataclass."""

import dataclasses
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

import docstring_parser
from absl import flags

from experiments.common.help import purpose_of
from jaxgan.errors import InputError


def define(
    values: flags.FlagValues,
    config: type,
    defaults: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
    *,
    lists: Collection[str] = (),
    without: Collection[str] = (),
    headings: Mapping[str, str] = types.MappingProxyType({}),
) -> Callable[[], dict[str, Any]]:
    """Define a flag for every field of a dataclass.

    The type of a flag is that of its field: ``int``, ``float``, ``str``, ``bool``, a tuple
    of one of these except ``bool``, or any of these ``| None``. Its help text is the field's
    entry under ``Attributes:`` in the docstring of the dataclass.

    Args:
      values: Where to define the flags.
      config: A dataclass.
      defaults: Defaults to show in the help; those of the dataclass by default.
      texts: Help texts that replace those of the docstring.
      lists: Fields of type ``str`` whose flag takes a list of names.
      without: Fields that get no flag.
      headings: Headings of fields that differ from those of ``help.PURPOSES``.

    Returns:
      A function that returns the given flags by name, with lists as tuples. It raises
      ``InputError`` if a list of numbers holds something else.
    """
    kinds = {
        name: tuple[str, ...] if name in lists else _kind(annotation)
        for name, annotation in typing.get_type_hints(config).items()
        if name not in without
    }
    if defaults is None:
        defaults = {field.name: field.default for field in dataclasses.fields(config)}
    texts = _texts_of(config) | dict(texts or {})
    for name, kind in kinds.items():
        text = " ".join(texts[name].split())
        value = defaults.get(name)
        if value is not dataclasses.MISSING and value not in (None, (), ""):
            text += f" Default: {_spell(value)}."
        _MAKERS[typing.get_origin(kind) or kind](
            name,
            None,
            text,
            flag_values=values,
            module_name=headings.get(name, purpose_of(name)),
        )

    def read() -> dict[str, Any]:
        every = {name: values[name].value for name in kinds}
        present = {name: value for name, value in every.items() if value is not None}
        return {name: _parse(name, kinds[name], value) for name, value in present.items()}

    return read


_MAKERS: dict[Any, Callable[..., Any]] = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    bool: flags.DEFINE_bool,
    tuple: flags.DEFINE_list,
}


def _kind(annotation: Any) -> Any:
    """Return the type of a field without its ``| None``."""
    if isinstance(annotation, types.UnionType):
        (annotation,) = set(typing.get_args(annotation)) - {types.NoneType}
    return annotation


def _texts_of(config: type) -> dict[str, str]:
    """Return the docstring entries of a dataclass's fields, including inherited ones."""
    return {
        entry.arg_name: (entry.description or "").replace("``", "")
        for base in reversed(config.__mro__)
        for entry in docstring_parser.parse(base.__doc__ or "").params
    }


def _spell(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _parse(name: str, kind: Any, value: Any) -> Any:
    """Return the value of a flag, with the items of a list converted to the field's type."""
    if typing.get_origin(kind) is not tuple:
        return value
    item = typing.get_args(kind)[0]
    try:
        return tuple(item(text) for text in value)
    except ValueError as error:
        number = "whole numbers" if item is int else "numbers"
        raise InputError(f"--{name}={','.join(value)} is not a list of {number}") from error

"""Inert stand-ins for the names and objects in a file: they only record its content."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_KEY_LENGTH = 64  # most characters of a generated key
_KEY_PARTS = 16  # most parts of a tuple that is written as a key


@dataclass(frozen=True, eq=False, slots=True)
class Name:
    """A name in a file, and the function that stands for it.

    Attributes:
      text: Module and name, joined by a dot.
      call: Function of this package that replaces the named one; it takes the tuple of
        arguments. None if the name is unknown.
    """

    text: str
    call: Callable[[tuple], Any] | None = None


@dataclass(eq=False, slots=True)
class Inert:
    """An object of a file, as data without behaviour.

    Attributes:
      name: Name of its class, or of the function that would make it.
      state: Its state, usually ``{attribute: value}``.
      meta: Metadata of an NVlabs object, such as its source code, which never runs.
      args: Arguments of the call that would make it.
      items: Its entries if it is used as a dictionary.
      members: Its members if it is used as a list or a set.
    """

    name: str
    state: Any = None
    meta: dict = field(default_factory=dict)
    args: tuple = ()
    items: dict | None = None
    members: list | None = None


def key(value: Any, count: int) -> Any:
    """Return a key of a dictionary, or a member of a set, for any value.

    Numbers and strings stay as they are. Any other value becomes a string, so that a
    malicious file cannot make hashing recurse or collide.

    Args:
      value: The key in the file.
      count: Number of the dictionary's entries, to keep generated keys distinct.
    """
    if type(value) is int:
        return value if abs(value) < 2**60 else str(value)
    if value is None or type(value) in (str, float, bool):
        return value
    if isinstance(value, Name):
        return value.text
    if isinstance(value, bytes) and len(value) <= _KEY_LENGTH:
        return value.decode("latin1")
    if type(value) is tuple and len(value) <= _KEY_PARTS:
        plain = all(part is None or type(part) in (str, int, float, bool) for part in value)
        text = ", ".join([str(part)[: _KEY_LENGTH + 1] for part in value]) if plain else ""
        if plain and len(text) <= _KEY_LENGTH:
            return f"({text})"
    return f"{kind(value)[:_KEY_LENGTH]} {count}"


def text_of(value: Name | Inert) -> str:
    """Return the name of a name or of an object."""
    return value.text if isinstance(value, Name) else value.name


def kind(value: Any) -> str:
    """Name the kind of a value in a message."""
    if isinstance(value, Name | Inert):
        return legible(text_of(value))
    return type(value).__name__.lstrip("_")


def legible(text: str) -> str:
    """Escape a string from the file for one line of a message."""
    plain = re.fullmatch(r"[\w.]{1,600}", text, re.ASCII)
    return text if plain else ascii(text[:80])

"""Names and objects of a file that do nothing: they only record what the file says."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_KEY_LENGTH = 64  # characters of a key that is made up
_KEY_PARTS = 16  # of a tuple that is spelled as a key


@dataclass(frozen=True, eq=False, slots=True)
class Name:
    """The meaning of a name in a file.

    Attributes:
      text: Module and name, joined by a dot.
      call: A function of this package that stands for the name, called with the tuple of
        arguments; None for a name that is not known.
    """

    text: str
    call: Callable[[tuple], Any] | None = None


@dataclass(eq=False, slots=True)
class Inert:
    """An object of a file without its class: data, and no behaviour.

    Attributes:
      name: Name of its class, or of the function that would make it.
      state: Its state, mostly ``{attribute: value}``.
      meta: Notes in an NVlabs object, such as its source text, which never runs.
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

    Numbers and texts stay as they are. All else turns into text, so that hashing neither
    recurses nor collides at an attacker's will.

    Args:
      value: The key in the file.
      count: Number of the dictionary's entries, which tells keys without a spelling apart.
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
    """Spell a text of the file on one line of a message."""
    plain = re.fullmatch(r"[\w.]{1,600}", text, re.ASCII)
    return text if plain else ascii(text[:80])

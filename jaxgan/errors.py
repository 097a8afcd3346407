"""The exception for bad input, and helpers for its message."""

_LONGEST = 2000  # characters of a message


class InputError(ValueError):
    """The caller's input is wrong; the message is one line.

    The message says what is wrong, where, and what is allowed. The experiments print it on
    stderr and exit with code 2. Since names may come from any file, characters that cannot
    be printed are escaped, and a very long message is cut in the middle.

    Examples:
      >>> import jaxgan
      >>> try:
      ...     jaxgan.objective("hing")
      ... except jaxgan.InputError as error:
      ...     print(str(error)[:50])
      unknown variant 'hing'; choose from gan, gan_minim
    """

    def __str__(self) -> str:
        text = one_line(" ".join(super().__str__().splitlines()))
        half = _LONGEST // 2
        return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"


def one_line(text: object) -> str:
    """Escape every character that a terminal cannot print, including line breaks."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )


def lookup(kind: str, name: str, table):
    """Return ``table[name]``.

    Raises:
      InputError: If the table has no such name; the message lists the names.
    """
    if name not in table:
        raise InputError(f"unknown {kind} {name!r}; choose from {', '.join(table)}")
    return table[name]

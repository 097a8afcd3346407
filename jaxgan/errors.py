"""The one exception for input that a user can mend."""

_LONGEST = 2000  # characters of a message


class InputError(ValueError):
    """Something the caller supplied is wrong; the message is one clear line.

    It says what was wrong, where, and what is allowed. Experiments turn it into
    one line on stderr and exit code 2; anything else that escapes is a defect. Names in
    files may hold anything: what no terminal can show is escaped, and of a message that is
    very long the middle is left out.
    """

    def __str__(self) -> str:
        text = one_line(" ".join(super().__str__().splitlines()))
        half = _LONGEST // 2
        return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"


def one_line(text: object) -> str:
    """Spell a text on one line that any terminal can show, whatever bytes a name has."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )


def lookup(kind: str, name: str, table):
    """Return ``table[name]``.

    Raises:
      InputError: If the table has no such name; the line lists those it has.
    """
    if name not in table:
        raise InputError(f"unknown {kind} {name!r}; choose from {', '.join(table)}")
    return table[name]

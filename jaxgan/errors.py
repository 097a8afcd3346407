"""The one exception for input that a user can mend."""


class InputError(ValueError):
    """Something the caller supplied is wrong; the message is one clear line.

    It says what was wrong, where, and what is allowed. Experiments turn it into
    one line on stderr and exit code 2; anything else that escapes is a defect.
    """


def lookup(kind: str, name: str, table):
    """Return ``table[name]``.

    Raises:
      InputError: If the table has no such name; the line lists those it has.
    """
    if name not in table:
        raise InputError(f"unknown {kind} {name!r}; choose from {', '.join(table)}")
    return table[name]

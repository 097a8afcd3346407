"""The claims of the reports, by name."""

from collections.abc import Iterable

from experiments.claims.images import entries as images_entries
from experiments.claims.points import entries
from experiments.claims.rules import Claim
from jaxgan.errors import lookup

NAMES = (*entries.BUILDERS, *images_entries.BUILDERS)


def claims(
    data: str = "m",
    data_key: str = "xx",
    names: Iterable[str] | None = None,
    *,
    scale: str = "small",
) -> dict[str, Claim]:
    """The claims by name.

    Args:
      data: Points: built-in data or a path.
      data_key: Variable of a ``.mat`` file.
      names: Of the claims; all by default.
      scale: Of the image laboratories: a name in ``claims_image_entries.SCALES``.

    Raises:
      InputError: If data cannot be read, there is no such claim or scale, or one of the
        claims that are asked for cannot be tested on the data.
    """
    lookup("scale", scale, images_entries.SCALES)
    chosen = list(names or NAMES)
    for name in chosen:
        lookup("claim", name, dict.fromkeys(NAMES))
    made = {}
    for name in chosen:
        if name in entries.BUILDERS:
            made[name] = entries.claim(name, data, data_key)
        else:
            made[name] = images_entries.claim(name, scale)
    return made

"""The claims of the reports, by name."""

from collections.abc import Iterable

from experiments import claims_image_entries, claims_point_entries
from experiments.claims_rules import Claim
from jaxgan.errors import lookup

NAMES = (*claims_point_entries.BUILDERS, *claims_image_entries.BUILDERS)


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
    lookup("scale", scale, claims_image_entries.SCALES)
    chosen = list(names or NAMES)
    for name in chosen:
        lookup("claim", name, dict.fromkeys(NAMES))
    made = {}
    for name in chosen:
        if name in claims_point_entries.BUILDERS:
            made[name] = claims_point_entries.claim(name, data, data_key)
        else:
            made[name] = claims_image_entries.claim(name, scale)
    return made

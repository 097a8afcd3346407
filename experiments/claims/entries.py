"""The claims of the reports, by name."""

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.claims import report
from experiments.claims.images import direction_entries, face_entries, fashion_entries
from experiments.claims.method import METHOD
from experiments.claims.points import entries as point_entries
from experiments.claims.study import Study
from jaxgan.errors import lookup
from jaxgan.metrics import intervals
from jaxgan.metrics.claims import Claim, cells_of

# What is trained. "small" is what two CPU cores can do; "report" has the reports' sizes.
SCALES: dict[str, dict[str, dict[str, Any]]] = {
    "small": {
        "faces": {"size": 32, "width": 16, "batch_size": 32, "train_size": 2048},
        "report_dense": {"width": 128, "train_size": 60_000},
        "report_conv": {"width": 16, "train_size": 12_800},
    },
    "report": {
        "faces": {"size": 64, "width": 64, "batch_size": 512, "train_size": 20_480},
        "report_dense": {"width": 128, "train_size": 60_000},
        "report_conv": {"width": 128, "train_size": 60_000},
    },
}

IMAGES = (*face_entries.CLAIMS, *fashion_entries.CLAIMS, *direction_entries.CLAIMS)
NAMES = (*point_entries.CLAIMS, *IMAGES)


def claims(
    data: str = "m",
    data_key: str = "xx",
    names: Iterable[str] | None = None,
    *,
    scale: str = "small",
    columns: tuple[str, ...] = (),
    fetch: bool = False,
) -> dict[str, Claim]:
    """The claims by name.

    Args:
      data: Points: built-in data or a path.
      data_key: Variable of a ``.mat`` file.
      names: Names in ``NAMES``; all by default.
      scale: Of the claims about images: a name in ``SCALES``.
      columns: Two columns of a ``.csv`` file.
      fetch: Download the pretrained generators; without, they are taken to be there.

    Raises:
      InputError: If data cannot be read, there is no such claim or scale, or one of the
        claims cannot be tested on the data.
    """
    sizes = lookup("scale", scale, SCALES)
    names = list(names or NAMES)
    for name in names:
        lookup("claim", name, dict.fromkeys(NAMES))

    def claim(name: str) -> Claim:
        if name in point_entries.CLAIMS:
            return point_entries.claim(name, data, data_key, columns)
        if name in fashion_entries.CLAIMS:
            return fashion_entries.claim(name, sizes)
        if name in direction_entries.CLAIMS:
            return direction_entries.claim(name, sizes["faces"], fetch=fetch)
        return face_entries.claim(name, sizes["faces"])

    return {name: claim(name) for name in names}


def study(selection: Mapping[str, Claim]) -> Study:
    """The study of some claims."""
    return Study(
        "claims",
        cells_of(selection.values()),
        intervals.MIN_SEEDS,
        lambda records, command: report.report(selection, records, command, METHOD),
    )

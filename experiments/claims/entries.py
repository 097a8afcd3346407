"""The claims of the reports, by name."""

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.claims import report
from experiments.claims.images import direction_entries, face_entries, fashion_entries
from experiments.claims.images import parts as image_parts
from experiments.claims.points import entries as point_entries
from experiments.claims.points import parts as point_parts
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

LEAD = [
    f"{point_parts.SCORES} {image_parts.SCORES} Epochs are passes over the training data.",
    "Every rule stands in the code before a study is run. From which ratio on a fit is rough, "
    "or a face recognisable, was set by eye, on pictures of a few runs of report B's networks, "
    "and of one WGAN-GP that is not in the study. A claim says that a mean over seeds, or a "
    "mean difference of runs with the same seed, lies in a range. It holds where "
    "the whole 95 % interval lies in the range, does not hold where all of it lies outside, "
    "and is undecided in between. A claim of several parts holds if all do, and does not if "
    "one does not; over several settings it has a verdict where they agree. Intervals are "
    "bootstrap-t over seeds, of which they need four, and are not corrected for the number of "
    "claims. What befalls fewer than about one in n of all seeds is, with n seeds, not in the "
    "interval: where few runs go badly wrong, it covers the mean far less often than it says.",
    "Within a setting, variants on points have the same optimizer, rate, batch, epochs and "
    "critic steps, and differ in loss, clip bound and penalty alone, unless the claim is about "
    "optimizers. GAN and WGAN-GP of faces have another optimizer and norm of the critic each, "
    "as in the report, but where GAN has Adam too. Who filled in what stands in each section.",
    "No run is dropped. One that diverged counts as a generator that puts every point on the "
    "mean of the data, or all of whose images have the mean features, and nothing counts as "
    "worse. One that never has a rough fit, or a face, counts as having it in the last epoch, "
    "a lower bound: where the claim speaks of that number, or of how much it exceeds another, "
    "the interval has no upper end; where it is the number that is taken away, no lower end. "
    "What has no worst, such as a loss or a share, leaves its part undecided where a run "
    "diverged.",
]


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


def study(chosen: Mapping[str, Claim]) -> Study:
    """The study of some claims."""
    return Study(
        "claims",
        cells_of(chosen.values()),
        intervals.MIN_SEEDS,
        lambda records, command: report.report(chosen, records, command, LEAD),
    )

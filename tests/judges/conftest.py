import csv
import tarfile

import numpy as np
import pytest

from jaxgan.data.image_folder import pack


@pytest.fixture(scope="session")
def photographs(shared, tmp_path_factory):
    """600 real faces ``[N, 178, 178, 3]`` and their labels, not part of the project."""
    archive = shared("data/celeba_10k.tar")
    with open(shared("data/celeba_10k_attributes.csv"), newline="") as file:
        labels = {row["image"]: row for row in csv.DictReader(file)}
    few = tmp_path_factory.mktemp("photographs") / "few.tar"
    with tarfile.open(archive) as whole, tarfile.open(few, "w") as part:
        members = sorted((m for m in whole if m.isfile()), key=lambda member: member.name)
        for i in np.random.default_rng(0).permutation(len(members))[:600]:
            part.addfile(members[i], whole.extractfile(members[i]))
    packed = pack(few, 96, few.parent)
    rows = [labels[name.rsplit("/", 1)[-1]] for name in packed.names]
    values = {name: np.array([row[name] == "1" for row in rows]) for name in rows[0]}
    return packed.images, values

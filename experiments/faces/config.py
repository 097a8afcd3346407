"""Settings of the faces laboratory."""

import os
from pathlib import Path
from typing import NamedTuple

from experiments.common.settings import Defaults, Recipe
from experiments.images.config import Dataset
from jaxgan.data import cartoon_faces, image_folder
from jaxgan.errors import InputError
from jaxgan.networks.pairs import PAIRS
from jaxgan.runs import progress

CARTOONS = 10_000


DEFAULTS = Defaults(
    common={
        "variant": ("gan",),
        "optimizer": "adam",
        "schedule": "constant",
        "betas": (0.5, 0.999),
        "critic_steps": 1,
        "ema": 0.99,
        "latent_dim": 100,
        "batch_size": 32,
        "epochs": 30,
        "data": "cartoons",
        "seed": 0,
        "seeds": 1,
        "frame_every": 1,
        "checkpoint_every": 1,
        "model": ("report_dcgan",),
        "size": 64,
        "width": 32,
        "norm": "batch",
    },
    by_optimizer={
        "sgd": {"learning_rate": (1e-2,)},
        "adam": {"learning_rate": (2e-4,)},
        "rmsprop": {"learning_rate": (1e-4,)},
        "optimistic_adam": {"learning_rate": (2e-4,)},
    },
    by_variant={"wgan": {"optimizer": "rmsprop", "learning_rate": (5e-5,)}},
)
_REPORT_D = {"batch_size": 512, "epochs": 30, "latent_dim": 200, "width": 64, "size": 64}
MODELS = {name: pair for name, pair in PAIRS.items() if DEFAULTS.common["size"] in pair.sizes}
SIZES = tuple(sorted({size for pair in MODELS.values() for size in pair.sizes}))
RECIPES = {
    # The report sums its losses over the batch and halves the critic's; here they are means.
    # So the rates are 512 times the report's 0.005, and half of this for the critic.
    "report_d_gan": Recipe(
        _REPORT_D
        | {
            "variant": ("gan",),
            "optimizer": ("sgd",),
            "learning_rate": (512 * 0.005,),
            "critic_learning_rate": 512 * 0.005 / 2,
        }
    ),
    # As in the report's text. Its listing corresponds to --variant=gan --penalty=gradient.
    "report_d_wgan_gp": Recipe(
        _REPORT_D
        | {
            "variant": ("wgan_gp",),
            "optimizer": ("adam",),
            "learning_rate": (0.001,),
            "betas": (0.5, 0.999),
            "penalty_weight": (10.0,),  # ours: the paper's
            "critic_steps": 1,  # ours
        }
    ),
}
TEXTS = {
    "data": "Folder, tar or zip of images, or cartoons, faces that the laboratory draws.",
    "model": f"Pair of networks, or a list of: {', '.join(MODELS)}.",
    "size": f"Side of the images in pixels: {', '.join(map(str, SIZES))}. Not all pairs of "
    "networks support all sizes.",
    "width": "Number of channels in the layers nearest to the image; 64 in the report.",
    "train_size": "Train only on the first so many images; by default on all.",
}


class FaceData(NamedTuple):
    """Images to train on, with remarks.

    Attributes:
      dataset: The images.
      skipped: ``(name, reason)`` of each file that was left out.
      lines: Remarks about the number of images and their processing.
    """

    dataset: Dataset
    skipped: tuple[tuple[str, str], ...] = ()
    lines: tuple[str, ...] = ()


def check_place(source: str, directory: Path) -> None:
    """Check that the run's folder is outside the data: its pictures would become data.

    Raises:
      InputError: If the folder of images contains it.
    """
    if os.path.isdir(source) and directory.resolve().is_relative_to(Path(source).resolve()):
        raise InputError(
            f"--data={source} holds the run's folder {directory}; give an --out elsewhere"
        )


def load(source: str, size: int) -> FaceData:
    """Load the images of a folder or an archive, or draw cartoons."""
    if size not in SIZES:
        raise InputError(f"--size={size}: the networks make {', '.join(map(str, SIZES))}")
    if source == "cartoons":
        faces = cartoon_faces.load(CARTOONS, size=size)
        return FaceData(Dataset(faces.images, f"cartoons-{CARTOONS}-{size}"))
    with progress.counting("image") as tell:
        packed = image_folder.pack(source, size, processes=True, tell=tell)
    skipped = packed.skipped + packed.others
    return FaceData(Dataset(packed.images, packed.key), skipped, packed.lines)

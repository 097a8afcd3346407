"""Settings of the Stacked MNIST laboratory."""

import hashlib

from experiments.common.settings import Defaults, Recipe
from experiments.images.config import FEWEST, Dataset
from jaxgan.data import fashion_mnist
from jaxgan.data.stacks import stack
from jaxgan.errors import InputError
from jaxgan.networks.pairs import PAIRS

MOST = 10**6  # most stacks: 2.4 GB
SIZE = 28
# The report's pairs of this size make only grey images.
MODELS = {
    name: pair
    for name, pair in PAIRS.items()
    if SIZE in pair.sizes and not name.startswith("report")
}

DEFAULTS = Defaults(
    common={
        "variant": ("rpgan",),
        "optimizer": "adam",
        "schedule": "constant",
        "betas": (0.5, 0.999),
        "critic_steps": 1,
        "ema": 0.999,
        "latent_dim": 100,
        "batch_size": 64,
        "epochs": 3,
        "data": "fashion-mnist",
        "train_size": 60_000,
        "seed": 0,
        "seeds": 1,
        "frame_every": 1,
        "checkpoint_every": 1,
        "model": ("dcgan",),
        "size": SIZE,
        "width": 16,
        "norm": "none",
        "critic_norm": "none",
        "pack": 1,
    },
    by_optimizer={
        "sgd": {"learning_rate": (1e-2,)},
        "adam": {"learning_rate": (1e-3,)},
        "rmsprop": {"learning_rate": (1e-4,)},
        "optimistic_adam": {"learning_rate": (1e-3,)},
    },
    by_variant={"wgan": {"optimizer": "rmsprop", "learning_rate": (1e-4,)}},
)
# PacGAN, arXiv 1712.04086, section 4.2 and its published settings: 100,000 updates of the
# critic, each of 64 packs. The paper updates the generator twice for one update of the critic
# and draws uniform latents; its networks have two stages more.
_PACGAN = {
    "variant": ("gan",),
    "optimizer": ("adam",),
    "learning_rate": (2e-4,),
    "betas": (0.5, 0.999),
    "latent_dim": 100,
    "width": 64,
    "norm": "batch",
    "critic_norm": "batch",
    "train_size": 128_000,
}
RECIPES = {
    "dcgan": Recipe(_PACGAN | {"batch_size": 64, "epochs": 50}),
    "pacdcgan2": Recipe(_PACGAN | {"pack": 2, "batch_size": 128, "epochs": 100}),
}
TEXTS = {
    "data": "Folder with the four IDX files of MNIST, Fashion-MNIST or EMNIST; fashion-mnist "
    "finds or downloads its own.",
    "model": f"Pair of networks, or a list of: {', '.join(MODELS)}.",
    "train_size": "Number of stacks to train on.",
    "width": "Number of channels in the layers nearest to the image; 64 in the papers.",
}


def load(source: str, count: int) -> tuple[fashion_mnist.Images, Dataset]:
    """Load a labelled data set, and stack its training images.

    Args:
      source: ``fashion-mnist``, or a folder of four IDX files.
      count: Number of stacks.

    Raises:
      InputError: If the files cannot be read, or the count is out of range.
    """
    if not FEWEST <= count <= MOST:
        raise InputError(f"--train_size={count}: must be from {FEWEST} to {MOST} stacks")
    data = fashion_mnist.load(None if source == "fashion-mnist" else source)
    stacks = stack(data.train_images, count)
    return data, Dataset(stacks, hashlib.sha256(stacks.tobytes()).hexdigest())

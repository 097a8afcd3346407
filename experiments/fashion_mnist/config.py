"""Settings of the Fashion-MNIST laboratory."""

import hashlib

from experiments.common.settings import Defaults, Recipe
from experiments.images.config import Dataset
from jaxgan.data import fashion_mnist
from jaxgan.errors import InputError
from jaxgan.networks.pairs import PAIRS

DEFAULTS = Defaults(
    common={
        "variant": ("gan",),
        "optimizer": "adam",
        "schedule": "constant",
        "betas": (0.5, 0.999),
        "critic_steps": 1,
        "ema": 0.999,
        "latent_dim": 100,
        "batch_size": 64,
        "epochs": 10,
        "data": "fashion-mnist",
        "seed": 0,
        "seeds": 1,
        "frame_every": 1,
        "checkpoint_every": 1,
        "model": ("report_dense",),
        "size": 28,
        "width": 128,
        "norm": "batch",
    },
    by_optimizer={
        "sgd": {"learning_rate": (1e-2,)},
        "adam": {"learning_rate": (2e-4,)},
        "rmsprop": {"learning_rate": (1e-4,)},
        "optimistic_adam": {"learning_rate": (2e-4,)},
    },
    by_variant={"wgan": {"optimizer": "rmsprop", "learning_rate": (1e-4,)}},
)
MODELS = {name: pair for name, pair in PAIRS.items() if DEFAULTS.common["size"] in pair.sizes}
RECIPES = {
    "report_e": Recipe(
        {
            "model": ("report_dense", "report_conv"),
            "optimizer": ("adam",),
            "learning_rate": (2e-4,),
            "epochs": 10,
            "latent_dim": 100,
            "width": 128,
            "batch_size": 64,  # ours
            "betas": (0.5, 0.999),  # ours
        }
    )
}
TEXTS = {
    "data": "Folder with the four IDX files of Fashion-MNIST, MNIST or EMNIST; fashion-mnist "
    "finds or downloads its own.",
    "model": f"Pair of networks, or a list of: {', '.join(MODELS)}.",
    "width": "Width of the networks: channels or units of the widest layers in the reports' "
    "pairs, channels of the layers nearest to the image in dcgan and sngan.",
    "train_size": "Train only on the first so many images; by default on all.",
}


def load(source: str) -> tuple[fashion_mnist.Images, Dataset]:
    """Load the data set and its training images."""
    data = fashion_mnist.load(None if source == "fashion-mnist" else source)
    if len(data.test_images) < 2:
        raise InputError("there is 1 test image; at least 2 are needed")
    key = hashlib.sha256(data.train_images.tobytes()).hexdigest()
    return data, Dataset(data.train_images, key, data.train_labels, data.classes)

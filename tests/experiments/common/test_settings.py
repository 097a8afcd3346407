import numpy as np
import pytest

from experiments.common.settings import Recipe
from experiments.faces.config import DEFAULTS
from experiments.images.config import Dataset
from experiments.images.config import configure as images
from experiments.points.config import configure as points
from jaxgan.errors import InputError
from tests.quick import normal

OPTAX = {"variant": ("gan", "wgan_gp"), "optimizer": ("optax.lion",)}


def of_images(**given):
    pictures = normal(64, 64, 64, 3).astype(np.uint8)
    return images(DEFAULTS, Recipe({}), given, Dataset(pictures, ""))


@pytest.mark.parametrize("configure", [points, of_images])
def test_the_rate_of_an_optimizer_of_optax_is_said_once_and_after_the_checks(capsys, configure):
    with pytest.raises(InputError, match="--epochs=0"):
        configure(**OPTAX, epochs=0)
    assert capsys.readouterr().err == ""
    assert len(configure(**OPTAX)) == 2
    assert capsys.readouterr().err.count("optax.lion: learning_rate=") == 1

"""Generators of points."""

import json

import numpy as np
import pytest

from jaxgan import convert
from jaxgan.convert import clouds
from jaxgan.errors import InputError
from tests.exported_generators import cloud


def test_points_are_those_of_the_formula(tmp_path):
    clouds.save(tmp_path / clouds.FILE, cloud())
    again = convert.points(tmp_path)
    assert again.settings == cloud().settings
    z = np.random.default_rng(0).standard_normal((5, 3))
    layers = cloud().params["variables"]["params"]
    x = z
    for i in range(3):
        kernel, bias = (np.asarray(layers[f"Dense_{i}"][part]) for part in ("kernel", "bias"))
        kernel = kernel.T if kernel.shape[0] != x.shape[1] else kernel  # short side first
        x = x @ kernel + bias
        x = np.maximum(x, 0) if i < 2 else x
    expected = x * [[3.0, 0.5]] + [[1.0, -2.0]]
    np.testing.assert_allclose(again.points(z), expected, rtol=1e-5, atol=1e-5)  # float32
    with pytest.raises(InputError, match=r"latents have shape \[5, 2\], not \[N, 3\]"):
        again.points(z[:, :2])


@pytest.mark.parametrize(
    ("name", "value"), [("widths", [0]), ("latent", "x"), ("latent_dim", "3")]
)
def test_damaged_settings_are_one_line(name, value, tmp_path):
    settings = cloud().settings | {name: value}
    clouds.save(tmp_path / clouds.FILE, cloud()._replace(settings=settings))
    with pytest.raises(InputError, match="is not a generator that jaxgan wrote"):
        convert.points(tmp_path)


def test_images_are_no_points(tmp_path):
    content = np.frombuffer(json.dumps({"model": "dcgan"}).encode(), np.uint8)
    np.savez(tmp_path / clouds.FILE, settings=content)
    with pytest.raises(InputError, match="holds no generator of points"):
        convert.points(tmp_path)
    clouds.save(tmp_path / clouds.FILE, cloud())
    with pytest.raises(InputError, match="which makes no images"):
        convert.load(tmp_path)

"""Images of many codes, on many devices too; rows of images that turn and shift."""

import dataclasses

import numpy as np
import pytest

from jaxgan.convert.transforms import placement
from jaxgan.data.pixels import to_uint8
from jaxgan.sefa import render
from jaxgan.training import devices
from tests.generators import linear, movable
from tests.quick import normal


@pytest.mark.parametrize("make", [linear, movable])
def test_devices_share_batches_of_images(make):
    alone, mesh = make(), devices.make_mesh()
    shared = dataclasses.replace(alone, mesh=mesh)
    codes = normal(mesh.size + 2, *alone.code_shape[1:])
    images = shared.images(codes[: mesh.size])
    assert images.sharding.is_equivalent_to(devices.along(mesh, 0), images.ndim)
    np.testing.assert_allclose(images, alone.images(codes[: mesh.size]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(shared.images(codes), alone.images(codes), rtol=1e-5, atol=1e-6)
    drawn = [render.draw(generator, codes, 4, 3) for generator in (shared, alone)]
    np.testing.assert_array_equal(*drawn)


def test_places_are_rows_behind_the_directions():
    generator = movable()
    codes = normal(2, *generator.code_shape[1:])
    still = to_uint8(generator.images(codes))
    images = np.repeat(np.stack([still, still])[:, :, None], 5, axis=2)
    shown = render.add_places(generator, codes, images, 4, 3)
    assert shown.shape == (4, *images.shape[1:])
    np.testing.assert_array_equal(shown[:2], images)
    for t, share in enumerate((-1, -0.5, 0, 0.5, 1)):
        turned = generator.images(codes, placement(share * render.TURN))
        np.testing.assert_array_equal(shown[2, :, t], to_uint8(turned))
        shifted = generator.images(codes, placement(right=share * render.SHIFT))
        np.testing.assert_array_equal(shown[3, :, t], to_uint8(shifted))
    assert (shown[2, :, 0] != still).any()
    assert (shown[3, :, 4] != still).any()


def test_generators_that_cannot_turn_have_no_such_rows():
    images = np.zeros((1, 2, 3, 4, 4, 3), np.uint8)
    assert render.add_places(linear(), normal(2, 4, 6), images, 4, 3) is images
    assert render.place_rows(linear(), 2.0) == []


def test_rows_say_what_one_unit_is():
    turn, shift = render.place_rows(movable(), 2.0)
    assert turn == ("turn", {"one unit": "15 degrees counter-clockwise"})
    assert shift == ("shift", {"one unit": "0.0625 of the image's width to the right"})

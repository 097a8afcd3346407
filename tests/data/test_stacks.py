"""Stacks of images."""

import numpy as np

from jaxgan.data.stacks import stack

# Every pixel of image k is k.
IMAGES = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None], (50, 4, 3, 1))


def test_each_channel_is_an_image_of_the_data_drawn_by_itself():
    stacks = stack(IMAGES, 20_000)
    assert stacks.shape == (20_000, 4, 3, 3)
    assert stacks.dtype == np.uint8
    assert (stacks == stacks[:, :1, :1]).all()
    numbers = stacks[:, 0, 0].astype(float)
    assert [len(np.unique(channel)) for channel in numbers.T] == [50] * 3
    assert np.abs(np.corrcoef(numbers.T) - np.eye(3)).max() < 0.03


def test_stacks_are_a_function_of_the_seed():
    first = stack(IMAGES, 30, seed=1)
    np.testing.assert_array_equal(stack(IMAGES, 30, seed=1), first)
    assert (stack(IMAGES, 30, seed=2) != first).any()


def test_channels_are_in_the_order_of_the_images_pixels():
    images = np.arange(12, dtype=np.uint8).reshape(1, 4, 3, 1)
    np.testing.assert_array_equal(stack(images, 1)[0, ..., 1], images[0, ..., 0])

import functools

import jax
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.training import augment
from tests.quick import normal

COUNT, SIDE = 12, 16
IMAGES = normal(COUNT, SIDE, SIDE, 3)


@functools.cache
def changed(name):
    """All images, as one augmentation changes them."""
    change = getattr(augment, name, None) or augment.AUGMENTATIONS[name]
    return np.asarray(jax.jit(change)(jax.random.key(0), IMAGES))


def uniform(low, high):
    """The numbers that a change draws for each image."""
    return np.asarray(
        jax.random.uniform(jax.random.key(0), (COUNT, 1, 1, 1), minval=low, maxval=high)
    )


def places(*limits):
    keys = jax.random.split(jax.random.key(0))
    return [
        np.asarray(jax.random.randint(key, (COUNT,), *limit))
        for key, limit in zip(keys, limits, strict=True)
    ]


def about(means, factor):
    return factor * IMAGES + (1 - factor) * means


def moved():
    out = np.zeros_like(IMAGES)
    for i, (down, right) in enumerate(zip(*places((-2, 3), (-2, 3)), strict=True)):
        for row in range(SIDE):
            for column in range(SIDE):
                if 0 <= row + down < SIDE and 0 <= column + right < SIDE:
                    out[i, row + down, column + right] = IMAGES[i, row, column]
    return out


def cut():
    """Cut out as in the paper's code: indices around a centre, clamped to the image."""
    out = IMAGES.copy()
    for i, centre in enumerate(zip(*places((0, SIDE + 1), (0, SIDE + 1)), strict=True)):
        rows, columns = (np.clip(c - 4 + np.arange(8), 0, SIDE - 1) for c in centre)
        out[i][np.ix_(rows, columns)] = 0
    return out


PLAIN = {
    "brightness": lambda: IMAGES + uniform(-0.5, 0.5),
    "saturation": lambda: about(IMAGES.mean(axis=3, keepdims=True), uniform(0, 2)),
    "contrast": lambda: about(IMAGES.mean(axis=(1, 2, 3), keepdims=True), uniform(0.5, 1.5)),
    "translation": moved,
    "cutout": cut,
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_change_is_its_definition(name):
    expected = PLAIN[name]()
    np.testing.assert_allclose(changed(name), expected, rtol=1e-5, atol=1e-5)
    assert (abs(expected - IMAGES).max(axis=(1, 2, 3)) > 1e-3).sum() > COUNT / 2


def test_parts_of_a_side_are_rounded_as_in_the_papers_code():
    images = np.ones((64, 28, 7, 1), np.float32)
    moved, cut = (
        np.asarray(jax.jit(change)(jax.random.key(0), images)) == 0
        for change in (augment.translation, augment.cutout)
    )
    for axis, (reach, size) in enumerate([(4, 14), (1, 4)], start=1):
        other = 3 - axis
        assert moved.all(axis=other).sum(axis=1).max() == reach
        assert cut.any(axis=other).sum(axis=1).max() == size


def test_grey_images_have_no_saturation():
    grey = augment.saturation(jax.random.key(0), IMAGES[..., :1])
    np.testing.assert_allclose(grey, IMAGES[..., :1], rtol=1e-6, atol=1e-6)


def test_changes_are_chained_by_name_and_gradients_flow_through():
    change = augment.augment(["translation", "color"])
    first, second = jax.random.split(jax.random.key(0))

    def total(x):
        return change(jax.random.key(0), x).sum()

    @jax.jit
    def run(x):
        colored = augment.AUGMENTATIONS["color"](second, augment.translation(first, x))
        return change(jax.random.key(0), x), colored, jax.grad(total)(x)

    images, expected, slopes = run(IMAGES)
    np.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-5)
    assert (np.asarray(slopes) != 0).mean() > 0.7  # but for what was moved out


def test_no_names_are_no_change_and_bad_ones_are_refused():
    assert augment.augment([]) is None
    with pytest.raises(InputError, match="unknown augmentation 'noise'.*cutout"):
        augment.augment(["noise"])
    with pytest.raises(InputError, match="given twice: color, color"):
        augment.augment(["color", "color"])


def test_half_of_the_images_are_mirrored():
    images = normal(4, 50, 2, 3, 1)
    flipped = np.asarray(augment.flip(jax.random.key(0), images))
    mirrored = (flipped == images[..., ::-1, :]).all(axis=(2, 3, 4))
    assert (mirrored ^ (flipped == images).all(axis=(2, 3, 4))).all()
    assert 70 < mirrored.sum() < 130

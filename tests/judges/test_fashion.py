import functools

import jax
import numpy as np
import pytest

from jaxgan.data.fashion_mnist import Images
from jaxgan.judges import fashion


@pytest.mark.slow
def test_the_classifier_learns_and_is_kept(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 512).astype(np.int32)
    pictures = np.zeros((512, 28, 28, 1), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[2 * label : 2 * label + 8] = 255
    data = Images(pictures, labels, pictures[:99], labels[:99])
    first = fashion.load_or_train(data, tmp_path)
    assert first.accuracy > 0.9  # a stripe at one of ten heights
    monkeypatch.setattr(fashion.fitting, "fit", None)  # not called again
    assert fashion.load_or_train(data, tmp_path).accuracy == first.accuracy
    (path,) = tmp_path.iterdir()
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:1000])
    assert fashion.load_or_train(data, tmp_path).accuracy == first.accuracy


def test_it_has_as_many_classes_as_the_data():
    """Letters, and fewer images than a batch; shapes only, nothing is computed."""
    images = jax.ShapeDtypeStruct((20, 28, 28, 1), np.uint8)
    labels = jax.ShapeDtypeStruct((20,), np.int32)
    params = jax.eval_shape(functools.partial(fashion.fit, classes=26), images, labels)
    probabilities, _ = jax.eval_shape(fashion._apply, params, images)
    assert probabilities.shape == (20, 26)


def test_the_mode_of_a_stack_has_the_classes_of_its_channels_as_digits(monkeypatch):
    def by_brightness(params, images):
        return np.eye(10)[images.mean(axis=(1, 2, 3)).astype(int)], None

    monkeypatch.setattr(fashion, "classify", by_brightness)
    stacks = np.broadcast_to(np.uint8([[3, 1, 4], [0, 0, 7]])[:, None, None], (2, 28, 28, 3))
    assert fashion.mode_numbers(None, stacks).tolist() == [314, 7]

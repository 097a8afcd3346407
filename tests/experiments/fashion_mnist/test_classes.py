import csv
import types

import numpy as np
import pytest

from experiments.fashion_mnist import classes
from jaxgan.data.fashion_mnist import Images
from jaxgan.judges import fashion
from jaxgan.training.gan import GanState, NetState


def test_the_class_accuracy_is_of_the_generator_and_of_its_average(tmp_path, monkeypatch):
    """The judge reads a pixel; the average draws the class, the generator errs in class 2."""
    names = ("a", "b", "c")

    def images(labels):
        return np.asarray(labels, np.uint8).reshape(-1, 1, 1, 1) * np.ones(
            (1, 28, 28, 1), np.uint8
        )

    def sample(state, z, labels):
        assert z.shape == (3 * classes.EACH, 4)
        np.testing.assert_array_equal(z[: classes.EACH], z[-classes.EACH :])
        wrong = np.where((labels == 2) & (np.arange(len(z)) % 4 == 0), 0, labels)
        raw = state.average == {"params": 1}
        return np.stack([images(wrong if raw else labels), images(labels)])

    def classify(params, x):
        return np.eye(3)[x[:, 0, 0, 0]], None

    monkeypatch.setattr(fashion, "classify", classify)
    net = NetState(1, {}, None)
    state = GanState(np.int32(0), None, net, net, {"params": 0})
    config = types.SimpleNamespace(seed=0, latent_dim=4)
    test_labels = np.array([0, 0, 1, 1, 2, 2], np.int32)
    data = Images(images([]), np.array([]), images([0, 1, 1, 1, 2, 2]), test_labels, names)
    measured = classes.measure(
        config, sample, state, tmp_path, data, fashion.GarmentClassifier(None, 5 / 6)
    )
    assert measured["class_accuracy"].tolist() == pytest.approx([(2 + 0.75) / 3, 1])
    assert measured["class_accuracy_average"].tolist() == [1, 1]
    with open(tmp_path / "classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["lane"], row["class"]) for row in rows] == [
        (x, y) for x in "01" for y in "abc"
    ]
    assert [float(row["generator"]) for row in rows] == [1, 1, 0.75, 1, 1, 1]
    assert [float(row["test_images"]) for row in rows[:3]] == [0.5, 1, 1]

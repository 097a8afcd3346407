import numpy as np

from jaxgan.convert.place import place
from tests.quick import normal


def test_views_are_scaled_and_copied():
    array = normal(3, 4, 5).astype(np.float64)
    placed = place(array.T, 0.5)
    np.testing.assert_array_equal(placed, (array.T * 0.5).astype(np.float32))
    array[:] = 0
    assert np.asarray(placed).all()


def test_any_shape_is_placed():
    assert place(np.float32(3.0).reshape(())) == 3
    assert place(np.zeros((0, 2), np.float16)).shape == (0, 2)

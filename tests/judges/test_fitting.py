import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxgan.judges import fitting


def test_fit_finds_a_line(key):
    x = jnp.linspace(-1, 1, 64)
    y = 3 * x - 2

    def loss(params, index):
        return jnp.square(params["slope"] * x[index] + params["offset"] - y[index]).mean()

    def draw(key):
        return (fitting.batches(key, 64, 16),)

    params = {"slope": jnp.zeros(()), "offset": jnp.zeros(())}
    fit = jax.jit(lambda: fitting.fit(loss, params, optax.sgd(0.3), draw, epochs=40, key=key))
    found = fit()
    # No step moves off the solution, and 160 shrink the error to rounding.
    np.testing.assert_allclose(found["slope"], 3, rtol=1e-5)
    np.testing.assert_allclose(found["offset"], -2, rtol=1e-5)


def test_fit_takes_a_step_per_batch_with_the_keys_of_the_epochs(key):
    def loss(params, first, second):
        return params["sum"] * first + params["seen"] * second

    def draw(key):
        return jax.random.uniform(key, (5,)), jnp.ones(5)

    params = {"sum": jnp.zeros(()), "seen": jnp.zeros(())}
    found = fitting.fit(loss, params, optax.sgd(1), draw, epochs=3, key=key)
    assert found["seen"] == -15
    drawn = [jax.random.uniform(one, (5,)) for one in jax.random.split(key, 3)]
    np.testing.assert_allclose(found["sum"], -np.sum(drawn), rtol=1e-6)  # order of a sum


def test_batches_take_no_image_twice(key):
    order = fitting.batches(key, 23, 5)
    assert order.shape == (4, 5)
    flat = order.ravel().tolist()
    assert len(set(flat)) == 20
    assert set(flat) < set(range(23))
    assert flat != sorted(flat)


def test_in_batches_asks_for_one_size_and_keeps_the_order():
    sizes = []

    def ask(images):
        sizes.append(len(images))
        return jnp.asarray(images[:, 0]), jnp.asarray(images.sum(axis=1))

    images = np.arange(22, dtype=np.uint8).reshape(11, 2)
    first, total = fitting.in_batches(ask, images, 4)
    assert sizes == [4, 4, 4]
    assert first.dtype == total.dtype == np.float64
    np.testing.assert_array_equal(first, images[:, 0])
    np.testing.assert_array_equal(total, images.sum(axis=1))
    for count in (4, 1):
        np.testing.assert_array_equal(
            fitting.in_batches(ask, images[:count], 4)[0], images[:count, 0]
        )

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data import cartoon_faces
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.errors import InputError
from jaxgan.judges import cartoons as judges_cartoons
from jaxgan.judges import fitting
from jaxgan.judges.cartoons import NETWORK
from tests.generators import line_of

SAYS = "training a reader of the factors of cartoons of 16 pixels, once"


def standardised(factors):
    table = np.stack([*factors.values()], axis=1)
    return (table - table.mean(axis=0)) / table.std(axis=0)


@pytest.fixture
def untrained(monkeypatch):
    """Few cartoons, and parameters that are zero whatever they are."""

    def fit(images, targets, *, epochs):
        assert images.shape == (512, 16, 16, 3)
        assert targets.shape == (512, len(FACTORS))
        like = jax.eval_shape(NETWORK.init, jax.random.key(0), images.astype(float))
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), like)

    monkeypatch.setattr(judges_cartoons, "COUNT", 512)
    monkeypatch.setattr(judges_cartoons, "HELD_OUT", 256)
    monkeypatch.setattr(judges_cartoons, "fit", fit)


@pytest.mark.slow
def test_the_reader_learns():
    train = jax.jit(judges_cartoons.fit, static_argnames="epochs")
    cartoons, held_out = (cartoon_faces.load(count, count, 16) for count in (1024, 256))
    targets = standardised(cartoons.factors).astype(np.float32)
    params = train(cartoons.images, targets, epochs=8)
    answers, features = judges_cartoons.read(params, held_out.images)
    assert answers.dtype == features.dtype == np.float64
    assert features.shape == (256, NETWORK.features)
    shares = judges_cartoons.r_squared(answers, standardised(held_out.factors))
    shares = dict(zip(FACTORS, shares, strict=True))
    # At least 0.82 here, as measured; 0 is what the mean explains.
    coarse = ("turn", "skin", "hair_length", "hair_colour", "background", "shirt")
    assert min(shares[name] for name in coarse) > 0.6


def test_the_reader_is_kept(untrained, monkeypatch, tmp_path, capsys):
    def trained():
        reader = judges_cartoons.load_or_train(16, tmp_path)
        return reader, SAYS in capsys.readouterr().err

    first, said = trained()
    assert said
    assert first.factors == tuple(first.r_squared) == tuple(FACTORS)
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "fit", None)  # not called again
        again, said = trained()
    assert not said
    assert again.r_squared == first.r_squared
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])  # damaged
    assert trained()[1]
    assert not trained()[1]
    for setting in ("EPOCHS", "VERSION"):
        monkeypatch.setattr(judges_cartoons, setting, 3)
        assert trained()[1]
    assert len([*tmp_path.iterdir()]) == 3


def test_factors_are_in_standard_deviations_of_the_cartoons(untrained, tmp_path):
    reader = judges_cartoons.load_or_train(16, tmp_path)
    images = cartoon_faces.load(3, size=16).images
    assert not judges_cartoons.read(reader.params, images)[0].any()
    shares = [*reader.r_squared.values()]
    assert max(shares) <= 0
    # Means of the 256 held out and of the 512 differ by chance, by a variance of 0.006;
    # this is 3.2 of its deviations.
    assert min(shares) > -0.06


def test_reading_takes_one_program(monkeypatch):
    program = jax.jit(chex.assert_max_traces(judges_cartoons._apply.__wrapped__, n=1))
    monkeypatch.setattr(judges_cartoons, "_apply", program)
    images = cartoon_faces.load(40, size=16).images
    rng = np.random.default_rng(0)
    like = jax.eval_shape(NETWORK.init, jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    params = jax.tree.map(lambda leaf: 0.1 * rng.normal(size=leaf.shape), like)
    whole = judges_cartoons.read(params, images, batch=16)
    part = judges_cartoons.read(params, images[20:27], batch=16)
    assert whole[0].std(axis=0).min() > 0
    for x, y in zip(whole, part, strict=True):
        # Rounding may depend on the place in a batch.
        np.testing.assert_allclose(x[20:27], y, rtol=1e-4, atol=1e-5)


def test_r_squared_by_hand():
    known = np.array([[0.0, 1], [2, 1], [4, 4]])
    mean = np.broadcast_to(known.mean(axis=0), known.shape)
    np.testing.assert_allclose(judges_cartoons.r_squared(known, known), 1)
    np.testing.assert_allclose(judges_cartoons.r_squared(mean, known), 0, atol=1e-12)
    # Squares of 4 in place of a variance of 8 / 3, and of 1 in place of one of 2.
    np.testing.assert_allclose(judges_cartoons.r_squared(known + [2, 1], known), [-0.5, 0.5])


def test_a_size_that_cannot_be_drawn_is_one_line(tmp_path):
    with pytest.raises(InputError, match="size is 8") as error:
        judges_cartoons.load_or_train(8, tmp_path)
    assert line_of(error)

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.training.objectives import OBJECTIVES, PENALTIES, objective
from tests.quick import normal

REAL = np.array([0.3, -1.2, 2.0], np.float32)
FAKE = np.array([-0.7, 0.4, 1.1], np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def expected_losses():
    """Compute each loss as in its paper, with sigmoids and logarithms, in float64."""
    r, f = np.asarray(REAL, np.float64), np.asarray(FAKE, np.float64)
    entropy = -np.log(sigmoid(r)).mean() - np.log(1 - sigmoid(f)).mean()
    non_saturating = -np.log(sigmoid(f)).mean()
    minimax = np.log(1 - sigmoid(f)).mean()
    wasserstein = f.mean() - r.mean()
    squares = 0.5 * ((r - 1) ** 2).mean() + 0.5 * (f**2).mean()
    hinge = np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean()
    return {
        "gan": (entropy, non_saturating),
        "gan_minimax": (entropy, minimax),
        "wgan": (wasserstein, -f.mean()),
        "wgan_gp": (wasserstein, -f.mean()),
        "wgan_lp": (wasserstein, -f.mean()),
        "lsgan": (squares, 0.5 * ((f - 1) ** 2).mean()),
        "hinge": (hinge, -f.mean()),
        "dragan": (entropy, non_saturating),
        "r1": (entropy, non_saturating),
        "rpgan": (-np.log(sigmoid(r - f)).mean(), -np.log(sigmoid(f - r)).mean()),
    }


@pytest.fixture(scope="module")
def losses():
    """Values and gradients of all losses: ``{name: (critic's, generator's)}``."""

    @jax.jit
    def of_scores(real, fake):
        def with_gradients(loss):
            return jax.value_and_grad(loss, argnums=(0, 1))(real, fake)

        entries = {name: objective(name) for name in OBJECTIVES}
        return {
            name: (with_gradients(entry.critic_loss), with_gradients(entry.generator_loss))
            for name, entry in entries.items()
        }

    return of_scores


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_equal_their_formulas(name, losses):
    (critic, _), (generator, _) = losses(REAL, FAKE)[name]
    # float32 against float64, values of order 1
    assert (critic, generator) == pytest.approx(expected_losses()[name], rel=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_stay_finite_at_extreme_scores(name, losses):
    for real, fake in [(1e4, -1e4), (-1e4, 1e4)]:
        args = np.full(3, real, np.float32), np.full(3, fake, np.float32)
        chex.assert_tree_all_finite(losses(*args)[name])


def slope_penalty(slope, weight):
    """Compute each penalty for a linear critic, whose gradient is constant."""
    return {
        "none": 0.0,
        "gradient": weight * (slope - 1) ** 2,
        "lipschitz": weight * max(0.0, slope - 1) ** 2,
        "dragan": weight * (slope - 1) ** 2,
        "r1": weight / 2 * slope**2,
        "r1_r2": weight * slope**2,
    }


@pytest.mark.parametrize("shape", [(2,), (4, 4, 3)])
def test_penalties_of_a_linear_critic_are_their_closed_forms(shape, key):
    weight = 7.0

    @jax.jit
    def penalties(direction, real, fake):
        def critic(x):
            return jnp.einsum("bi,i->b", x.reshape(len(x), -1), direction.ravel())

        return {
            name: PENALTIES[name].make(weight)(key, critic, real, fake) for name in PENALTIES
        }

    real, fake = normal(2, 8, *shape)
    for scale in (0.5, 3.0):
        direction = scale * normal(*shape, seed=1)
        expected = slope_penalty(float(np.linalg.norm(direction.ravel())), weight)
        # float32
        assert penalties(direction, real, fake) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_penalty_gradients_match_finite_differences(key):
    inner, outer, fake, direction = np.float64(normal(4, 5, 5) / 2)
    outer = 4 * outer  # slopes above 1, where all penalties have gradients
    real = fake + 1

    def penalties(inner):
        def critic(x):
            return jnp.tanh(x @ inner) @ outer[:, 0]

        values = {
            name: PENALTIES[name].make(2.0)(key, critic, real, fake) for name in PENALTIES
        }
        return values, values

    with jax.enable_x64(True):
        values_and_gradients = jax.jit(jax.jacrev(penalties, has_aux=True))
        gradients, _ = values_and_gradients(inner)
        step = 1e-5
        _, up = values_and_gradients(inner + step * direction)
        _, down = values_and_gradients(inner - step * direction)
    for name in PENALTIES:
        # Central differences in float64: error about step^2 plus 1e-16 / step.
        expected = (float(up[name]) - float(down[name])) / (2 * step)
        slope = (np.asarray(gradients[name]) * direction).sum()
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-9), name
        assert (slope == 0) == (name == "none")


def test_penalty_gradients_are_finite_for_a_flat_critic(key):
    def penalties(slope):
        def critic(x):
            return x @ slope

        real, fake = REAL[:, None], FAKE[:, None]
        return {name: PENALTIES[name].make(1.0)(key, critic, real, fake) for name in PENALTIES}

    chex.assert_tree_all_finite(jax.jit(jax.jacrev(penalties))(np.zeros(1, np.float32)))


def test_interpolates_lie_between_real_and_fake(key):
    """One random number per example, not one per coordinate."""
    real, fake = np.zeros((6, 3, 2), np.float32), np.ones((6, 3, 2), np.float32)
    values = []

    def critic(x):
        jax.debug.callback(values.append, x)
        return x.sum(axis=(1, 2))

    jax.jit(lambda: objective("wgan_gp").penalty(key, critic, real, fake))()
    jax.effects_barrier()
    x = np.asarray(values[0])
    assert (x > 0).all()
    assert (x < 1).all()
    np.testing.assert_array_equal(x, np.broadcast_to(x[:, :1, :1], x.shape))
    assert len(np.unique(x)) == 6


def test_any_penalty_goes_with_any_loss(key):
    entry = objective("gan", penalty="gradient", penalty_weight=3.0)
    value = jax.jit(
        lambda: entry.penalty(key, lambda x: 2 * x[:, 0], REAL[:, None], FAKE[:, None])
    )()
    assert value == pytest.approx(3.0, rel=1e-6)
    assert objective("wgan_gp", penalty="none").penalty(key, None, REAL, FAKE) == 0


def test_default_weight_is_that_of_the_penalty(key):
    entry = objective("wgan_gp")
    value = jax.jit(
        lambda: entry.penalty(key, lambda x: 3 * x[:, 0], REAL[:, None], FAKE[:, None])
    )()
    assert value == pytest.approx(10 * 4, rel=1e-6)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(InputError, match="variant 'wgna'; choose from gan, gan_minimax"):
        objective("wgna")
    with pytest.raises(InputError, match="unknown penalty 'gp'; choose from none, gradient"):
        objective("gan", penalty="gp")

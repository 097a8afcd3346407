import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.training.objectives import OBJECTIVES, PENALTIES, objective

REAL = jnp.array([0.3, -1.2, 2.0])
FAKE = jnp.array([-0.7, 0.4, 1.1])


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def expected_losses():
    """Each loss as its paper writes it, with sigmoids and logarithms, in float64."""
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


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_equal_their_formulas(name, maybe_jit):
    critic, generator = expected_losses()[name]
    entry = objective(name)
    # float32 against float64, values of order 1
    assert maybe_jit(entry.critic_loss)(REAL, FAKE) == pytest.approx(critic, rel=1e-6)
    assert maybe_jit(entry.generator_loss)(REAL, FAKE) == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_stay_finite_at_extreme_scores(name):
    entry = objective(name)
    for real, fake in [(1e4, -1e4), (-1e4, 1e4)]:
        args = jnp.full(3, real), jnp.full(3, fake)
        for loss in (entry.critic_loss, entry.generator_loss):
            value, gradients = jax.value_and_grad(loss, argnums=(0, 1))(*args)
            chex.assert_tree_all_finite((value, gradients))


def slope_penalty(slope, weight):
    """Each penalty of a linear critic, whose slope is the same everywhere."""
    return {
        "none": 0.0,
        "gradient": weight * (slope - 1) ** 2,
        "lipschitz": weight * max(0.0, slope - 1) ** 2,
        "dragan": weight * (slope - 1) ** 2,
        "r1": weight / 2 * slope**2,
        "r1_r2": weight * slope**2,
    }


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("scale", [0.5, 3.0])
@pytest.mark.parametrize("shape", [(2,), (4, 4, 3)])
def test_penalty_of_a_linear_critic_is_its_closed_form(name, scale, shape, key, maybe_jit):
    direction = jax.random.normal(key, shape)
    slope = scale * float(jnp.linalg.norm(direction.ravel()))

    def critic(x):
        return scale * jnp.einsum("bi,i->b", x.reshape(len(x), -1), direction.ravel())

    real, fake = jax.random.normal(key, (2, 8, *shape))
    penalty = PENALTIES[name].make(7.0)
    value = maybe_jit(lambda key, real, fake: penalty(key, critic, real, fake))(key, real, fake)
    expected = slope_penalty(slope, 7.0)[name]
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)  # float32


@pytest.mark.parametrize("name", PENALTIES)
def test_penalty_gradient_matches_finite_differences(name, key):
    inner, outer, fake = jax.random.normal(key, (3, 5, 5)) / 2
    real = fake + 1

    def loss(inner):
        def critic(x):
            return jnp.tanh(x @ inner) @ outer[:, 0]

        return PENALTIES[name].make(2.0)(key, critic, real, fake)

    jax.test_util.check_grads(loss, (inner,), order=1, modes="rev", atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("name", PENALTIES)
def test_penalty_gradient_is_finite_for_a_flat_critic(name, key):
    def loss(slope):
        return PENALTIES[name].make(1.0)(key, lambda x: x @ slope, REAL[:, None], FAKE[:, None])

    chex.assert_tree_all_finite(jax.grad(loss)(jnp.zeros(1)))


def test_interpolates_lie_between_real_and_fake(key):
    """One random number per example, not one per coordinate."""
    real, fake = jnp.zeros((6, 3, 2)), jnp.ones((6, 3, 2))
    values = []

    def critic(x):
        jax.debug.callback(values.append, x)
        return x.sum(axis=(1, 2))

    objective("wgan_gp").penalty(key, critic, real, fake)
    jax.effects_barrier()
    x = np.asarray(values[0])
    assert (x > 0).all()
    assert (x < 1).all()
    np.testing.assert_array_equal(x, np.broadcast_to(x[:, :1, :1], x.shape))
    assert len(np.unique(x)) == 6


def test_any_penalty_goes_with_any_loss(key):
    entry = objective("gan", penalty="gradient", penalty_weight=3.0)
    value = entry.penalty(key, lambda x: 2 * x[:, 0], REAL[:, None], FAKE[:, None])
    assert value == pytest.approx(3.0, rel=1e-6)
    assert objective("wgan_gp", penalty="none").penalty(key, None, REAL, FAKE) == 0


def test_default_weight_is_that_of_the_penalty(key):
    value = objective("wgan_gp").penalty(
        key, lambda x: 3 * x[:, 0], REAL[:, None], FAKE[:, None]
    )
    assert value == pytest.approx(10 * 4, rel=1e-6)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(InputError, match="variant 'wgna'; choose from gan, gan_minimax"):
        objective("wgna")
    with pytest.raises(InputError, match="unknown penalty 'gp'; choose from none, gradient"):
        objective("gan", penalty="gp")

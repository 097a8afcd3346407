import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan.errors import InputError
from jaxgan.training.optimizers import OPTIMIZERS, SCHEDULES, clip_weights, pair

PARAMS = {"kernel": jnp.array([[0.5, -2.0], [0.005, 0.0]]), "scale": jnp.array([3.0, 1.0])}


def test_clip_weights_bounds_weights_and_leaves_scales(maybe_jit):
    clip = clip_weights(0.01)
    state = clip.init(PARAMS)
    zeros = optax.tree.zeros_like(PARAMS)
    updates, _ = maybe_jit(clip.update)(zeros, state, PARAMS)
    new = optax.apply_updates(PARAMS, updates)
    # p + (target - p) is rounded once more than target
    np.testing.assert_allclose(new["kernel"], [[0.01, -0.01], [0.005, 0]], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(new["scale"], PARAMS["scale"])


def test_clip_weights_keeps_updates_inside_the_bounds():
    clip = clip_weights(10.0)
    updates, _ = clip.update(PARAMS, clip.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["kernel"], PARAMS["kernel"], rtol=1e-6)


def test_clip_weights_needs_params():
    clip = clip_weights(0.01)
    with pytest.raises(ValueError, match="needs params"):
        clip.update(PARAMS, clip.init(PARAMS))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_learning_rates_may_be_traced_and_differ(name):
    @jax.jit
    def first_updates(rate, critic_rate):
        optimizers = pair(name, rate, critic_learning_rate=critic_rate)
        return [o.update(PARAMS, o.init(PARAMS), PARAMS)[0] for o in optimizers]

    generator, critic = first_updates(1e-3, 3e-3)
    jax.tree.map(
        lambda g, c: np.testing.assert_allclose(3 * g, c, rtol=1e-5), generator, critic
    )


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_optimizers_follow_torch(name):
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    start = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    theirs = torch.nn.Parameter(torch.tensor(start))
    makers = {
        "sgd": lambda p: torch.optim.SGD(p, 1e-2),
        "adam": lambda p: torch.optim.Adam(p, 1e-2, betas=(0.5, 0.9)),
        "rmsprop": lambda p: torch.optim.RMSprop(p, 1e-2),
    }
    optimizer = makers[name]([theirs])
    mine, transform = jnp.array(start), pair(name, 1e-2, betas=(0.5, 0.9)).generator
    state = transform.init(mine)
    for _ in range(20):
        gradient = np.asarray(jnp.sin(3 * mine))
        theirs.grad = torch.tensor(gradient.copy())
        optimizer.step()
        updates, state = transform.update(jnp.array(gradient), state, mine)
        mine = optax.apply_updates(mine, updates)
    # 20 steps of float32 rounding
    np.testing.assert_allclose(mine, theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_linear_schedule_holds_and_then_falls_to_zero():
    schedule = SCHEDULES["linear"].generator(0.2, 100)
    np.testing.assert_allclose(
        [schedule(count) for count in (0, 50, 75, 100)], [0.2, 0.2, 0.1, 0.0], rtol=1e-6
    )
    assert SCHEDULES["linear"].critic(0.2, 100) == 0.2
    assert SCHEDULES["constant"].generator(0.2, 100) == 0.2


def test_cosine_lets_both_rates_fall_to_nothing_at_their_last_update():
    for schedule in SCHEDULES["cosine"]:
        rates = [float(schedule(0.2, 100)(count)) for count in (0, 50, 100, 101)]
        np.testing.assert_allclose(rates, [0.2, 0.1, 0.0, 0.0], atol=1e-7)


def test_unknown_optimizer_lists_the_known_ones():
    with pytest.raises(InputError, match="unknown optimizer 'adamw'; choose from sgd, adam"):
        pair("adamw", 1e-3)

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan.errors import InputError
from jaxgan.training.optimizers import OPTIMIZERS, SCHEDULES, canonical, clip_weights, pair

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


@pytest.mark.parametrize("name", [*OPTIMIZERS, "optax.lion:weight_decay=0.1"])
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


def after_two_updates(optimizer):
    state, updates = optimizer.init(PARAMS), PARAMS
    for _ in range(2):
        updates, state = optimizer.update(updates, state, PARAMS)
    return updates


@pytest.mark.parametrize(
    ("name", "betas", "same"),
    [
        ("optax.adamw:weight_decay=0.1", (), optax.adamw(0.1, weight_decay=0.1)),
        ("optax.adamw", (0.2, 0.3), optax.adamw(0.1, b1=0.2, b2=0.3)),
        ("optax.adamw:b1=0.4", (0.2, 0.3), optax.adamw(0.1, b1=0.4, b2=0.3)),
        ("optax.nadam:nesterov=False", (), optax.adam(0.1)),
        ("optax.sgd:momentum=0.5,nesterov=true", (0.2, 0.3), optax.sgd(0.1, 0.5, True)),
    ],
)
def test_an_optimizer_of_optax_has_the_settings_of_its_name_and_the_betas_that_it_takes(
    name, betas, same
):
    mine = pair(name, 0.1, betas=betas).critic
    jax.tree.map(
        np.testing.assert_array_equal, after_two_updates(mine), after_two_updates(same)
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("optax.lino", "'optax.lino' is unknown; of optax choose from .*lion"),
        ("optax.clip", "'optax.clip' makes no optimizer with a learning rate; of optax"),
        ("optax.__doc__", "makes no optimizer"),
        ("optax.adamw:mask=1", "no setting 'mask' that is a number; choose from b1, b2, eps"),
        ("optax.sgd:learning_rate=1", "no setting 'learning_rate' that is a number; choose"),
        ("optax.sign_sgd:b1=1", "no setting 'b1' that is a number; choose from none"),
        ("optax.lion:b1=0.5+0.4", "b1=0.5\\+0.4 must be a number, at least 0 and below 1"),
        ("optax.lion:b1=nan", "b1=nan must be a number, at least 0 and below 1"),
        ("optax.lion:b1", "b1= must be a number, at least 0 and below 1"),
        ("optax.adam:b2=1", "b2=1 must be a number, at least 0 and below 1"),
        ("optax.sgd:momentum=-0.1", "momentum=-0.1 must be a number, at least 0 and below"),
        ("optax.adamw:weight_decay=-1", "-1 must be a finite number that is not negative"),
        ("optax.adamw:weight_decay=inf", "inf must be a finite number that is not negative"),
        ("optax.adam:nesterov=1", "nesterov=1 must be true or false"),
        ("optax.adafactor:min_dim_size_to_factor=0.5", "must be a whole number that"),
        ("optax.lion:b1=0.5,b1=0.5", "b1 is given twice"),
        ("optax.lbfgs", "optax.lbfgs cannot be used: it needs more than gradients"),
    ],
)
def test_what_is_no_optimizer_of_optax_is_refused_in_one_line(name, message):
    with pytest.raises(InputError, match=message):
        pair(name, 1e-3)


def test_an_optimizer_that_takes_no_schedule_says_so():
    assert pair("optax.sm3", 1e-3)
    with pytest.raises(InputError, match=r"optax\.sm3 takes a constant learning rate only"):
        pair("optax.sm3", SCHEDULES["linear"].generator(1e-3, 10))


def test_two_spellings_of_an_optimizer_have_one_name():
    assert canonical("optax.adamw:weight_decay=1e-3, b1=.5") == canonical(
        "optax.adamw:b1=0.50,weight_decay=0.001"
    )
    assert canonical("optax.adam:b1=0.9") != canonical("optax.adam")

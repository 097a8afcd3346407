import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan.networks import mlp
from jaxgan.training.gan import STEP, averaged, draw_key, gan, latents
from jaxgan.training.objectives import OBJECTIVES, PENALTIES, objective
from jaxgan.training.optimizers import OPTIMIZERS, Optimizers, pair

LATENT = 3

# For the many programs that run once or twice: half the time to compile.
quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


class NormGenerator(nn.Module):
    """The least generator with batch statistics."""

    @nn.compact
    def __call__(self, z, train=False):
        z = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(8)(z))
        return nn.Dense(2)(nn.relu(z))


class NormCritic(nn.Module):
    """The least critic with batch statistics."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.Dense(8)(x))
        return nn.Dense(1)(nn.relu(x)).squeeze(-1)


NETWORKS = {
    "mlp": (mlp.Generator((8, 8)), mlp.Critic((8, 8))),
    "batch_norm": (NormGenerator(), NormCritic()),
}


def make(variant="gan", optimizer="adam", networks="mlp", optimizers=None, **options):
    return gan(
        *NETWORKS[networks],
        objective(variant, **options),
        optimizers or pair(optimizer, 1e-2),
        latent_dim=LATENT,
        ema=0.9,
    )


@pytest.fixture
def reals(key):
    return jax.random.normal(key, (2, 16, 2)) + 3  # two critic steps of 16 examples


def bits(tree):
    return jax.tree.map(lambda x: np.asarray(x).tobytes(), tree)


@pytest.mark.parametrize("variant", OBJECTIVES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("networks", NETWORKS)
def test_every_combination_trains(variant, optimizer, networks, key, reals):
    g = make(variant, optimizer, networks)
    chex.clear_trace_counter()  # it counts by the function's name
    # Each variant once as its users compile it.
    jit = jax.jit if optimizer == next(iter(OPTIMIZERS)) else quick_jit
    step = jit(chex.assert_max_traces(g.step, n=1))
    first = g.init(key, reals[0, :1])
    state, metrics = step(first, reals)
    state, metrics = step(state, reals)
    chex.assert_tree_all_finite((state.generator, state.critic, state.average, metrics))
    assert set(metrics) == {"critic_loss", "generator_loss", "penalty"}
    chex.assert_shape(list(metrics.values()), ())
    assert state.step == 2
    np.testing.assert_array_equal(
        jax.random.key_data(state.key), jax.random.key_data(first.key)
    )
    assert bits(state.generator.params) != bits(first.generator.params)
    assert bits(state.critic.params) != bits(first.critic.params)
    z = latents(key, 5, LATENT)
    chex.assert_shape(g.sample(state, z), (5, 2))
    chex.assert_shape(g.score(state, reals[0]), (16,))


@pytest.mark.parametrize("variant", OBJECTIVES)
@pytest.mark.parametrize("networks", NETWORKS)
def test_an_update_leaves_the_other_network_alone(variant, networks, key, reals):
    still, moving = optax.set_to_zero(), optax.sgd(0.1)
    critic_only = make(variant, networks=networks, optimizers=Optimizers(still, moving))
    first = critic_only.init(key, reals[0, :1])
    state, _ = quick_jit(critic_only.step)(first, reals)
    assert bits(state.generator.params) == bits(first.generator.params)
    assert bits(state.critic.params) != bits(first.critic.params)
    no_clip = {"clip": 1e9}  # clipping is itself an update of the critic
    generator_only = make(
        variant, networks=networks, optimizers=Optimizers(moving, still), **no_clip
    )
    first = generator_only.init(key, reals[0, :1])
    state, _ = quick_jit(generator_only.step)(first, reals)
    assert bits(state.critic.params) == bits(first.critic.params)
    assert bits(state.generator.params) != bits(first.generator.params)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_clipping_holds_from_the_start_and_after_every_update(optimizer, key, reals):
    bound = 0.05
    g = make("wgan", optimizer, clip=bound)
    state = g.init(key, reals[0, :1])
    for _ in range(5):
        largest = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(state.critic.params))
        assert largest <= bound * (1 + 1e-6)  # p + (target - p) is rounded once more
        state, _ = jax.jit(g.step)(state, reals)
    assert largest > 0.9 * bound


def test_batch_statistics_move_once_per_pass(key, reals):
    """Critic: once for real, once for fake. Generator: once, in its own update."""
    g = make(
        "gan", networks="batch_norm", optimizers=Optimizers(optax.sgd(0.0), optax.sgd(0.0))
    )
    first = g.init(key, reals[0, :1])
    state, _ = jax.jit(g.step)(first, reals[:1])
    dense = first.critic.params["Dense_0"]
    z = latents(jax.random.split(draw_key(key, STEP), (2, 1))[0, 0], 16, LATENT)
    fake, _ = NormGenerator().apply(
        first.generator.variables, z, train=True, mutable=["batch_stats"]
    )
    expected = first.critic.stats["batch_stats"]["BatchNorm_0"]["mean"]
    for batch in (reals[0], fake):
        expected = 0.9 * expected + 0.1 * (batch @ dense["kernel"]).mean(axis=0)
    moved = state.critic.stats["batch_stats"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-6)
    assert bits(state.generator.stats) != bits(first.generator.stats)
    z = latents(key, 4, LATENT)
    assert bits(g.sample(state, z)) != bits(g.sample(first, z))


def test_moving_average_follows_its_definition(key, reals):
    g = make("gan")
    state = g.init(key, reals[0, :1])
    expected = state.generator.params
    for count in range(12):
        state, _ = jax.jit(g.step)(state, reals)
        decay = min(0.9, (1 + count) / (10 + count))
        expected = jax.tree.map(
            lambda old, new, d=decay: d * old + (1 - d) * new,
            expected,
            state.generator.params,
        )
    chex.assert_trees_all_close(
        averaged(state).generator.params, expected, rtol=1e-5, atol=1e-7
    )


def test_no_moving_average_is_the_generator_itself(key, reals):
    g = gan(*NETWORKS["mlp"], objective("gan"), pair("sgd", 0.1), latent_dim=LATENT)
    state, _ = jax.jit(g.step)(g.init(key, reals[0, :1]), reals)
    assert bits(averaged(state).generator.params) == bits(state.generator.params)


def test_critic_steps_each_take_their_own_batch(key, reals):
    g = make("gan", optimizers=Optimizers(optax.set_to_zero(), optax.sgd(0.1)))
    first = g.init(key, reals[0, :1])
    both, _ = jax.jit(g.step)(first, reals)
    swapped, _ = jax.jit(g.step)(first, reals[::-1])
    assert bits(both.critic.params) != bits(swapped.critic.params)


def torch_weights(params):
    """Weights ``[outputs, inputs]`` of an MLP's layers, from kernels short side first."""
    for name in sorted(params):
        outputs = params[name]["bias"].size
        kernel = np.array(params[name]["kernel"])
        narrows = kernel.shape[0] == outputs < kernel.shape[1]
        yield kernel if narrows else kernel.T.copy()


def torch_twin(torch, params):
    """A torch network with the weights of a jaxgan one."""
    layers = []
    for name, weight in zip(sorted(params), torch_weights(params), strict=True):
        linear = torch.nn.Linear(*weight.T.shape)
        linear.weight.data = torch.tensor(weight)
        linear.bias.data = torch.tensor(np.array(params[name]["bias"]).ravel())
        layers += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


@pytest.mark.parametrize(
    ("variant", "optimizer"),
    [
        ("gan", "sgd"),
        ("gan", "rmsprop"),
        ("gan_minimax", "sgd"),
        ("wgan", "sgd"),
        ("wgan_gp", "sgd"),
        ("wgan_gp", "rmsprop"),
        ("r1", "sgd"),
    ],
)
def test_training_follows_a_torch_twin(variant, optimizer, key, reals):
    """Three whole steps against a loop written in torch, on the same random numbers.

    Optimizers that divide by the gradient's size are left out where gradients are near
    zero, as with clipped weights: there they turn rounding into whole steps.
    """
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    g = make(variant, optimizer)
    state = g.init(key, reals[0, :1])
    generator = torch_twin(torch, state.generator.params)
    critic = torch_twin(torch, state.critic.params)
    make_optimizer = {"sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}[optimizer]
    optimizers = [make_optimizer(net.parameters(), 1e-2) for net in (generator, critic)]
    entropy = torch.nn.functional.binary_cross_entropy_with_logits

    def tensor(x):
        return torch.tensor(np.array(x))

    def critic_loss(real, fake):
        if variant in ("wgan", "wgan_gp"):
            return fake.mean() - real.mean()
        return entropy(real, torch.ones_like(real)) + entropy(fake, torch.zeros_like(fake))

    def generator_loss(fake):
        if variant in ("wgan", "wgan_gp"):
            return -fake.mean()
        if variant == "gan_minimax":
            return -entropy(fake, torch.zeros_like(fake))
        return entropy(fake, torch.ones_like(fake))

    def penalty(key, real, fake):
        if variant not in ("wgan_gp", "r1"):
            return 0.0
        share = tensor(jax.random.uniform(key, (16, 1)))
        at = real + share * (fake - real) if variant == "wgan_gp" else real
        at = at.detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
        if variant == "r1":
            return 10.0 / 2 * (slope**2).sum(dim=1).mean()
        return 10.0 * ((slope.norm(dim=1) - 1) ** 2).mean()

    step = jax.jit(g.step)
    for count in range(3):
        state, metrics = step(state, reals)
        keys = jax.random.split(draw_key(key, STEP, count), (2, 2))
        for k, (latent_key, penalty_key) in enumerate(zip(*keys, strict=True)):
            fake = generator(tensor(latents(latent_key, 16, LATENT))).detach()
            real = tensor(reals[k])
            loss = critic_loss(critic(real), critic(fake)) + penalty(penalty_key, real, fake)
            optimizers[1].zero_grad()
            loss.backward()
            optimizers[1].step()
            if variant == "wgan":
                for weight in critic.parameters():
                    weight.data.clamp_(-0.01, 0.01)
        fake = generator(tensor(latents(latent_key, 16, LATENT)))  # the last ones again
        loss_g = generator_loss(critic(fake))
        optimizers[0].zero_grad()
        loss_g.backward()
        optimizers[0].step()
        # float32 in another order of summation, through three updates
        assert metrics["critic_loss"] == pytest.approx(loss.item(), rel=1e-4, abs=1e-5)
        assert metrics["generator_loss"] == pytest.approx(loss_g.item(), rel=1e-4, abs=1e-5)
    for mine, theirs in ((state.generator, generator), (state.critic, critic)):
        for i, weight in enumerate(torch_weights(mine.params)):
            expected = theirs[2 * i].weight.detach().numpy()
            np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=2e-5)


def test_penalty_kinds_are_all_reached_by_some_variant():
    assert {entry.penalty for entry in OBJECTIVES.values()} == set(PENALTIES)

import dataclasses
import functools
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.networks import mlp
from jaxgan.training.gan import LATENTS, STEP, averaged, draw_key, gan, latents, packed
from jaxgan.training.objectives import OBJECTIVES, PENALTIES, objective
from jaxgan.training.optimizers import OPTIMIZERS, pair
from tests.quick import normal

LATENT = 5  # more than what mlp takes apart without a product
STEPS, BATCH = 2, 16


class NormGenerator(nn.Module):
    """A minimal generator with batch statistics."""

    @nn.compact
    def __call__(self, z, train=False):
        z = nn.BatchNorm(use_running_average=not train, momentum=0.9)(mlp.Dense(8)(z))
        return mlp.Dense(2)(nn.relu(z))


class NormCritic(nn.Module):
    """A minimal critic with batch statistics."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(mlp.Dense(8)(x))
        return mlp.Dense(1)(nn.relu(x)).squeeze(-1)


NETWORKS = {
    "shallow": (mlp.Generator((8,)), mlp.Critic((8,))),
    "deep": (mlp.Generator((8, 8)), mlp.Critic((8, 8))),
    "batch_norm": (NormGenerator(), NormCritic()),
}


class Training(NamedTuple):
    """A GAN whose settings may change without a new compilation.

    Attributes:
      start: ``(key, settings) -> state``; settings not given are those of ``SETTINGS``.
      step: ``(state, reals, settings) -> (state, metrics)``.
      gan: ``settings -> Gan``, for all settings.
      traces: One entry per trace of ``step``.
    """

    start: Any
    step: Any
    gan: Any
    traces: list


TWINS = ("gan", "gan_minimax", "wgan", "wgan_gp", "r1")  # variants that are compared with torch
SETTINGS = {"rate": 1e-2, "critic_rate": 1e-2, "clip": 0.01, "ema": 0.9}


@functools.cache
def training(variant="gan", optimizer="sgd", networks="shallow"):
    """One compiled step for all tests of a kind."""
    traces = []

    def make(rate, critic_rate, clip, ema):
        optimizers = pair(optimizer, rate, critic_learning_rate=critic_rate)
        losses = objective(variant, clip=OBJECTIVES[variant].clip and clip)
        return gan(*NETWORKS[networks], losses, optimizers, latent_dim=LATENT, ema=ema)

    def step(state, reals, settings):
        traces.append(settings)
        return make(**settings).step(state, reals)

    compiled = jax.jit(step)
    return Training(
        lambda key, **changes: make(**SETTINGS | changes).init(
            key, np.zeros((1, 2), np.float32)
        ),
        lambda state, reals, **changes: compiled(state, reals, SETTINGS | changes),
        make(**SETTINGS),
        traces,
    )


@pytest.fixture
def reals():
    """Examples of two critic steps."""
    return 3 + normal(STEPS, BATCH, 2)


def bits(tree):
    return jax.tree.map(lambda x: np.asarray(x).tobytes(), tree)


def assert_contract(run, key, reals):
    """Train both networks, each alone and both together."""
    first = run.start(key)
    state, metrics = run.step(first, reals)
    state, metrics = run.step(state, reals)
    chex.assert_tree_all_finite((state.generator, state.critic, state.average, metrics))
    assert set(metrics) == {"critic_loss", "generator_loss", "penalty"}
    chex.assert_shape(list(metrics.values()), ())
    assert state.step == 2
    assert jax.random.key_data(state.key).tolist() == jax.random.key_data(first.key).tolist()
    assert bits(state.generator.params) != bits(first.generator.params)
    assert bits(state.critic.params) != bits(first.critic.params)

    critic_only, _ = run.step(first, reals, rate=0.0, critic_rate=0.1)
    assert bits(critic_only.generator.params) == bits(first.generator.params)
    assert bits(critic_only.critic.params) != bits(first.critic.params)
    no_clip = {"clip": 1e9}  # clipping is itself an update of the critic
    first = run.start(key, **no_clip)
    generator_only, _ = run.step(first, reals, rate=0.1, critic_rate=0.0, **no_clip)
    assert bits(generator_only.critic.params) == bits(first.critic.params)
    assert bits(generator_only.generator.params) != bits(first.generator.params)
    assert len(run.traces) == 1

    z = np.zeros((5, LATENT), np.float32)
    chex.assert_shape(jax.eval_shape(run.gan.sample, state, z), (5, 2))
    chex.assert_shape(jax.eval_shape(run.gan.score, state, reals[0]), (BATCH,))


@pytest.mark.parametrize("variant", OBJECTIVES)
def test_every_variant_trains_each_network_alone_and_both(variant, key, reals):
    assert_contract(training(variant), key, reals)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_and_keeps_weights_clipped(optimizer, key, reals):
    """From the start and after every update."""
    run = training("wgan", optimizer)
    run.traces.clear()
    assert_contract(run, key, reals)
    bound = {"clip": 0.05}
    state = run.start(key, **bound)
    for _ in range(5):
        largest = max(np.abs(x).max() for x in jax.tree.leaves(state.critic.params))
        assert largest <= 0.05 * (1 + 1e-6)  # p + (target - p) is rounded once more
        state, _ = run.step(state, reals, **bound)
    assert largest > 0.9 * 0.05


@pytest.mark.slow
@pytest.mark.parametrize("variant", [name for name in OBJECTIVES if name != "wgan_gp"])
def test_batch_statistics_go_with_every_variant(variant, key, reals):
    assert_contract(training(variant, networks="batch_norm"), key, reals)


def test_batch_statistics_move_once_per_pass(key, reals):
    """The critic has a pass of real and one of fake examples; the generator has one pass."""
    run = training("wgan_gp", networks="batch_norm")
    assert_contract(run, key, reals)
    first = run.start(key)
    state, _ = run.step(first, reals, rate=0.0, critic_rate=0.0)

    @jax.jit
    def passes():
        keys = jax.random.split(draw_key(key, STEP), (2, STEPS))[0]
        z = jax.vmap(lambda key: latents(key, BATCH, LATENT))(keys)
        networks, net = NETWORKS["batch_norm"][0], first.generator
        generate = functools.partial(networks.apply, train=True, mutable=["batch_stats"])
        return z, jax.vmap(lambda z: generate(net.variables, z)[0])(z)

    def follow(old, net, batches):
        mean = np.asarray(old["batch_stats"]["BatchNorm_0"]["mean"])
        for batch in batches:
            dense = jax.tree.map(np.asarray, net.params["Dense_0"])
            mean = 0.9 * mean + 0.1 * (batch @ dense["kernel"] + dense["bias"]).mean(axis=0)
        return mean

    z, fakes = map(np.asarray, passes())
    alternating = [batch for both in zip(reals, fakes, strict=True) for batch in both]
    for net, old, batches in (
        (state.critic, first.critic, alternating),
        (state.generator, first.generator, z[-1:]),
    ):
        moved = net.stats["batch_stats"]["BatchNorm_0"]["mean"]
        np.testing.assert_allclose(moved, follow(old.stats, net, batches), rtol=1e-5, atol=1e-6)
    sample = jax.jit(run.gan.sample)
    assert bits(sample(state, z[0])) != bits(sample(first, z[0]))


def test_moving_average_follows_its_definition(key, reals):
    run = training()
    state = run.start(key)
    expected = jax.tree.map(np.asarray, state.generator.params)
    for count in range(12):
        state, _ = run.step(state, reals)
        decay = min(0.9, (1 + count) / (10 + count))
        expected = jax.tree.map(
            lambda old, new, d=decay: d * old + (1 - d) * np.asarray(new),
            expected,
            state.generator.params,
        )
    chex.assert_trees_all_close(
        averaged(state).generator.params, expected, rtol=1e-5, atol=1e-7
    )


def test_no_moving_average_is_the_generator_itself(key, reals):
    run = training()
    state, _ = run.step(run.start(key, ema=0.0), reals, ema=0.0)
    assert bits(averaged(state).generator.params) == bits(state.generator.params)


def test_critic_steps_each_take_their_own_batch(key, reals):
    run = training()
    first = run.start(key)
    both, _ = run.step(first, reals, rate=0.0, critic_rate=0.1)
    swapped, _ = run.step(first, reals[::-1].copy(), rate=0.0, critic_rate=0.1)
    assert bits(both.critic.params) != bits(swapped.critic.params)


def test_packs_join_neighbours_by_their_last_axis():
    points = np.arange(8).reshape(4, 2)
    assert packed(points, 2).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    images = np.arange(4 * 3 * 2).reshape(4, 3, 1, 2)
    pairs = packed(images, 2)
    chex.assert_shape(pairs, (2, 3, 1, 4))
    np.testing.assert_array_equal(pairs[1, ..., :2], images[2])
    np.testing.assert_array_equal(pairs[1, ..., 2:], images[3])
    with pytest.raises(InputError, match="4 does not make whole packs of 3"):
        packed(points, 3)


class PairCritic(nn.Module):
    """A critic that joins pairs of examples itself."""

    @nn.compact
    def __call__(self, x, train=False):
        return mlp.Critic((8,), name="inner")(x.reshape(-1, 4))


def test_the_critic_judges_packs(key, reals):
    def make(critic, pack=1):
        networks = mlp.Generator((8,)), critic
        parts = objective("gan"), pair("sgd", 0.1)
        return gan(*networks, *parts, latent_dim=LATENT, pack=pack)

    packs, own = make(mlp.Critic((8,)), 2), make(PairCritic())
    start = packs.init(key, reals[0, :1])
    inner = dataclasses.replace(start.critic, params={"inner": start.critic.params})
    state, metrics = jax.jit(packs.step)(start, reals)
    expected, others = jax.jit(own.step)(dataclasses.replace(start, critic=inner), reals)
    chex.assert_trees_all_close(metrics, others, rtol=1e-6)
    chex.assert_trees_all_close(state.generator.params, expected.generator.params, rtol=1e-6)
    chex.assert_shape(packs.score(state, reals[0]), (BATCH,))


@pytest.mark.parametrize(("law", "deviation"), [("normal", 1), ("uniform", 3**-0.5)])
def test_latents_follow_their_law(law, deviation, key):
    z = np.asarray(latents(key, 4000, 2, law))
    assert z.mean() == pytest.approx(0, abs=0.05)
    assert z.std() == pytest.approx(deviation, rel=0.03)
    assert law == "normal" or (abs(z) <= 1).all()


def test_an_unknown_law_of_latents_is_refused(key):
    with pytest.raises(InputError, match=", ".join(LATENTS)):
        latents(key, 1, 1, "cauchy")


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
    ("variant", "optimizer", "networks"),
    [
        *((variant, "sgd", "shallow") for variant in TWINS),
        *(
            pytest.param(variant, "rmsprop", "deep", marks=pytest.mark.slow)
            for variant in ("gan", "wgan_gp")
        ),
    ],
)
def test_training_follows_a_torch_twin(variant, optimizer, networks, key, reals):
    """Compare three steps with a training loop in torch, on the same random numbers.

    Optimizers that divide by the size of the gradient are left out if gradients are near
    zero, as with clipped weights: they would turn rounding into whole steps.
    """
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    run = training(variant, optimizer, networks)
    state = run.start(key)
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

    def penalty(share, real, fake):
        if variant not in ("wgan_gp", "r1"):
            return 0.0
        at = real + share * (fake - real) if variant == "wgan_gp" else real
        at = at.detach().requires_grad_()
        (slope,) = torch.autograd.grad(critic(at).sum(), at, create_graph=True)
        if variant == "r1":
            return 10.0 / 2 * (slope**2).sum(dim=1).mean()
        return 10.0 * ((slope.norm(dim=1) - 1) ** 2).mean()

    @jax.jit
    def draws(count):
        """Latents and the penalty's random shares, of all critic steps."""
        keys = jax.random.split(draw_key(key, STEP, count), (2, STEPS))
        z = jax.vmap(lambda key: latents(key, BATCH, LATENT))(keys[0])
        return z, jax.vmap(lambda key: jax.random.uniform(key, (BATCH, 1)))(keys[1])

    for count in range(3):
        state, metrics = run.step(state, reals)
        for k, (z, share) in enumerate(zip(*map(tensor, draws(count)), strict=True)):
            fake = generator(z).detach()
            real = tensor(reals[k])
            loss = critic_loss(critic(real), critic(fake)) + penalty(share, real, fake)
            optimizers[1].zero_grad()
            loss.backward()
            optimizers[1].step()
            if variant == "wgan":
                for weight in critic.parameters():
                    weight.data.clamp_(-0.01, 0.01)
        fake = generator(z)  # the last ones again
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

"""Conditional GANs, and augmentation of the critic's examples."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan.errors import InputError
from jaxgan.networks import mlp
from jaxgan.training.epochs import epoch
from jaxgan.training.gan import AUGMENT, STEP, Gan, GanState, draw_key, gan, latents
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair
from tests.quick import normal, state_of

CLASSES, LATENT, STEPS, BATCH, RATE = 3, 4, 2, 8, 0.1


class Generator(nn.Module):
    """A minimal generator with labels."""

    @nn.compact
    def __call__(self, z, labels=None, train=False):
        return mlp.Dense(2)(nn.relu(mlp.Dense(6)(z) + nn.Embed(CLASSES, 6)(labels)))


class Critic(nn.Module):
    """A minimal critic with labels: a projection."""

    @nn.compact
    def __call__(self, x, labels=None, train=False):
        x = nn.relu(mlp.Dense(6)(x))
        return mlp.Dense(1)(x).squeeze(-1) + jnp.sum(x * nn.Embed(CLASSES, 6)(labels), axis=-1)


def shake(key, x):
    return 0.5 * x + jax.random.uniform(key, x.shape)


def make(variant="wgan_gp", **options):
    networks = Generator(), Critic()
    parts = objective(variant), pair("sgd", RATE)
    return gan(*networks, *parts, latent_dim=LATENT, **options)


REALS, LABELS = (
    normal(STEPS, BATCH, 2),
    np.arange(STEPS * BATCH).reshape(STEPS, BATCH) % CLASSES,
)


def step_by_hand(state, reals, labels):
    """One step, with a gradient penalty of weight 10 and plain gradient descent."""
    generator, critic = state.generator.params, state.critic.params
    z_keys, penalty_keys = jax.random.split(draw_key(state.key, STEP, 0), (2, STEPS))
    shake_keys = jax.random.split(draw_key(state.key, AUGMENT, 0), STEPS + 1)

    def fakes(generator, k):
        z = latents(z_keys[k], BATCH, LATENT)
        return Generator().apply({"params": generator}, z, labels[k])

    def scores(critic, x, k):
        return Critic().apply({"params": critic}, x, labels[k])

    def shaken(key, *both):
        return [shake(key, x) for key, x in zip(jax.random.split(key), both, strict=True)]

    def critic_loss(critic, k):
        real, fake = shaken(shake_keys[k], reals[k], fakes(generator, k))
        share = jax.random.uniform(penalty_keys[k], (BATCH,))[:, None]
        between = real + share * (fake - real)
        slopes = jax.vmap(
            jax.grad(
                lambda x, label: Critic().apply({"params": critic}, x[None], label[None])[0]
            )
        )(between, labels[k])
        penalty = 10 * jnp.mean((jnp.linalg.norm(slopes, axis=1) - 1) ** 2)
        return scores(critic, fake, k).mean() - scores(critic, real, k).mean() + penalty

    def generator_loss(generator):
        _, fake = shaken(shake_keys[-1], reals[-1], fakes(generator, STEPS - 1))
        return -scores(critic, fake, STEPS - 1).mean()

    for k in range(STEPS):
        gradients = jax.grad(critic_loss)(critic, k)
        critic = optax.apply_updates(critic, jax.tree.map(lambda x: -RATE * x, gradients))
    gradients = jax.grad(generator_loss)(generator)
    return optax.apply_updates(generator, jax.tree.map(lambda x: -RATE * x, gradients)), critic


@pytest.fixture(scope="module")
def start():
    """The first state of the GAN of ``make``."""
    return jax.jit(make().init)(jax.random.key(0), REALS[0, :1], LABELS[0, :1])


def test_a_step_with_labels_and_changed_examples_is_what_it_says(start):
    state, _ = jax.jit(make(augment=shake).step)(start, REALS, LABELS)
    generator, critic = jax.jit(step_by_hand)(start, REALS, LABELS)
    chex.assert_trees_all_close(state.critic.params, critic, rtol=1e-4, atol=1e-6)
    chex.assert_trees_all_close(state.generator.params, generator, rtol=1e-4, atol=1e-6)
    moved = jax.tree.map(lambda x, y: abs(x - y).max(), generator, start.generator.params)
    assert min(jax.tree.leaves(moved)) > 1e-4  # far more than the tolerance


def test_samples_and_scores_go_by_their_labels(start):
    g, z, same = make(), normal(1, LATENT), np.zeros((CLASSES, 2), np.float32)
    images = g.sample(start, np.repeat(z, CLASSES, axis=0), np.arange(CLASSES))
    expected = Generator().apply(start.generator.variables, z, np.array([2]))
    np.testing.assert_allclose(images[2], expected[0], rtol=1e-5, atol=1e-7)
    assert len(np.unique(images[:, 0])) == CLASSES
    assert g.score(start, same + 1, np.arange(CLASSES)).shape == (CLASSES,)
    assert len(np.unique(g.score(start, same + 1, np.arange(CLASSES)))) == CLASSES


class Deaf(nn.Module):
    """A network that ignores its labels."""

    inner: nn.Module

    @nn.compact
    def __call__(self, x, labels=None, train=False):
        return self.inner(x)


def test_labels_that_are_ignored_change_no_bit(key):
    """Neither latents nor the penalty's draws depend on whether there are labels."""
    networks = Deaf(mlp.Generator((6,))), Deaf(mlp.Critic((6,)))
    g = gan(*networks, objective("wgan_gp"), pair("sgd", RATE), latent_dim=LATENT)
    step = jax.jit(g.step)
    state = state_of(g, key, REALS[0, :1])
    for x, y in zip(
        jax.tree.leaves(step(state, REALS)[0].replace(key=0)),
        jax.tree.leaves(step(state, REALS, LABELS)[0].replace(key=0)),
        strict=True,
    ):
        np.testing.assert_array_equal(x, y)


def test_packs_with_labels_are_refused(start):
    with pytest.raises(InputError, match="packs of 2 takes no labels"):
        make(pack=2).step(start, REALS, LABELS)


def test_an_epoch_keeps_labels_beside_their_examples_and_varies_examples(key):
    def step(state, reals, labels):
        batches, rows = state.generator
        batches = batches.at[state.step % 3].set(reals)
        rows = rows.at[state.step % 3].set(labels)
        return state.replace(step=state.step + 1, generator=(batches, rows)), {}

    def negate(key, batches):
        return jnp.where(jax.random.bernoulli(key, shape=batches.shape), -batches, batches)

    @jax.jit
    def run(start):
        blank = jnp.zeros((3, 2, 4, 1)), jnp.zeros((3, 2, 4), jnp.int32)
        numbers = jnp.arange(1.0, 25)
        state, _ = epoch(
            Gan(None, step, None, None, 1),
            GanState(start, key, blank, {}, {}),
            numbers[:, None],
            batch_size=4,
            critic_steps=2,
            vary=negate,
            labels=jnp.arange(1, 25),
        )
        return state.generator

    batches, labels = run(np.int32(0))
    np.testing.assert_array_equal(abs(batches[..., 0]), labels)
    assert sorted(labels.ravel().tolist()) == list(range(1, 25))
    assert 0 < (batches < 0).sum() < 24
    np.testing.assert_array_equal(run(np.int32(0))[0], batches)
    later, later_labels = run(np.int32(3))
    negative = {x: y for x, y in zip(labels.ravel().tolist(), batches.ravel() < 0, strict=True)}
    assert any(
        negative[x] != y
        for x, y in zip(later_labels.ravel().tolist(), later.ravel() < 0, strict=True)
    )

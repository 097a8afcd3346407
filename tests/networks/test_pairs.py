"""The pairs dcgan and sngan: shapes, labels, bfloat16, spectral norm."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.networks import dcgan, sngan
from jaxgan.networks.layers import Conv, weighted
from jaxgan.networks.pairs import PAIRS
from tests.quick import normal, variables

LATENT, CLASSES, BATCH = 6, 3, 4
LABELS = np.array([0, 1, 2, 1], np.int32)
TODAY = ("dcgan", "sngan")


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in TODAY for size in PAIRS[name].sizes]
)
def test_shapes(name, size, key):
    pair = PAIRS[name]
    generator = pair.generator(size, 2, 3, "batch", classes=CLASSES, dtype=jnp.bfloat16)
    critic = pair.critic(size, 2, pair.critic_norms[0], classes=CLASSES, dtype=jnp.bfloat16)
    z = np.zeros((BATCH, LATENT), np.float32)
    images, variables = jax.eval_shape(generator.init_with_output, key, z, LABELS)
    scores, others = jax.eval_shape(critic.init_with_output, key, images, LABELS)
    chex.assert_shape([images, scores], [(BATCH, size, size, 3), (BATCH,)])
    leaves = jax.tree.leaves((images, scores, variables, others))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype(jnp.float32)}


def count(network, *inputs):
    variables = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_dcgan_has_its_parameters():
    """Those of the paper's generator: 1024, 512, 256 and 128 channels."""
    channels = [100, 1024, 512, 256, 128, 3]
    weights = sum(16 * i * o for i, o in zip(channels, channels[1:], strict=False))
    own = weights + 2 * sum(channels[1:5]) + 3
    z, images = np.zeros((1, 100)), np.zeros((1, 64, 64, 3))
    assert count(dcgan.Generator(64, 128), z) == own
    channels = [3, 128, 256, 512, 1024, 1]
    weights = sum(16 * i * o for i, o in zip(channels, channels[1:], strict=False))
    assert count(dcgan.Critic(64, 128), images) == weights + 128 + 2 * sum(channels[2:5]) + 1


def test_sngan_has_its_parameters():
    """Those of the paper's table for CIFAR-10."""

    def block(i, o, kernels=3):
        return 9 * (i + o) * o + 2 * o + (i + 1) * o * (kernels == 3)

    z, images = np.zeros((1, 128)), np.zeros((1, 32, 32, 3))
    generator = 129 * 16 * 256 + 3 * (block(256, 256) + 4 * 256) + 2 * 256 + (9 * 256 + 1) * 3
    assert count(sngan.Generator(32, 128), z) == generator == 4_276_739
    critic = block(3, 128) + block(128, 128) + 2 * block(128, 128, kernels=2) + 129
    assert count(sngan.Critic(32, 128), images) == critic


def made(name, dtype=jnp.float32, width=2):
    """A small conditional pair, and its variables: random, those of the classes too."""
    pair = PAIRS[name]
    form = {"classes": CLASSES, "dtype": dtype}
    generator = pair.generator(28, width, 1, "batch", **form)
    critic = pair.critic(28, width, "spectral", **form)
    z, images = normal(BATCH, LATENT), np.zeros((1, 28, 28, 1), np.float32)
    weights = variables(generator, z, LABELS), variables(critic, images, LABELS[:1])
    return generator, critic, *weights, z


@pytest.mark.slow
@pytest.mark.parametrize("name", TODAY)
def test_every_parameter_has_a_gradient(name):
    generator, critic, weights, others, z = made(name, width=4)  # of 2, ReLU can stop both

    def loss(params, critic_params):
        train = {"train": True, "mutable": ["batch_stats"]}
        images, _ = generator.apply(weights | {"params": params}, z, LABELS, **train)
        scores, _ = critic.apply(others | {"params": critic_params}, images, LABELS, **train)
        return scores.mean()

    gradients = jax.jit(jax.grad(loss, (0, 1)))(weights["params"], others["params"])
    for path, slope in jax.tree_util.tree_leaves_with_path(gradients):
        assert np.isfinite(slope).all(), path
        assert np.abs(slope).max() > 0, path


@pytest.mark.parametrize("name", TODAY)
def test_labels_matter_to_each_example_alone_and_bfloat16_is_close(name):
    def pair(dtype):
        generator, critic, weights, others, z = made(name, dtype)

        @jax.jit
        def both(images_labels, labels):
            images = generator.apply(weights, z, images_labels)
            same = jnp.repeat(images[:1], BATCH, axis=0)
            return images, critic.apply(others, same, labels)

        return both

    both, rough = pair(jnp.float32), pair(jnp.bfloat16)
    (before, scores), (after, _) = both(LABELS, LABELS), both(LABELS % 2, LABELS)
    changed = np.abs(before - after).max(axis=(1, 2, 3))
    assert changed[2] > 0.01
    np.testing.assert_array_equal(changed[[0, 1, 3]], 0)
    assert scores[1] == scores[3]
    assert len(np.unique(scores)) == CLASSES
    images, rough_scores = rough(LABELS, LABELS)
    # bfloat16 has 8 bits: each of some ten layers is off by up to 0.4 %.
    assert 0 < np.abs(images - before).mean() < 0.02
    np.testing.assert_allclose(rough_scores, scores, atol=0.1 * np.abs(scores).max())


def test_forms_that_are_refused(key):
    z = np.zeros((1, LATENT), np.float32)
    with pytest.raises(InputError, match="a network with 3 classes needs labels"):
        jax.eval_shape(dcgan.Generator(28, 2, classes=3).init, key, z)
    with pytest.raises(InputError, match="labels enter by batch norm, .* norm is 'layer'"):
        jax.eval_shape(sngan.Generator(28, 2, norm="layer", classes=3).init, key, z, LABELS[:1])
    with pytest.raises(InputError, match="28, 32, 48, 64, 96, 128 pixels, not 16"):
        jax.eval_shape(sngan.Generator(16, 2).init, key, z)
    with pytest.raises(InputError, match="the reports' networks take no labels"):
        PAIRS["report_conv"].critic(28, 2, "batch", classes=3)
    with pytest.raises(InputError, match="the reports' networks compute with float32 alone"):
        PAIRS["report_dcgan"].critic(32, 2, "batch", dtype=jnp.bfloat16)


class Layer(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        return weighted(Conv(5, 4), "spectral", train)(x)


def test_weights_come_to_have_the_spectral_norm_1():
    x = normal(1, 4, 4, 3)
    network = Layer()
    weights = variables(network, x)
    kernel = weights["params"]["Conv_0"]["kernel"]
    sigma = np.linalg.svd(kernel.reshape(-1, 5), compute_uv=False)[0]
    expected = np.tensordot(x, kernel / sigma, 3)[:, None, None]

    @jax.jit
    def passed(weights):
        return network.apply(weights, x, train=True, mutable=["batch_stats"])

    for _ in range(60):
        y, stats = passed(weights)
        weights = weights | stats
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    y = jax.jit(network.apply)(weights, x)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def torch_critic(torch, params, stats):
    """The twin of ``dcgan.Critic`` without labels."""
    layers = []
    count = sum(name.startswith("Conv") for name in params)
    for i in range(count):
        kernel = np.asarray(params[f"Conv_{i}"]["kernel"])
        step = (2, 1) if i < count - 1 else (1, 0)
        layer = torch.nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[0], *step)
        layer.weight.data = torch.tensor(kernel).permute(3, 2, 0, 1).contiguous()
        layer.bias.data = torch.tensor(np.asarray(params[f"Bias_{i}"]["bias"]).ravel())
        layer = torch.nn.utils.spectral_norm(layer)
        u = np.asarray(stats[f"SpectralNorm_{i}"][f"Conv_{i}/kernel/u"])[0]
        layer.weight_u.data = torch.tensor(u / np.linalg.norm(u))
        layers += [layer, torch.nn.LeakyReLU(0.2)]
    return torch.nn.Sequential(*layers[:-1], torch.nn.Flatten(0))


def test_dcgan_follows_a_torch_twin():
    """A generator in training and three passes of a spectral critic."""
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    generator, critic = dcgan.Generator(28, 2, 1), dcgan.Critic(28, 2, "spectral")
    z, x = normal(BATCH, LATENT), normal(BATCH, 28, 28, 1)
    weights, others = variables(generator, z), variables(critic, x)
    params = weights["params"]
    layers = []
    for i in range(3):
        kernel = params[f"ConvTranspose_{i}"]["kernel"]
        step = (2, 1) if i else (1, 0)
        layer = torch.nn.ConvTranspose2d(
            kernel.shape[3], kernel.shape[2], kernel.shape[0], *step
        )
        layer.weight.data = torch.tensor(kernel).permute(3, 2, 0, 1).contiguous()
        layer.bias.data[:] = torch.tensor(params["Bias_0"]["bias"].ravel() if i == 2 else 0.0)
        layers.append(layer)
        if i < 2:
            norm = torch.nn.BatchNorm2d(kernel.shape[2])
            norm.weight.data = torch.tensor(params[f"BatchNorm_{i}"]["scale"].ravel())
            norm.bias.data = torch.tensor(params[f"BatchNorm_{i}"]["bias"].ravel())
            layers += [norm, torch.nn.ReLU()]
    twin = torch.nn.Sequential(*layers, torch.nn.Tanh())
    images, _ = jax.jit(
        lambda z: generator.apply(weights, z, train=True, mutable=["batch_stats"])
    )(z)
    theirs = twin(torch.tensor(z)[:, :, None, None]).detach().numpy()
    np.testing.assert_allclose(images, theirs.transpose(0, 2, 3, 1), atol=1e-5)

    twin = torch_critic(torch, others["params"], others["batch_stats"])
    passed = jax.jit(
        lambda others: critic.apply(others, x, train=True, mutable=["batch_stats"])
    )
    for _ in range(3):
        scores, stats = passed(others)
        others = others | stats
        theirs = twin(torch.tensor(x).permute(0, 3, 1, 2)).detach().numpy()
        np.testing.assert_allclose(scores, theirs, rtol=1e-4, atol=1e-5)

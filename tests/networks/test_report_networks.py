import chex
import jax
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.networks import fashion, report_dcgan
from jaxgan.networks.layers import NORMS
from jaxgan.training.gan import STEP, draw_key, gan, latents
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair
from tests.quick import normal, state_of, variables

LATENT, WIDTH, SIZE, BATCH = 6, 4, 32, 8


PAIRS = {
    **{
        f"dcgan {size} {norm}": (
            (report_dcgan.Generator(size, 2, 3, norm), report_dcgan.Critic(size, 2, norm)),
            (size, size, 3),
        )
        for size in report_dcgan.SIZES
        for norm in NORMS
    },
    "fashion, dense": ((fashion.DenseGenerator(8), fashion.DenseCritic(8)), (28, 28, 1)),
    **{
        f"fashion {norm}": (
            (fashion.ConvGenerator(8, norm), fashion.ConvCritic(8, norm)),
            (28, 28, 1),
        )
        for norm in ("batch", "none")
    },
}


@pytest.mark.parametrize("name", PAIRS)
def test_shapes(name, key):
    (generator, critic), shape = PAIRS[name]
    images, _ = jax.eval_shape(generator.init_with_output, key, np.zeros((3, LATENT)))
    chex.assert_shape(images, (3, *shape))
    scores, _ = jax.eval_shape(critic.init_with_output, key, images)
    chex.assert_shape(scores, (3,))


@pytest.mark.parametrize("name", ["dcgan 32 layer", "dcgan 32 none", "fashion, dense"])
def test_images_lie_in_their_range_and_scores_do_not(name):
    (generator, critic), shape = PAIRS[name]
    z, images = normal(3, LATENT), normal(3, *shape)

    @jax.jit
    def both(weights, critic_weights):
        return generator.apply(weights, z), critic.apply(critic_weights, 100 * images)

    images, scores = both(variables(generator, z), variables(critic, images))
    assert 0.1 < np.abs(images).max() <= 1
    assert np.abs(scores).max() > 1 or "layer" in name
    assert len(np.unique(scores)) == 3


def test_report_d_has_its_shapes(key):
    params = jax.eval_shape(report_dcgan.Generator().init, key, np.zeros((1, 200)))["params"]
    kernels = [params[f"ConvTranspose_{i}"]["kernel"].shape for i in range(5)]
    channels = [200, 512, 256, 128, 64, 3]
    assert kernels == [(4, 4, o, i) for i, o in zip(channels, channels[1:], strict=False)]
    params = jax.eval_shape(report_dcgan.Critic().init, key, np.zeros((1, 64, 64, 3)))["params"]
    kernels = [params[f"Conv_{i}"]["kernel"].shape for i in range(5)]
    channels = [3, 64, 128, 256, 512, 1]
    assert kernels == [(4, 4, i, o) for i, o in zip(channels, channels[1:], strict=False)]


def test_a_size_that_the_networks_lack_is_refused(key):
    with pytest.raises(InputError, match="32, 64, 128 pixels, not 48"):
        report_dcgan.Generator(48).init(key, np.zeros((1, 2)))


def test_report_e_has_its_shapes(key):
    params = jax.eval_shape(fashion.ConvCritic().init, key, np.zeros((1, 28, 28, 1)))["params"]
    kernels = [params[f"Conv_{i}"]["kernel"].shape for i in range(3)]
    assert kernels == [(3, 3, 1, 64), (3, 3, 64, 128), (3, 3, 128, 128)]
    params = jax.eval_shape(fashion.ConvGenerator().init, key, np.zeros((1, 100)))["params"]
    kernels = [params[f"ConvTranspose_{i}"]["kernel"].shape for i in range(3)]
    assert kernels == [(3, 3, 128, 128), (4, 4, 64, 128), (3, 3, 1, 64)]
    assert params["Dense_0"]["bias"].size == 6272


def torch_pair(torch, state, norm):
    """Torch twins of a generator and a critic, with their weights."""
    nn = torch.nn

    def weight(kernel):
        return torch.tensor(np.array(kernel)).permute(3, 2, 0, 1).contiguous()

    def batch_norm(params):
        layer = nn.BatchNorm2d(params["scale"].size)
        layer.weight.data = torch.tensor(np.array(params["scale"]).ravel())
        layer.bias.data = torch.tensor(np.array(params["bias"]).ravel())
        return layer

    g, c = state.generator.params, state.critic.params
    stages = sum(name.startswith("ConvTranspose") for name in g)
    layers = []
    for i in range(stages):
        kernel = g[f"ConvTranspose_{i}"]["kernel"]
        step = (1, 0) if i == 0 else (2, 1)
        layer = nn.ConvTranspose2d(kernel.shape[3], kernel.shape[2], 4, *step, bias=False)
        layer.weight.data = weight(kernel)
        last = i == stages - 1
        layers += (
            [layer, nn.Tanh()] if last else [layer, batch_norm(g[f"BatchNorm_{i}"]), nn.ReLU()]
        )
    generator = nn.Sequential(*layers)
    layers = []
    for i in range(stages):
        kernel = c[f"Conv_{i}"]["kernel"]
        last = i == stages - 1
        step = (1, 0) if last else (2, 1)
        layer = nn.Conv2d(kernel.shape[2], kernel.shape[3], 4, *step, bias=False)
        layer.weight.data = weight(kernel)
        layers.append(layer)
        if not last:
            layers += [batch_norm(c[f"BatchNorm_{i}"])] if norm == "batch" else []
            layers.append(nn.LeakyReLU(0.2))
    return generator, nn.Sequential(*layers, nn.Flatten(0))


def close(mine, theirs):
    """To 1e-5 of the largest entry."""
    theirs = theirs.detach().numpy()
    assert np.abs(np.array(mine) - theirs).max() <= 1e-5 * max(1.0, np.abs(theirs).max())


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["gan", "wgan_gp"])
def test_training_follows_a_torch_twin(variant, key):
    """Three steps of the whole pair: weights, losses, running statistics, samples."""
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    norm = "batch" if variant == "gan" else "none"
    networks = report_dcgan.Generator(SIZE, WIDTH), report_dcgan.Critic(SIZE, WIDTH, norm)
    g = gan(*networks, objective(variant), pair("sgd", 0.02), latent_dim=LATENT)
    reals = np.tanh(normal(1, BATCH, SIZE, SIZE, 3))
    state = state_of(g, key, reals[0, :1])
    generator, critic = torch_pair(torch, state, norm)
    optimizers = [torch.optim.SGD(net.parameters(), 0.02) for net in (generator, critic)]
    entropy = torch.nn.functional.binary_cross_entropy_with_logits

    def tensor(x):
        return torch.tensor(np.array(x)).permute(0, 3, 1, 2).contiguous()

    real = tensor(reals[0])

    @jax.jit
    def draws(count):
        """Latents and the penalty's random shares."""
        latent_keys, penalty_keys = jax.random.split(draw_key(key, STEP, count), (2, 1))
        share = jax.random.uniform(penalty_keys[0], (BATCH, 1, 1, 1))
        return latents(latent_keys[0], BATCH, LATENT)[:, None, None, :], share

    step = jax.jit(g.step)
    for count in range(3):
        state, metrics = step(state, reals)
        z, share = map(tensor, draws(count))
        fake = generator(z)
        for_real, for_fake = critic(real), critic(fake.detach())
        if variant == "gan":
            loss = entropy(for_real, torch.ones(BATCH)) + entropy(for_fake, torch.zeros(BATCH))
        else:
            between = (real + share * (fake.detach() - real)).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
            loss = for_fake.mean() - for_real.mean() + penalty
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()
        # The critic's own update passes real and fake; the generator's leaves its
        # running statistics alone.
        for module in critic.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.0
        scores = critic(fake)
        for module in critic.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 0.1
        loss_g = entropy(scores, torch.ones(BATCH)) if variant == "gan" else -scores.mean()
        optimizers[0].zero_grad()
        loss_g.backward()
        optimizers[0].step()
        assert float(metrics["critic_loss"]) == pytest.approx(loss.item(), rel=1e-5, abs=1e-5)
        assert float(metrics["generator_loss"]) == pytest.approx(
            loss_g.item(), rel=1e-5, abs=1e-5
        )
    for mine, theirs, kind in (
        (state.generator, generator, torch.nn.ConvTranspose2d),
        (state.critic, critic, torch.nn.Conv2d),
    ):
        convolutions = [module for module in theirs if isinstance(module, kind)]
        name = "ConvTranspose" if kind is torch.nn.ConvTranspose2d else "Conv"
        for i, module in enumerate(convolutions):
            kernel = np.asarray(mine.params[f"{name}_{i}"]["kernel"])
            close(kernel.transpose(3, 2, 0, 1), module.weight)
        norms = [module for module in theirs if isinstance(module, torch.nn.BatchNorm2d)]
        for i, module in enumerate(norms):
            stats = jax.tree.map(np.asarray, mine.stats["batch_stats"][f"BatchNorm_{i}"])
            close(stats["mean"].ravel(), module.running_mean)
            close(stats["var"].ravel(), module.running_var)
    generator.eval()
    z = normal(5, LATENT)
    images = np.asarray(jax.jit(g.sample)(state, z))
    close(images.transpose(0, 3, 1, 2), generator(tensor(z[:, None, None, :])))

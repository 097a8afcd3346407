"""Time training steps of the image networks against PyTorch.

    python benchmarks/images.py [--rounds=7] [--models=report_dense,report_conv,report_dcgan]
                                [--batch=64]

The networks are those of reports D and E at full width, with Adam, one critic step, and the
same fakes for both updates of a step. PyTorch runs eagerly, once with its default
layout and once channels-last. Every program has a process of its own; they run in turn.
jaxgan also computes the moving average of the generator. Needs torch.
"""

import argparse
import functools
import os

import harness

from jaxgan.runtime import cores

BATCH = 64
# Images in a round, or a batch if that is more. A round takes some tenths of a second at least.
IMAGES = {
    "report_dense": 300 * BATCH,
    "report_conv": 6 * BATCH,
    "report_dcgan": 6 * BATCH,
    "dcgan": 6 * BATCH,
}
LATENT = {"report_dense": 100, "report_conv": 100, "report_dcgan": 200, "dcgan": 128}
SHAPE = {
    "report_dense": (28, 28, 1),
    "report_conv": (28, 28, 1),
    "report_dcgan": (64, 64, 3),
    "dcgan": (64, 64, 3),
}
WIDTH = {"report_dense": 128, "report_conv": 128, "report_dcgan": 64, "dcgan": 64}


def steps(model, batch):
    """Number of steps in a round."""
    return int(os.environ.get("JAXGAN_BENCHMARK_STEPS", 0)) or max(1, IMAGES[model] // batch)


def build(model, variant, batch, precision="float32"):
    """Build the GAN; returns it and random images."""
    import numpy as np

    from experiments.common.settings import Recipe
    from experiments.faces import config as faces_config
    from experiments.fashion_mnist import config as fashion_config
    from experiments.images import config as images_config
    from experiments.images import program as images_program

    laboratory = fashion_config if SHAPE[model][0] == 28 else faces_config
    data = np.random.default_rng(0).integers(
        0, 256, (steps(model, batch) * batch, *SHAPE[model]), np.uint8
    )
    dataset = images_config.Dataset(data, "random")
    flags = {
        "model": (model,),
        "variant": (variant,),
        "width": WIDTH[model],
        "latent_dim": LATENT[model],
        "batch_size": batch,
        "precision": precision,
    }
    (config,) = images_config.configure(laboratory.DEFAULTS, Recipe({}), flags, dataset)
    (values,) = config.combinations()
    return images_program.build(config, values, SHAPE[model][2]), data


def operations(model, variant, batch):
    """Count the floating-point operations of a step."""
    import jax

    gan, _ = build(model, variant, batch)
    reals = jax.ShapeDtypeStruct((1, batch, *SHAPE[model]), jax.numpy.float32)
    example = jax.ShapeDtypeStruct((1, *SHAPE[model]), jax.numpy.float32)
    state = jax.eval_shape(gan.init, jax.random.key(0), example)
    return harness.operations(gan.step, state, reals)


def jax_program(model, variant, batch, precision="float32"):
    """Make a compiled scan of steps."""
    import jax

    jax.config.update("jax_num_cpu_devices", cores())
    from jaxgan.data import pixels
    from jaxgan.networks import layers
    from jaxgan.training import epochs

    g, data = build(model, variant, batch, precision)
    data = jax.numpy.asarray(data)
    state = jax.jit(g.init)(jax.random.key(0), pixels.to_float(data[:1]))
    advance = jax.jit(
        lambda state, data: epochs.epoch(
            g, state, data, batch_size=batch, prepare=pixels.to_float
        ),
        donate_argnums=0,
        compiler_options=layers.compiler_options(),
    )

    def run():
        nonlocal state
        state, metrics = advance(state, data)
        jax.block_until_ready(metrics)
        return steps(model, batch)

    return run


def torch_networks(model, variant):
    """Make the generator and the critic in torch."""
    from torch import nn

    has_penalty = variant == "wgan_gp"

    def norm(channels, critic=False):
        return [] if critic and has_penalty else [nn.BatchNorm2d(channels)]

    slope, latent = 0.2, LATENT[model]
    if model == "report_dense":
        generator = nn.Sequential(
            nn.Linear(latent, 128),
            nn.LeakyReLU(slope),
            nn.Linear(128, 784),
            nn.Tanh(),
            nn.Unflatten(1, (1, 28, 28)),
        )
        critic = nn.Sequential(
            nn.Flatten(), nn.Linear(784, 128), nn.LeakyReLU(slope), nn.Linear(128, 1)
        )
        return generator, critic
    if model == "report_conv":
        generator = nn.Sequential(
            nn.Linear(latent, 6272),
            nn.Unflatten(1, (128, 7, 7)),
            nn.ConvTranspose2d(128, 128, 3, 1, 1, bias=False),
            *norm(128),
            nn.LeakyReLU(slope),
            nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
            *norm(64),
            nn.LeakyReLU(slope),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(64, 1, 3, 1, 1, bias=False),
            nn.Tanh(),
        )
        critic = nn.Sequential(
            nn.Conv2d(1, 64, 3, 1, 1, bias=False),
            nn.LeakyReLU(slope),
            nn.Conv2d(64, 128, 3, 2, 1, bias=False),
            *norm(128, critic=True),
            nn.LeakyReLU(slope),
            nn.Conv2d(128, 128, 3, 1, 1, bias=False),
            *norm(128, critic=True),
            nn.LeakyReLU(slope),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, 1),
        )
        return generator, critic
    modern = model == "dcgan"  # biases at both ends, and no norm in the critic's first layer
    layers, channels = [nn.Unflatten(1, (latent, 1, 1))], [latent, 512, 256, 128, 64]
    for i, (inputs, outputs) in enumerate(zip(channels, channels[1:], strict=False)):
        step = (1, 0) if i == 0 else (2, 1)
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, *step, bias=False)]
        layers += [*norm(outputs), nn.ReLU()]
    generator = nn.Sequential(
        *layers, nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=modern), nn.Tanh()
    )
    layers, channels = [], [3, 64, 128, 256, 512]
    for inputs, outputs in zip(channels, channels[1:], strict=False):
        bare = modern and inputs == 3
        layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=bare)]
        layers += [*([] if bare else norm(outputs, critic=True)), nn.LeakyReLU(slope)]
    critic = nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 0, bias=modern), nn.Flatten())
    return generator, critic


def torch_program(
    model, variant, batch, precision="float32", *, channels_last=False, compiled=False
):
    """Make the same steps in torch: eager, or by ``torch.compile`` with CUDA graphs."""
    import torch
    from torch import nn

    harness.put_torch_on_card()
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    generator, critic = (net.to(memory_format=layout) for net in torch_networks(model, variant))
    options = {"fused": True} if compiled and harness.ON_CARD else {}
    optimizers = [
        torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), **options)
        for net in (generator, critic)
    ]
    entropy = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    high, wide, channels = SHAPE[model]
    data = torch.randint(
        0, 256, (steps(model, batch) * batch, channels, high, wide), dtype=torch.uint8
    )
    data = data.contiguous(memory_format=layout)
    half = precision == "bfloat16"
    cast = torch.autocast(ones.device.type, torch.bfloat16, enabled=half)

    def critic_loss(real, still):
        if variant == "gan":
            return entropy(critic(real), ones) + entropy(critic(still), zeros)
        share = torch.rand(batch, 1, 1, 1)
        between = (real + share * (still - real)).requires_grad_()
        scores = critic(between).sum()
        (slope,) = torch.autograd.grad(scores, between, create_graph=True)
        penalty = 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        return critic(still).mean() - critic(real).mean() + penalty

    def generator_loss(fake):
        scores = critic(fake)
        return entropy(scores, ones) if variant == "gan" else -scores.mean()

    generate = generator
    if compiled:
        graphs = functools.partial(torch.compile, mode="reduce-overhead")
        generate, critic_loss, generator_loss = map(
            graphs, (generator, critic_loss, generator_loss)
        )

    def run():
        order = torch.randperm(len(data))
        for i in range(steps(model, batch)):
            if compiled:
                torch.compiler.cudagraph_mark_step_begin()
            real = data[order[i * batch : (i + 1) * batch]].float() / 127.5 - 1
            real = real.contiguous(memory_format=layout)
            with cast:
                fake = generate(torch.randn(batch, LATENT[model]))
                # A graph may write its outputs again, and other graphs read them.
                still = fake.detach().clone() if compiled else fake.detach()
                loss = critic_loss(real, still)
            optimizers[1].zero_grad()
            loss.backward()
            optimizers[1].step()
            with cast:
                loss = generator_loss(fake)
            optimizers[0].zero_grad()
            loss.backward()
            optimizers[0].step()
        return steps(model, batch)

    return run


PROGRAMS = {
    "jaxgan": jax_program,
    "torch": torch_program,
    "torch, channels-last": functools.partial(torch_program, channels_last=True),
}
COMPILED = "torch.compile, channels-last"  # has no double backward, which a penalty needs
ON_CARDS = PROGRAMS | {
    COMPILED: functools.partial(torch_program, channels_last=True, compiled=True)
}


def main():
    """Print one line per model, variant and program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--models", default="report_dense,report_conv,report_dcgan")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        program, model, variant, batch, *precision = options.worker
        harness.serve(lambda: ON_CARDS[program](model, variant, int(batch), *precision))
        return
    if options.batch < 1:
        parser.error(f"--batch={options.batch}: must be 1 or more")
    harness.header(f"us per step: one critic and one generator update, batch {options.batch}")
    for model in options.models.split(","):
        for variant in ("gan", "wgan_gp"):
            programs = {name: (name, model, variant, options.batch) for name in PROGRAMS}
            harness.compare(f"{model}, {variant}", programs, options.rounds)


if __name__ == "__main__":
    main()

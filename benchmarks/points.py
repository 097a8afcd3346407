"""Time one epoch of points training against the PyTorch loop a student would write.

    python benchmarks/points.py [--rounds=15] [--batch=64,256]

Report B's networks are trained with RMSprop and one critic step on 7000 points. Each program
has a process of its own, as it has in practice. They run in turn, three epochs each, round
after round, so that a busy machine slows all of them. Every program shuffles, draws latents
and counts its steps by itself; compile time is apart. jaxgan also computes the moving average
of the generator, which the loops in torch do not. Both draw fakes once per step, for both
updates. A third program draws them again for the generator, as the papers' algorithms do.
Needs torch.
"""

import argparse
import functools

import harness

from jaxgan.runtime import cores

POINTS, LATENT, RATE, WEIGHT, CLIP = 7000, 2, 1e-4, 0.001, 0.01


def build(variant, rate=RATE):
    """Build the GAN."""
    from jaxgan.networks import mlp
    from jaxgan.training.gan import gan
    from jaxgan.training.objectives import objective
    from jaxgan.training.optimizers import pair

    return gan(
        mlp.Generator((256, 64)),
        mlp.Critic((256, 64)),
        objective(variant, penalty_weight=WEIGHT, clip=CLIP if variant == "wgan" else None),
        pair("rmsprop", rate),
        latent_dim=LATENT,
        ema=0.999,
    )


def operations(variant, batch):
    """Count the floating-point operations of a step."""
    import jax

    gan = build(variant)
    reals = jax.ShapeDtypeStruct((1, batch, 2), jax.numpy.float32)
    example = jax.ShapeDtypeStruct((1, 2), jax.numpy.float32)
    state = jax.eval_shape(gan.init, jax.random.key(0), example)
    return harness.operations(gan.step, state, reals)


def jax_epoch(variant, batch):
    """Make a compiled epoch: () -> number of steps."""
    import jax

    from jaxgan.training import epochs

    jax.config.update("jax_num_cpu_devices", cores())
    g = build(variant)
    data = jax.random.normal(jax.random.key(1), (POINTS, 2))
    state = jax.jit(g.init)(jax.random.key(0), data[:1])
    run = jax.jit(
        lambda state, data: epochs.epoch(g, state, data, batch_size=batch), donate_argnums=0
    )

    steps = 0

    def epoch():
        nonlocal state, steps
        before = steps
        state, metrics = run(state, data)
        jax.block_until_ready(metrics)
        steps = int(state.step)
        return steps - before

    return epoch


def torch_epoch(variant, batch, compiled=False, fresh=False):
    """Make the loop in eager torch, or with its losses through torch.compile."""
    import torch
    from torch import nn

    harness.put_torch_on_card()
    torch.manual_seed(0)

    def network(inputs, outputs):
        layers = [nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(64, outputs))

    generator, critic = network(LATENT, 2), network(2, 1)
    generator_optimizer = torch.optim.RMSprop(generator.parameters(), RATE)
    critic_optimizer = torch.optim.RMSprop(critic.parameters(), RATE)
    entropy = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    data = torch.randn(POINTS, 2)

    def critic_loss(real, fake):
        if variant == "gan":
            return entropy(critic(real), ones) + entropy(critic(fake), zeros)
        loss = critic(fake).mean() - critic(real).mean()
        if variant == "wgan_gp":
            share = torch.rand(batch, 1)
            between = (real + share * (fake - real)).requires_grad_()
            scores = critic(between).sum()
            (slope,) = torch.autograd.grad(scores, between, create_graph=True)
            loss = loss + WEIGHT * ((slope.norm(dim=1) - 1) ** 2).mean()
        return loss

    def generator_loss(fake):
        scores = critic(fake)
        return entropy(scores, ones) if variant == "gan" else -scores.mean()

    if compiled:
        critic_loss, generator_loss = map(torch.compile, (critic_loss, generator_loss))

    def epoch():
        order = torch.randperm(POINTS)
        steps = POINTS // batch
        for i in range(steps):
            real = data[order[i * batch : (i + 1) * batch]]
            fake = generator(torch.randn(batch, LATENT))
            critic_optimizer.zero_grad()
            critic_loss(real, fake.detach()).backward()
            critic_optimizer.step()
            if variant == "wgan":
                with torch.no_grad():
                    for weight in critic.parameters():
                        weight.clamp_(-CLIP, CLIP)
            generator_optimizer.zero_grad()
            if fresh:
                fake = generator(torch.randn(batch, LATENT))
            generator_loss(fake).backward()
            generator_optimizer.step()
        return steps

    return epoch


PROGRAMS = {
    "jaxgan": jax_epoch,
    "torch, fakes reused": torch_epoch,
    "torch, fresh fakes": functools.partial(torch_epoch, fresh=True),
    "torch.compile": functools.partial(torch_epoch, compiled=True),
}
EPOCHS = 3  # in one measurement


def main():
    """Print one line per variant, batch size and program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", default="64,256")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        program, variant, batch = options.worker
        harness.serve(lambda: PROGRAMS[program](variant, int(batch)), EPOCHS)
        return
    harness.header("us per step: one critic and one generator update")
    for batch in map(int, options.batch.split(",")):
        for variant in ("gan", "wgan", "wgan_gp"):
            # torch.compile has no double backward, which the penalty needs
            names = [x for x in PROGRAMS if variant != "wgan_gp" or x != "torch.compile"]
            programs = {name: (name, variant, batch) for name in names}
            harness.compare(f"{variant}, batch {batch}", programs, options.rounds)


if __name__ == "__main__":
    main()

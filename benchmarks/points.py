"""Time one epoch of points training against the PyTorch loop a student would write.

    python benchmarks/points.py [--rounds=15] [--batch=64,256]

Report B's networks, RMSprop, one critic step, 7000 points. All programs run in turn in
one process, round after round, so that a busy machine slows all of them. Every program
shuffles, draws latents and counts its steps by itself; compile time is apart. jaxgan
also keeps the moving average of the generator, which the loops in torch do not.
Needs torch.
"""

import argparse
import os
import platform
import statistics
import time

import jax
import torch
from torch import nn

from jaxgan import train
from jaxgan.gan import gan
from jaxgan.networks import mlp
from jaxgan.objectives import objective
from jaxgan.optimizers import pair

POINTS, LATENT, RATE, WEIGHT, CLIP = 7000, 2, 1e-4, 0.001, 0.01


def jax_epoch(variant, batch):
    """A compiled epoch: () -> steps run."""
    g = gan(
        mlp.Generator((256, 64)),
        mlp.Critic((256, 64)),
        objective(variant, penalty_weight=WEIGHT),
        pair("rmsprop", RATE),
        latent_dim=LATENT,
        ema=0.999,
    )
    data = jax.random.normal(jax.random.key(1), (POINTS, 2))
    state = jax.jit(g.init)(jax.random.key(0), data[:1])
    run = jax.jit(
        lambda state, data: train.epoch(g, state, data, batch_size=batch), donate_argnums=0
    )

    def epoch():
        nonlocal state
        before = int(state.step)
        state, metrics = run(state, data)
        jax.block_until_ready((state, metrics))
        return int(state.step) - before

    return epoch


def torch_epoch(variant, batch, compiled=False):
    """The loop in eager torch, or with its losses through torch.compile."""
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

    def critic_loss(real, z):
        with torch.no_grad():
            fake = generator(z)
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

    def generator_loss(z):
        scores = critic(generator(z))
        return entropy(scores, ones) if variant == "gan" else -scores.mean()

    if compiled:
        critic_loss, generator_loss = map(torch.compile, (critic_loss, generator_loss))

    def epoch():
        order = torch.randperm(POINTS)
        steps = POINTS // batch
        for i in range(steps):
            real = data[order[i * batch : (i + 1) * batch]]
            critic_optimizer.zero_grad()
            critic_loss(real, torch.randn(batch, LATENT)).backward()
            critic_optimizer.step()
            if variant == "wgan":
                with torch.no_grad():
                    for weight in critic.parameters():
                        weight.clamp_(-CLIP, CLIP)
            generator_optimizer.zero_grad()
            generator_loss(torch.randn(batch, LATENT)).backward()
            generator_optimizer.step()
        return steps

    return epoch


def first(epoch):
    """Seconds of the first call, with its compilation."""
    begin = time.perf_counter()
    epoch()
    return time.perf_counter() - begin


def main():
    """Print one line per variant, batch size and program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", default="64,256")
    options = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    print(
        f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"jax {jax.__version__}, torch {torch.__version__}, {options.rounds} rounds"
    )
    print("us per step (one critic and one generator update); ratio of medians, torch / jaxgan")
    print(f"{'':22}{'first call s':>13}{'min':>9}{'median':>9}{'ratio':>8}")
    for batch in map(int, options.batch.split(",")):
        for variant in ("gan", "wgan", "wgan_gp"):
            programs = {
                "jaxgan": jax_epoch(variant, batch),
                "torch eager": torch_epoch(variant, batch),
            }
            if variant != "wgan_gp":  # torch.compile has no double backward
                programs["torch.compile"] = torch_epoch(variant, batch, compiled=True)
            starts = {name: first(epoch) for name, epoch in programs.items()}
            times = {name: [] for name in programs}
            for _ in range(options.rounds):
                for name, epoch in programs.items():
                    time.sleep(0.05)  # threads of the program before go to sleep
                    begin = time.perf_counter()
                    steps = epoch()
                    times[name].append(1e6 * (time.perf_counter() - begin) / steps)
            own = statistics.median(times["jaxgan"])
            print(f"{variant}, batch {batch}")
            for name, values in times.items():
                middle = statistics.median(values)
                print(
                    f"  {name:20}{starts[name]:13.2f}{min(values):9.0f}{middle:9.0f}"
                    f"{middle / own:8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""Time one epoch of points training against the PyTorch loop a student would write.

    python benchmarks/points.py [--rounds=15] [--batch=64,256]

Report B's networks, RMSprop, one critic step, 7000 points. Each program has a process of
its own, as it would have at work; they run in turn, three epochs each, round after round,
so that a busy machine slows all of them. Every program shuffles, draws latents and counts
its steps by itself; compile time is apart. jaxgan also keeps the moving average of the
generator, which the loops in torch do not. Needs torch.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version

POINTS, LATENT, RATE, WEIGHT, CLIP = 7000, 2, 1e-4, 0.001, 0.01


def jax_epoch(variant, batch):
    """A compiled epoch: () -> steps run."""
    import jax

    from jaxgan import train
    from jaxgan.gan import gan
    from jaxgan.networks import mlp
    from jaxgan.objectives import objective
    from jaxgan.optimizers import pair

    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    g = gan(
        mlp.Generator((256, 64)),
        mlp.Critic((256, 64)),
        objective(variant, penalty_weight=WEIGHT, clip=CLIP if variant == "wgan" else None),
        pair("rmsprop", RATE),
        latent_dim=LATENT,
        ema=0.999,
    )
    data = jax.random.normal(jax.random.key(1), (POINTS, 2))
    state = jax.jit(g.init)(jax.random.key(0), data[:1])
    run = jax.jit(
        lambda state, data: train.epoch(g, state, data, batch_size=batch), donate_argnums=0
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


def torch_epoch(variant, batch, compiled=False):
    """The loop in eager torch, or with its losses through torch.compile."""
    import torch
    from torch import nn

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


PROGRAMS = {
    "jaxgan": jax_epoch,
    "torch eager": torch_epoch,
    "torch.compile": lambda variant, batch: torch_epoch(variant, batch, compiled=True),
}
EPOCHS = 3  # timed together


def work(program, variant, batch):
    """A worker: answer each line on stdin with seconds per step."""
    begin = time.perf_counter()
    epoch = PROGRAMS[program](variant, batch)
    epoch()
    print(time.perf_counter() - begin, flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        steps = sum(epoch() for _ in range(EPOCHS))
        print((time.perf_counter() - begin) / steps, flush=True)


class Worker:
    """A program in a process of its own."""

    def __init__(self, program, variant, batch):
        arguments = ["--worker", program, variant, str(batch)]
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.first = self.answer()

    def answer(self):
        """The next number that the process prints."""
        return float(self.process.stdout.readline())

    def time(self):
        """Microseconds per step."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return 1e6 * self.answer()

    def close(self):
        """End the process."""
        self.process.communicate()


def main():
    """Print one line per variant, batch size and program."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", default="64,256")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        program, variant, batch = options.worker
        return work(program, variant, int(batch))
    print(
        f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, jax {version('jax')}, "
        f"torch {version('torch')}, {options.rounds} rounds of {EPOCHS} epochs"
    )
    print("us per step (one critic and one generator update); ratio of medians, torch / jaxgan")
    print(f"{'':22}{'first epoch s':>13}{'min':>9}{'median':>9}{'ratio':>8}")
    for batch in map(int, options.batch.split(",")):
        for variant in ("gan", "wgan", "wgan_gp"):
            # torch.compile has no double backward, which the penalty needs
            names = [x for x in PROGRAMS if variant != "wgan_gp" or x != "torch.compile"]
            workers = {name: Worker(name, variant, batch) for name in names}
            times = {name: [] for name in names}
            for _ in range(options.rounds):
                for name, worker in workers.items():
                    times[name].append(worker.time())
            own = statistics.median(times["jaxgan"])
            print(f"{variant}, batch {batch}")
            for name, worker in workers.items():
                middle = statistics.median(times[name])
                print(
                    f"  {name:20}{worker.first:13.2f}{min(times[name]):9.0f}{middle:9.0f}"
                    f"{middle / own:8.2f}",
                    flush=True,
                )
                worker.close()
    return None


if __name__ == "__main__":
    main()

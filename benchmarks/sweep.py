"""Time K lanes of a WGAN-GP in one program against K runs of the PyTorch loop.

    python benchmarks/sweep.py [--rounds=5] [--batch=64,256] [--lanes=1,4,16,64] [--epochs=200]

Report B's networks are trained with RMSprop and one critic step on 7000 points. jaxgan trains
all lanes in one compiled program: spread over the cores, one after another on each, and, for
comparison, by ``vmap`` on one device. In torch there are three ways. Runs go one after
another, as in a student's script, with torch's choice of threads or with one. They go in as
many processes of one thread as there are cores. Or they are batched by hand, with the weights
of all runs stacked: 16 runs at once, or as many as there are lanes. All programs run in turn,
round after round, so that a busy machine slows each of them. A round is one epoch of every
lane or run of a program. Compile time is apart.

The table holds the time of a step of one run, runs of ``--epochs`` epochs per hour, and the
share of the machine's peak, which is the speed of a product of large matrices in the same
rounds. XLA counts the operations of a step. Ratios are to torch's faster way to train one run
after another, and to the fastest of all its ways. Needs torch.
"""

import argparse
import atexit
import statistics

import harness
import points

from jaxgan.runtime import cores

SIDE = 2048  # rows and columns of the matrices whose product reaches the peak


def lanes_epoch(lanes, batch, *, mapped=True):
    """Make a compiled epoch of several lanes: () -> steps of all lanes together."""
    import jax

    from jaxgan.training import epochs as training_epochs
    from jaxgan.training import lanes as training_lanes

    jax.config.update("jax_num_cpu_devices", cores() if mapped else 1)
    data = jax.random.normal(jax.random.key(1), (points.POINTS, 2))
    keys = jax.random.split(jax.random.key(0), lanes)
    rates = jax.numpy.full(lanes, points.RATE)

    def begin(key, rate):
        return points.build("wgan_gp", rate).init(key, data[:1])

    def advance_all(state, rates, data):
        def advance(state, rate):
            return training_epochs.epoch(
                points.build("wgan_gp", rate), state, data, batch_size=batch
            )

        return (training_lanes.over_lanes(advance) if mapped else jax.vmap(advance))(
            state, rates
        )

    state = jax.jit(training_lanes.over_lanes(begin))(keys, rates)
    run = jax.jit(advance_all, donate_argnums=0)

    def epoch():
        nonlocal state
        state, metrics = run(state, rates, data)
        jax.block_until_ready(metrics)
        return lanes * (points.POINTS // batch)

    return epoch


def peak():
    """Make products of large matrices, one on each core: () -> their number."""
    import jax

    from jaxgan.training import lanes as training_lanes

    jax.config.update("jax_num_cpu_devices", cores())
    x = jax.random.normal(jax.random.key(0), (cores(), SIDE, SIDE))
    product = jax.jit(training_lanes.over_lanes(lambda x: x @ x))

    def run():
        jax.block_until_ready(product(x))
        return cores()

    return run


def torch_epochs(processes, batch):
    """Make epochs of the loop in torch, in one process or in several at once."""
    if processes == 1:
        return points.torch_epoch("wgan_gp", batch)
    workers = [harness.Worker("one thread", 0, batch) for _ in range(processes)]
    for worker in workers:
        atexit.register(worker.close)

    def epoch():
        for worker in workers:
            worker.ask()
        for worker in workers:
            worker.answer()
        return processes * (points.POINTS // batch)

    return epoch


def one_thread(batch):
    """Make the loop in a process of one thread."""
    import torch

    torch.set_num_threads(1)
    return points.torch_epoch("wgan_gp", batch)


def stacked(lanes, batch):
    """Make runs batched by hand, in which weights and data have an axis of runs."""
    import torch

    harness.put_torch_on_card()
    torch.manual_seed(0)

    def network(inputs, outputs):
        sizes = (inputs, 256, 64, outputs)
        weights = []
        for rows, columns in zip(sizes, sizes[1:], strict=False):
            bound = rows**-0.5  # as nn.Linear
            weight = torch.empty(lanes, rows, columns).uniform_(-bound, bound)
            bias = torch.empty(lanes, 1, columns).uniform_(-bound, bound)
            weights += [weight.requires_grad_(), bias.requires_grad_()]
        return weights

    def apply(weights, x):
        for i in range(0, len(weights), 2):
            x = torch.baddbmm(weights[i + 1], x, weights[i])
            x = x.relu() if i < len(weights) - 2 else x
        return x

    generator, critic = network(points.LATENT, 2), network(2, 1)
    generator_optimizer = torch.optim.RMSprop(generator, points.RATE)
    critic_optimizer = torch.optim.RMSprop(critic, points.RATE)
    data = torch.randn(points.POINTS, 2)

    def critic_loss(real, fake):
        # Sums over runs of means over examples: each run has its own gradient.
        loss = (apply(critic, fake) - apply(critic, real)).mean(1).sum()
        share = torch.rand(lanes, batch, 1)
        between = (real + share * (fake - real)).requires_grad_()
        scores = apply(critic, between).sum()
        (slope,) = torch.autograd.grad(scores, between, create_graph=True)
        return loss + points.WEIGHT * ((slope.norm(dim=2) - 1) ** 2).mean(1).sum()

    def epoch():
        order = torch.rand(lanes, points.POINTS).argsort(1)
        steps = points.POINTS // batch
        for i in range(steps):
            real = data[order[:, i * batch : (i + 1) * batch]]
            fake = apply(generator, torch.randn(lanes, batch, points.LATENT))
            critic_optimizer.zero_grad()
            critic_loss(real, fake.detach()).backward()
            critic_optimizer.step()
            generator_optimizer.zero_grad()
            (-apply(critic, fake).mean(1).sum()).backward()
            generator_optimizer.step()
        return lanes * steps

    return epoch


PROGRAMS = {
    "jaxgan": lanes_epoch,
    "vmap": lambda lanes, batch: lanes_epoch(lanes, batch, mapped=False),
    "torch": torch_epochs,
    "one thread": lambda count, batch: one_thread(batch),
    "stacked": stacked,
    "peak": lambda count, batch: peak(),
}


def compare(batch, counts, rounds, epochs):
    """Time all programs in turn and print the table."""
    most = max(counts)
    in_turn = {"torch, run after run": ("torch", 1), "torch, one thread": ("one thread", 1)}
    rivals = in_turn | {
        f"torch, {cores()} processes": ("torch", cores()),
        **{f"torch, {n} stacked": ("stacked", n) for n in sorted({min(16, most), most})},
    }
    programs = {
        **{f"jaxgan, {count} lanes": ("jaxgan", count) for count in counts},
        f"jaxgan, {most} by vmap": ("vmap", most),
        **rivals,
        "peak": ("peak", 0),
    }
    workers = {name: harness.Worker(*x, batch) for name, x in programs.items()}
    times = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            times[name].append(worker.time())  # microseconds
    middle = {name: statistics.median(each) for name, each in times.items()}
    one, best = (min(middle[name] for name in names) for names in (in_turn, rivals))
    speed = 2 * SIDE**3 / middle["peak"] / 1e3  # GFLOP/s
    work = points.operations("wgan_gp", batch)
    print(f"wgan_gp, batch {batch}: runs of {epochs} epochs; peak {speed:.0f} GFLOP/s")
    print(f"{'':24}{'first s':>9}{'us/step':>9}{'runs/h':>8}{'one':>7}{'best':>7}{'peak':>7}")
    for name, worker in workers.items():
        worker.close()
        if name == "peak":
            continue
        rate = 3600e6 / (middle[name] * epochs * (points.POINTS // batch))
        share = work / middle[name] / 1e3 / speed
        print(
            f"{name:24}{worker.first:9.2f}{middle[name]:9.0f}{rate:8.0f}"
            f"{one / middle[name]:7.2f}{best / middle[name]:7.2f}{share:7.1%}",
            flush=True,
        )


def main():
    """Print runs per hour, and ratios to torch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", default="64,256")
    parser.add_argument("--lanes", default="1,4,16,64")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        program, count, batch = options.worker
        harness.serve(lambda: PROGRAMS[program](int(count), int(batch)))
        return
    print(harness.machine())
    for batch in map(int, options.batch.split(",")):
        counts = [int(count) for count in options.lanes.split(",")]
        compare(batch, counts, options.rounds, options.epochs)


if __name__ == "__main__":
    main()

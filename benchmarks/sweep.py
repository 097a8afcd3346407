"""Time K lanes of a WGAN-GP in one program against K runs of the PyTorch loop.

    python benchmarks/sweep.py [--rounds=5] [--batch=64] [--lanes=1,4,16,64] [--epochs=200]

Report B's networks, RMSprop, one critic step, 7000 points. jaxgan trains all lanes in one
compiled program, spread over the cores; each of the others trains one run after another,
as a student's script does, with the threads that torch takes or with one, or in as many
processes of one thread as there are cores. All programs run in turn, round after round, so
that a busy machine slows each of them; a round is one epoch of jaxgan's every lane, and of
one run of torch in each process, since K of its runs take K times as long. Compile time is
apart. The table gives runs per hour, of the given number of epochs; ratios are to the
faster of torch's two ways to train one run after another. Needs torch.
"""

import argparse
import statistics

import harness
import points


def lanes_epoch(lanes, batch):
    """One compiled epoch of several lanes: () -> epochs of all lanes together."""
    import jax

    from jaxgan import sweep, train
    from jaxgan.gan import gan
    from jaxgan.networks import mlp
    from jaxgan.objectives import objective
    from jaxgan.optimizers import pair

    jax.config.update("jax_num_cpu_devices", harness.cores())

    def build(rate):
        return gan(
            mlp.Generator((256, 64)),
            mlp.Critic((256, 64)),
            objective("wgan_gp", penalty_weight=points.WEIGHT),
            pair("rmsprop", rate),
            latent_dim=points.LATENT,
            ema=0.999,
        )

    data = jax.random.normal(jax.random.key(1), (points.POINTS, 2))
    keys = jax.random.split(jax.random.key(0), lanes)
    rates = jax.numpy.full(lanes, points.RATE)

    def begin(key, rate):
        return build(rate).init(key, data[:1])

    def advance(state, rate, data):
        return train.epoch(build(rate), state, data, batch_size=batch)

    def advance_all(state, rates, data):
        each = sweep.over_lanes(lambda state, rate, data: advance(state, rate, data))
        return each(state, rates, data=data)

    state = jax.jit(sweep.over_lanes(begin))(keys, rates)
    run = jax.jit(advance_all, donate_argnums=0)

    def epoch():
        nonlocal state
        state, metrics = run(state, rates, data)
        jax.block_until_ready(metrics)
        return lanes

    return epoch


def torch_epochs(processes, batch):
    """Epochs of the loop in torch, in one process or in several at once."""
    if processes == 1:
        return _counted(points.torch_epoch("wgan_gp", batch))
    workers = [harness.Worker("torch", 0, batch) for _ in range(processes)]

    def epoch():
        for worker in workers:
            worker.ask()
        for worker in workers:
            worker.answer()
        return processes

    return epoch


def _counted(epoch):
    def one():
        epoch()
        return 1

    return one


def one_thread(batch):
    """The loop in a process of one thread."""
    import torch

    torch.set_num_threads(1)
    return _counted(points.torch_epoch("wgan_gp", batch))


def main():
    """Print runs per hour, and ratios to torch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lanes", default="1,4,16,64")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        program, count, batch = options.worker[0], *map(int, options.worker[1:])
        if program == "jaxgan":
            harness.serve(lambda: lanes_epoch(count, batch))
        elif count == 0:
            harness.serve(lambda: one_thread(batch))
        else:
            harness.serve(lambda: torch_epochs(count, batch))
        return
    counts = [int(count) for count in options.lanes.split(",")]
    programs = {f"jaxgan, {count} lanes": ("jaxgan", count) for count in counts}
    programs["torch, run after run"] = ("torch", 1)
    programs["torch, one thread"] = ("torch", 0)
    programs[f"torch, {harness.cores()} processes"] = ("torch", harness.cores())
    workers = {name: harness.Worker(*x, options.batch) for name, x in programs.items()}
    times = {name: [] for name in workers}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            times[name].append(worker.time() / 1e6)  # seconds per epoch of one run
    in_turn = ("torch, run after run", "torch, one thread")
    base = min(statistics.median(times[name]) for name in in_turn)
    print(harness.machine())
    print(f"wgan_gp, batch {options.batch}: runs of {options.epochs} epochs per hour")
    print(f"{'':24}{'first s':>9}{'s/epoch':>10}{'runs/h':>10}{'ratio':>8}")
    for name, worker in workers.items():
        middle = statistics.median(times[name])
        rate = 3600 / (middle * options.epochs)
        print(f"{name:24}{worker.first:9.2f}{middle:10.4f}{rate:10.0f}{base / middle:8.2f}")
        worker.close()


if __name__ == "__main__":
    main()

"""What a training step costs on many devices: counted in programs, and a model of time.

    python benchmarks/scale.py
    python benchmarks/scale.py --networks sngan --devices 8 --out=few.md

For every network it compiles a step for fake devices of this CPU, and counts the sums over
devices and their bytes, which have to be those of ``jaxgan.training.traffic``. The times are
what a model predicts for a GPU that is stated in docs/scale.md; none is measured. The table is
written between two marks of that page.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- counted -->\n", "<!-- end -->\n"
BATCH = 512
# Name: pair, pixels, width, variant, norm of the critic.
NETWORKS = {
    "dense": ("report_dense", 28, 128, "gan", "none"),
    "conv": ("report_conv", 28, 128, "gan", "batch"),
    "report's DCGAN": ("report_dcgan", 64, 64, "gan", "batch"),
    "report's DCGAN, WGAN-GP": ("report_dcgan", 64, 64, "wgan_gp", "none"),
    "DCGAN": ("dcgan", 64, 64, "gan", "batch"),
    "SNGAN": ("sngan", 64, 64, "hinge", "spectral"),
}
# The card of the model. None of these numbers is measured.
SPEED = 40e12  # operations per second that convolutions reach
HOST = 8  # cards in a host
NEAR, FAR = 200e9, 20e9  # bytes per second and card, within a host and between hosts
LATENCY = 20e-6  # seconds of a sum over devices


def step_seconds(operations: float, sums: int, traffic_bytes: float, devices: int) -> float:
    """Predict the time of a step: its share of the work, then all sums, one after another.

    Every device sends and receives each byte nearly twice, as in a ring.
    """
    computing = operations / devices / SPEED
    if devices == 1:
        return computing
    speed = NEAR if devices <= HOST else FAR
    return computing + sums * LATENCY + 2 * (devices - 1) / devices * traffic_bytes / speed


def count(name: str, devices: int) -> dict[str, float]:
    """Compile a step for that many fake devices, and count."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_num_cpu_devices", devices)

    from jaxgan.networks.pairs import PAIRS
    from jaxgan.training import devices as training_devices
    from jaxgan.training.gan import gan
    from jaxgan.training.objectives import OBJECTIVES, objective
    from jaxgan.training.optimizers import pair
    from jaxgan.training.traffic import sums, traffic

    model, pixels, width, variant, norm = NETWORKS[name]
    channels = 1 if pixels == 28 else 3
    g = gan(
        PAIRS[model].generator(pixels, width, channels, "batch"),
        PAIRS[model].critic(pixels, width, norm),
        objective(variant),
        pair("adam", 2e-4),
        latent_dim=128,
        ema=0.999,
    )
    mesh = training_devices.make_mesh()
    place = training_devices.everywhere(mesh)
    example = jnp.zeros((1, pixels, pixels, channels))
    state = jax.eval_shape(g.init, jax.random.key(0), example)
    reals = jax.ShapeDtypeStruct((1, BATCH, *example.shape[1:]), jnp.float32)
    operations = jax.jit(g.step).lower(state, reals).cost_analysis()["flops"]
    arguments = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), (state, reals)
    )
    quick = {"xla_backend_optimization_level": 0}
    with jax.set_mesh(mesh):
        program = jax.jit(g.step, out_shardings=place, compiler_options=quick).lower(*arguments)
    number, traffic_bytes = sums(program.compile().as_text())
    model_sends = traffic(state, OBJECTIVES[variant].penalty)
    numbers = [x for x in jax.tree.leaves(state) if x.dtype == jnp.float32]
    return {
        "operations": operations,
        "state": sum(4 * x.size for x in numbers),
        "sums": number,
        "sent": traffic_bytes,
        "gradients": model_sends.gradients,
        "statistics": model_sends.statistics,
    }


def line(name: str, devices: list[int]) -> str:
    """One line of the table, of processes that count."""
    counts = []
    for number in devices:
        command = [sys.executable, __file__, "--count", name, str(number)]
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        counts.append(json.loads(text))
        print(name, number, counts[-1], flush=True)
    first = counts[0]
    for number, other in zip(devices, counts, strict=True):
        if other["sent"] != first["gradients"] + first["statistics"]:
            raise SystemExit(f"{name}, {number} devices: the model is wrong")
    traffic_bytes = first["sent"]
    seconds = [
        step_seconds(first["operations"], first["sums"], traffic_bytes, n)
        for n in (1, HOST, 8 * HOST)
    ]
    cells = [
        name,
        f"{first['operations'] / 1e9:.0f}",
        f"{first['state'] / 2**20:.1f}",
        f"{first['gradients'] / 2**20:.1f}",
        f"{first['statistics'] / 2**10:.1f}",
        "/".join(str(result["sums"]) for result in counts),
        " / ".join(f"{1e3 * time:.1f}" for time in seconds),
    ]
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    """Count, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--devices", nargs="+", type=int, default=[8, 64])
    parser.add_argument("--out", type=Path, default=PAGE, help="Markdown file")
    parser.add_argument("--count", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        name, number = options.count
        print(json.dumps(count(name, int(number))))
        return
    devices_text = "/".join(map(str, options.devices))
    heads = [
        "network",
        "GFLOP",
        "state, MiB",
        "gradients, MiB",
        "statistics, KiB",
        f"sums, {devices_text} devices",
        f"ms, 1 / {HOST} / {8 * HOST} GPUs (predicted)",
    ]
    table = f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n"
    table += "".join(line(name, options.devices) for name in options.networks)
    page = options.out.read_text("utf-8") if options.out.exists() else f"{BEGIN}{END}"
    before, _, rest = page.partition(BEGIN)
    options.out.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}", "utf-8")


if __name__ == "__main__":
    main()

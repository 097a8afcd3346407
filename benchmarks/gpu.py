"""Rows of the table of ``benchmarks/gpu.sh``: what jaxgan does on a CUDA GPU, and its rivals.

    python benchmarks/gpu.py STEP [--tiny]

Steps are tests, claims, lanes, images, precision and sefa. A row has jaxgan's time, a rival's,
their ratio, above 1 where jaxgan is faster, and the target. Every program has a process of its
own; all of a row compile first, side by side, and are then timed in turn, round after round,
until the card is done. Without torch, or with one that finds no card, its columns say so.
``--tiny`` is to find mistakes: small programs on whatever JAX finds.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import harness
import images
import numpy as np
import points

ROOT = Path(__file__).resolve().parents[1]
EAGER, STACKED = "torch, run after run", "torch, stacked"
FULL = {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
EPOCHS = 200  # of a run of points
POINT_CLAIMS = "A1,A2,A3,A4,A5,A6,B1,B2,B3,C1,C2,C3"


class Program(NamedTuple):
    """A worker: its script and arguments, and what is set in its environment."""

    script: str
    arguments: tuple[Any, ...]
    environment: dict[str, str] = {}


def row(*cells: str) -> None:
    """Print a row of the table, with empty cells at its end."""
    print("| " + " | ".join([*cells, *["-"] * (5 - len(cells))]) + " |", flush=True)


def rivals() -> str:
    """Why torch cannot be measured; empty if it can."""
    try:
        import torch
    except ImportError:
        return "torch is not installed"
    return "" if torch.cuda.is_available() or not harness.ON_CARD else "torch finds no card"


def medians(programs: Mapping[str, Program], rounds: int) -> dict[str, float]:
    """Time programs in turn: microseconds per step of each, without those that stopped."""
    problem = rivals()
    if problem:
        programs = {name: x for name, x in programs.items() if not name.startswith("torch")}

    def start(program: Program) -> harness.Worker | None:
        script = Path(__file__).with_name(program.script)
        try:
            return harness.Worker(
                *program.arguments, script=script, environment=program.environment
            )
        except harness.Stopped as error:
            print(error, file=sys.stderr)
            return None

    with ThreadPoolExecutor(len(programs)) as pool:
        pairs = zip(programs, pool.map(start, programs.values()), strict=True)
        workers = {name: worker for name, worker in pairs if worker}
    times: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            times[name].append(worker.time())
    for worker in workers.values():
        worker.close()
    return {name: statistics.median(each) for name, each in times.items()}


def spell(microseconds: float, unit: str) -> str:
    """Spell a time."""
    for name, size in (("us", 1), ("ms", 1e3)):
        if microseconds < 1e3 * size:
            return f"{microseconds / size:.3g} {name} per {unit}"
    return f"{microseconds / 1e6:.3g} s per {unit}"


def against(
    title: str, own: str, rival: str, times: Mapping[str, float], unit: str, target: str = "-"
) -> None:
    """Print the row of a program and a rival, each by its name among the times."""
    speak = per_hour if unit == "run" else lambda microseconds: spell(microseconds, unit)
    mine = speak(times[own]) if own in times else "stopped"
    if rival not in times:
        row(title, mine, f"{rival}: {rivals() or 'stopped'}", "-", target)
        return
    ratio = f"{times[rival] / times[own]:.2f}" if own in times else "-"
    row(title, mine, f"{rival}: {speak(times[rival])}", ratio, target)


def per_hour(microseconds: float) -> str:
    """Spell runs per hour, of the microseconds of one step of one run."""
    steps = EPOCHS * (points.POINTS // 64)
    return f"{3600e6 / (microseconds * steps):.0f} runs per hour"


def command(*arguments: str) -> tuple[float, str]:
    """Run a module of Python; returns the seconds and what it printed.

    Raises:
      SystemExit: If it fails.
    """
    begin = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.returncode:
        print(process.stdout[-4000:], file=sys.stderr)
        raise SystemExit(f"{arguments[0]} failed with code {process.returncode}")
    return time.perf_counter() - begin, process.stdout


def tests(tiny: bool) -> None:
    """Run the tests that need a card."""
    few = ["tests/training/test_program.py"] if tiny else []
    seconds, output = command("pytest", "-m", "gpu", "-q", *few)
    last = re.sub(r"[=\x1b]|\[\d*m", "", output.strip().splitlines()[-1]).strip()
    row("`pytest -m gpu`", last, "-", "-", "all pass, none skipped")
    print(f"tests: {seconds:.0f} s", file=sys.stderr)


def claims(tiny: bool) -> None:
    """Time the claims about points, with nothing that was compiled or measured before."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"XDG_CACHE_HOME": folder, "JAX_COMPILATION_CACHE_DIR": f"{folder}/xla"}
        which = [f"--only={POINT_CLAIMS}", "--seeds=64"]
        if tiny:
            few = np.random.default_rng(0).standard_normal((300, 2))
            np.save(f"{folder}/few.npy", few)
            which = ["--study=grid", "--only=gan,sgd", "--epochs=1", "--seeds=2"]
            which += [f"--data={folder}/few.npy"]
        seconds, _ = command("experiments.claims", *which, f"--out={folder}/out")
    title = "a grid of points, 1 epoch, 2 seeds" if tiny else "points claims A1 to C3, 64 seeds"
    row(title, f"{seconds:.0f} s", "-", "-", "under 120 s")


def lanes(tiny: bool) -> None:
    """Time lanes of WGAN-GP on points, batch 64, against runs in torch."""
    counts = (2,) if tiny else (64, 256, 1024)
    programs = {
        **{f"{n} lanes": Program("sweep.py", ("jaxgan", n, 64)) for n in counts},
        EAGER: Program("sweep.py", ("torch", 1, 64)),
        STACKED: Program("sweep.py", ("stacked", counts[0], 64)),
    }
    times = medians(programs, 1 if tiny else 5)
    for n in counts:
        title = f"points, wgan_gp, batch 64: {n} lanes"
        against(title, f"{n} lanes", EAGER, times, "run", "at least 500")
    against(
        f"the same against {counts[0]} stacked by hand", f"{n} lanes", STACKED, times, "run"
    )


def dcgan(tiny: bool) -> None:
    """Time steps of DCGAN, 64 pixels, and what bfloat16 saves."""
    batch, rounds = (4, 1) if tiny else (512, 5)
    steps = {"JAXGAN_BENCHMARK_STEPS": "1" if tiny else "20"}
    for variant in ("gan", "wgan_gp"):
        times_by_name = {}
        for precision, name in (("float32", "TF32"), ("bfloat16", "bfloat16")):
            arguments = ("dcgan", variant, batch, precision)
            programs = {
                name: Program("images.py", (name, *arguments), steps)
                for name in images.ON_CARDS
                if (variant, name) != ("wgan_gp", images.COMPILED)
            }
            times = medians(programs, rounds)
            times_by_name[name] = times
            title = f"DCGAN, {variant}, batch {batch}, {name}"
            for rival in (x for x in programs if x != "jaxgan"):
                target = "at least 1.3" if rival == images.COMPILED else "-"
                against(title, "jaxgan", rival, times, "step", target)
        both = {name: times.get("jaxgan") for name, times in times_by_name.items()}
        if all(both.values()):
            half = {"bfloat16": both["bfloat16"], "jaxgan in TF32": both["TF32"]}
            title = f"DCGAN, {variant}, batch {batch}: what bfloat16 saves"
            against(title, "bfloat16", "jaxgan in TF32", half, "step")


def precision(tiny: bool) -> None:
    """Compare images, scores and updates of DCGAN by precision, from the same weights."""
    import jax

    from jaxgan.data import pixels
    from jaxgan.training import epochs

    batch, outputs = (4 if tiny else 64), {}
    for name, form, products in (
        ("float32", "float32", "highest"),
        ("TF32", "float32", None),
        ("bfloat16", "bfloat16", None),
    ):
        g, data = images.build("dcgan", "wgan_gp", batch, form)
        reals = pixels.to_float(jax.numpy.asarray(data[:batch]))
        with jax.default_matmul_precision(products):
            state = jax.jit(g.init)(jax.random.key(0), reals[:1])
            z = g.latents(jax.random.key(1), batch)
            _, metrics = jax.jit(lambda s, x, g=g: epochs.step(g, s, x))(state, reals[None])
            samples, scores = jax.jit(lambda s, z, x, g=g: (g.sample(s, z), g.score(s, x)))(
                state, z, reals
            )
        losses = np.array([metrics["critic_loss"], metrics["generator_loss"]])
        outputs[name] = [np.asarray(x, float) for x in (samples, scores, losses)]
    for name in ("TF32", "bfloat16"):
        off = [
            np.linalg.norm(x - y) / np.linalg.norm(y)
            for x, y in zip(outputs[name], outputs["float32"], strict=True)
        ]
        parts = zip(("images", "scores", "losses"), off, strict=True)
        texts = [f"{what} {x:.1e}" for what, x in parts]
        row(f"DCGAN, relative errors of {name}", ", ".join(texts), "jaxgan in float32")


def sefa(tiny: bool) -> None:
    """Time synthesis of StyleGAN2, in TF32 and in the full float32 that SeFa takes."""
    pixels, batches = (32, (1,)) if tiny else (1024, (1, 4))
    for batch in batches:
        for name, environment in (("float32", FULL), ("TF32", {})):
            programs = {
                program: Program("sefa.py", (program, "stylegan2", pixels, batch), environment)
                for program in ("jaxgan", "torch")
            }
            times = medians(programs, 1 if tiny else 15)
            title = f"StyleGAN2, {pixels} pixels, batch {batch}, {name}"
            against(title, "jaxgan", "torch", times, "image", "at least 1.0")


STEPS = {
    "tests": tests,
    "claims": claims,
    "lanes": lanes,
    "images": dcgan,
    "precision": precision,
    "sefa": sefa,
}


def main() -> None:
    """Print the rows of a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--tiny", action="store_true", help="small programs, on any machine")
    options = parser.parse_args()
    STEPS[options.step](options.tiny)


if __name__ == "__main__":
    main()

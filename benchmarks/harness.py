"""Time programs in turn, round after round, each in a process of its own."""

import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jaxgan.runtime import cores

ON_CARD = bool(os.environ.get("JAXGAN_BENCHMARK_CARD"))  # where programs are to run


def put_torch_on_card() -> None:
    """Let torch compute where JAX does, with the same precision; call it before all else.

    With ``JAX_DEFAULT_MATMUL_PRECISION=highest`` that is float32, otherwise TF32, as is JAX's
    default on a card. Without a card to be measured it does nothing.
    """
    if not ON_CARD:
        return
    import torch

    exact = os.environ.get("JAX_DEFAULT_MATMUL_PRECISION") == "highest"
    torch.set_default_device("cuda")
    torch.set_float32_matmul_precision("highest" if exact else "high")
    torch.backends.cudnn.allow_tf32 = not exact
    torch.backends.cudnn.benchmark = True


def finish() -> None:
    """Wait for what torch has given to a card."""
    if ON_CARD and "torch" in sys.modules:
        sys.modules["torch"].cuda.synchronize()


def serve(make: Callable[[], Callable[[], int]], repeat: int = 1) -> None:
    """Act as a worker: print the seconds to the first run, then seconds per step for each line.

    Args:
      make: Makes the function to time, which returns the number of its steps.
      repeat: Calls of the function for each line.
    """
    begin = time.perf_counter()
    run = make()
    run()
    finish()
    print(time.perf_counter() - begin, flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        steps = sum(run() for _ in range(repeat))
        finish()
        print((time.perf_counter() - begin) / steps, flush=True)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(most * (1 if sys.platform == "darwin" else 1024), flush=True)


def operations(function: Callable[..., Any], *arguments: Any) -> float:
    """Count the floating-point operations of a function as it is written, by XLA."""
    import jax

    return jax.jit(function).lower(*arguments).cost_analysis()["flops"]


class Stopped(Exception):
    """A worker has stopped; what it says of it is on stderr."""


class Worker:
    """A process that runs a script, by default the same, with ``--worker``."""

    def __init__(
        self,
        *arguments: object,
        script: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        command = [sys.executable, script or sys.argv[0], "--worker", *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.first = self._answer()

    def time(self) -> float:
        """Return microseconds per step."""
        self.ask()
        return self.answer()

    def ask(self) -> None:
        """Start a measurement, beside those of other workers."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> float:
        """Return microseconds per step of the measurement."""
        return 1e6 * self._answer()

    def close(self) -> float:
        """End the process; returns the most memory that it had, in bytes."""
        return float(self.process.communicate()[0])

    def _answer(self) -> float:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.process.communicate()
            raise Stopped(f"{' '.join(map(str, self.process.args[1:]))} stopped")
        return float(line)


def machine(rival: str = "torch") -> str:
    """Describe the machine and the versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("jax", rival))
    return f"{platform.machine()}, {cores()} cores, {versions}"


def header(text: str, rival: str = "torch") -> None:
    """Print the machine, the versions, and the columns."""
    print(machine(rival))
    print(f"{text}; ratio of medians, to jaxgan")
    print(f"{'':24}{'first s':>9}{'min':>10}{'median':>10}{'ratio':>8}")


def compare(
    title: str,
    programs: Mapping[str, Sequence[object]],
    rounds: int,
    spell: Callable[[float], str] = "{:10.0f}".format,
) -> None:
    """Time programs in turn, and print a line for each.

    Args:
      title: Line above the others.
      programs: Name to the arguments of its worker; ``jaxgan`` is one of them.
      rounds: Number of measurements of each program.
      spell: Microseconds per step to a column of 10 characters.
    """
    workers = {name: Worker(*arguments) for name, arguments in programs.items()}
    times: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            times[name].append(worker.time())
    own = statistics.median(times["jaxgan"])
    print(title)
    for name, worker in workers.items():
        middle = statistics.median(times[name])
        print(
            f"  {name:22}{worker.first:9.2f}{spell(min(times[name]))}{spell(middle)}"
            f"{middle / own:8.2f}",
            flush=True,
        )
        worker.close()

"""Programs timed side by side: each in a process of its own, round after round."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

# A program makes what is to be timed: () -> steps run.
Program = Callable[..., Callable[[], int]]


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def serve(make: Callable[[], Callable[[], int]], repeat: int = 1) -> None:
    """Be a worker: print the seconds to a first run, then seconds per step for each line."""
    begin = time.perf_counter()
    run = make()
    run()
    print(time.perf_counter() - begin, flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        steps = sum(run() for _ in range(repeat))
        print((time.perf_counter() - begin) / steps, flush=True)


class Worker:
    """A program in a process of its own: the same script with ``--worker``."""

    def __init__(self, *arguments: object):
        command = [sys.executable, sys.argv[0], "--worker", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.first = self._answer()

    def time(self) -> float:
        """Microseconds per step."""
        self.ask()
        return self.answer()

    def ask(self) -> None:
        """Let it run, beside others."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> float:
        """Microseconds per step of what it was asked for."""
        return 1e6 * self._answer()

    def close(self) -> None:
        """End the process."""
        self.process.communicate()

    def _answer(self) -> float:
        assert self.process.stdout
        return float(self.process.stdout.readline())


def machine(rival: str = "torch") -> str:
    """The machine and the versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("jax", rival))
    return f"{platform.machine()}, {cores()} cores, {versions}"


def header(text: str, rival: str = "torch") -> None:
    """Print the machine, the versions, and the columns."""
    print(machine(rival))
    print(f"{text}; ratio of medians, to jaxgan")
    print(f"{'':24}{'first s':>9}{'min':>10}{'median':>10}{'ratio':>8}")


def compare(title: str, programs: Mapping[str, Sequence[object]], rounds: int) -> None:
    """Time programs in turn, and print a line for each.

    Args:
      title: Above the lines.
      programs: Name to the arguments of its worker; ``jaxgan`` among them.
      rounds: How often each is timed.
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
            f"  {name:22}{worker.first:9.2f}{min(times[name]):10.0f}{middle:10.0f}"
            f"{middle / own:8.2f}",
            flush=True,
        )
        worker.close()

"""Numbers and pictures for Weights & Biases and Aim; by default they stay on this machine.

A tracker needs the extra of its name. If it fails, a line says so and training goes on
without it.
"""

import contextlib
import importlib.util
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from PIL import Image

from jaxgan.errors import InputError, one_line
from jaxgan.runs.identity import to_json
from jaxgan.runs.progress import say
from jaxgan.runtime import replacing

FILE = "trackers.json"  # identifiers of a run, by tracker


class Tracker(NamedTuple):
    """An open tracker.

    Attributes:
      id: Identifier of the run, to resume it.
      numbers: ``(epoch, {name: number})``: writes numbers.
      picture: ``(epoch, name, image)``: writes a picture.
      close: Closes the tracker.
    """

    id: str
    numbers: Callable[[int, dict[str, float]], None]
    picture: Callable[[int, str, Image.Image], None]
    close: Callable[[], None]


def _wandb(directory: Path, settings: Mapping[str, Any], run_id: str | None) -> Tracker:
    """Open Weights & Biases in the run's folder ``wandb``; offline unless ``$WANDB_MODE``."""
    import wandb  # pyright: ignore[reportMissingImports]

    run: Any = wandb.init(
        project=os.environ.get("WANDB_PROJECT", "jaxgan"),
        name=directory.name,
        id=run_id or os.urandom(8).hex(),
        resume="allow",
        dir=str(directory),
        mode=os.environ.get("WANDB_MODE", "offline"),
        config=dict(settings),
        settings=wandb.Settings(
            silent=True, console="off", x_disable_stats=True, disable_git=True
        ),
    )
    run.define_metric("*", step_metric="epoch")
    return Tracker(
        run.id,
        lambda epoch, numbers: run.log({"epoch": epoch} | numbers),
        lambda epoch, name, image: run.log({"epoch": epoch, name: wandb.Image(image)}),
        run.finish,
    )


def _aim(directory: Path, settings: Mapping[str, Any], run_id: str | None) -> Tracker:
    """Open Aim: a repository in the parent of the run's folder, shared by all runs there."""
    import aim  # pyright: ignore[reportMissingImports]

    options: Any = {"system_tracking_interval": None, "log_system_params": False}
    run: Any = aim.Run(
        run_hash=run_id,
        repo=str(directory.parent),
        experiment=directory.name,
        capture_terminal_logs=False,
        **options,
    )
    run["settings"] = dict(settings)

    def numbers(epoch, values):
        for name, value in values.items():
            run.track(value, name=name, step=epoch, epoch=epoch)

    def picture(epoch, name, image):
        run.track(aim.Image(image), name=name, step=epoch, epoch=epoch)

    return Tracker(run.hash, numbers, picture, run.close)


TRACKERS: dict[str, Callable[[Path, Mapping[str, Any], str | None], Tracker]] = {
    "wandb": _wandb,
    "aim": _aim,
}


def check(names: Sequence[str]) -> None:
    """Check that trackers are installed.

    Raises:
      InputError: If one is not.
    """
    for name in names:
        if not importlib.util.find_spec(name):
            raise InputError(f"--{name} needs the {name} extra: pip install 'jaxgan[{name}]'")


class Trackers:
    """The trackers of a run; one that fails is left out."""

    def __init__(self, opened: dict[str, Tracker]):
        self._open, self._lock = opened, threading.Lock()

    def numbers(self, start: int, records: Sequence[Mapping[str, Any]]) -> None:
        """Add records, the first after ``start`` epochs, with separate numbers per lane."""
        for record in records:
            numbers = {}
            for name, values in record.items():
                if name not in ("epoch", "step"):
                    for lane, value in enumerate(values):
                        tag = f"{name}/lane_{lane}" if len(values) > 1 else name
                        numbers[tag] = float(value)
            epoch = int(record["epoch"])
            self._each(lambda tracker, e=epoch, n=numbers: tracker.numbers(e, n))

    def picture(self, path: Path, epoch: int, name: str) -> None:
        """Add a frame under a name."""

        def show(tracker):
            with Image.open(path) as image:
                tracker.picture(epoch, name, image.convert("RGB"))

        self._each(show)

    def close(self) -> None:
        """Close all trackers."""
        self._each(lambda tracker: tracker.close())

    def _each(self, call: Callable[[Tracker], None]) -> None:
        with self._lock:  # frames come from another thread
            for name, tracker in list(self._open.items()):
                with _harmless(name) as successes:
                    call(tracker)
                    successes.append(True)
                if not successes:
                    del self._open[name]


@contextlib.contextmanager
def _harmless(name: str) -> Iterator[list[bool]]:
    """Turn an error of a tracker into a line."""
    try:
        yield []
    except Exception as error:  # a tracker may raise anything
        text = one_line(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
        say(f"--{name} fails and is left out; training goes on ({text})")


@contextlib.contextmanager
def tracked(
    names: Sequence[str], directory: Path, settings: Mapping[str, Any]
) -> Iterator[Trackers]:
    """Open trackers for a run; they resume the runs in ``FILE``.

    With several processes, only the first one tracks.

    Args:
      names: Names in ``TRACKERS``.
      directory: Directory of the run.
      settings: Settings of the run.
    """
    open_trackers: dict[str, Tracker] = {}
    ids = _read(directory / FILE)
    for name in names if jax.process_index() == 0 else ():
        with _harmless(name):
            open_trackers[name] = TRACKERS[name](directory, to_json(settings), ids.get(name))
    fresh = {name: tracker.id for name, tracker in open_trackers.items()}
    if fresh and not fresh.items() <= ids.items():
        with replacing(directory / FILE) as temporary:
            temporary.write_text(json.dumps(ids | fresh) + "\n", "utf-8")
    trackers = Trackers(open_trackers)
    try:
        yield trackers
    finally:
        trackers.close()


def _read(path: Path) -> dict[str, str]:
    try:
        ids = json.loads(path.read_text("utf-8"))
        return {name: value for name, value in ids.items() if isinstance(value, str)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}

"""The jobs of one command, each in a run directory of its own."""

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
from PIL import Image

from jaxgan.errors import InputError
from jaxgan.runs import checkpoint
from jaxgan.runs import trackers as tracking
from jaxgan.runs.directory import Diverged, Run, compare
from jaxgan.runs.identity import to_json
from jaxgan.runs.loop import Advance, Hooks, State, train
from jaxgan.runs.processes import agree
from jaxgan.runs.progress import Clock, say
from jaxgan.runs.signals import stoppable
from jaxgan.runs.tensorboard import Board
from jaxgan.runtime import cores

Config = TypeVar("Config")
Summary = TypeVar("Summary")


class Job(NamedTuple):
    """A laboratory's functions for one run directory: training, frames, final measures.

    Attributes:
      init: ``() -> state``, leaves ``[S, ...]``.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``.
      draw: ``(epoch, state) -> work``, as in ``loop.Hooks``; ``work`` writes the frame.
      frame: Path of the frame of an epoch.
      describe: ``{name: [S]} -> line``, as in ``loop.Hooks``.
      finish: ``(state, records, frames) -> summary``: measures and draws the final state;
        ``frames`` are the paths of the frames that exist, in order.
      epochs: Number of epochs in all.
      steps_per_epoch: Generator updates in one.
      every: Epochs between two frames.
      checkpoint_every: Epochs between two checkpoints, a multiple of ``every``.
      picture: Name of the frames in TensorBoard.
      look: Called with every state from which training goes on, before it does: where it
        raises, a checkpoint that is due has been saved. Its time is no training time.
      compile_ahead: ``(epochs)``, called before ``init`` where epochs remain: the number of
        them that ``advance`` will be called with first.
    """

    init: Callable[[], State]
    advance: Advance
    draw: Callable[[int, State], Callable[[], None]]
    frame: Callable[[int], Path]
    describe: Callable[[dict[str, Any]], str]
    finish: Callable[[State, list[dict[str, Any]], list[Path]], dict[str, Any]]
    epochs: int
    steps_per_epoch: int
    every: int
    checkpoint_every: int
    picture: str = "points"
    look: Callable[[State], None] = lambda state: None
    compile_ahead: Callable[[int], None] = lambda epochs: None


def run(
    directory: Path,
    settings: Mapping[str, Any],
    make_job: Callable[[], Job],
    *,
    fresh: bool = False,
    tensorboard: bool = False,
    trackers: Sequence[str] = (),
    began: float | None = None,
    check: Callable[[], None] = lambda: None,
    cores_matter: bool = False,
) -> dict[str, Any]:
    """Run or resume a job in its run directory.

    Args:
      directory: Made if missing.
      settings: What identifies the run.
      make_job: Called if the run is not complete.
      fresh: Start over.
      tensorboard: Also write for TensorBoard; needs the ``tb`` extra.
      trackers: Names in ``trackers.TRACKERS``, to write for them too.
      began: Start of the time to the first step, by ``time.monotonic``; now by default.
      check: Called where it is safe to stop; raises ``Stopped`` to do so.
      cores_matter: Whether numbers depend on how many cores a CPU has.

    Returns:
      The summary, as in ``summary.json``.

    Raises:
      InputError: If the directory holds another run.
      Diverged: If no lane has a finite loss any more.
      Stopped: By a signal, after saving.
    """
    tracking.check(trackers)
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(Board(directory)) if tensorboard else None
        record = stack.enter_context(Run(directory, settings, fresh=fresh))
        stack.enter_context(_told(record))
        summary, damaged = record.summary(), _damaged_arrays(directory)
        for path in damaged:
            say(f"{path} is damaged: it is made again")
        if summary and "train_s" in summary and not damaged:
            say(f"{directory}: already complete")
            return summary
        if cores_matter:
            _compare_cores(record)
        job, clock = make_job(), Clock(began)
        tracked = stack.enter_context(tracking.tracked(trackers, directory, settings))

        def draw(epoch, state):
            work = job.draw(epoch, state)

            def shown():
                work()
                if board:
                    board.picture(job.frame(epoch), epoch, job.picture)
                tracked.picture(job.frame(epoch), epoch, job.picture)

            return shown

        def watch(start, records):
            if board:
                board.numbers(start, records)
            tracked.numbers(start, records)

        timed = clock.around(job.advance)

        def advance(state, epochs):
            job.look(state)
            return timed(state, epochs)

        remaining = job.epochs - (checkpoint.newest(record.checkpoints) or 0)
        if remaining > 0:
            job.compile_ahead(min(job.every, remaining))
        state = train(
            record,
            job.init,
            advance,
            Hooks(draw, job.describe, watch),
            epochs=job.epochs,
            steps_per_epoch=job.steps_per_epoch,
            every=job.every,
            due=lambda epoch: epoch % job.checkpoint_every == 0,
            check=check,
        )
        agree(check)

        def end():
            paths = map(job.frame, [*range(0, job.epochs, job.every), job.epochs])
            frames = [path for path in paths if path.exists() and _is_picture(path)]
            return job.finish(state, record.records(), frames)

        summary = stoppable(end, check)
        agree(check)
        times = {"first_step_s": clock.first_step, "train_s": clock.total}
        record.finish(summary | times)
        return to_json(summary | times)


def _compare_cores(record: Run) -> None:
    """Say if a run goes on with another number of cores, where XLA sums in another order."""
    began, goes_on = record.cores(), cores()
    resumed = checkpoint.newest(record.checkpoints)
    if resumed and began not in (None, goes_on) and jax.default_backend() == "cpu":
        say(
            f"{record.directory}: the number of CPU cores was {began} and is {goes_on}: "
            "its numbers are not those of an uninterrupted run to the last bit"
        )


@contextlib.contextmanager
def _told(record: Run) -> Iterator[None]:
    """Add what is saved to an error of the disk."""
    try:
        yield
    except OSError as error:
        epoch = checkpoint.newest(record.checkpoints)
        error.add_note(f"epoch {epoch} is saved" if epoch else "no epoch is saved")
        raise


def _damaged_arrays(directory: Path) -> list[Path]:
    """Files of arrays of a complete run that cannot be read."""
    damaged = []
    for path in (directory / "samples.npz", directory / "generator.npz"):
        if not os.path.lexists(path):
            continue
        try:
            with zipfile.ZipFile(_file(path)) as file:
                whole = file.testzip() is None
        except Exception:  # a damaged file raises nearly anything
            whole = False
        damaged += [] if whole else [path]
    return damaged


def _is_picture(path: Path) -> bool:
    """Whether a frame is whole; says if it is not."""
    try:
        with Image.open(_file(path)) as image:
            image.verify()
    except Exception as error:  # a damaged file raises nearly anything
        say(f"{path} is damaged and left out of the film ({type(error).__name__})")
        return False
    return True


def _file(path: Path) -> Path:
    """The path of a file; a pipe would wait for a writer."""
    if not path.is_file():
        raise FileNotFoundError(path)
    return path


def folders_of(
    configs: Sequence[Config], directory: Path, name: Callable[[Config], str]
) -> dict[Path, Config]:
    """Map run directories to configurations: one in ``directory`` itself, several below it."""
    if len(configs) == 1:
        return {directory: configs[0]}
    return {directory / plain(name(config)): config for config in configs}


def plain(name: str) -> str:
    """A name with ``_`` for every character that is odd in a path, and of 200 at most."""
    text = "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)
    if len(text) <= 200:
        return text
    return f"{text[:190]}-{hashlib.sha256(name.encode()).hexdigest()[:9]}"


def check_all(
    folders: Mapping[Path, Config],
    directory: Path,
    settings: Callable[[Config], Mapping[str, Any]],
    *,
    fresh: bool = False,
) -> None:
    """Refuse directories that hold other runs, before anything is written.

    Raises:
      InputError: If one does.
    """
    if len(folders) > 1:
        compare(directory, _names(folders))
    for folder, config in folders.items():
        compare(folder, settings(config), fresh=fresh)


def run_all(
    folders: Mapping[Path, Config],
    directory: Path,
    run_one: Callable[[Config, Path], Summary],
    settings: Callable[[Config], Mapping[str, Any]],
    finish: Callable[[Mapping[Path, Summary | Diverged]], None] = lambda results: None,
    *,
    fresh: bool = False,
    check: Callable[[], None] = lambda: None,
) -> dict[Path, Summary | Diverged]:
    """Run every program.

    Args:
      folders: As ``folders_of`` makes them.
      directory: Folder above all of them; locked meanwhile.
      run_one: Runs one program in its folder.
      settings: What identifies a run.
      finish: Writes what joins the programs, while the directory is locked.
      fresh: Whether ``run_one`` starts over.
      check: As ``run`` takes it.

    Returns:
      What ``run_one`` returns, or ``Diverged`` where every lane of a program diverged.

    Raises:
      InputError: Before anything is written, if a directory holds another run.
      Diverged: If every program diverged.
    """
    check_all(folders, directory, settings, fresh=fresh)
    results: dict[Path, Summary | Diverged] = {}
    with contextlib.ExitStack() as stack:
        if len(folders) > 1:
            stack.enter_context(Run(directory, _names(folders)))
        for folder, config in folders.items():
            if len(folders) > 1:
                say(f"{folder.name}:")
            try:
                results[folder] = run_one(config, folder)
            except Diverged as error:
                say(f"{folder}: {error}")
                results[folder] = error
        stoppable(lambda: finish(results), check)
    failures = [x for x in results.values() if isinstance(x, Diverged)]
    if failures and len(failures) == len(results):
        raise failures[-1]
    return results


def last_state(directory: Path, init: Callable[[], State]) -> State:
    """Restore the final state of a complete run, placed as ``init`` places it.

    Raises:
      InputError: If its last checkpoint is damaged.
    """
    like = init()
    restored = checkpoint.restore(directory / "checkpoints", like)
    if restored.step is None or restored.damaged:
        lines = "; ".join(restored.damaged) or "no checkpoint"
        raise InputError(
            f"{directory}: {lines}; --name makes another run, --fresh trains again"
        )
    return checkpoint.place(restored.tree, like)


def _names(folders: Mapping[Path, Any]) -> dict[str, Any]:
    """Settings that identify a sweep; each of its runs has settings of its own."""
    return {"programs": [folder.name for folder in folders]}

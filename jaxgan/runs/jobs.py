"""Jobs: the training runs of one command, each in its own run directory."""

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
    """A laboratory's functions for one run: training, frames (pictures), final metrics.

    Attributes:
      init: ``() -> state``, with leaves ``[S, ...]``.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``.
      draw: ``(epoch, state) -> work``, as in ``loop.Hooks``; ``work`` writes the frame.
      frame: ``epoch -> path`` of the frame of an epoch.
      describe: ``{name: [S]} -> line``, as in ``loop.Hooks``.
      finish: ``(state, records, frames) -> summary``: measures and draws the final state;
        ``frames`` are the paths of the existing frames, in order.
      epochs: Total number of epochs.
      steps_per_epoch: Generator updates in an epoch.
      every: Epochs between two frames.
      checkpoint_every: Epochs between two checkpoints, a multiple of ``every``.
      picture: Name of the frames in TensorBoard.
      look: Called with the state before every interval, after a checkpoint that is due. Its
        time does not count as training.
      compile_ahead: ``(epochs)``: called before ``init`` with the number of epochs in the
        first call of ``advance``, if any epochs remain.
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

    Example: ``experiments/points/run.py``.

    Args:
      directory: Created if missing.
      settings: The settings that identify the run.
      make_job: Makes the job; called if the run is not complete.
      fresh: Whether to start over.
      tensorboard: Whether to write for TensorBoard, too; needs the ``tb`` extra.
      trackers: Names in ``trackers.TRACKERS`` of trackers to write for.
      began: Time by ``time.monotonic`` from which the time to the first step counts; now by
        default.
      check: Called where it is safe to stop; may raise ``Stopped``.
      cores_matter: Whether results depend on the number of CPU cores.

    Returns:
      The summary, as in ``summary.json``.

    Raises:
      InputError: If the directory holds another run.
      Diverged: If every lane has a loss that is not finite.
      Stopped: After a signal, once the state is saved.
    """
    tracking.check(trackers)
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(Board(directory)) if tensorboard else None
        record = stack.enter_context(Run(directory, settings, fresh=fresh))
        stack.enter_context(_note_epoch(record))
        summary, damaged_files = record.summary(), _damaged_arrays(directory)
        for path in damaged_files:
            say(f"{path} is damaged: it is made again")
        if summary and "train_s" in summary and not damaged_files:
            say(f"{directory}: already complete")
            return summary
        if cores_matter:
            _compare_cores(record)
        job, clock = make_job(), Clock(began)
        open_trackers = stack.enter_context(tracking.tracked(trackers, directory, settings))

        def draw(epoch, state):
            work = job.draw(epoch, state)

            def show():
                work()
                if board:
                    board.picture(job.frame(epoch), epoch, job.picture)
                open_trackers.picture(job.frame(epoch), epoch, job.picture)

            return show

        def watch(start, records):
            if board:
                board.numbers(start, records)
            open_trackers.numbers(start, records)

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
    """Warn if a run resumes with another number of cores, since XLA's sums then differ."""
    began, goes_on = record.cores(), cores()
    newest = checkpoint.newest(record.checkpoints)
    if newest and began not in (None, goes_on) and jax.default_backend() == "cpu":
        say(
            f"{record.directory}: started with {began} CPU cores and resumes with {goes_on}: "
            "results differ from those of an uninterrupted run by rounding"
        )


@contextlib.contextmanager
def _note_epoch(record: Run) -> Iterator[None]:
    """Add to a disk error which epoch is saved."""
    try:
        yield
    except OSError as error:
        epoch = checkpoint.newest(record.checkpoints)
        error.add_note(f"epoch {epoch} is saved" if epoch else "no epoch is saved")
        raise


def _damaged_arrays(directory: Path) -> list[Path]:
    """List the array files of a complete run that cannot be read."""
    paths = []
    for path in (directory / "samples.npz", directory / "generator.npz"):
        if not os.path.lexists(path):
            continue
        try:
            with zipfile.ZipFile(_file(path)) as file:
                whole = file.testzip() is None
        except Exception:  # a damaged file may raise anything
            whole = False
        paths += [] if whole else [path]
    return paths


def _is_picture(path: Path) -> bool:
    """Tell whether a frame is intact; print a line if it is not."""
    try:
        with Image.open(_file(path)) as image:
            image.verify()
    except Exception as error:  # a damaged file may raise anything
        say(f"{path} is damaged and left out of the film ({type(error).__name__})")
        return False
    return True


def _file(path: Path) -> Path:
    """Check that a path is a file: reading a pipe would wait for a writer."""
    if not path.is_file():
        raise FileNotFoundError(path)
    return path


def folders_of(
    configs: Sequence[Config], directory: Path, name: Callable[[Config], str]
) -> dict[Path, Config]:
    """Map run directories to configurations: ``directory`` for one, subfolders for several."""
    if len(configs) == 1:
        return {directory: configs[0]}
    return {directory / plain(name(config)): config for config in configs}


def plain(name: str) -> str:
    """Make a name safe for a path: ``_`` for unusual characters, at most 200 characters."""
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
    """Check that no directory holds another run, before anything is written.

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
    """Run every program (the lanes that are compiled together).

    Args:
      folders: Run directories and configurations, from ``folders_of``.
      directory: Folder that contains all of them; it is locked meanwhile.
      run_one: ``(config, folder) -> summary``: runs one program in its folder.
      settings: ``config -> settings`` that identify a run.
      finish: Writes common results of the programs, while the directory is locked.
      fresh: Whether ``run_one`` starts over.
      check: As in ``run``.

    Returns:
      The result of ``run_one`` by folder, or ``Diverged`` if every lane of a program
      diverged.

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
    """Restore the final state of a complete run on the devices where ``init`` places it.

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
    """Return the settings that identify a sweep; each run also has its own settings."""
    return {"programs": [folder.name for folder in folders]}

"""Runs whose files are damaged, and that go on in this process."""

import functools
import importlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trials import labs
from trials.labs import EPOCHS, EVERY, Trial

LIMIT = 120  # seconds for a run that goes on
_LABS = {"points": "experiments.points.run", "faces": "experiments.images.run"}
_PRECIOUS = b"a file that is no part of the run\n" * 20
_RECORDS = (b"{}", b"5", b"null", b"[" * 5000, b"\xff\xfe", b'{"epoch": 7}', b"")


class Base(NamedTuple):
    """A run that was stopped, and what it ends with if nothing is damaged.

    Attributes:
      home: Folder of the data.
      stopped: Folder of runs, with one that lacks two intervals.
      complete: Folder of runs, with the same one at its end.
      result: As ``labs.result`` makes it.
    """

    home: Path
    stopped: Path
    complete: Path
    result: dict


class Damage(NamedTuple):
    """What was done to a run.

    Attributes:
      name: Of the damage.
      refused: Whether a refusal is a right answer; otherwise the run has to go on.
      ignored: Names of results that may differ.
      newest: Whether the run has to go on from the newest checkpoint that is whole.
    """

    name: str
    refused: bool = False
    ignored: tuple[str, ...] = ()
    newest: bool = True


def prepare(lab: str, home: Path) -> Base:
    """Run to two intervals before the end, copy that, and run to the end."""
    _compile_once(lab)
    out, stopped = home / f"{lab}-complete", home / f"{lab}-stopped"
    last = f"epoch {EPOCHS[lab] - 2 * EVERY}/"

    def stop(text):
        if text.startswith(last):
            os.kill(os.getpid(), signal.SIGTERM)

    code, errors = labs.in_process(lab, home, out, stop)
    if code != 143:
        raise RuntimeError(errors)
    shutil.copytree(out, stopped)
    code, errors = labs.in_process(lab, home, out)
    if code != 0:
        raise RuntimeError(errors)
    return Base(home, stopped, out, labs.result(labs.folder_of(lab, out)))


def _compile_once(lab: str) -> None:
    """Let all runs of this process share one folder's compiled functions."""
    module = importlib.import_module(_LABS[lab])
    if not hasattr(module.job, "latest"):
        make = module.job

        @functools.wraps(make)
        def job(*args, **options):
            if job.latest[:1] != [args[1]]:
                job.latest[:] = [args[1], make(*args, **options)]
            return job.latest[1]

        job.latest = []
        module.job = job


def damage_one(lab: str, base: Base, seed: int, number: int) -> Trial:
    """Damage a copy of a run, and let it go on."""
    rng = np.random.default_rng([seed, list(EPOCHS).index(lab), number])
    out = base.home / f"{lab}-damaged"
    shutil.rmtree(out, ignore_errors=True)
    complete = rng.random() < 0.2
    shutil.copytree(base.complete if complete else base.stopped, out)
    folder = labs.folder_of(lab, out)
    precious = base.home / "precious"
    precious.write_bytes(_PRECIOUS)
    targets = _COMPLETE if complete else _PARTIAL
    target = targets[int(rng.choice(len(targets)))]
    damage = target(rng, folder, precious)
    whole = labs.checkpoints(folder)

    def hang(signum, frame):
        raise TimeoutError("hang")

    previous = signal.signal(signal.SIGALRM, hang)
    signal.alarm(LIMIT)
    try:
        code, errors = labs.in_process(lab, base.home, out)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    faults = _faults(lab, base, folder, damage, whole, code, errors)
    if precious.read_bytes() != _PRECIOUS:
        faults.append("other")
        errors += " a file outside has changed"
    name = f"{lab} {number}: {'complete' if complete else 'stopped'}, {damage.name}"
    different = labs.differences(folder, base.result) if "wrong" in faults else []
    words = f"code {code}, {different} {errors[-1500:]}" if faults else ""
    return Trial(name, code, tuple(faults), words)


def _faults(lab, base, folder, damage, whole, code, errors) -> list[str]:
    if "hang" in errors:
        return ["hang"]
    faults = labs.complaints(errors)
    lines = [x for x in errors.splitlines() if x.startswith(f"{lab}: error: ")]
    if code == 0:
        if labs.differences(folder, base.result, damage.ignored):
            faults.append("wrong")
        newest = max(whole, default=0)
        at = f"goes on after epoch {newest}\n"
        resumes = damage.newest and newest and "already complete" not in errors
        if resumes and newest < EPOCHS[lab] and at not in errors:
            faults.append("lost")
    elif code not in (1, 2) or len(lines) != 1 or not damage.refused:
        faults.append("other")
    elif labs.checkpoints(folder) != whole:
        faults.append("lost")
    return faults


# Damage to one file.


def _change(rng: np.random.Generator, path: Path, precious: Path) -> str:
    """Damage a file in one of the ways of ``_WAYS``; return the way's name."""
    way = _WAYS[int(rng.choice(len(_WAYS), p=_CHANCES))]
    way(rng, path, precious)
    return f"{path.name} {way.__name__.strip('_')}"


def _flip(rng, path, precious):
    data = bytearray(path.read_bytes()) if path.exists() else bytearray(b"{}")
    for place in rng.integers(0, max(1, len(data)), rng.integers(1, 5)).tolist():
        if data:
            data[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def _cut(rng, path, precious):
    data = path.read_bytes() if path.exists() else b"{}"
    path.write_bytes(data[: int(rng.integers(0, max(1, len(data))))])


def _empty(rng, path, precious):
    path.write_bytes(b"")


def _zero(rng, path, precious):
    data = bytearray(path.read_bytes()) if path.exists() else bytearray(64)
    start = int(rng.integers(0, max(1, len(data))))
    stop = min(len(data), start + int(rng.integers(1, 512)))
    data[start:stop] = bytes(stop - start)
    path.write_bytes(data)


def _replace(rng, path, precious):
    path.write_bytes(rng.bytes(int(rng.integers(1, 2000))))


def _delete(rng, path, precious):
    path.unlink(missing_ok=True)


def _folder(rng, path, precious):
    path.unlink(missing_ok=True)
    path.mkdir()


def _link(rng, path, precious):
    path.unlink(missing_ok=True)
    path.symlink_to(precious)


def _dangling_link(rng, path, precious):
    path.unlink(missing_ok=True)
    path.symlink_to(path.parent / "nowhere")


def _fifo(rng, path, precious):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


_WAYS = (_flip, _cut, _empty, _zero, _replace, _delete, _folder, _link, _dangling_link, _fifo)
_CHANCES = np.array([6, 4, 1, 3, 1, 2, 1, 1, 1, 1]) / 21
_NO_FILES = ("folder", "link", "fifo")  # at the end of a way's name


# What is damaged. Each takes the random generator, the run's folder and a file outside.


def file_of_checkpoint(rng, folder, precious) -> Damage:
    """Damage a file of the newest checkpoint."""
    newest = max((folder / "checkpoints").iterdir())
    files = sorted(path for path in newest.rglob("*") if path.is_file())
    path = files[int(rng.integers(len(files)))]
    return Damage(f"{newest.name}: {_change(rng, path, precious)}")


def _folder_of_checkpoint(rng, folder, precious) -> Damage:
    newest = max((folder / "checkpoints").iterdir())
    ways = ("missing", "emptied", "a file", "a link", "a dangling link", "half")
    way = ways[int(rng.integers(len(ways)))]
    if way == "half":
        shutil.rmtree(newest / "arrays" / "d")
        return Damage(f"{newest.name} {way}")
    shutil.move(newest, precious.parent / "moved")
    if way == "emptied":
        newest.mkdir()
    elif way == "a file":
        newest.write_bytes(_PRECIOUS)
    elif "link" in way:
        newest.symlink_to(precious.parent / ("moved" if way == "a link" else "nowhere"))
    if way != "a link":
        shutil.rmtree(precious.parent / "moved")
    return Damage(f"{newest.name} {way}")


def _around_checkpoints(rng, folder, precious) -> Damage:
    place = folder / "checkpoints"
    names = ("step_x", "step_", "step_00000099", "tmp_1", "step_00000020.damaged", "a b")
    name = names[int(rng.integers(len(names)))]
    way = ("file", "folder", "link")[int(rng.integers(3))]
    (place / name).unlink(missing_ok=True)
    if way == "file":
        (place / name).write_bytes(b"{}")
    elif way == "folder":
        (place / name).mkdir()
    else:
        (place / name).symlink_to(precious)
    return Damage(f"stray {way} {name} among the checkpoints")


def _log(rng, folder, precious) -> Damage:
    name = _change(rng, folder / "metrics.jsonl", precious)
    # A digit that becomes another one is no damage that anything could tell.
    unseen = name.endswith("flip") or (folder / "summary.json").exists()  # not read any more
    results = ("metrics.jsonl", "losses.png") if unseen else ()
    return Damage(name, name.endswith(_NO_FILES), results, newest=False)


def _line_of_log(rng, folder, precious) -> Damage:
    path = folder / "metrics.jsonl"
    lines = path.read_bytes().split(b"\n")
    place = int(rng.integers(len(lines) - 1))
    record = _RECORDS[int(rng.integers(len(_RECORDS)))]
    if rng.integers(3):
        lines[place] = record
    elif rng.integers(2):
        del lines[place]
    else:
        lines.insert(place, lines[place])
    path.write_bytes(b"\n".join(lines))
    return Damage(f"line {place + 1} of the log", newest=False)


def _configuration(rng, folder, precious) -> Damage:
    if rng.integers(4):
        return Damage(_change(rng, folder / "config.json", precious), refused=True)
    texts = (b"{}", b"5", b"null", b"[" * 100_000, b'{"settings": 5}', b'{"settings": {}}')
    (folder / "config.json").write_bytes(texts[int(rng.integers(len(texts)))])
    return Damage("config.json of another form", refused=True)


def _lock(rng, folder, precious) -> Damage:
    name = _change(rng, folder / "lock", precious)
    return Damage(name, refused=name.endswith(_NO_FILES))


def _summary(rng, folder, precious) -> Damage:
    name = _change(rng, folder / "summary.json", precious)
    unseen = ("summary",) if name.endswith("flip") else ()  # a digit that becomes another one
    return Damage(name, name.endswith(_NO_FILES), unseen)


def _frame(rng, folder, precious) -> Damage:
    frames = sorted((folder / "frames").iterdir())
    name = _change(rng, frames[int(rng.integers(len(frames)))], precious)
    return Damage(name, ignored=("training.gif",))


def _folder_of_files(rng, folder, precious) -> Damage:
    path = folder / ("checkpoints", "frames")[int(rng.integers(2))]
    way = ("missing", "a file", "a dangling link")[int(rng.integers(3))]
    shutil.rmtree(path)
    if way == "a file":
        path.write_bytes(_PRECIOUS)
    elif way == "a dangling link":
        path.symlink_to(folder / "nowhere")
    return Damage(f"{path.name} {way}", way != "missing", ("training.gif",), newest=False)


def _arrays(rng, folder, precious) -> Damage:
    names = [name for name in ("samples.npz", "generator.npz") if (folder / name).exists()]
    name = _change(rng, folder / names[int(rng.integers(len(names)))], precious)
    results = (names[0], names[-1]) if "delete" in name else ()
    return Damage(name, refused=name.endswith(_NO_FILES), ignored=results)


_Target = Callable[[np.random.Generator, Path, Path], Damage]
_PARTIAL: tuple[_Target, ...] = (
    *(file_of_checkpoint,) * 10,
    *(_folder_of_checkpoint,) * 3,
    *(_around_checkpoints, _log, _log, _log, _line_of_log, _line_of_log),
    *(_configuration, _configuration, _lock, _summary, _frame, _frame, _folder_of_files),
)
_COMPLETE: tuple[_Target, ...] = (
    *(_log, _lock, _summary, _summary, _arrays, _arrays, _frame),  # checkpoints are not read
)

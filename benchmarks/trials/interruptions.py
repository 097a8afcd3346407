"""Runs that are killed, signalled, started twice, or have no room on the disk."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trials import labs
from trials.labs import EVERY, LIMIT, Trial

_RESUMPTION = re.compile(r"goes on after epoch (\d+)$", re.MULTILINE)
_SHARES = (0.02, 0.15, 0.4, 0.6, 0.8, 0.95)  # of the room that a run takes, to fill


class Whole(NamedTuple):
    """An undisturbed run.

    Attributes:
      home: Folder of the data.
      seconds: That it took with compiled programs.
      result: As ``labs.result`` makes it.
      room: Bytes of its files on a disk.
    """

    home: Path
    seconds: float
    result: dict[str, Any]
    room: int


class Ending(NamedTuple):
    """A process that ended; ``code`` is ``None`` if it had to be killed for it."""

    code: int | None
    errors: str
    seconds: float


def run_whole(lab: str, home: Path) -> Whole:
    """Run twice: the first run compiles, the second one is timed."""
    for name in ("compiled", "whole"):
        cwd = home / f"{lab}-{name}"
        ending = run(lab, home, cwd)
        if ending.code != 0:
            raise RuntimeError(ending.errors)
    folder = labs.folder_of(lab, cwd / "runs")
    room = sum(file.stat().st_blocks * 512 for file in cwd.rglob("*"))
    return Whole(home, ending.seconds, labs.result(folder), room)


def run(
    lab: str, home: Path, cwd: Path, after: float | None = None, signum: int = signal.SIGKILL
) -> Ending:
    """Run a laboratory in a process; send it a signal after some seconds."""
    cwd.mkdir(exist_ok=True)
    with tempfile.TemporaryFile("w+") as errors:
        begin = time.monotonic()
        process = labs.start(lab, home, cwd, errors)
        try:
            if after is not None:
                code = _wait(process, after)
                if code is None:
                    begin = time.monotonic()
                    process.send_signal(signum)
            code = _wait(process, LIMIT)
        finally:
            process.kill()
            process.wait()
        seconds = time.monotonic() - begin
        errors.seek(0)
        return Ending(code, errors.read(), seconds)


def _wait(process: subprocess.Popen, seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def stop_often(
    lab: str, whole: Whole, count: int, rng: np.random.Generator, signals: tuple[int, ...]
) -> Iterator[Trial]:
    """Send signals at random moments to runs that are started again until they are complete.

    Args:
      lab: Name of the laboratory.
      whole: Its undisturbed run.
      count: Number of signals.
      rng: Decides on moments and signals.
      signals: Those to choose from.
    """
    signals_sent = runs = 0
    while signals_sent < count:
        with tempfile.TemporaryDirectory() as cwd:
            folder = labs.folder_of(lab, Path(cwd) / "runs")
            last_saved, complete = 0, False
            runs += 1
            while not complete:
                signum = int(rng.choice(signals))
                moment = rng.uniform(0, whole.seconds) if signals_sent < count else None
                ending = run(lab, whole.home, Path(cwd), moment, signum)
                complete = ending.code == 0
                name = f"{lab} run {runs}, {signal.Signals(signum).name} after {moment}"
                trial = _judge(lab, folder, name, ending, signum, last_saved)
                if complete:
                    different = labs.differences(folder, whole.result)
                    if different:
                        words = f"{', '.join(different)} differ"
                        trial = trial._replace(
                            faults=(*trial.faults, "wrong"), words=f"{trial.words} {words}"
                        )
                signals_sent += not complete
                last_saved = max(labs.checkpoints(folder), default=0)
                yield trial
                if "hang" in trial.faults or (moment is None and not complete):
                    break


def _judge(
    lab: str, folder: Path, name: str, ending: Ending, signum: int, last_saved: int
) -> Trial:
    """Judge how a process ended, and what it left; ``last_saved`` is the epoch it found."""
    faults, words = labs.complaints(ending.errors), []
    if ending.code is None:
        faults.append("hang")
    elif ending.code != 0 and not _may_end(lab, folder, ending, signum):
        faults.append("other")
    resumption = _RESUMPTION.search(ending.errors)
    if "skipped: " in ending.errors or (resumption and int(resumption[1]) < last_saved):
        faults.append("lost")
    lost_epochs = labs.count_epochs(folder) - max(labs.checkpoints(folder), default=0)
    if lost_epochs > (EVERY if signum == signal.SIGKILL or ending.code == -signum else 0):
        faults.append("interval")
    if faults:
        words = [f"code {ending.code}, {lost_epochs} epochs: {ending.errors[-2000:]}"]
    return Trial(name, ending.code, tuple(faults), " ".join(words), lost_epochs, ending.seconds)


def _may_end(lab: str, folder: Path, ending: Ending, signum: int) -> bool:
    """Whether a signal ends a process like that: saved, or before the run began, or after."""
    if ending.code == -signum:
        over = "epoch " not in ending.errors or (folder / "summary.json").exists()
        return signum == signal.SIGKILL or over
    line = f"{lab}: stopped by {signal.Signals(signum).name}; run the same command to resume"
    lines = [text for text in ending.errors.splitlines() if text.startswith(f"{lab}: ")]
    return ending.code == 128 + signum and lines == [line]


def twice(lab: str, whole: Whole, number: int) -> Trial:
    """Start the same run twice at once: one works, the other says so in a line."""
    with tempfile.TemporaryDirectory() as cwd, tempfile.TemporaryDirectory() as notes:
        files = [open(Path(notes) / str(i), "w+") for i in range(2)]  # noqa: SIM115
        processes = [labs.start(lab, whole.home, Path(cwd), file) for file in files]
        codes = [_wait(process, LIMIT) for process in processes]
        texts = []
        for process, file in zip(processes, files, strict=True):
            process.kill()
            process.wait()
            file.seek(0)
            texts.append(file.read())
            file.close()
        faults = [fault for text in texts for fault in labs.complaints(text)]
        busy = f"{lab}: error: {Path('runs') / lab / labs.NAME} is in use by another process"
        is_refusal = [labs.last_line(t) == busy and t.count("error:") == 1 for t in texts]
        is_complete = ["already complete" in text for text in texts]
        if None in codes:
            faults.append("hang")
        elif not (sorted(codes) == [0, 2] and is_refusal[codes.index(2)]) and not any(
            is_complete
        ):
            faults.append("other")
        different = labs.differences(labs.folder_of(lab, Path(cwd) / "runs"), whole.result)
        faults += ["wrong"] if different else []
        words = f"{codes} {different} {texts[0][-500:]} {texts[1][-500:]}" if faults else ""
        return Trial(f"{lab} {number}", codes[0], tuple(faults), words)


def full(lab: str, whole: Whole, share: float) -> Trial:
    """Run on a disk with too little room, make room, and go on."""
    size = max(4096, int(share * whole.room) // 4096 * 4096)
    name = f"{lab}, {size >> 10} KiB"
    with tempfile.TemporaryDirectory() as cwd:
        disk = Path(cwd) / "runs"
        disk.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk)
        try:
            folder = labs.folder_of(lab, disk)
            ending = run(lab, whole.home, Path(cwd))
            faults = labs.complaints(ending.errors)
            lines = [x for x in ending.errors.splitlines() if x.startswith(f"{lab}: error: ")]
            if ending.code is None:
                faults.append("hang")
            elif ending.code not in (1, 2) or len(lines) != 1 or "runs" not in lines[0]:
                faults.append("other")
            checkpoints = labs.checkpoints(folder)
            lost_epochs = labs.count_epochs(folder) - max(checkpoints, default=0)
            faults += ["interval"] if lost_epochs > EVERY else []
            _mount("-o", "remount,size=1g", disk)
            again = run(lab, whole.home, Path(cwd))
            resumption = _RESUMPTION.search(again.errors)
            if again.code != 0:
                faults.append("other")
            if "skipped: " in again.errors or (
                resumption and int(resumption[1]) < max(checkpoints, default=0)
            ):
                faults.append("lost")
            different = labs.differences(folder, whole.result)
            faults += ["wrong"] if different else []
            words = f"{different} {ending.errors[-2000:]} THEN {again.errors[-500:]}"
            return Trial(name, ending.code, tuple(faults), words if faults else "", lost_epochs)
        finally:
            subprocess.run(["umount", str(disk)], check=False)


def can_mount() -> bool:
    """Whether small disks can be made."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            _mount("-t", "tmpfs", "-o", "size=4096", "tmpfs", Path(folder))
        except (OSError, subprocess.CalledProcessError):
            return False
        subprocess.run(["umount", folder], check=True)
        return True


def shares(count: int) -> list[float]:
    """Shares of the room that a run takes."""
    return [_SHARES[i % len(_SHARES)] for i in range(count)]


def _mount(*words: object) -> None:
    command = ["mount", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True)

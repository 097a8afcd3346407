import os
import signal
import sys
import threading
import time

import pytest

from jaxgan import runs
from jaxgan.runs import signals

LONG = 60.0  # seconds; no test takes them


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_wait_for_the_check(signum, code):
    before = signal.getsignal(signum)
    with runs.deferred_signals() as check:
        check()
        os.kill(os.getpid(), signum)
        with pytest.raises(runs.Stopped) as caught:
            check()
    assert caught.value.code == code
    assert signal.getsignal(signum) == before


def test_a_second_interrupt_stops_at_once(capfd):
    with runs.deferred_signals("it stops soon"):
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err == "it stops soon\n"


def test_the_answer_is_given_once(capfd):
    with runs.deferred_signals("it stops soon"):
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
            os.kill(os.getpid(), signum)
    assert capfd.readouterr().err == "it stops soon\n"


def test_an_answer_without_a_reader_does_no_harm(monkeypatch):
    def write(*_):
        raise BrokenPipeError

    monkeypatch.setattr(os, "write", write)
    with runs.deferred_signals("it stops soon") as check:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(runs.Stopped):
            check()


def test_work_returns_and_raises():
    assert runs.stoppable(lambda: 5, lambda: None) == 5
    with pytest.raises(TimeoutError, match="of the work"):
        runs.stoppable(fail, lambda: None)


def fail():
    raise TimeoutError("of the work")


class Compiled:
    """Work that ignores signals, like compiled code, until it is told to end."""

    def __init__(self):
        self.began, self.end, self.went_on = threading.Event(), threading.Event(), False
        self.ended = threading.Event()

    def __call__(self):
        try:
            self.began.set()
            self.end.wait(LONG)
            for _ in range(10):
                pass
            self.went_on = True
        finally:
            self.ended.set()


class Dropped:
    """An object whose destructor drops the first interruption."""

    def __init__(self, began):
        self.began = began

    def __del__(self):
        self.began.set()
        for _ in range(1000):
            time.sleep(0.01)


def test_an_interruption_that_python_drops_is_raised_again(monkeypatch):
    printed, began, ended = [], threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "unraisablehook", printed.append)

    def work():
        try:
            Dropped(began)
            while True:
                time.sleep(0.01)
        finally:
            ended.set()

    def stop():
        if began.is_set():
            raise runs.Stopped(15)

    with pytest.raises(runs.Stopped):
        runs.stoppable(work, stop)
    assert ended.is_set()
    assert printed == []


def test_work_that_answers_nothing_is_left(monkeypatch):
    exits = []
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(signals, "_PATIENCE", 0.0)
    monkeypatch.setattr(os, "_exit", exits.append)
    work = Compiled()

    def stop():
        if work.began.is_set():
            raise runs.Stopped(15)

    with pytest.raises(runs.Stopped):
        runs.stoppable(work, stop)
    assert not work.ended.is_set()
    runs.leave(143)
    assert exits == [143]
    work.end.set()
    work.ended.wait(LONG)
    assert not work.went_on
    for thread in signals._orphans:
        thread.join()
    assert runs.leave(143) == 143
    assert exits == [143]

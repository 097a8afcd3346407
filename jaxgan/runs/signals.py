"""Signals: training is saved before a process stops; work that can be done again is left."""

import contextvars
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")
Check = Callable[[], None]

_POLL = 0.1  # seconds between two looks at signals
_PATIENCE = 1.0  # seconds that work gets to end after it was interrupted
_AGAIN = 0.2  # seconds between two interruptions
_abandoned: list[threading.Thread] = []


class Stopped(Exception):
    """A signal asked the process to stop.

    Attributes:
      code: Exit code, 128 plus the signal's number: 143 for SIGTERM, 130 for Ctrl-C.
    """

    def __init__(self, signum: int):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.code = 128 + signum


@contextmanager
def deferred_signals() -> Iterator[Check]:
    """Hold SIGTERM and Ctrl-C back, so that the work can be saved first.

    Yields:
      ``check()``, which raises ``Stopped`` if a signal has come. A second Ctrl-C stops
      at once.
    """
    received: list[int] = []

    def handle(signum, frame):
        if received and signum == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(signum)

    def check():
        if received:
            raise Stopped(received[0])

    handled = (signal.SIGTERM, signal.SIGINT)
    try:
        previous = [signal.signal(signum, handle) for signum in handled]
    except ValueError:  # only the main thread may; a notebook's worker goes without
        yield check
        return
    try:
        yield check
    finally:
        for signum, handler in zip(handled, previous, strict=True):
            signal.signal(signum, handler)


def stoppable(work: Callable[[], Result], check: Check) -> Result:
    """Do work that can be done again, so that a signal ends it within seconds.

    It runs in another thread, since compiled code of SciPy or XLA, which may take minutes,
    lets no signal through. Where such code does not return soon, it is left behind; it
    cannot go on with anything once it returns, and ``leave`` ends it.

    Args:
      work: Writes nothing but whole files.
      check: Raises ``Stopped`` if a signal has come.

    Returns:
      What ``work`` returns.

    Raises:
      Stopped: By a signal. Whatever ``work`` raises is raised too.
    """
    result: Future[Result] = Future()
    context = contextvars.copy_context()

    def do():
        try:
            result.set_result(context.run(work))
        except BaseException as error:
            if not result.done():
                result.set_exception(error)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    try:
        while not wait([result], _POLL).done:
            check()
    except BaseException:
        _interrupt(thread)
        raise
    return result.result()


def _interrupt(thread: threading.Thread) -> None:
    """Raise ``SystemExit`` in a thread, at its next line of Python.

    Python drops, and prints, what comes up in a destructor or a callback; so it is raised
    again until the thread ends, and not printed.
    """
    usual, number = sys.unraisablehook, ctypes.c_ulong(thread.ident or 0)

    def silent(dropped):
        if not issubclass(dropped.exc_type, SystemExit):
            usual(dropped)

    sys.unraisablehook = silent
    _abandoned.append(thread)  # a second Ctrl-C may come at any line
    end = time.monotonic() + _PATIENCE
    while thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(SystemExit))
        thread.join(_AGAIN)
        if time.monotonic() > end and thread.is_alive():
            return  # the process ends, and so nothing is restored
    sys.unraisablehook = usual


def leave(code: int) -> int:
    """Return an exit code; end the process with it if work was left that still runs."""
    if any(thread.is_alive() for thread in _abandoned):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)  # an ordinary exit would wait for the threads of the work
    return code

"""Signals: save a training before the process stops; abandon work that can be repeated."""

import contextlib
import contextvars
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import TypeVar

Result = TypeVar("Result")
Check = Callable[[], None]

_POLL = 0.1  # seconds between two checks for signals
_PATIENCE = 1.0  # seconds in which interrupted work may end
_AGAIN = 0.2  # seconds between two interruptions
_orphans: list[threading.Thread] = []


class Stopped(Exception):
    """A signal asked the process to stop.

    Attributes:
      code: Exit code, 128 plus the signal's number: 143 for SIGTERM, 130 for Ctrl-C.
    """

    def __init__(self, signum: int):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.code = 128 + signum


@contextlib.contextmanager
def deferred_signals(answer: str = "") -> Iterator[Check]:
    """Defer SIGTERM and Ctrl-C, so that work can be saved first.

    Args:
      answer: A line to print to stderr when the first signal arrives.

    Yields:
      ``check()``, which raises ``Stopped`` if a signal has arrived. A second Ctrl-C stops
      immediately.

    Examples:
      >>> from jaxgan import runs
      >>> with runs.deferred_signals() as check:
      ...     for step in range(3):
      ...         check()  # a good place to stop
      ...     runs.stoppable(lambda: sum(range(10)), check)
      45
    """
    arrivals: list[int] = []

    def handle(signum, frame):
        if arrivals and signum == signal.SIGINT:
            raise KeyboardInterrupt
        is_first = not arrivals
        arrivals.append(signum)
        if answer and is_first:
            # Unbuffered, because the signal may have interrupted another line.
            with contextlib.suppress(OSError):  # nobody reads stderr any more
                os.write(2, f"{answer}\n".encode())

    def check():
        if arrivals:
            raise Stopped(arrivals[0])

    numbers = (signal.SIGTERM, signal.SIGINT)
    try:
        previous = [signal.signal(signum, handle) for signum in numbers]
    except ValueError:  # only the main thread may set handlers, not a notebook's worker
        yield check
        return
    try:
        yield check
    finally:
        for signum, handler in zip(numbers, previous, strict=True):
            signal.signal(signum, handler)


def stoppable(work: Callable[[], Result], check: Check) -> Result:
    """Do work that can be repeated, so that a signal ends it within seconds.

    The work runs in another thread, because compiled code of SciPy or XLA may take minutes
    and handles no signals. If such code does not return soon, its thread is abandoned: it
    does nothing more when the code returns, and ``leave`` ends it. ``deferred_signals`` has
    an example.

    Args:
      work: The work; it must write files atomically.
      check: Raises ``Stopped`` if a signal has arrived.

    Returns:
      The result of ``work``.

    Raises:
      Stopped: After a signal. Exceptions of ``work`` are raised, too.
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

    Python prints and drops exceptions in a destructor or a callback, so it is raised again
    until the thread ends, without printing.
    """
    usual, number = sys.unraisablehook, ctypes.c_ulong(thread.ident or 0)

    def silent(report):
        if not issubclass(report.exc_type, SystemExit):
            usual(report)

    sys.unraisablehook = silent
    _orphans.append(thread)  # a second Ctrl-C may come at any line
    end = time.monotonic() + _PATIENCE
    while thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(SystemExit))
        thread.join(_AGAIN)
        if time.monotonic() > end and thread.is_alive():
            return  # the process ends, so the hook need not be restored
    sys.unraisablehook = usual


def leave(code: int) -> int:
    """Return an exit code; if abandoned work still runs, end the process with the code.

    Call it last, as in ``sys.exit(leave(main()))``.
    """
    if any(thread.is_alive() for thread in _orphans):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)  # an ordinary exit would wait for the threads
    return code

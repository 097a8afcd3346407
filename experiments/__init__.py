"""The laboratories: one package per experiment, each run with ``python -m``."""

import signal
import sys
import time

START_TIME = time.monotonic()  # start of this process, to measure the time to the first step

# In a command (python -m), Ctrl-C during imports ends it like any other program: Python's
# own handler would print a traceback, or lose the signal in a callback.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

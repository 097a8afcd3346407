"""The laboratories: one readable module per system. Run them from the checkout."""

import signal
import sys
import time

STARTED = time.monotonic()  # when this process began, for the time to the first step

# In a command (python -m), Ctrl-C during the imports ends it like any other program: Python's
# own handler would print a traceback, or lose the signal in a callback.
if sys.argv[0] == "-m" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

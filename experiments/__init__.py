"""The laboratories: one readable module per system. Run them from the checkout."""

import time

STARTED = time.monotonic()  # when this process began, for the time to the first step

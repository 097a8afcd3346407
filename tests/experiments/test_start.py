"""What happens before a command has read its flags."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import signal, sys
sys.argv[0] = {argument!r}
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
import experiments
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.parametrize(("argument", "trace"), [("-m", False), ("a.py", True)])
def test_ctrl_c_during_the_imports_of_a_command_is_no_traceback(argument, trace):
    """And in a program that imports the laboratories, Python's own handler stays."""
    program = PROGRAM.format(argument=argument)
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert ("KeyboardInterrupt" in ended.stderr) == trace
    assert trace or (ended.returncode, ended.stderr) == (-2, "")

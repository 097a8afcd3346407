import platform
import subprocess
import sys

import pytest

CODE = """
import resource
from jaxgan import runtime

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if {keep}:
    runtime.keep_memory()
block = bytearray(64 << 20)
del block
before = faults()
block = bytearray(64 << 20)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept by glibc alone")
def test_kept_memory_is_not_fetched_again():
    def run(keep):
        code = CODE.format(keep=keep)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        return int(done.stdout)

    assert run(keep=True) < 100
    assert run(keep=False) > 1000


def test_setup_after_the_first_array_is_refused():
    code = "import jaxgan, jax; jax.devices(); jaxgan.setup()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "InputError: jaxgan.setup() must come before the first array" in done.stderr

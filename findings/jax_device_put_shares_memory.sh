#!/usr/bin/env bash
# jax.device_put(x, may_alias=False) of a numpy array is a copy or not, by the address of x.
#
# Versions: jax 0.10.2 with jaxlib 0.10.2, numpy 2.4.6, on a CPU. The documentation says that
# device_put returns a copy, that x is copied if may_alias is False, and that arrays of JAX do
# not change. Seen instead: if the memory of the numpy array begins at a multiple of 64 bytes,
# the result shares it, with may_alias=False too, so that a later change of the numpy array
# changes the JAX array. At any other address the result is a copy. numpy aligns to 16 bytes,
# so the same program does the one or the other by chance: a buffer that is filled anew for
# every batch is sometimes safe, and sometimes not. jax.numpy.asarray and jax.numpy.array
# copied at both addresses.
#
# Output seen:
#   0 bytes after a multiple of 64: device_put 2.0, may_alias=False 2.0, asarray 1.0, array 1.0
#   16 bytes after a multiple of 64: device_put 1.0, may_alias=False 1.0, asarray 1.0, array 1.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np

WAYS = {
    "device_put": jax.device_put,
    "may_alias=False": lambda x: jax.device_put(x, may_alias=False),
    "asarray": jnp.asarray,
    "array": jnp.array,
}


def ones(offset):
    """Make 1000 ones whose memory begins ``offset`` bytes after a multiple of 64."""
    memory = np.empty(4000 + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    numbers = memory[start : start + 4000].view(np.float32)
    numbers[:] = 1
    return numbers


def after_a_change(way, offset):
    """Place an array, change the numpy array, and return what the JAX array holds."""
    source = ones(offset)
    placed = way(source).block_until_ready()
    source[:] = 2
    return float(placed[0])


seen = {at: {name: after_a_change(way, at) for name, way in WAYS.items()} for at in (0, 16)}
for at, values in seen.items():
    words = ", ".join(f"{name} {value}" for name, value in values.items())
    print(f"{at} bytes after a multiple of 64: {words}")
copied = dict.fromkeys(WAYS, 1.0)
shared = dict.fromkeys(("device_put", "may_alias=False"), 2.0)
assert seen == {0: copied | shared, 16: copied}, "the behaviour has changed"
PYTHON

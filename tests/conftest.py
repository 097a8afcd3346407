import os
import tempfile
from pathlib import Path

import jax
import pytest

# Compiled programs are shared by the tests' processes, which inherit the environment.
CACHE = os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp())
jax.config.update("jax_compilation_cache_dir", CACHE)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_platforms", "cpu" if not jax.config.jax_platforms else None)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def key():
    return jax.random.key(0)


@pytest.fixture(params=["eager", "jit"])
def maybe_jit(request):
    return jax.jit if request.param == "jit" else lambda function: function


@pytest.fixture
def real_points():
    """Path of the reports' own point file, which is not part of the project."""
    path = SHARED / "data" / "points.mat"
    if not path.exists():
        pytest.skip(f"needs the reports' points.mat at {path}")
    return path

"""Helpers for quick tests, which spend most of their time on compilation.

JAX compiles a program for each shape of random numbers, so numpy draws arrays and weights.
"""

import contextlib
import functools
import os
import zlib
from dataclasses import replace

import jax
import numpy as np

SIMPLE_CODE = "--xla_cpu_use_fusion_emitters=false"  # a flag of XLA that conftest.py sets
# The environment of a process whose programs are compiled as for users.
AS_USERS = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",
    "XLA_FLAGS": os.environ.get("XLA_FLAGS", "").replace(SIMPLE_CODE, "").strip(),
}
# Compiles as for users, whatever conftest.py sets.
user_jit = functools.partial(
    jax.jit,
    compiler_options={
        "xla_backend_optimization_level": 3,
        "xla_llvm_disable_expensive_passes": False,
        "xla_cpu_use_fusion_emitters": True,
    },
)


@contextlib.contextmanager
def optimised():
    """Compile with optimisation, for tests that run programs for longer than they compile."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


def normal(*shape, seed=0):
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _filled(shapes, scale):
    """Normal numbers with deviation ``scale``, but variances are positive."""

    def draw(path, leaf):
        name = jax.tree_util.keystr(path)
        values = scale * normal(*leaf.shape, seed=zlib.crc32(name.encode()))
        return np.abs(values) + 0.5 if name.endswith("['var']") else values

    return jax.tree_util.tree_map_with_path(draw, shapes)


def variables(module, *args, scale=0.5, **options):
    """Variables of a linen module."""
    key = jax.random.key(0)
    return _filled(jax.eval_shape(lambda key: module.init(key, *args, **options), key), scale)


def state_of(gan, key, example, scale=0.1):
    """A state as at the start of training, but for the distribution of its weights."""
    shapes = jax.eval_shape(gan.init, key, example)

    def net(shapes):
        zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes.opt)
        stats = jax.tree_util.tree_map_with_path(
            lambda path, x: np.full(x.shape, path[-1].key == "var", x.dtype), shapes.stats
        )
        return replace(shapes, params=_filled(shapes.params, scale), stats=stats, opt=zeros)

    generator, critic = net(shapes.generator), net(shapes.critic)
    return replace(
        shapes,
        step=np.int32(0),
        key=key,
        generator=generator,
        critic=critic,
        average=generator.variables,
    )

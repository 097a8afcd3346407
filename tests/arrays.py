"""Random arrays of numpy: JAX compiles a program for each shape that it draws."""

import zlib

import jax
import numpy as np


def normal(*shape, seed=0):
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def variables(module, *args, scale=0.5, **options):
    """Variables of a linen module, normal with deviation ``scale``; variances are positive."""

    def draw(path, leaf):
        name = jax.tree_util.keystr(path)
        values = scale * normal(*leaf.shape, seed=zlib.crc32(name.encode()))
        return np.abs(values) + 0.5 if name.endswith("['var']") else values

    key = jax.random.key(0)
    shapes = jax.eval_shape(lambda key: module.init(key, *args, **options), key)
    return jax.tree_util.tree_map_with_path(draw, shapes)

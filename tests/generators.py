"""Generators small enough to work out by hand."""

import dataclasses

import jax.numpy as jnp

from jaxgan.convert.generator import Pretrained, Style
from tests.quick import normal

DIM, LAYERS, SIDE = 6, 4, 4


def styles(layers=LAYERS, dim=DIM, seed=1):
    """Two hidden matrices per layer, and one that leads to colours in every other layer."""
    found = []
    for layer in range(max(layers, 1)):
        for part in range(2):
            rows = normal(3 + part, dim, seed=seed + 10 * layer + part)
            found.append(Style(f"layer{layer}.{part}", layer, (layer + 1) * rows))
        if layer % 2:
            rows = normal(2, dim, seed=seed + 10 * layer + 5)
            found.append(Style(f"colours{layer}", layer, rows, to_rgb=True))
    return tuple(found)


def linear(layers=LAYERS, channels=3, scale=0.02, **changes):
    """Codes are ``z @ encode + shift``; an image is the sum of ``code @ paint`` over layers.

    Its images lie well inside [-1, 1] for codes of ordinary size.
    """
    params = {
        "encode": normal(DIM, DIM, seed=2),
        "shift": normal(1, DIM, seed=3),
        "paint": scale * normal(max(layers, 1), DIM, SIDE * SIDE * channels, seed=4),
    }

    def encode(params, z):
        return z @ params["encode"] + params["shift"]

    def synthesise(params, codes):
        wide = codes if layers else codes[:, None]
        pixels = jnp.einsum("nld,ldp->np", wide, params["paint"])
        return pixels.reshape(-1, SIDE, SIDE, channels)

    settings = {
        "flavour": "linear",
        "resolution": SIDE,
        "latent_dim": DIM,
        "num_layers": layers,
        "params": params,
        "encode": encode,
        "synthesise": synthesise,
        "styles": styles(layers),
    }
    return Pretrained(**settings | changes)


def movable(*settings, **changes):
    """The same, but two channels show how a transform moves the point ``(1, 0)``."""
    still = linear(*settings, **changes)

    def synthesise(params, codes, transforms):
        at = (transforms @ jnp.array([1.0, 0, 1]))[:, None, None]
        return still.synthesise(params, codes) + 0.1 * jnp.roll(at, 1, axis=3)

    return dataclasses.replace(still, synthesise=synthesise, transforms=True)


def line_of(error):
    """What an exception says, which is one line."""
    line = str(error.value)
    assert line
    assert "\n" not in line
    return line

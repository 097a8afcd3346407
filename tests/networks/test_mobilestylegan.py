"""Parts of the MobileStyleGAN."""

import jax
import numpy as np
from jax import lax

from jaxgan.networks.mobilestylegan import depthwise
from tests.quick import normal


def plain(x, taps):
    channels = x.shape[3]
    return lax.conv_general_dilated(
        x,
        taps[:, :, None],
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=channels,
    )


def test_a_depthwise_convolution_and_its_derivatives_are_those_of_lax(maybe_jit):
    x, taps, g = normal(2, 6, 5, 3, seed=0), normal(3, 3, 3, seed=1), normal(2, 6, 5, 3, seed=2)
    results = []
    for function in (depthwise, plain):
        y, back = jax.vjp(maybe_jit(function), x, taps)
        results.append((y, *back(g)))
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)  # sums in another order


def test_its_second_derivative(maybe_jit):
    x, taps = normal(1, 4, 4, 2, seed=0), normal(3, 3, 2, seed=1)

    def slope(function):
        return jax.grad(
            lambda x: (jax.grad(lambda x: (function(x, taps) ** 2).sum())(x) ** 2).sum()
        )

    mine, theirs = (maybe_jit(slope(function))(x) for function in (depthwise, plain))
    np.testing.assert_allclose(mine, theirs, rtol=1e-4)  # two sums of squares in another order

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.networks import convolution, layers
from jaxgan.networks.convolution import Geometry

# Those of the networks here, and odd ones: remainders, tall images, a stride above k.
CASES = {
    "dcgan": (Geometry((8, 8), 4, 2, 1), 3, 5),
    "dcgan, many channels": (Geometry((16, 16), 4, 2, 1), 5, 6),
    "dcgan, large": (Geometry((32, 32), 4, 2, 1), 5, 6),
    "whole image": (Geometry((4, 4), 4, 1, 0), 5, 1),
    "fashion": (Geometry((7, 7), 3, 1, 1), 5, 6),
    "fashion, one channel": (Geometry((9, 9), 3, 1, 1), 1, 6),
    "fashion, remainder": (Geometry((14, 14), 3, 2, 1), 5, 6),
    "tall": (Geometry((9, 6), 3, 2, 1), 5, 6),
    "stride above kernel": (Geometry((8, 8), 2, 3, 0), 5, 6),
    "last rows left out": (Geometry((10, 7), 3, 3, 0), 5, 6),
    "last rows left out, stride above kernel": (Geometry((9, 9), 2, 4, 0), 5, 6),
}


def arrays(geometry, inputs, outputs):
    """A large image, weights and a small image, random."""
    rng = np.random.default_rng(0)
    k = geometry.kernel
    shapes = (
        (2, *geometry.size, inputs),
        (k, k, inputs, outputs),
        (2, *geometry.small, outputs),
    )
    return [rng.standard_normal(shape, np.float32) for shape in shapes]


def by_taps(x, w, g, geometry):
    """The convolution of x and w, and the gradients of its product with g, in float64."""
    _, k, stride, p = geometry
    x = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0))).astype(np.float64)
    tops, lefts = (range(0, side - k + 1, stride) for side in x.shape[1:3])
    y, for_x, for_w = 0, np.zeros_like(x), np.zeros(w.shape)
    for i, j in np.ndindex(k, k):
        at = (slice(None), *np.ix_([i + top for top in tops], [j + left for left in lefts]))
        y = y + x[at] @ w[i, j]
        for_x[at] += g @ w[i, j].T
        for_w[i, j] = np.einsum("bhwi,bhwo->io", x[at], g)
    high, wide = geometry.size
    return y, for_x[:, p : p + high, p : p + wide], for_w


def plain(x, w, geometry):
    """The convolution as JAX has it."""
    p, s = geometry.padding, geometry.stride
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, w, (s, s), ((p, p), (p, p)), dimension_numbers=layout)


def close(ours, expected):
    # Sums of up to a few hundred products of unit normals, in another order.
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("case", CASES)
def test_every_form_of_the_three_maps_is_right(case, monkeypatch):
    """Forms for a CPU, for other platforms, and those that no geometry here selects."""
    geometry, inputs, outputs = CASES[case]
    args = arrays(geometry, inputs, outputs)

    def maps(x, w, g):
        return (
            convolution.correlate(x, w, geometry),
            convolution.spread(g, w, geometry),
            convolution.weigh(x, g, geometry),
        )

    def forms(x, w, g):
        y, for_w = plain(x, w, geometry), convolution._weigh_as_convolution(x, g, geometry)
        spreads = (convolution._subpixel, convolution._spread_by_sums)
        return [(y, form(g, w, geometry), for_w) for form in spreads]

    def traced(function):
        jax.clear_caches()  # JAX remembers what maps with their own derivatives were traced to
        return jax.make_jaxpr(function)(*args)

    here = traced(maps)
    with monkeypatch.context() as patch:
        patch.setattr(convolution, "on_cpu", lambda: False)
        there = traced(maps)
    jax.clear_caches()
    assert str(here) != str(there) or jax.default_backend() != "cpu"

    @jax.jit
    def every_form(*args):
        return *(jax.core.eval_jaxpr(j.jaxpr, j.consts, *args) for j in (here, there)), *forms(
            *args
        )

    expected = by_taps(*args, geometry)
    assert expected[0].shape == args[2].shape
    for form in every_form(*args):
        for ours, theirs in zip(form, expected, strict=True):
            close(ours, theirs)


@pytest.mark.parametrize("case", ["dcgan", "fashion, remainder", "whole image"])
def test_on_a_card_each_map_is_one_convolution_of_xla(case, device, as_on_card):
    """It is in NHWC, without any form for a CPU."""
    geometry, inputs, outputs = CASES[case]
    args = arrays(geometry, inputs, outputs)

    def maps(x, w, g):
        y, pull_back = jax.vjp(lambda x, w: convolution.correlate(x, w, geometry), x, w)
        return y, *pull_back(g)

    with jax.default_matmul_precision("highest"):
        placed = jax.device_put(args, device)
        lowered = as_on_card(lambda: jax.jit(maps).lower(*placed))
    text = lowered.as_text()
    assert text.count("stablehlo.convolution") == 3
    assert "dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]" in text
    assert not re.findall("dot_general|stablehlo.pad|concatenate|optimization_barrier", text)
    for ours, theirs in zip(lowered.compile()(*placed), by_taps(*args, geometry), strict=True):
        close(ours, theirs)


def slope(convolve, w, geometry):
    """Return the norm of a gradient, as in a gradient penalty, to be differentiated again."""

    def penalty(x, w):
        inner = jax.grad(lambda x: jnp.tanh(convolve(x, w, geometry)).sum())(x)
        return jnp.sqrt((inner**2).sum()) + (jnp.sin(convolve(x, w, geometry)) ** 2).mean()

    return penalty


def cases(quick, *slow):
    """The first case is enough for a quick run."""
    return pytest.mark.parametrize(
        "case", [quick, *(pytest.param(case, marks=pytest.mark.slow) for case in slow)]
    )


@cases("dcgan", "whole image", "fashion, remainder", "tall")
def test_second_derivatives_are_those_of_a_plain_convolution(case):
    """Also where lanes are mapped by ``vmap``, as an accelerator does it."""
    geometry, inputs, outputs = CASES[case]
    x, w, _ = arrays(geometry, inputs, outputs)
    gradient = jax.grad(slope(convolution.correlate, w, geometry), argnums=(0, 1))
    reference = jax.grad(slope(plain, w, geometry), argnums=(0, 1))
    lanes = np.stack([x, 2 * x]), np.stack([w, w + 1])
    mapped = jax.jit(jax.vmap(gradient))(*lanes)
    both = jax.jit(lambda x, w: (gradient(x, w), reference(x, w)))
    for lane in range(2):
        ours, expected = both(lanes[0][lane], lanes[1][lane])
        jax.tree.map(lambda a, b, lane=lane: close(a[lane], b), mapped, ours)
        # Relative to the largest: single entries are differences of large sums.
        for a, b in zip(ours, expected, strict=True):
            assert float(np.abs(a - b).max() / np.abs(b).max()) < 1e-5


@cases("fashion, remainder", "dcgan", "whole image")
def test_second_derivatives_by_finite_differences(case):
    geometry, inputs, outputs = CASES[case]
    with jax.enable_x64(True):
        x, w, _ = (x.astype(np.float64) for x in arrays(geometry, inputs, outputs))
        function = slope(convolution.correlate, w, geometry)
        value_and_gradient = jax.jit(jax.value_and_grad(function, argnums=1))
        direction = np.cos(np.arange(w.size)).reshape(w.shape)
        step = 1e-5
        _, gradient = value_and_gradient(x, w)
        (up, _), (down, _) = (value_and_gradient(x, w + d * direction) for d in (step, -step))
        # Central differences in float64: error about step^2 plus 1e-16 / step.
        expected = float((up - down) / (2 * step))
        assert float((np.asarray(gradient) * direction).sum()) == pytest.approx(
            expected, rel=1e-6
        )


def convolutions(function, *args):
    """Layouts of the convolutions that a compiled program runs."""
    text = jax.jit(function).lower(*args).compile().as_text()
    return re.findall(r" convolution\(.*dim_labels=(\S+?)[,\s]", text)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="how XLA compiles for a CPU")
@cases("dcgan", "dcgan, large", "fashion", "fashion, remainder", "last rows left out")
def test_in_a_loop_every_convolution_lies_as_the_fast_kernel_wants(case):
    """XLA's CPU backend has a fast kernel for one layout, which it makes outside loops only.

    Any other layout inside a loop runs naive loops, a hundred times slower.
    """
    geometry, inputs, outputs = CASES[case]
    x, w, _ = arrays(geometry, inputs, outputs)

    def loop(convolve):
        def body(w, _):
            gradient = jax.grad(lambda w: (convolve(x, w, geometry) ** 2).sum())(w)
            penalty = jax.grad(slope(convolve, w, geometry), argnums=1)(x, w)
            return w - 0.01 * gradient - 0.01 * penalty, None

        return lambda w: lax.scan(body, w, length=3)[0]

    assert set(convolutions(loop(convolution.correlate), w)) == {"b01f_01io->b01f"}
    assert set(convolutions(loop(plain), w)) != {"b01f_01io->b01f"}  # the test can fail


@pytest.mark.skipif(not layers.compiler_options(), reason="there are no options to give")
def test_with_the_compiler_options_no_convolution_goes_to_ynnpack():
    geometry = Geometry((32, 32), 4, 2, 1)  # as wide as DCGAN's: few channels it leaves alone
    x, w, _ = arrays(geometry, 64, 128)

    def train(w):
        def body(w, _):
            gradients = jax.grad(slope(convolution.correlate, w, geometry), argnums=(0, 1))(
                x, w
            )
            return w - 0.01 * gradients[1] - gradients[0].mean(), None

        return lax.scan(body, w, length=3)[0]

    def taken(options):
        text = jax.jit(train, compiler_options=options).lower(w).compile().as_text()
        return len(re.findall(r"= \S+ convolution\(%param", text))  # inside a fusion

    options = layers.compiler_options()
    assert taken(options) == 0
    if taken({}) == 0:
        pytest.skip("this version of XLA gives no convolution to YNNPACK anyway")

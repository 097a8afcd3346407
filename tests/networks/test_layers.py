import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.networks import convolution, layers
from jaxgan.networks.convolution import Geometry
from jaxgan.networks.layers import BatchNorm, Conv, ConvTranspose

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
FORMS = {
    convolution._subpixel: "spread",
    convolution._summed: "spread",
    convolution._weigh_as_convolution: "weigh",
}


def arrays(geometry, inputs, outputs):
    rng = np.random.default_rng(0)  # JAX's would compile a program for each shape
    k = geometry.kernel
    shapes = (
        (2, *geometry.size, inputs),
        (k, k, inputs, outputs),
        (2, *geometry.small, outputs),
    )
    return [jnp.asarray(rng.standard_normal(shape, np.float32)) for shape in shapes]


def plain(x, w, geometry):
    """The convolution as JAX has it."""
    p, s = geometry.padding, geometry.stride
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, w, (s, s), ((p, p), (p, p)), dimension_numbers=layout)


def close(found, expected):
    # Sums of up to a few hundred products of unit normals, in another order.
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize("case", CASES)
def test_the_three_maps_are_those_of_a_plain_convolution(case):
    geometry, inputs, outputs = CASES[case]
    x, w, g = arrays(geometry, inputs, outputs)
    y, back = jax.vjp(lambda x, w: plain(x, w, geometry), x, w)
    assert y.shape == g.shape
    close(convolution.correlate(x, w, geometry), y)
    for_x, for_w = back(g)
    close(convolution.spread(g, w, geometry), for_x)
    close(convolution.weigh(x, g, geometry), for_w)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_is_right_for_every_geometry(case, form):
    geometry, inputs, outputs = CASES[case]
    x, w, g = arrays(geometry, inputs, outputs)
    for_x, for_w = jax.vjp(lambda x, w: plain(x, w, geometry), x, w)[1](g)
    if FORMS[form] == "spread":
        close(form(g, w, geometry), for_x)
    else:
        close(form(x, g, geometry), for_w)


@pytest.mark.parametrize("case", CASES)
def test_other_platforms_compute_the_same(case, monkeypatch):
    geometry, inputs, outputs = CASES[case]
    x, w, g = arrays(geometry, inputs, outputs)
    here = [
        convolution.correlate(x, w, geometry),
        convolution.spread(g, w, geometry),
        convolution.weigh(x, g, geometry),
    ]
    monkeypatch.setattr(convolution, "on_cpu", lambda: False)
    there = [
        convolution.correlate(x, w, geometry),
        convolution.spread(g, w, geometry),
        convolution.weigh(x, g, geometry),
    ]
    jax.tree.map(close, here, there)


def slope(convolve, w, geometry):
    """A gradient penalty: the norm of a gradient, to be differentiated once more."""

    def penalty(x, w):
        inner = jax.grad(lambda x: jnp.tanh(convolve(x, w, geometry)).sum())(x)
        return jnp.sqrt((inner**2).sum()) + (jnp.sin(convolve(x, w, geometry)) ** 2).mean()

    return penalty


@pytest.mark.parametrize("case", ["dcgan", "whole image", "fashion, remainder", "tall"])
def test_second_derivatives_are_those_of_a_plain_convolution(case):
    geometry, inputs, outputs = CASES[case]
    x, w, _ = arrays(geometry, inputs, outputs)
    mine = jax.grad(slope(convolution.correlate, w, geometry), argnums=(0, 1))(x, w)
    theirs = jax.grad(slope(plain, w, geometry), argnums=(0, 1))(x, w)
    # Relative to the largest: single entries are differences of large sums.
    for a, b in zip(mine, theirs, strict=True):
        assert float(jnp.abs(a - b).max() / jnp.abs(b).max()) < 1e-5


@pytest.mark.parametrize("case", ["dcgan", "fashion, remainder", "whole image"])
def test_second_derivatives_by_finite_differences(case):
    geometry, inputs, outputs = CASES[case]
    with jax.enable_x64(True):
        x, w, _ = jax.tree.map(
            lambda x: x.astype(jnp.float64), arrays(geometry, inputs, outputs)
        )
        function = slope(convolution.correlate, w, geometry)
        direction = jnp.cos(jnp.arange(w.size, dtype=jnp.float64)).reshape(w.shape)
        step = 1e-5
        up, down = function(x, w + step * direction), function(x, w - step * direction)
        found = (jax.grad(function, argnums=1)(x, w) * direction).sum()
        # Central differences in float64: error about step^2 plus 1e-16 / step.
        assert float(found) == pytest.approx(float((up - down) / (2 * step)), rel=1e-6)


def convolutions(function, *args):
    """Layouts of the convolutions that a compiled program runs."""
    text = jax.jit(function).lower(*args).compile().as_text()
    return re.findall(r" convolution\(.*dim_labels=(\S+?)[,\s]", text)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="how XLA compiles for a CPU")
@pytest.mark.parametrize(
    "case", ["dcgan", "dcgan, large", "fashion", "fashion, remainder", "last rows left out"]
)
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


@pytest.mark.parametrize("reason", ["platform", "version", "XLA_FLAGS"])
def test_there_may_be_no_compiler_options(reason, monkeypatch):
    if reason == "platform":
        monkeypatch.setattr(layers, "on_cpu", lambda: False)
    elif reason == "version":
        monkeypatch.setattr(layers, "_OPTION", "xla_cpu_no_such_option")
    else:
        monkeypatch.setenv("XLA_FLAGS", f"--{layers._OPTION}=")
    assert layers.compiler_options() == {}


@pytest.mark.parametrize("on_cpu", [True, False])
def test_batch_means_are_exact_enough(on_cpu, key, monkeypatch):
    monkeypatch.setattr(layers, "on_cpu", lambda: on_cpu)
    x = 3 + jax.random.normal(key, (64, 32, 32, 5))
    compiled = jax.jit(layers._channel_means).lower(x).compile()
    expected = np.asarray(x, np.float64).mean((0, 1, 2), keepdims=True)
    np.testing.assert_allclose(compiled(x), expected, rtol=1e-5)
    assert (" dot(" in compiled.as_text() or "ynn_fusion" in compiled.as_text()) or not on_cpu


@pytest.mark.parametrize("case", ["dcgan", "fashion", "fashion, remainder", "whole image"])
def test_modules_follow_torch(case, key):
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    geometry, inputs, outputs = CASES[case]
    x, _, g = arrays(geometry, inputs, outputs)
    options = {"stride": geometry.stride, "padding": geometry.padding}

    def tensor(x):
        return torch.tensor(np.array(x)).permute(0, 3, 1, 2)

    conv = Conv(outputs, geometry.kernel, **options, use_bias=True)
    params = conv.init(key, x)
    params["params"]["bias"] += 0.5
    weight = torch.tensor(np.array(params["params"]["kernel"])).permute(3, 2, 0, 1)
    bias = torch.full((outputs,), 0.5)
    expected = torch.nn.functional.conv2d(tensor(x), weight, bias, **options)
    close(conv.apply(params, x), expected.permute(0, 2, 3, 1))

    transposed = ConvTranspose(inputs, geometry.kernel, **options)
    params = transposed.init(key, g)
    weight = torch.tensor(np.array(params["params"]["kernel"])).permute(3, 2, 0, 1)
    expected = torch.nn.functional.conv_transpose2d(tensor(g), weight, **options)
    close(transposed.apply(params, g), expected.permute(0, 2, 3, 1))


def test_batch_norm_follows_torch(key):
    torch = pytest.importorskip("torch", reason="needs torch as an oracle")
    module, twin = BatchNorm(), torch.nn.BatchNorm2d(3)
    x = 2 + 3 * jax.random.normal(key, (4, 5, 6, 3))
    variables = module.init(key, x, True)
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)  # init sees no data
    params = {
        "scale": variables["params"]["scale"] + 1,
        "bias": variables["params"]["bias"] - 1,
    }
    variables = variables | {"params": params}
    twin.weight.data += 1
    twin.bias.data -= 1
    for count in range(3):
        batch = x * (1 + count)
        y, moved = module.apply(variables, batch, True, mutable=["batch_stats"])
        variables = variables | moved
        expected = twin(torch.tensor(np.array(batch)).permute(0, 3, 1, 2))
        close(y, expected.detach().permute(0, 2, 3, 1))
    stats = variables["batch_stats"]
    close(stats["mean"].ravel(), twin.running_mean)
    np.testing.assert_allclose(stats["var"].ravel(), twin.running_var, rtol=1e-5)
    twin.eval()
    expected = twin(torch.tensor(np.array(x)).permute(0, 3, 1, 2)).detach()
    close(module.apply(variables, x, False), expected.permute(0, 2, 3, 1))


@pytest.mark.parametrize("case", ["dcgan", "fashion, remainder", "whole image"])
def test_lanes_may_be_mapped(case):
    """An accelerator maps lanes by ``vmap``, over weights and images alike."""
    geometry, inputs, outputs = CASES[case]
    x, w, _ = arrays(geometry, inputs, outputs)
    lanes = jnp.stack([x, 2 * x]), jnp.stack([w, w + 1])
    gradient = jax.grad(slope(convolution.correlate, w, geometry), argnums=(0, 1))
    together = jax.vmap(gradient)(*lanes)
    for lane in range(2):
        alone = gradient(lanes[0][lane], lanes[1][lane])
        jax.tree.map(lambda a, b, lane=lane: close(a[lane], b), together, alone)

import jax
import numpy as np
import pytest

from jaxgan.convert.transforms import placement
from jaxgan.networks.resampling import resampling, signals
from jaxgan.networks.stylegan3 import Layer, Synthesis
from tests.convert import stylegan3_files as plain
from tests.quick import normal, variables

# Float32 through a filtered layer, against float64.
CLOSE = 5e-6


def test_sizes_are_those_of_the_published_networks():
    """The names of NVlabs' layers at 1024 and at 256 pixels hold sizes."""
    large = [36, 36, 52, 52, 84, 148, 148, 276, 276, 532, 1044, 1044, 1044, 1024, 1024]
    small = [36, 36, 36, 52, 52, 84, 84, 148, 148, 148, 276, 276, 276, 256, 256]
    assert [band.size for band in signals(1024)] == large
    assert [band.size for band in signals(256)] == small


def test_bands_fill_the_image_in_the_last_layers():
    bands = signals(64)
    assert [band.cutoff for band in bands[-3:]] == [32, 32, 32]
    assert bands[0].cutoff == 2
    assert all(band.cutoff + band.half_width >= band.rate / 2 for band in bands)


def response(taps, x, y):
    """Response of a filter ``[T, T]`` at x and y periods per sample."""
    n = np.arange(len(taps)) - (len(taps) - 1) / 2
    wave = np.exp(-2j * np.pi * (x * n[None] + y * n[:, None]))
    return (taps * wave).sum().real


def test_radial_filters_treat_all_ways_alike():
    bands = signals(64)
    ways = [resampling(bands[10], bands[11], 1, radial=radial) for radial in (True, False)]
    radial, line = (way.down_filter for way in ways)
    cutoff = bands[11].cutoff / (2 * bands[11].rate)  # in periods per sample
    diagonal = cutoff / np.sqrt(2)
    places = (cutoff, 0), (diagonal, diagonal)
    along, across = (response(radial, *place) for place in places)
    assert along == pytest.approx(0.5, abs=0.05)
    assert across == pytest.approx(0.5, abs=0.05)
    along, across = (response(np.outer(line, line), *place) for place in places)
    assert along == pytest.approx(0.5, abs=0.05)
    assert across > 0.9


@pytest.mark.parametrize(
    ("layer", "kernel", "radial"),
    [(1, 3, False), (2, 3, False), (2, 1, True), (3, 1, False)],
    ids=["same rate", "twice the rate", "radial", "to the image"],
)
def test_a_layer_is_its_plain_form(layer, kernel, radial):
    rows, bands = plain.bands(), signals(plain.SIDE, layers=4, critical=1, margin=4)
    np.testing.assert_allclose(bands, rows)
    way = resampling(bands[layer - 1], bands[layer], kernel, radial=radial)
    network = Layer(2, kernel, way, clamp=0.5)
    x, code = normal(2, *[rows[layer - 1][3]] * 2, 3), normal(2, 5, seed=1)
    weights = variables(network, x, code)
    params = weights["params"]
    params["squares"] = np.square(params["kernel"]).sum(axis=(0, 1))
    weight = np.float64(params["kernel"]).transpose(3, 2, 0, 1)
    images = jax.jit(network.apply)(weights, x, code)
    for image, one, w in zip(images, x, np.float64(code), strict=True):
        style = w @ params["style"]["kernel"] + params["style"]["bias"]
        y = plain.convolved(one.transpose(2, 0, 1), weight, style, demodulate=True)
        y = y + params["bias"].reshape(-1, 1, 1)
        way = rows[layer - 1], rows[layer], kernel, radial
        expected = plain.nonlinear(y, *way, clamp=0.5)
        assert abs(expected - plain.nonlinear(y, *way)).max() > 0.01
        np.testing.assert_allclose(image, expected.transpose(1, 2, 0), atol=CLOSE)


def drawn(kernel, radial, *transforms):
    """Images of one code ``[T, H, W, 3]`` under each of the transforms."""
    bands = signals(32, layers=4, critical=1)
    ways = tuple(
        resampling(bands[max(i - 1, 0)], bands[i], kernel, radial=radial and i < 3)
        for i in range(4)
    )
    network = Synthesis((6, 6, 6, 6, 6), bands[0], ways, kernel)
    codes = np.repeat(normal(1, 6, 5, seed=2), len(transforms), axis=0)
    transforms = np.array(transforms, np.float32)
    weights = variables(network, codes, transforms)
    params = weights["params"]
    for i in range(4):
        squares = np.square(params[f"layer_{i}"]["kernel"]).sum(axis=(0, 1))
        params[f"layer_{i}"]["squares"] = squares
    params["input"]["frequencies"] *= 3
    params["input"]["placement"]["kernel"] *= 0
    params["input"]["placement"]["bias"][:] = 1, 0, 0, 0
    return np.asarray(jax.jit(network.apply)(weights, codes, transforms))


def test_a_turn_of_the_waves_turns_the_image():
    """The filters and 1x1 kernels of R are the same after a quarter turn."""
    image, turned = drawn(1, True, placement(), placement(90))
    assert abs(image - image[::-1]).max() > 0.1 * abs(image).max()
    np.testing.assert_allclose(turned, np.rot90(image), atol=1e-5 * abs(image).max())


def test_a_shift_of_the_waves_shifts_the_image():
    """Only what lies near the edge of the canvas comes from elsewhere."""
    right, down = 4, 2  # whole samples at all rates
    shift = placement(0, right / 32, down / 32)
    image, moved = drawn(3, False, placement(), shift)
    inner, same = moved[8:-8, 8:-8], image[8 - down : -8 - down, 8 - right : -8 - right]
    assert abs(inner - image[8:-8, 8:-8]).max() > 0.1 * abs(image).max()
    np.testing.assert_allclose(inner, same, atol=1e-3 * abs(image).max())


def test_placement_turns_first():
    at = placement(90, 0.25, 0) @ [0.25, 0, 1]  # the centre is drawn a quarter to the right
    np.testing.assert_allclose(at, [0, 0, 1], atol=1e-12)
    at = placement(90) @ [0, -0.5, 1]  # what was on the right is drawn on top
    np.testing.assert_allclose(at, [0.5, 0, 1], atol=1e-12)

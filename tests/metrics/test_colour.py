import colorsys

import numpy as np
import pytest

from jaxgan.metrics import colour as module
from jaxgan.metrics.colour import hue_entropy

PRIMARIES = 255 * np.array(
    [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], np.uint8
)


def flat(colours, size=4):
    """One image of one colour for each colour: ``[N, size, size, 3]``."""
    return np.tile(np.asarray(colours)[:, None, None], (1, size, size, 1))


def wheel(hues, chroma=1.0):
    """Colours of the given hues in degrees, at equal chroma: around a grey of 0."""
    angles = np.deg2rad(np.asarray(hues)[:, None] - [0, 120, 240])
    return 2 / 3 * np.asarray(chroma).reshape(-1, 1) * np.cos(angles)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, size=(40, 5, 6, 3), dtype=np.uint8)


def entropy_bits(weights):
    shares = np.array([w for w in weights if w]) / sum(weights)
    return -sum(p * np.log2(p) for p in shares)


def definition(images, bins):
    """Pixel by pixel, with the arc cosine for the hue and no plane."""

    def hue_and_chroma(pixel):
        r, g, b = (float(v) for v in pixel)
        chroma = np.sqrt(r * r + g * g + b * b - r * g - g * b - b * r)
        if not chroma:
            return 0, 0
        angle = np.arccos(np.clip((2 * r - g - b) / 2 / chroma, -1, 1))
        return (2 * np.pi - angle if b > g else angle), chroma

    def interval(hue):
        return int((hue / (2 * np.pi) * bins + 0.5) % bins)

    dominant, pooled = np.zeros(bins), np.zeros(bins)
    for image in images:
        total = 0
        for pixel in image.reshape(-1, 3):
            hue, chroma = hue_and_chroma(pixel)
            pooled[interval(hue)] += chroma
            total += chroma * np.exp(1j * hue)
        dominant[interval(np.angle(total) % (2 * np.pi))] += abs(total)
    return entropy_bits(dominant), entropy_bits(pooled)


@pytest.mark.parametrize("bins", [24, 36])
def test_it_equals_its_definition(images, bins):
    value = hue_entropy(images, bins)
    assert (value.images, value.pixels) == pytest.approx(
        definition(images, bins), rel=1e-9
    )  # float64


def test_hues_are_those_of_colorsys():
    """The hexagonal hue differs from the circular one by at most 1.2 degrees."""
    colours = np.random.default_rng(0).integers(0, 256, size=(500, 3), dtype=np.uint8)
    for colour in colours:
        hue = colorsys.rgb_to_hsv(*(colour / 255))[0] * 360
        if abs((hue + 15) % 30 - 15) < 13.5:  # clear of the edges of 12 bins
            histogram = module._histogram(colour[None].astype(float), 12)
            assert np.argmax(histogram) == round(hue / 30) % 12, colour


def test_one_hue_has_no_entropy():
    reds = flat([[255, 0, 0], [100, 0, 0], [255, 200, 200], [90, 80, 80], [50, 50, 50]])
    assert hue_entropy(reds) == (0, 0, 0, 0)


def test_red_is_inside_a_bin_and_on_no_edge():
    assert hue_entropy(flat(wheel([-7, -1, 1, 7]))) == (0, 0, 0, 0)
    assert hue_entropy(flat(wheel([-8, 8]))).images == pytest.approx(2 * 0.5)


def test_uniform_hues_have_the_most():
    bits = np.log2(6)
    assert hue_entropy(flat(PRIMARIES), 6) == pytest.approx((bits, 1, bits, 1))
    assert hue_entropy(flat(wheel(15 * np.arange(24)))) == pytest.approx(
        (np.log2(24), 1, np.log2(24), 1)
    )


def test_one_hue_per_image_and_all_hues_in_each_image_differ():
    rainbow = np.tile(PRIMARIES.reshape(1, 2, 3, 3), (5, 1, 1, 1))
    # opposite hues cancel: such images have no dominant hue
    assert hue_entropy(rainbow, 6) == pytest.approx((0, 0, np.log2(6), 1))
    tinted = np.concatenate([rainbow, flat([[200, 0, 0]], 3)[:, :2].repeat(5, axis=0)])
    assert hue_entropy(tinted, 6).images == 0
    assert hue_entropy(tinted, 6).pixels > 2


def test_a_generator_of_one_tint_has_less_than_one_of_many():
    rng = np.random.default_rng(0)
    grey = rng.normal(size=(300, 8, 8, 1))
    many = grey + flat(wheel(rng.uniform(0, 360, 300)), 8)
    one = grey + flat(wheel(rng.normal(200, 5, 300)), 8)
    assert hue_entropy(many).images_share > 0.95
    assert hue_entropy(one).images_share < 0.4


def test_chroma_is_the_weight():
    bits = entropy_bits([0.25, 0.75])
    value = hue_entropy(flat(wheel([0, 90], [1, 3])))
    assert (value.images, value.pixels) == pytest.approx((bits, bits))
    vivid = flat([[255, 0, 0], [0, 0, 255], [128, 129, 128]])
    assert hue_entropy(vivid).images == pytest.approx(1, abs=0.02)  # weight 1 in 511
    assert hue_entropy(vivid).images > 1


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grey_has_no_entropy(dtype):
    grey = np.random.default_rng(0).integers(0, 256, size=(5, 4, 4, 1)).astype(dtype)
    assert hue_entropy(grey.repeat(3, axis=3)) == (0, 0, 0, 0)


def test_shares_are_of_the_most_bits(images):
    value = hue_entropy(images, 12)
    assert value.images_share == pytest.approx(value.images / np.log2(12))
    assert value.pixels_share == pytest.approx(value.pixels / np.log2(12))
    assert value.images != value.pixels


def test_order_scale_and_grey_change_nothing(images):
    value = pytest.approx(hue_entropy(images), rel=1e-9)  # float64
    assert hue_entropy(images[::-1, ::-1]) == value
    assert hue_entropy(images / 127.5 - 1) == value
    # red to green to blue turns every hue by a third of the circle
    assert hue_entropy(np.roll(images, 1, axis=-1)) == value


def test_a_part_at_a_time_changes_nothing(images, monkeypatch):
    value = hue_entropy(images)
    monkeypatch.setattr(module, "_IMAGES", 7)
    assert hue_entropy(images) == pytest.approx(value, rel=1e-9)  # order of summation


@pytest.mark.parametrize("shape", [(4, 4, 3), (5, 4, 4, 1), (1, 4, 4, 3), (5, 0, 4, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"images must be \[N, H, W, 3\] with two"):
        hue_entropy(np.zeros(shape))


def test_bad_values_and_bins_are_refused(images):
    with pytest.raises(ValueError, match="images must be finite"):
        hue_entropy(images + np.nan)
    with pytest.raises(ValueError, match="need two bins or more, not 1"):
        hue_entropy(images, 1)

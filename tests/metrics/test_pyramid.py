import numpy as np
import pytest
from scipy import ndimage, special, stats

from jaxgan.metrics import pyramid as module
from jaxgan.metrics.pyramid import laplacian_sliced_wasserstein

FEW = {"patches": 8, "directions": 64}


def noise(seed, count=200, size=32, channels=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, size, size, channels)).astype(np.float32)


def smooth(seed, count=200, size=32):
    return ndimage.gaussian_filter(noise(seed, count, size), (0, 2, 2, 0), mode="wrap")


@pytest.mark.parametrize("shape", [(32, 32), (64, 64), (33, 46)])
def test_the_pyramid_equals_filtering_with_zeros_between(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    row = np.array([1, 4, 6, 4, 1]) / 16
    rest, expected = x.astype(float), []
    while min(rest.shape) >= 32:
        low = ndimage.convolve(rest, np.outer(row, row), mode="mirror")[::2, ::2]
        wide = np.zeros_like(rest)
        wide[::2, ::2] = low
        expected.append(rest - 4 * ndimage.convolve(wide, np.outer(row, row), mode="mirror"))
        rest = low
    levels = module._pyramid(x[None, None])
    assert len(levels) == len(expected) + 1
    for level, value in zip(levels, [*expected, rest], strict=True):
        np.testing.assert_allclose(level[0, 0], value, atol=1e-6)  # float32


def test_a_flat_image_has_no_detail():
    *details, rest = module._pyramid(np.full((1, 1, 64, 64), 3, np.float32))
    np.testing.assert_allclose(rest, 3, rtol=1e-6)  # float32
    for detail in details:
        np.testing.assert_allclose(detail, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "resolutions"),
    [((16, 16), [16]), ((28, 28), [28]), ((64, 64), [64, 32, 16]), ((89, 109), [89, 45, 23])],
)
def test_levels_halve_down_to_16(shape, resolutions):
    x = np.random.default_rng(0).normal(size=(4, *shape, 1))
    assert list(laplacian_sliced_wasserstein(x, x, patches=2, directions=2)) == resolutions


def test_flat_patches_have_a_closed_form():
    """Patches of one value v project to v times the sum of the direction's entries.

    That sum is 7 times one coordinate of a random unit vector in 49 dimensions, whose
    mean size is gamma(49/2) / (gamma(50/2) sqrt(pi)).
    """
    a = np.repeat([1.0, 3.0], 50)
    b = np.random.default_rng(0).exponential(size=100)
    x, y = (np.ones((100, 16, 16, 1)) * v.reshape(-1, 1, 1, 1) for v in (a, b))
    normalised = [(v - v.mean()) / v.std() for v in (a, b)]
    size = 7 * np.exp(special.gammaln(24.5) - special.gammaln(25)) / np.sqrt(np.pi)
    expected = size * stats.wasserstein_distance(*normalised)
    value = laplacian_sliced_wasserstein(x, y, patches=3, directions=4000)[16]
    # |coordinate| has a relative deviation of 0.76: 4000 lines leave 1.2 %, here four times
    assert value == pytest.approx(expected, rel=0.048)


def test_equal_distributions_are_close_and_different_ones_are_not():
    same, different = (
        laplacian_sliced_wasserstein(noise(0), y, patches=32, directions=64)
        for y in (noise(1), smooth(1))
    )
    for resolution in (32, 16):
        assert 0 < same[resolution] < 0.04
        # A line mixes 147 entries: the distances differ less than the images do.
        assert different[resolution] > 2 * same[resolution]


def test_only_the_level_that_differs_tells():
    """A checkerboard of one pixel is gone when the image is halved."""
    x, y = smooth(0), smooth(1)
    board = np.indices((32, 32)).sum(axis=0)[:, :, None] % 2 - 0.5
    plain = laplacian_sliced_wasserstein(x, y, **FEW)
    marked = laplacian_sliced_wasserstein(x, y + board, **FEW)
    assert marked[32] > 5 * plain[32]
    assert marked[16] == pytest.approx(plain[16], rel=1e-3)  # float32, and the border


def test_scale_and_origin_of_each_channel_are_unseen():
    x, y = smooth(0), noise(1)
    scaled = y * np.array([2, 0.1, 50], np.float32) + np.array([5, 0, -3], np.float32)
    value = laplacian_sliced_wasserstein(x, y, **FEW)
    assert laplacian_sliced_wasserstein(x, scaled, **FEW) == pytest.approx(value, rel=1e-3)


def test_uint8_equals_the_same_images_in_floats():
    x, y = (np.clip(128 + 40 * f, 0, 255).astype(np.uint8) for f in (noise(0), smooth(1)))
    value = laplacian_sliced_wasserstein(x, y, **FEW)
    floats = laplacian_sliced_wasserstein(x, y / 127.5 - 1, **FEW)
    assert floats == pytest.approx(value, rel=1e-4)  # float32


def test_the_larger_set_gives_a_random_part():
    """The first hundred images have no contrast; they are a quarter of a random part."""
    x, y = noise(0, 300), noise(1, 100)
    by_kind = np.concatenate([np.zeros_like(y), x])
    apart = laplacian_sliced_wasserstein(y, by_kind[:100], **FEW)[32]
    assert laplacian_sliced_wasserstein(x, y, **FEW)[32] < 0.2 * apart
    assert laplacian_sliced_wasserstein(y, by_kind, **FEW)[32] < 0.4 * apart


def test_the_seed_picks_everything_random():
    x, y = noise(0, 20), smooth(1, 20)
    values = [laplacian_sliced_wasserstein(x, y, **FEW, seed=s) for s in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    flat = [np.ones((20, 16, 16, 1)) * f[:, :1, :1, :1] for f in (x, y)]  # all patches alike
    by_lines = [laplacian_sliced_wasserstein(*flat, **FEW, seed=s) for s in (0, 1)]
    assert by_lines[0] != by_lines[1]


def test_patches_are_normalised_over_the_set():
    x = np.random.default_rng(0).normal(3, 2, size=(50, 3, 7, 7)).astype(np.float32)
    x[:, 2] = 5
    rows = module._normalised(x).reshape(50, 3, 49)
    np.testing.assert_allclose(rows.mean(axis=(0, 2)), 0, atol=1e-6)  # float32
    np.testing.assert_allclose(rows.std(axis=(0, 2)), [1, 1, 0], rtol=1e-6)


def test_patches_are_windows_from_everywhere():
    rows, columns = np.indices((16, 18)).astype(np.float32)
    images = np.stack([rows, columns], axis=-1)[None].repeat(500, axis=0)
    patches = module._descriptors(np.random.default_rng(0), images, 4)[16]
    down, right = np.moveaxis(patches.reshape(2000, 2, 7, 7), 1, 0)
    for ramp, axis, places in ((down, 1, 10), (right, 2, 12)):
        step = np.diff(ramp, axis=axis)
        np.testing.assert_allclose(step, step.mean(), rtol=1e-3)  # float32
        np.testing.assert_allclose(np.diff(ramp, axis=3 - axis), 0, atol=1e-6)
        first = np.rint((ramp[:, 0, 0] - ramp[:, 0, 0].min()) / step.mean())
        # 2000 draws: a place is missed with probability 1e-75, and none lies outside
        assert set(first) == set(range(places))
    assert len(patches) == 2000


def test_images_without_any_detail_are_equal():
    black, grey = (np.full((5, 32, 32, 3), v, np.uint8) for v in (0, 100))
    assert laplacian_sliced_wasserstein(black, grey, **FEW) == {32: 0, 16: 0}


GOOD = np.zeros((3, 16, 16, 3), np.uint8)


@pytest.mark.parametrize(
    ("real", "fake", "match"),
    [
        (GOOD[0], GOOD, r"real must be \[N, H, W, C\]"),
        (GOOD, GOOD[:1], "fake must be .* two images or more"),
        (GOOD[:, :15], GOOD[:, :15], "real must be .* of 16 pixels or more"),
        (GOOD, GOOD[..., :1], "images must have one size"),
        (GOOD, GOOD + np.nan, "fake must be finite"),
    ],
)
def test_bad_images_are_refused(real, fake, match):
    with pytest.raises(ValueError, match=match):
        laplacian_sliced_wasserstein(real, fake)


@pytest.mark.parametrize("name", ["patches", "directions"])
def test_no_patch_and_no_direction_is_refused(name):
    with pytest.raises(ValueError, match="one patch and one direction"):
        laplacian_sliced_wasserstein(GOOD, GOOD, **{name: 0})


def test_levels_are_differences_that_lead_back_to_the_image():
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 2), np.uint8)
    fine, middle, coarse = module.levels(images)
    assert [x.shape for x in (fine, middle, coarse)] == [(3, 2, n, n) for n in (64, 32, 16)]
    (_, up32), (_, up64) = module._resampling(32), module._resampling(64)
    half = middle + up32 @ coarse @ up32.T
    whole = np.moveaxis(fine + up64 @ half @ up64.T, 1, -1)
    np.testing.assert_allclose(whole, images, atol=1e-3)  # float32 of numbers up to 255
    assert abs(coarse.mean() - images.mean()) < 1

import numpy as np
import pytest
from PIL import Image

from jaxgan import metrics
from jaxgan.convert import zoo
from jaxgan.data import pixels
from jaxgan.errors import InputError
from jaxgan.metrics import frechet, images, kernels, neighbours


def flat(x):
    return x.reshape(len(x), -1).astype(float)


def drawn(*shape, seed=0, high=200):
    return np.random.default_rng(seed).integers(0, high, shape, np.uint8)


@pytest.fixture
def pair():
    return drawn(30, 2, 2, 3), drawn(20, 2, 2, 3, seed=1)


def written(folder, array):
    folder.mkdir()
    for number, image in enumerate(array):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return folder


def test_equal_sets_are_at_no_distance(pair):
    x, _ = pair
    # 1e-6 of variances of some 3,000: rounding of float64, under the root of eigenvalues
    assert metrics.fid(x, x, features=flat) == pytest.approx(0, abs=1e-6 * 3000)
    assert metrics.prdc(x, x, features=flat) == (1, 1, 1, 1)


def test_a_brighter_set_is_at_the_squared_length_of_the_difference(pair):
    x, _ = pair
    # The covariances are equal, so |m - n|^2 remains: 12 numbers differ by 10.
    assert metrics.fid(x, x + np.uint8(10), features=flat) == pytest.approx(1200, rel=1e-5)


def test_each_measure_is_that_of_the_features(pair):
    x, y = pair
    a, b = flat(x), flat(y)
    assert metrics.fid(x, y, features=flat) == frechet.frechet_distance(a, b)
    expected = kernels.kernel_distance(a, b, subsets=3, subset_size=9, seed=2)
    assert metrics.kid(x, y, subsets=3, subset_size=9, seed=2, features=flat) == expected
    assert metrics.prdc(x, y, k=3, features=flat) == neighbours.precision_recall(a, b, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_floats_are_the_bytes_that_they_stand_for(pair, dtype):
    x, y = pair
    scaled = (x / 127.5 - 1).astype(dtype)
    assert np.array_equal(pixels.to_uint8(scaled), x)
    assert metrics.fid(scaled, y, features=flat) == metrics.fid(x, y, features=flat)


def test_a_generator_may_go_a_little_beyond(pair):
    x, y = pair
    beyond = (x / 127.5 - 1) * 1.2
    clipped = np.clip(beyond, -1, 1)
    assert metrics.fid(beyond, y, features=flat) == metrics.fid(clipped, y, features=flat)


def test_grey_images_reach_the_features_as_they_are():
    shapes = []

    def features(x):
        shapes.append((x.shape, x.dtype))
        return flat(x)

    metrics.fid(drawn(5, 2, 3, 1), drawn(4, 2, 3, 1, seed=1), features=features)
    assert shapes == [((5, 2, 3, 1), np.uint8), ((4, 2, 3, 1), np.uint8)]


def test_a_folder_is_the_array_of_its_images(pair, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    x, y = pair
    expected = metrics.kid(x, y, features=flat)
    real, fake = written(tmp_path / "real", x), written(tmp_path / "fake", y)
    assert metrics.kid(real, y, features=flat) == expected  # the size of the array
    assert metrics.kid(x, str(fake), features=flat) == expected
    assert metrics.kid(real, fake, size=2, features=flat) == expected
    with pytest.raises(InputError, match="real is a folder or an archive: give size="):
        metrics.kid(real, fake, features=flat)
    with pytest.raises(InputError, match="no such path"):
        metrics.kid(tmp_path / "none", y, features=flat)
    (real / "damaged.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"real: 1 of 31 images cannot be read.*damaged\.png"):
        metrics.kid(real, y, features=flat)


def test_what_was_done_to_images_of_16_bits_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for number in range(3):
        levels = np.full((4, 4), 1000 * number + 900, np.uint16)  # of 12 bits
        Image.fromarray(levels).save(tmp_path / f"{number}.png")
    with pytest.warns(UserWarning, match="fake: 3 images .* up to 2900: 4095 becomes white"):
        metrics.kid(drawn(4, 4, 4, 3), tmp_path, features=flat)


GOOD = drawn(4, 2, 2, 3)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (GOOD[0], r"has shape \[2, 2, 3\]; images are \[N, H, W, 3\] or 1"),
        (GOOD.transpose(0, 3, 1, 2), r"has shape \[4, 3, 2, 2\]"),
        (GOOD[:0], r"has shape \[0, 2, 2, 3\]"),
        (GOOD.astype(int), "is int64; images are uint8, or floats"),
        (GOOD.astype(float), r"has a mean size of .*; floats are in \[-1, 1\]"),
        (GOOD / 255, "has no number below 0"),
        (np.where(GOOD > 100, np.nan, -1), "is not finite"),
    ],
    ids=["one image", "channels first", "none", "integers", "bytes", "from 0 to 1", "NaN"],
)
def test_what_is_no_set_of_images_is_refused(bad, words):
    for real, fake, name in ((bad, GOOD, "real"), (GOOD, bad, "fake")):
        with pytest.raises(InputError, match=f"{name} {words}"):
            metrics.fid(real, fake, features=flat)


def test_features_that_do_not_fit_are_refused(pair):
    with pytest.raises(ValueError, match=r"features of 30 images have shape \[30, 2, 2, 3\]"):
        metrics.fid(*pair, features=lambda x: x)
    with pytest.raises(ValueError, match=r"have shape \[29, 12\], not \[30, F\]"):
        metrics.fid(*pair, features=lambda x: flat(x)[1:])
    with pytest.raises(ValueError, match="two rows or more"):
        metrics.fid(GOOD[:1], GOOD, features=flat)


def test_weights_are_for_inception_only(pair, tmp_path):
    with pytest.raises(InputError, match="exclude each other"):
        metrics.fid(*pair, features=flat, weights=tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        metrics.fid(*pair, weights=tmp_path / "none.pth")


def test_weights_are_downloaded_where_none_are_passed(pair, monkeypatch):
    def inception(say):
        say("downloading")
        raise InputError("pip cannot download it")

    monkeypatch.setattr(zoo, "inception", inception)
    lines = []
    with pytest.raises(InputError, match="pip cannot download it"):
        metrics.fid(*pair, say=lines.append)
    assert lines == ["downloading"]


def test_the_network_is_built_once_and_takes_grey_images(pair, tmp_path, monkeypatch):
    calls = []

    def extractor(params, convention):
        calls.append((params, convention))
        return lambda x: flat(x)

    monkeypatch.setattr("jaxgan.networks.inception.extractor", extractor)
    monkeypatch.setattr("jaxgan.convert.inception.load", str)
    images._inception.cache_clear()
    grey = pair[0][..., :1]
    for _ in range(2):
        value = metrics.fid(grey, pair[1], weights=tmp_path, convention="pytorch")
    images._inception.cache_clear()
    assert calls == [(str(tmp_path), "pytorch")]
    assert value == metrics.fid(np.repeat(grey, 3, axis=3), pair[1], features=flat)

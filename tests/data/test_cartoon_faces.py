import numpy as np
import pytest

from jaxgan.data import cartoon_faces
from jaxgan.data.cartoon_faces import FACTORS, load, render, sample_factors
from jaxgan.errors import InputError


def plain(count=1, **changes):
    """A face that looks straight ahead from the middle, with some factors changed."""
    factors = {name: np.zeros(count) for name in FACTORS}
    return factors | {"hair_length": np.full(count, 0.4)} | changes


def ends(factors, name, size=64):
    """The same faces with one factor at its lowest and at its highest, as float."""
    count = len(factors[name])
    images = [
        render(factors | {name: np.full(count, end)}, size).astype(float)
        for end in FACTORS[name][:2]
    ]
    return images[0], images[1]


def corners(count, seed=0):
    """Factors that are all at one of their ends."""
    rng = np.random.default_rng(seed)
    return {name: rng.choice([f.low, f.high], count) for name, f in FACTORS.items()}


def test_factors_fill_their_ranges_independently():
    factors = sample_factors(4000, 1)
    assert list(factors) == list(FACTORS)
    for name, factor in FACTORS.items():
        values = factors[name]
        assert values.shape == (4000,)
        assert values.dtype == np.float32
        assert factor.low <= values.min() < factor.low + 0.01
        assert factor.high - 0.01 < values.max() <= factor.high
        assert (len(np.unique(values)) == 2) == factor.binary
        middle = (factor.low + factor.high) / 2
        # Four standard errors of the mean of a fair coin, the widest of them.
        assert abs(values.mean() - middle) < 4 * 0.5 * (factor.high - factor.low) / 4000**0.5
    correlation = np.corrcoef(np.stack(list(factors.values())))
    # Five standard errors for the largest of 105 pairs.
    assert np.abs(correlation - np.eye(len(FACTORS))).max() < 5 / 4000**0.5


def test_a_face_depends_on_the_seed_and_its_place_only():
    few, many = sample_factors(100, 3), sample_factors(1000, 3)
    other = sample_factors(100, 4)
    for name in FACTORS:
        np.testing.assert_array_equal(few[name], many[name][:100])
        assert (few[name] != other[name]).any()


def test_load_draws_what_its_factors_say():
    faces = load(5, 7, 32)
    assert faces.images.shape == (5, 32, 32, 3)
    assert faces.images.dtype == np.uint8
    np.testing.assert_array_equal(faces.images, load(8, 7, 32).images[:5])
    np.testing.assert_array_equal(faces.images, render(faces.factors, 32))
    np.testing.assert_array_equal(faces.factors["age"], sample_factors(5, 7)["age"])
    assert load(2).images.shape == (2, 64, 64, 3)


def test_images_use_their_range_and_differ():
    images = load(300).images
    assert images.min() < 40
    assert images.max() == 255
    assert images.std(axis=0).mean() > 35  # of a pixel over faces: they vary
    assert len(np.unique(images.reshape(300, -1), axis=0)) == 300


def test_images_are_what_they_were():
    """Guards the data set against change; numpy's rounding may move a value by one."""
    faces = load(3)
    first = [faces.factors[name][0] for name in ("hair_length", "skin", "turn", "shift_y")]
    np.testing.assert_allclose(first, [0.636962, 0.261612, -0.828702, 0.661967], rtol=1e-5)
    pixels = faces.images[:, [6, 30, 44, 60], [32, 24, 32, 40]]
    expected = [
        [[173, 82, 45], [139, 136, 142], [215, 144, 125], [157, 89, 114]],
        [[240, 218, 174], [228, 217, 204], [226, 171, 137], [67, 133, 106]],
        [[185, 175, 228], [125, 78, 55], [143, 92, 65], [226, 131, 78]],
    ]
    np.testing.assert_allclose(pixels.astype(int), expected, atol=1)


@pytest.mark.parametrize("size", [16, 37, 64, 256])
def test_a_face_is_the_same_alone_and_in_a_batch(size):
    mixed = {name: np.concatenate([v, corners(13)[name]]) for name, v in load(7)[1].items()}
    together = render(mixed, size)
    for i in range(20):
        alone = render({name: values[i : i + 1] for name, values in mixed.items()}, size)
        np.testing.assert_array_equal(alone[0], together[i])


def test_more_faces_than_are_drawn_at_once():
    factors = sample_factors(230)
    tail = {name: values[225:] for name, values in factors.items()}
    np.testing.assert_array_equal(render(factors)[225:], render(tail))


def test_sizes_show_the_same_picture():
    factors = sample_factors(20)
    fine, coarse = render(factors, 128).astype(float), render(factors, 64)
    shrunk = fine.reshape(20, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    # Edges are smoothed over one pixel of either size, so only they differ.
    assert np.abs(shrunk - coarse).mean() < 1.5


# Mean absolute difference between the ends of a factor, of 255, over the whole image of 64 x 64
# and over random other factors: at least this, two thirds of what it is. Features are small:
# 0.4, what the colour of the eyes makes, is 40 pixels that change by 42.
AMOUNT = {
    "hair_length": 16,
    "hair_colour": 17,
    "skin": 15,
    "turn": 9,
    "smile": 0.6,
    "mouth_open": 0.6,
    "glasses": 1.4,
    "age": 0.6,
    "background": 11,
    "shirt": 11,
    "eye_colour": 0.27,
    "fringe": 0.7,
    "head_width": 4,
    "shift_x": 10,
    "shift_y": 9,
}


@pytest.mark.parametrize("name", FACTORS)
def test_every_factor_is_visible_in_every_face(name):
    low, high = ends(sample_factors(64, 2), name)
    change = np.abs(low - high)
    assert change.mean() > AMOUNT[name]
    plainly = (change.max(axis=-1) > 12).sum(axis=(1, 2))
    if name != "fringe":  # the bald have none
        assert plainly.min() >= 25


# Rows and columns of a plain 64 x 64 face beyond which a factor changes nothing.
PLACE = {
    "smile": (36, 48, 23, 41),
    "mouth_open": (36, 48, 23, 41),
    "glasses": (23, 37, 14, 50),
    "eye_colour": (26, 33, 20, 44),
    "age": (16, 46, 16, 48),
    "fringe": (8, 30, 14, 50),
    "shirt": (52, 64, 0, 64),
    "hair_length": (4, 64, 8, 56),
    "turn": (4, 62, 4, 60),
}


@pytest.mark.parametrize("name", PLACE)
def test_a_factor_changes_its_place_only(name):
    top, bottom, left, right = PLACE[name]
    low, high = ends(plain(), name)
    change = (low != high)[0].any(axis=-1)
    assert change[top:bottom, left:right].sum() == change.sum() > 0


# Pixels (row, column) of a plain 64 x 64 face.
PIXELS = {
    "background": (3, 60),
    "hair_colour": (8, 32),
    "skin": (35, 24),
    "shirt": (62, 8),
}


@pytest.mark.parametrize("name", PIXELS)
def test_a_colour_is_of_its_own_pixels_only(name):
    low, high = ends(plain(), name)
    for other, (row, column) in PIXELS.items():
        change = np.abs(low - high)[0, row, column]
        assert (change.max() > 20) == (name == other)
        assert (change.max() == 0) == (name != other)


@pytest.mark.parametrize("name", [n for n, f in FACTORS.items() if not f.binary])
def test_a_small_step_of_a_factor_is_a_small_change(name):
    low, high, _, _ = FACTORS[name]
    start = sample_factors(1, 5)
    factors = {key: np.repeat(value, 101) for key, value in start.items()}
    factors["hair_length"] = np.full(101, 0.5)
    images = render(factors | {name: np.linspace(low, high, 101)}).astype(float)
    steps = np.abs(np.diff(images, axis=0)).mean(axis=(1, 2, 3))
    # Ten times the average would be a jump.
    assert 0 < steps.max() < 10 * steps.mean()


def test_hair_grows():
    """The pixels that take the colour of the hair, by its length."""
    low, high = ends(plain(12, hair_length=np.linspace(0, 1, 12)), "hair_colour")
    area = (np.abs(low - high).max(axis=-1) > 12).sum(axis=(1, 2))
    assert (np.diff(area) > 0).all()
    assert area[0] < 60  # the brows
    assert area[-1] > 900


def test_the_head_turns_to_its_side():
    """The pixels that glasses change move to the side where the face looks."""
    without, worn = ends(
        plain(3, turn=np.array([-1, 0, 1]), hair_length=np.zeros(3)), "glasses"
    )
    weight = np.abs(worn - without).sum(axis=(1, 3))
    middle = weight @ np.arange(64) / weight.sum(axis=1)
    assert abs(middle[1] - 31.5) < 0.5
    assert middle[0] < 31.5 - 4
    assert middle[2] > 31.5 + 4


def test_a_smile_lifts_the_corners_of_the_mouth():
    images = render(plain(3, smile=np.array([-1, 0, 1]), skin=np.full(3, 0.2))).astype(float)
    redness = (images[..., 0] - images[..., 1])[:, 34:48]
    row = np.arange(14)[None, :, None]

    def height(columns):
        weight = np.maximum(redness[:, :, columns] - 70, 0)
        return (weight * row).sum(axis=(1, 2)) / weight.sum(axis=(1, 2))

    corner, middle = height(slice(26, 28)), height(slice(31, 33))
    assert corner[0] > middle[0] + 1
    assert corner[2] < middle[2] - 1


BAD = [
    (lambda: load(0), "count is 0; it must be a whole number from 1 to 1000000"),
    (lambda: load(10**12), "count is 1000000000000"),
    (lambda: load(2.5), "count is 2.5"),  # pyright: ignore[reportArgumentType]
    (lambda: load(True), "count is True"),
    (lambda: load(1, -1), "seed is -1; it must be a whole number of 0 or more"),
    (lambda: load(1, 0, 15), "size is 15; it must be a whole number from 16 to 256"),
    (lambda: load(10**6, 0, 257), "size is 257"),
    (lambda: render(plain(), 64.0), "size is 64.0"),  # pyright: ignore[reportArgumentType]
    (lambda: render(plain(nose=[0])), "unknown factor 'nose'; choose from hair_length, hair"),
    (lambda: render({}), "no values of the factor 'hair_length', 'hair_colour'"),
    (lambda: render(plain(2, age=[0.5])), r"'age' has shape \[1\] and 'hair_length' \[2\]"),
    (lambda: render(plain(age=0.5)), r"'age' has shape \[\]"),
    (lambda: render(plain(age=[[0.5]])), r"'age' has shape \[1, 1\]"),
    (lambda: render(plain(0)), r"shape \[0\]"),
    (lambda: render(plain(age=[[1], [1, 2]])), "'age' is not an array"),
    (lambda: render(plain(age=["old"])), "'age' holds <U3, not real numbers"),
    (lambda: render(plain(age=[1j])), "complex128, not real"),
    (lambda: render(plain(2, age=[0, 1.5])), r"'age' is 1.5 at 1 .*; it must be 0 to 1"),
    (lambda: render(plain(turn=[-1.5])), "'turn' is -1.5 at 0 .*; it must be -1 to 1"),
    (lambda: render(plain(2, turn=[0, np.nan])), "'turn' is nan at 1"),
    (lambda: render(plain(skin=[np.inf])), "'skin' is inf"),
    (lambda: render(plain(glasses=[0.5])), "'glasses' is 0.5 at 0 .*; it must be 0 or 1"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_factors_may_be_lists_of_any_real_type():
    factors = {name: values.tolist() for name, values in plain(2).items()}
    expected = render(factors)
    np.testing.assert_array_equal(render(factors | {"glasses": [False, False]}), expected)
    np.testing.assert_array_equal(render(factors | {"turn": np.zeros(2, np.int8)}), expected)
    assert cartoon_faces.SIZES == (16, 256)

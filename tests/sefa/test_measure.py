import dataclasses

import numpy as np
import pytest

from jaxgan import sefa
from jaxgan.convert.generator import Style
from jaxgan.errors import InputError
from jaxgan.sefa import measure
from tests.generators import DIM, LAYERS, line_of, linear, normal

# Float32 differences of pixels below 1, and their roots of mean squares.
CLOSE = {"rtol": 1e-5}
ANGLES = 1e-5  # degrees: a cosine that is wrong by 1e-16 is an angle of 1e-6


def turned(*rows, seed=0):
    """Rows in another orthonormal basis."""
    rows = np.array(rows, float)
    basis = np.linalg.qr(normal(rows.shape[1], rows.shape[1], seed=seed).astype(float))[0]
    return rows @ basis


@pytest.mark.parametrize("degrees", [0, 1e-3, 30, 45, 60, 89.999, 90])
def test_planes_at_a_known_angle(degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y, z = np.eye(5)[:3]
    rows = turned(x, y, y, c * x + s * z)
    found = measure.principal_angles(rows[:2], rows[2:])
    np.testing.assert_allclose(found, [0, degrees], atol=ANGLES)
    found = measure.principal_angles(rows[2:], rows[:2])
    np.testing.assert_allclose(found, [0, degrees], atol=ANGLES)


def test_angles_rise_and_do_not_depend_on_the_basis():
    angles = np.radians([70, 20])
    x, y = np.eye(4)[:2], np.eye(4)[2:]
    rows = turned(*x, *(np.cos(angles)[:, None] * x + np.sin(angles)[:, None] * y))
    found = measure.principal_angles(rows[:2], rows[2:])
    np.testing.assert_allclose(found, [20, 70], atol=ANGLES)
    mixed = np.array([[1, 2], [-3, 40]]) @ rows[2:]
    np.testing.assert_allclose(measure.principal_angles(rows[:2], mixed), found, atol=ANGLES)


def test_spaces_of_other_sizes():
    rows = turned(*np.eye(6)[:3])
    np.testing.assert_allclose(measure.principal_angles(rows, rows[1:2]), [0], atol=ANGLES)
    outside = turned(*np.eye(6)[3:])
    found = measure.principal_angles(rows[:2], outside)
    np.testing.assert_allclose(found, [90, 90], atol=ANGLES)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (np.eye(3), np.eye(4), r"directions (3, 3) and (4, 4) do not match"),
        (np.eye(3)[0], np.eye(3), "do not match"),
        (np.eye(3), np.eye(3)[0], "do not match"),
        ([[1, 2, 3], [2, 4, 6]], np.eye(3), "linearly dependent"),
        (np.eye(3), np.zeros((1, 3)), "linearly dependent"),
    ],
)
def test_directions_that_have_no_angles(first, second, words):
    with pytest.raises(InputError) as error:
        measure.principal_angles(first, second)
    assert words in line_of(error)


def pattern(size, seed=0):
    """Pixels ``[1, 4, 4, 3]`` with that root of their mean square."""
    pixels = normal(1, 4, 4, 3, seed=seed)
    return size * pixels / np.sqrt(np.square(pixels).mean())


def along(places, *patterns):
    """Images ``[T, N, 4, 4, 3]``: each pattern times how far each step is."""
    places = np.array(places, np.float32)[:, None, None, None, None]
    return places * np.stack(patterns, axis=1)


@pytest.mark.parametrize("distances", [[-3, -1, 0, 1, 3], [0, 1], [-5, -4, 7]])
def test_an_even_path(distances):
    images = 0.1 + along(distances, pattern(0.02), pattern(0.01, seed=1))
    found = measure.effect(images, distances)
    np.testing.assert_allclose(found.change_per_unit, [0.02, 0.01], **CLOSE)
    np.testing.assert_allclose(found.smoothness, 1, **CLOSE)
    np.testing.assert_allclose(found.straightness, 1, **CLOSE)


def test_an_uneven_path():
    found = measure.effect(along([0, 1, 2, 6], pattern(0.05)), [0, 1, 2, 3])
    np.testing.assert_allclose(found.change_per_unit, [0.05 * 2], **CLOSE)
    np.testing.assert_allclose(found.smoothness, [2 / 4], **CLOSE)
    np.testing.assert_allclose(found.straightness, 1, **CLOSE)


def test_a_path_that_turns():
    there = np.stack([0 * pattern(0.1), pattern(0.1), 0 * pattern(0.1)])
    found = measure.effect(there, [0, 1, 2])
    np.testing.assert_allclose(found.change_per_unit, [0.1], **CLOSE)
    np.testing.assert_allclose(found.smoothness, [1], **CLOSE)
    np.testing.assert_array_equal(found.straightness, [0])
    first, second = np.zeros((2, 1, 4, 4, 3), np.float32)
    first[..., :2, :], second[..., 2:, :] = 0.3, 0.3  # at right angles
    found = measure.effect(np.stack([0 * first, first, first + second]), [0, 1, 2])
    np.testing.assert_allclose(found.straightness, [np.sqrt(0.5)], **CLOSE)


def test_images_that_stay_as_they_are():
    found = measure.effect(along([1, 1, 1], pattern(0.1)), [0, 1, 2])
    for numbers in found:
        np.testing.assert_array_equal(numbers, [0])


def test_pixels_beyond_the_range_are_not_seen():
    ones = np.ones((1, 4, 4, 3), np.float32)
    found = measure.effect(along([0, 0.5, 7], ones), [0, 1, 2])
    np.testing.assert_allclose(found.change_per_unit, [0.5], **CLOSE)
    found = measure.effect(along([-9, -1, 1, 3], ones), [0, 1, 2, 3])
    np.testing.assert_allclose(found.change_per_unit, [2 / 3], **CLOSE)


def change_of(generator, vector, layers):
    """Root mean square change of a linear generator's pixels by a unit step."""
    paint = generator.params["paint"].astype(float)
    chosen = layers if generator.num_layers else [0]
    return np.sqrt(np.square(sum(vector @ paint[layer] for layer in chosen)).mean())


@pytest.mark.parametrize("layers", [LAYERS, 0])
@pytest.mark.parametrize("scale", [1e-3, 0.02])
def test_image_units_of_a_linear_generator(layers, scale):
    generator = linear(layers, scale=scale)
    found = sefa.directions(generator, "0,2", k=3)
    # The codes are 0, so that no pixel leaves the range.
    codes = np.zeros((2, LAYERS, DIM) if layers else (2, DIM), np.float32)
    units = measure.image_units(generator, codes, found)
    expected = [measure.CHANGE / change_of(generator, v, (0, 2)) for v in found.vectors]
    assert units.shape == (3,)
    # One step of the secant rule is exact; where it is bounded, the next ones are.
    np.testing.assert_allclose(units, expected, rtol=1e-4)


def test_images_change_by_the_unit():
    generator = linear()
    found = sefa.directions(generator, "1-3", k=4)
    codes = generator.codes(normal(3, DIM))
    units = measure.image_units(generator, codes, found)
    still = np.asarray(generator.images(codes))
    for vector, unit in zip(found.vectors, units, strict=True):
        moved = generator.images(sefa.move(codes, vector, unit, found.layers[0]))
        change = np.sqrt(np.square(np.asarray(moved) - still).mean())
        # Codes here leave the range with a few pixels, which clipping hides.
        assert change == pytest.approx(measure.CHANGE, rel=0.05)


def test_a_direction_that_changes_nothing_has_no_unit():
    generator = linear()
    found = sefa.directions(generator, k=2)
    generator.params["paint"][:] = 0
    with pytest.raises(InputError) as error:
        measure.image_units(generator, generator.codes(normal(2, DIM)), found)
    assert "direction 1 changes the images by 0 at" in line_of(error)


@pytest.mark.parametrize("like", sefa.TOOLS)
@pytest.mark.parametrize("layers", ["all", "1-2"])
def test_shares_of_layers(like, layers):
    generator = linear()
    found = sefa.directions(generator, layers, k=DIM, like=like)
    shares = measure.layer_shares(generator, found)
    assert shares.shape == (DIM, LAYERS)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    rgb = {"last": 3, "first": 1}[found.to_rgb]
    expected = np.zeros((DIM, LAYERS))
    for style in generator.styles:
        if style.layer not in found.layers[0] or (style.to_rgb and style.layer != rgb):
            continue
        for row in style.weight.astype(float):
            row = row / np.linalg.norm(row) if found.normalisation == "unit" else row
            expected[:, style.layer] += (found.vectors.astype(float) @ row) ** 2
    if like != "jaxgan":
        # What the layers add up to is the eigenvalue; the vectors are rounded to float32.
        np.testing.assert_allclose(expected.sum(axis=1), found.values, rtol=1e-4)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected, rtol=1e-10)


def test_shares_of_planted_directions():
    x, y, z = np.eye(DIM, dtype=np.float32)[:3, None]
    styles = (
        Style("a", 0, np.concatenate([3 * x, y])),
        Style("b", 2, 3 * x),
        Style("c", 3, np.concatenate([np.sqrt(np.float32(3)) * y])),
    )
    generator = dataclasses.replace(linear(), styles=styles)
    found = sefa.directions(generator, k=3, normalisation="none")
    np.testing.assert_allclose(found.values, [18, 4, 0], atol=1e-6)
    shares = measure.layer_shares(generator, found)
    expected = [[0.5, 0, 0.5, 0], [0.25, 0, 0, 0.75]]
    np.testing.assert_allclose(shares[:2], expected, atol=1e-6)  # a root of 3, rounded
    np.testing.assert_array_equal(shares[2], 0)  # no layer has any part in it
    assert not (found.vectors[2] @ np.concatenate([x, y, z])[:2].T).any()


def test_without_layers_there_is_one_share():
    generator = linear(layers=0)
    shares = measure.layer_shares(generator, sefa.directions(generator, k=3))
    np.testing.assert_array_equal(shares, np.ones((3, 1)))

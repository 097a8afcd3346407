import numpy as np
import pytest

from jaxgan import sefa
from jaxgan.errors import InputError
from jaxgan.sefa import edit
from tests.generators import DIM, LAYERS, line_of, linear, normal

CODES = {"layers": normal(3, LAYERS, DIM), "latents": normal(3, DIM)}
VECTOR = normal(DIM, seed=8)


@pytest.mark.parametrize("layers", [(0,), (1, 3), (3, 1), (2, 2), tuple(range(LAYERS)), [0]])
@pytest.mark.parametrize("distance", [3.0, -0.5, 2])
def test_only_those_layers_move(layers, distance, maybe_jit):
    codes = CODES["layers"]
    move = maybe_jit(lambda codes, distance: sefa.move(codes, VECTOR, distance, layers))
    moved = move(codes, distance)
    assert (moved.shape, moved.dtype) == (codes.shape, codes.dtype)
    for layer in range(LAYERS):
        if layer in layers:
            expected = codes[:, layer] + np.float32(distance) * VECTOR
            np.testing.assert_allclose(moved[:, layer], expected, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(moved[:, layer], codes[:, layer])


@pytest.mark.parametrize("layers", [(), (5,)])
def test_latents_move_themselves(layers, maybe_jit):
    codes = CODES["latents"]
    moved = maybe_jit(lambda codes: sefa.move(codes, VECTOR, 3.0, layers))(codes)
    np.testing.assert_allclose(moved, codes + 3 * VECTOR, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("space", "layers"), [("layers", (1, 2)), ("latents", ())])
def test_no_distance_changes_no_bit(space, layers):
    moved = sefa.move(CODES[space], VECTOR, 0.0, layers)
    np.testing.assert_array_equal(moved, CODES[space])


@pytest.mark.parametrize(("space", "layers"), [("layers", (1, 2)), ("latents", ())])
def test_a_path_is_a_move_to_each_distance(space, layers):
    distances = np.array([-3, -1, 0, 0.5, 8])
    path = sefa.path(CODES[space], VECTOR, distances, layers)
    assert path.shape == (5, *CODES[space].shape)
    for codes, distance in zip(path, distances, strict=True):
        expected = sefa.move(CODES[space], VECTOR, distance, layers)
        # The same sums, which a compiler may round once less.
        np.testing.assert_allclose(codes, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(path[2], CODES[space])


@pytest.mark.parametrize(
    ("codes", "vector", "layers", "words"),
    [
        (CODES["layers"], VECTOR[:-1], (0,), r"shape [5] does not move codes of shape [3, 4"),
        (CODES["layers"], VECTOR[None], (0,), "a vector of shape [1, 6]"),
        (CODES["latents"], np.float32(1), (), "a vector of shape []"),
        (CODES["latents"][0], VECTOR, (), "codes of shape [6]"),
        (CODES["layers"][None], VECTOR, (0,), "codes of shape [1, 3, 4, 6]"),
        (CODES["layers"], VECTOR, (), "layers [] must be among 0 to 3"),
        (CODES["layers"], VECTOR, (LAYERS,), "layers [4] must be among 0 to 3"),
        (CODES["layers"], VECTOR, (0, -1), "layers [0, -1] must be among 0 to 3"),
    ],
)
@pytest.mark.parametrize("function", [sefa.move, sefa.path])
def test_what_does_not_move_is_refused(function, codes, vector, layers, words):
    distance = 1.0 if function is sefa.move else [1.0]
    with pytest.raises(InputError) as error:
        function(codes, vector, distance, layers)
    assert words in line_of(error)


OPTIONS = {"truncation": 0.4, "truncation_layers": 2}


def test_codes_of_every_space():
    generator, z = linear(), normal(3, DIM)
    codes = np.asarray(generator.codes(z))
    truncated = generator.codes(z, **OPTIONS)
    assert np.abs(truncated - codes).max() > 0.1
    np.testing.assert_array_equal(edit.as_codes(generator, z, "z"), codes)
    np.testing.assert_array_equal(edit.as_codes(generator, z, "z", **OPTIONS), truncated)
    w = codes[:, 0]
    np.testing.assert_array_equal(edit.as_codes(generator, w, "w"), codes)
    np.testing.assert_array_equal(edit.as_codes(generator, w, "w", **OPTIONS), truncated)
    np.testing.assert_array_equal(edit.as_codes(generator, w.tolist(), "w"), codes)
    # Codes of several layers are what somebody chose; they stay.
    np.testing.assert_array_equal(edit.as_codes(generator, codes, "w+", **OPTIONS), codes)


def test_a_generator_without_layers_has_latents_alone():
    generator, z = linear(layers=0), normal(3, DIM)
    found = edit.as_codes(generator, z, "z", **OPTIONS)
    np.testing.assert_array_equal(found, generator.codes(z))
    for space in ("w", "w+"):
        with pytest.raises(InputError) as error:
            edit.as_codes(generator, z, space)
        assert f"linear has no space {space}: its codes are latents, z" in line_of(error)


@pytest.mark.parametrize(
    ("array", "space", "words"),
    [
        (normal(3, DIM), "Z", "unknown space 'Z'; choose from z, w, w+"),
        (normal(3, DIM + 1), "z", "latents have shape [3, 7]"),
        (normal(3, LAYERS, DIM), "z", "latents have shape [3, 4, 6]"),
        (normal(3, DIM + 1), "w", "codes have shape [3, 4, 7]"),
        (normal(3, LAYERS, DIM), "w", "codes w have shape [3, 4, 6], not [N, D]"),
        (normal(DIM), "w", "codes w have shape [6]"),
        (normal(3, DIM), "w+", "codes have shape [3, 6]"),
        (normal(3, LAYERS - 1, DIM), "w+", "codes have shape [3, 3, 6]"),
        (np.full((1, DIM), np.nan), "z", "not all finite"),
        (np.full((1, DIM), np.nan), "w", "not all finite"),
        (np.full((1, LAYERS, DIM), np.inf), "w+", "not all finite"),
    ],
)
def test_arrays_that_are_no_codes(array, space, words):
    with pytest.raises(InputError) as error:
        edit.as_codes(linear(), array, space)
    assert words in line_of(error)


def test_mixed_codes_have_layers_of_both():
    codes, others = normal(2, LAYERS, DIM), normal(3, LAYERS, DIM, seed=9)
    mixed = np.asarray(edit.mix(codes, others, (1, 2)))
    assert mixed.shape == (2, 3, LAYERS, DIM)
    for r, c in np.ndindex(2, 3):
        np.testing.assert_array_equal(mixed[r, c, [1, 2]], others[c, [1, 2]])
        np.testing.assert_array_equal(mixed[r, c, [0, 3]], codes[r, [0, 3]])


@pytest.mark.parametrize(
    ("codes", "others", "layers", "words"),
    [
        (normal(2, DIM), normal(2, DIM), (0,), "do not mix with"),
        (normal(2, 4, DIM), normal(2, 3, DIM), (0,), "do not mix with"),
        (normal(2, 4, DIM), normal(2, 4, DIM), (4,), "layers [4] must be among 0 to 3"),
        (normal(2, 4, DIM), normal(2, 4, DIM), (), "layers [] must be"),
    ],
)
def test_what_does_not_mix(codes, others, layers, words):
    with pytest.raises(InputError) as error:
        edit.mix(codes, others, layers)
    assert words in line_of(error)

"""Files of codes, as tools save them."""

from pathlib import Path

import numpy as np
import pytest

from jaxgan import convert, sefa
from jaxgan.errors import InputError
from tests.generators import DIM, LAYERS, line_of, linear, normal

FILES = Path(__file__).parents[1] / "data" / "codes"
WIDE = normal(3, LAYERS, DIM)
SHAPES = f"w+ of shape [N, {LAYERS}, {DIM}] or w of shape [N, {DIM}]"


def write(folder, arrays):
    """Write an array as ``.npy``, and arrays by name as ``.npz``."""
    if isinstance(arrays, dict):
        np.savez(folder / "codes.npz", **arrays)
        return folder / "codes.npz"
    np.save(folder / "codes.npy", arrays)
    return folder / "codes.npy"


def read(path, space=None, layers=LAYERS, **options):
    """Codes, and what is said about them."""
    said = []
    return sefa.read_codes(linear(layers), path, space, said.append, **options), said


@pytest.mark.parametrize(
    ("arrays", "count"),
    [
        ({"w": WIDE[:1]}, 1),  # NVlabs' projector
        ({"w+": WIDE[0]}, 1),
        ({"a.jpg": WIDE[0], "b.jpg": WIDE[1:2]}, 2),
        (WIDE, 3),  # latents.npy of encoders
    ],
)
def test_codes_of_every_layer_are_taken_as_they_are(tmp_path, arrays, count):
    codes, said = read(write(tmp_path, arrays), truncation=0.5)
    np.testing.assert_array_equal(codes, WIDE[:count])
    assert said == []


@pytest.mark.parametrize("arrays", [{"w": WIDE[0]}, WIDE[0]])
def test_as_many_codes_as_layers_may_be_one_person(tmp_path, arrays):
    path = write(tmp_path, arrays)
    codes, (line,) = read(path)
    np.testing.assert_array_equal(codes, WIDE[:1])
    shape = f"its array [{LAYERS}, {DIM}] is read as w+ (people: 1)"
    assert line == f"{path}: {shape}; space=w reads it as w (people: {LAYERS})"
    codes, said = read(path, "w")
    np.testing.assert_array_equal(codes, np.repeat(WIDE[0][:, None], LAYERS, 1))
    assert said == []


def test_one_code_of_a_person_is_that_of_every_layer(tmp_path):
    code = normal(DIM)
    for array in (code, code[None]):
        codes, said = read(write(tmp_path, {"w": array}))
        np.testing.assert_array_equal(codes, np.broadcast_to(code, (1, LAYERS, DIM)))
        assert said == []


def test_an_array_without_a_name_may_be_latents(tmp_path):
    path, generator = write(tmp_path, normal(3, DIM)), linear()
    codes, (line,) = read(path)
    np.testing.assert_array_equal(codes, sefa.as_codes(generator, normal(3, DIM), "w"))
    assert "is read as w (people: 3); space=z reads it as z (people: 3)" in line
    codes, said = read(path, "z")
    np.testing.assert_array_equal(codes, generator.codes(normal(3, DIM)))
    assert said == []


def test_arrays_that_all_fit_two_spaces_are_said(tmp_path):
    path = write(tmp_path, {"ann": normal(2, DIM), "bob": normal(1, DIM)})
    codes, (line,) = read(path)
    assert len(codes) == 3
    two = "its 2 arrays are read as w (people: 3); space=z reads them as z (people: 3)"
    assert line == f"{path}: {two}"


@pytest.mark.parametrize("shape", [(3, DIM), (3, DIM, 1, 1)])
def test_latents_are_the_codes_of_a_generator_without_layers(tmp_path, shape):
    codes, said = read(write(tmp_path, normal(*shape)), layers=0)
    np.testing.assert_array_equal(codes, linear(0).codes(normal(*shape).reshape(3, DIM)))
    assert said == []


def test_weights_of_which_some_fit_are_no_codes(tmp_path):
    arrays = {f"layer{i}": normal(5, DIM + 1) for i in range(3)}
    with pytest.raises(
        InputError, match=r"not a file of codes: of its 5 arrays, 2 have the shape"
    ):
        read(write(tmp_path, arrays | {"a": normal(2, DIM), "b": normal(3, DIM)}))


def test_files_of_pytorch():
    codes, said = read(FILES / "latents.pt")
    np.testing.assert_array_equal(codes, WIDE)
    assert said == []
    codes, (line,) = read(FILES / "by_name.pt")
    assert line.endswith("by_name.pt: 2 of 3 arrays are codes w+")
    people = np.stack([normal(LAYERS, DIM), normal(LAYERS, DIM, seed=1)])
    np.testing.assert_array_equal(codes, people)
    codes, said = read(FILES / "projected_wplus.pt", truncation=0.5)
    np.testing.assert_array_equal(codes, people)
    codes, said = read(FILES / "projected.pt", truncation=0.5)
    np.testing.assert_array_equal(codes, np.broadcast_to(normal(DIM), (1, LAYERS, DIM)))
    assert said == []


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"w": normal(3, DIM + 1)}, f"holds no codes, {SHAPES}, but [3, {DIM + 1}]"),
        ({"w": WIDE[:, 1:]}, f"{SHAPES}, but [3, {LAYERS - 1}, {DIM}]"),
        ({"w+": normal(3, DIM)}, f"[N, {LAYERS}, {DIM}], but [3, {DIM}]"),
        (WIDE[..., 1:], f"{SHAPES} or z of shape [N, {DIM}], but [3, {LAYERS}, {DIM - 1}]"),
        (np.array(["a"]), "holds no codes: it has no array of numbers"),
        ({"w": np.zeros((0, DIM))}, "holds no codes: it has no array of numbers"),
        (np.array([{}]), "is not an .npy file of numbers"),
    ],
)
def test_files_without_codes(tmp_path, arrays, words):
    path = write(tmp_path, arrays)
    with pytest.raises(InputError) as error:
        read(path)
    assert words in line_of(error)
    assert line_of(error).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("codes.npy", None, "No such file"),
        ("codes.npy", b"", "is not an .npy file of numbers"),
        ("codes.npy", b"PK\3\4", "is not an .npy file"),
        ("codes.pt", None, "does not exist"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read(tmp_path / name)
    assert words in line_of(error)


def test_spaces_that_are_none(tmp_path):
    path = write(tmp_path, {"w": WIDE})
    with pytest.raises(InputError, match="unknown space 'x'; choose from z, w, w"):
        read(path, "x")
    with pytest.raises(InputError, match="linear has no space w: its codes are latents, z"):
        read(path, layers=0)


@pytest.mark.parametrize("name", ["projected_w", "w_single"])
def test_what_nvlabs_projector_saves(shared, name):
    path, said = shared(f"cases/codes/{name}.npz"), []
    generator = convert.load(shared("golden/nvlabs_stylegan2_ada_32.pkl"))
    with np.load(path) as arrays:
        expected = arrays["w"].reshape(1, *generator.code_shape[1:])
    codes = sefa.read_codes(generator, path, say=said.append, truncation=0.5)
    np.testing.assert_array_equal(codes, expected)
    assert len(said) == (name == "w_single")

"""Settings that a file does not show, and labels."""

import json

import numpy as np
import pytest

import jaxgan
from jaxgan.convert.options import Settings, label_rows, read_labels, read_settings
from jaxgan.errors import InputError
from tests.generators import DIM, linear
from tests.quick import normal


def test_settings_of_a_line_are_typed():
    settings = read_settings("final_tanh=true, width=3,gain=0.5 ,activation=relu,one=1")
    assert settings.get("final_tanh", False) is True
    assert settings.get("width", 1) == 3
    assert settings.get("gain", 1.0) == 0.5
    assert settings.get("activation", "tanh") == "relu"
    assert settings.get("one", 0.0) == 1.0
    assert settings.get("one", "text") == "1"
    assert settings.get("absent", 7) == 7
    settings.check("DCGAN")


@pytest.mark.parametrize("text", ["", "width", "=3", "a=1,,b=2"])
def test_a_line_without_a_value_is_refused(text):
    with pytest.raises(InputError, match="must be name=value"):
        read_settings(text)


TYPES = [(1, True), ("yes", False), ("3", 3), (True, 1), (True, "a")]


@pytest.mark.parametrize(("value", "default"), TYPES)
def test_a_setting_of_another_type_is_refused(value, default):
    with pytest.raises(InputError, match=f"name={value} must be of the type of {default!r}"):
        Settings({"name": value}).get("name", default)


def test_a_setting_that_nothing_reads_is_refused():
    settings = Settings({"final_tan": True})
    settings.get("final_tanh", False)
    with pytest.raises(
        InputError, match="the DCGAN has no setting final_tan; it reads final_tanh"
    ):
        settings.check("DCGAN")


def test_settings_of_a_training_run_are_read_wherever_they_are_nested(tmp_path):
    content = {"G_kwargs": {"z_dim": 5, "mapping_kwargs": {"num_layers": 2}}}
    content |= {"batch": 3, "conv_clamp": None, "D_kwargs": {"conv_clamp": 256, "z_dim": 7}}
    (tmp_path / "options.json").write_text(json.dumps(content))
    settings = read_settings(str(tmp_path / "options.json"))
    assert settings.get("z_dim", 512) == 5
    assert settings.get("mapping_num_layers", 8) == 2
    assert settings.get("num_layers", 14) == 14
    assert settings.get("conv_clamp", 256.0) == 0  # null
    settings.check("network")  # the others are those of the training run


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_a_file_of_no_settings_is_refused(content, tmp_path):
    (tmp_path / "options.json").write_bytes(content)
    with pytest.raises(
        InputError, match=r"options\.json (is not a readable|holds no settings)"
    ):
        read_settings(str(tmp_path / "options.json"))
    with pytest.raises(InputError, match=r"absent\.json: No such file or directory$"):
        read_settings(str(tmp_path / "absent.json"))


def test_labels_of_files(tmp_path):
    rows = normal(4, 3)
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "classes.txt").write_text("2\n0\n\n1\n")
    (tmp_path / "rows.csv").write_text("0,1\n0.5, 2\n")
    pairs = {"labels": [["a.png", 3], ["b.png", 1]]}
    (tmp_path / "dataset.json").write_text(json.dumps(pairs))
    np.testing.assert_array_equal(read_labels(tmp_path / "rows.npy"), rows)
    np.testing.assert_array_equal(read_labels(tmp_path / "classes.txt"), [2, 0, 1])
    np.testing.assert_array_equal(read_labels(tmp_path / "rows.csv"), [[0, 1], [0.5, 2]])
    np.testing.assert_array_equal(read_labels(tmp_path / "dataset.json"), [3, 1])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b""),
        ("a.txt", b"cat\n"),
        ("a.txt", b"1 2\n3\n"),
        ("a.npy", b"no array"),
        ("a.json", b"{}"),
        ("a.json", b'{"labels": [1]}'),
        ("a.json", b'{"labels": null}'),
    ],
)
def test_a_file_of_no_labels_is_refused(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} holds no labels"):
        read_labels(tmp_path / name)


def test_labels_become_rows():
    np.testing.assert_array_equal(label_rows(1, 3, "G"), [[0, 1, 0]])
    np.testing.assert_array_equal(label_rows([2, 0], 3, "G"), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(label_rows([[0.5, 1, 2]], 3, "G"), [[0.5, 1, 2]])


@pytest.mark.parametrize(
    "labels",
    [
        3,
        -1,
        0.5,
        [[1.0]],
        [],
        "cat",
        [[np.nan, 0, 0]],
        None,
        [["a", "b", "c"]],
        np.zeros((0, 3)),
    ],
)
def test_other_labels_are_refused(labels):
    with pytest.raises(InputError, match="a class from 0 to 2, or a row of 3 numbers"):
        label_rows(labels, 3, "G")


def conditional():
    def encode(params, z, labels):
        return z @ params["encode"] + labels @ params["shift"]

    plain = linear()
    params = plain.params | {"shift": normal(2, DIM, seed=3)}
    return linear(params=params, encode=encode, num_labels=2)


def test_latents_take_labels_in_turn():
    z, generator = normal(5, DIM), conditional()
    codes = generator.with_labels([0, 1, 1]).codes(z)
    expected = z @ generator.params["encode"] + generator.params["shift"][[0, 1, 1, 0, 1]]
    np.testing.assert_allclose(codes[:, 0], expected, rtol=1e-5, atol=1e-6)
    assert generator.with_labels(1).mean_code.shape == (DIM,)
    assert generator.with_labels(1).code_covariance.shape == (DIM, DIM)


def test_the_mean_code_is_of_all_labels():
    labels = np.repeat([0, 1], 5000)  # sorted, and more than the latents of the mean
    mean, mixed = (conditional().with_labels(some).mean_code for some in (labels, [0, 1]))
    np.testing.assert_allclose(mean, mixed, rtol=1e-4, atol=1e-4)


def test_a_conditional_generator_needs_labels_for_codes_only():
    generator = conditional()
    assert jaxgan.sefa.directions(generator, k=1).vectors.shape == (1, DIM)
    with pytest.raises(InputError, match="is conditional: choose a label from 0 to 1"):
        generator.codes(normal(5, DIM))
    with pytest.raises(InputError, match="takes no label"):
        linear().with_labels(0)


def test_opacity_is_laid_over_white():
    rgba = np.array([[0.5, -1, 1, 1], [0.5, -1, 1, -1], [0.5, -1, 1, 0]], np.float32)

    def synthesise(params, codes):
        return rgba[None, None]

    images = linear(synthesise=synthesise).images(normal(1, 4, DIM))
    expected = [[0.5, -1, 1], [1, 1, 1], [0.75, 0, 1]]
    np.testing.assert_allclose(images[0, 0], expected, atol=1e-6)

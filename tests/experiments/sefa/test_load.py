"""The generator of a run: which of a file, with which settings and labels."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.explore import server
from experiments.explore.__main__ import main as explore
from experiments.sefa import config as sefa_config
from experiments.sefa import run
from experiments.sefa.__main__ import main
from experiments.sefa.config import Config
from experiments.sefa.load import load
from jaxgan import convert, sefa
from jaxgan.errors import InputError
from tests.generators import DIM, line_of, linear, normal

ORIGIN = "generator g_ema, averaged over training; the file also holds g"
LABELS = 3


def conditional():
    """A label adds its row to the code."""
    plain, rows = linear(), 5 * normal(LABELS, DIM, seed=7)

    def encode(params, z, labels):
        return plain.encode(params, z) + labels @ rows

    return dataclasses.replace(plain, encode=encode, num_labels=LABELS, origin=ORIGIN), rows


@pytest.fixture
def asked(monkeypatch):
    """The arguments with which a generator for labels is loaded in place of a file."""
    calls = []

    def stand_in(path, say, *, weights, settings, label):
        calls.append((path, weights, settings, label))
        generator = conditional()[0]
        return generator if label is None else generator.with_labels(label)

    monkeypatch.setattr(convert, "load", stand_in)
    monkeypatch.setattr(server, "gradio", lambda: None)
    return calls


@pytest.mark.parametrize("command", [main, explore])
def test_flags_say_what_to_load(command, asked, tmp_path, capsys):
    settings = ("--checkpoint=file.pt", "--settings=final_tanh=true", "--weights=g")
    words = (*settings, "--label=2", "--dry_run", f"--out={tmp_path}")
    assert command(words) == 0
    ((path, weights, read, label),) = asked
    assert (path, weights, label) == ("file.pt", "g", 2)
    assert read.get("final_tanh", False) is True
    (shown,) = json.loads(capsys.readouterr().out).values()
    assert (shown["weights"], shown["settings"]) == ("g", "final_tanh=true")
    assert (shown["label"], shown["labels"]) == (2, None)


@pytest.mark.parametrize("command", [main, explore])
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "file.pt is conditional (linear): choose --label=0 to 2, or --labels=FILE"),
        (("--label=1", "--labels=x"), "--label and --labels exclude each other"),
        (("--label=3",), "a label of this linear is a class from 0 to 2"),
        (("--labels=none.txt",), "none.txt: No such file or directory"),
        (("--label=0", "--settings=tanh"), "settings 'tanh' must be name=value, or a .json"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(command, asked, flags, words, tmp_path, capsys):
    assert command(["--checkpoint=file.pt", *flags, f"--out={tmp_path / 'runs'}"]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert f"error: {words}" in errors
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_people_take_the_labels_of_a_file_in_turn(asked, tmp_path):
    file = tmp_path / "labels.txt"
    file.write_text("2\n0\n")
    config = Config("file.pt", labels=str(file), samples=5, truncation=1.0)
    codes = run.codes_of(config, load(config))
    z = jax.random.normal(jax.random.key(0), (5, DIM))
    expected = linear().codes(z) + conditional()[1][[2, 0, 2, 0, 2]][:, None]
    np.testing.assert_allclose(codes, expected, rtol=1e-5, atol=1e-5)


def test_codes_of_a_run_are_read_again_where_labels_stand_in_them(tmp_path):
    def encode(_, z, labels):
        return jnp.concatenate([z, labels], axis=1)

    generator = linear(0, encode=encode, z_dim=DIM - 2, num_labels=2).with_labels([1, 0])
    config = Config("file.pt", samples=3, steps=3, directions=1)
    run.run(config, tmp_path, generator)
    codes = sefa.read_codes(generator, tmp_path / "codes.npz")
    np.testing.assert_array_equal(codes, run.codes_of(config, generator))


def test_a_run_says_which_weights_it_has(asked, tmp_path):
    config = Config("file.pt", label=1, samples=1, steps=3, directions=1)
    generator = load(config)
    summary = run.run(config, tmp_path, generator)
    assert summary["origin"] == ORIGIN
    page = (tmp_path / "sefa.html").read_text()
    assert f'<dt>weights</dt><dd dir="auto">{ORIGIN}</dd>' in page
    assert "--label=1" in sefa_config.command_of(config)
    run.run(config, tmp_path, generator)
    with pytest.raises(InputError, match="was made with label=1, not 2"):
        run.run(dataclasses.replace(config, label=2), tmp_path, generator)


def test_other_settings_in_a_file_are_another_run(tmp_path):
    file, directions = tmp_path / "settings.json", sefa.directions(linear(), k=1)
    config, identities = Config("x", settings=str(file)), []
    for text in ("{}", '{"final_tanh": true}'):
        file.write_text(text)
        identities.append(run.settings(config, linear(), directions, normal(1, DIM)))
    assert identities[0] != identities[1]


def test_real_files(shared, tmp_path, capsys):
    file = shared("cases/averaged/two_netG_netG_ema.pt")
    usual, other = load(Config(str(file))), load(Config(str(file), weights="netG"))
    assert usual.origin.startswith("generator netG_ema, averaged over training")
    assert other.origin == "generator netG; the file also holds netG_ema"
    assert f"{file}: {other.origin}\n" in capsys.readouterr().err
    assert usual.fingerprint != other.fingerprint
    with pytest.raises(InputError) as error:
        load(Config(str(shared("cases/nvlabs/ada_conditional.pkl"))))
    assert "(NVlabs StyleGAN2): choose --label=0 to 6, or --labels=FILE" in line_of(error)

"""Flags, and runs that cannot be read: one line each, and nothing is written."""

import json
import shutil
from dataclasses import fields

import numpy as np
import pytest

from experiments.generate.__main__ import main
from experiments.generate.config import Config, command_of, default_name, with_values
from jaxgan.export import folder
from tests.exported_generators import KINDS


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "which run or generator? Give a run's folder, a file or a name"),
        (("x", "y"), "unexpected argument 'y'; flags are --name=value"),
        (("x", "--walk", "--mix"), "--walk and --mix exclude each other"),
        (("x", "--count=0"), "--count=0: must be from 1 to 10000000"),
        (("x", "--walk", "--count=3"), "--count has no meaning with --walk"),
        (("x", "--fps=10"), "--fps has no meaning without --walk"),
        (("x", "--mix_layers=coarse"), "--mix_layers has no meaning without --mix"),
        (("x", "--walk=0"), "--walk=0: must be from 0.1 to 600 seconds"),
        (("x", "--walk", "--stops=1"), "--stops=1: must be 2 or more"),
        (("x", "--mix=4"), "--mix=4: must be rows x columns"),
        (("x", "--mix=0x5"), "--mix=0x5: must be rows x columns"),
        (("x", "--neighbours=0"), "--neighbours=0: must be from 1 to 100"),
        (("x", "--seed=-1"), "--seed=-1: must be from 0 to 2147483647"),
        (("x", "--truncation=nan"), "--truncation=nan: must be a finite number"),
        (("x", "--label=1", "--labels=y"), "--label and --labels exclude each other"),
        (("x", "--batch_size=0"), "--batch_size=0: must be from 1 to 4096"),
        (("x", "--name=y"), "--name has no meaning here"),
        (("x", "--out=a\n"), "--out='a\\n' must be the name of a folder, an .npz or a .png"),
        (("missing.pt",), "missing.pt does not exist"),
    ],
)
def test_bad_flags_are_one_line(flags, words, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(flags) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith(f"generate: error: {words}")
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_flags_may_have_no_value():
    assert with_values(["--walk", "x", "--mix=2x2", "--neighbours"]) == [
        *("--walk=10.0", "x", "--mix=2x2", "--neighbours=10")
    ]
    assert with_values(["x", "--walk", "2.5"]) == ["x", "--walk=2.5"]
    assert with_values(["--mix", "3x5", "x"]) == ["--mix=3x5", "x"]
    assert with_values(["--walk", "20"]) == ["--walk=10.0", "20"]  # a run of that name
    assert with_values(["--walk", "x"]) == ["--walk=10.0", "x"]


def test_outputs_of_other_settings_have_other_names():
    changes = {
        "count": 1000,
        "seed": 1,
        "truncation": 0.5,
        "weights": "raw",
        "lane": 1,
        "epoch": 3,
        "label": (1, 2),
        "labels": "a/b.npy",
        "settings": "a=1",
        "walk": 20.0,
        "stops": 5,
        "fps": 10,
        "mix": "3x5",
        "mix_layers": "0-3,6",
        "neighbours": 20,
        "nearest": 3,
        "data": "a/photos",
        "inception": "a/weights.pt",
    }
    assert changes.keys() == {x.name for x in fields(Config)} - {"run", "batch_size"}
    names = [default_name(Config("x", **{name: x})) for name, x in changes.items()]
    names += [default_name(Config("x", **x)) for x in ({}, {"walk": 10.0}, {"mix": "4x6"})]
    assert len(set(names)) == len(names)
    assert not any("/" in name for name in names)
    assert default_name(Config("x", walk=10.0)) == "walk"
    assert default_name(Config("x", count=7, label=(1, 2))) == "samples-count7-label1+2"


def test_a_suggested_command_is_on_the_same_generator():
    config = Config("a b", lane=1, epoch=2, weights="raw", truncation=0.5, count=9, seed=3)
    assert command_of(config, "--neighbours") == (
        "python -m experiments.generate 'a b' --truncation=0.5 --weights=raw --lane=1 "
        "--epoch=2 --neighbours"
    )
    labelled = Config("x", label=(1, 2), settings="a=1;b")
    assert command_of(labelled).endswith(" x --label=1,2 --settings='a=1;b'")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--lane=2",), "--lane=2: the lanes of {run} are 0 to 1"),
        (("--lane=-1",), "--lane=-1: the lanes of {run} are 0 to 1"),
        (
            ("--epoch=7",),
            "{run} has no checkpoint of epoch 7 that can be read; those kept: 1, 2",
        ),
        (("--weights=best",), "--weights=best: of a run must be average or raw"),
        (("--settings=final_tanh=true",), "--settings has no meaning for a run"),
        (("--label=1",), "the jaxgan least takes no label"),
        (("--count=70000", "--out=a.png"), "--count=70000: a grid has room for 65536 images"),
    ],
)
def test_what_a_run_does_not_have(flags, words, image_run, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([str(image_run), *flags]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"generate: error: {words.format(run=image_run)}")
    assert errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--walk",), "--walk is for generators of images, and this one makes points"),
        (("--mix",), "--mix is for generators of images"),
        (("--neighbours",), "--neighbours is for generators of images"),
        (("--truncation=0.5",), "--truncation: a generator of points has no codes w"),
        (("--label=1",), "--label: a generator of points takes no label"),
    ],
)
def test_what_points_do_not_have(flags, words, point_run_of, tmp_path, capsys):
    assert main([str(point_run_of[0]), *flags, f"--out={tmp_path / 'x'}"]) == 2
    assert capsys.readouterr().err.startswith(f"generate: error: {words}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "does not hold the settings of a run of jaxgan"),
        ("[" * 10**5, "does not hold the settings of a run of jaxgan"),
        (" " * 2**25, "does not hold the settings of a run of jaxgan"),
        ("[]", "is a folder without a generator.npz"),
        ('{"settings": []}', "is a folder without a generator.npz"),
        ('{"model_type": "bert"}', "is a folder without a generator.npz"),
        ('{"settings": {"model": "dcgan"}}', "does not hold the settings of a run of jaxgan"),
        ('{"settings": {"programs": ["a", "b"]}}', "holds several runs; choose one of"),
        ('{"settings": {"own": 1}}', "is a folder without a generator.npz"),
    ],
)
def test_folders_that_are_no_run(content, words, tmp_path, capsys):
    (tmp_path / "config.json").write_text(content)
    assert main([str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("name", ["latent_dim", "seeds", "width", "model", "learning_rate"])
@pytest.mark.parametrize("value", [None, -3, "x", [1], {}])
def test_settings_of_any_kind_are_refused_in_one_line(name, value, image_run, tmp_path, capsys):
    run = shutil.copytree(image_run, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config["settings"][name] = value
    (run / "config.json").write_text(json.dumps(config))
    code = main([str(run), "--lane=1", f"--out={tmp_path / 'x.npz'}", "--count=1"])
    errors = capsys.readouterr().err
    # A learning rate is no setting of the generator, so some others of it are no harm.
    assert code == 2 or name == "learning_rate"
    assert errors.count("\n") == 1 or code == 0


@pytest.mark.parametrize("name", ["latent_dim", "seeds", "size", "width"])
def test_settings_of_any_size_are_refused(name, image_run, tmp_path, capsys):
    run = shutil.copytree(image_run, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config["settings"][name] = 10**9
    (run / "config.json").write_text(json.dumps(config))
    assert main([str(run), "--lane=1", f"--out={tmp_path / 'x.npz'}", "--count=1"]) == 2
    assert "does not hold the settings of a run of jaxgan" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, b"{", b"[]", b"{}", b'{"model": "gone"}'])
def test_a_damaged_generator_is_one_line(text, image_run, tmp_path, capsys):
    run = shutil.copytree(image_run, tmp_path / "run")
    arrays = {} if text is None else {"settings": np.frombuffer(text, np.uint8)}
    np.savez(run / "generator.npz", other=np.zeros(1), **arrays)
    assert main([str(run), "--lane=1", f"--out={tmp_path / 'x.npz'}"]) == 2
    errors = capsys.readouterr().err
    assert "generator.npz is not a generator that jaxgan wrote" in errors
    assert errors.count("\n") == 1


def test_an_export_is_opened_and_its_samples_are_elsewhere(tmp_path, monkeypatch, capsys):
    pytest.importorskip("safetensors", reason="needs the export extra")
    monkeypatch.chdir(tmp_path)
    folder.write(KINDS["dense"](), tmp_path / "e", folder.Story("x"), ["safetensors"])
    before = sorted((tmp_path / "e").rglob("*"))
    assert main(["e", "--count=2"]) == 0
    (place,) = capsys.readouterr().out.splitlines()
    assert place.startswith("runs/generate/e-samples")
    assert len(list((tmp_path / place).glob("*.png"))) == 2
    assert sorted((tmp_path / "e").rglob("*")) == before

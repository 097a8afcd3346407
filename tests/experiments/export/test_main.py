"""The command, on generators as runs leave them."""

import json
import signal
from types import SimpleNamespace

import pytest

from experiments.common import ending
from experiments.export.__main__ import main
from jaxgan import convert
from jaxgan.convert import clouds, exported
from jaxgan.export import folder
from tests.exported_generators import cloud

pytest.importorskip("safetensors", reason="needs the export extra")


@pytest.fixture
def run(tmp_path):
    """A run of points, as the laboratory leaves it."""
    folder = tmp_path / "run"
    folder.mkdir()
    clouds.save(folder / clouds.FILE, cloud())
    (folder / "metrics.jsonl").write_text("")
    (folder / "config.json").write_text(json.dumps({"settings": {"variant": "wgan_gp"}}))
    (folder / "summary.json").write_text(json.dumps({"cells": [{"by_seed": {"w1": [2.5]}}]}))
    return folder


def test_a_run_is_exported_with_its_settings_and_measures(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([str(run), f"--out={out}", "--formats=safetensors"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    text = (out / "README.md").read_text()
    assert "# run" in text.splitlines()
    assert "| variant | wgan\\_gp |" in text
    assert "| w1 | 2.5 |" in text
    assert convert.points(out).settings == cloud().settings
    assert str(tmp_path) not in text + (out / "config.json").read_text()


def test_a_training_exports_each_of_its_runs(run, monkeypatch, capsys):
    """What ``--export`` of a laboratory does; of a sweep, and of one run, once more too."""
    monkeypatch.setattr(folder, "available", lambda name: name == "safetensors")
    for directory in (run.parent, run, run):
        ending.export(directory)
        assert convert.points(run / "export").settings == cloud().settings
    assert capsys.readouterr().err == 3 * f"exported to {run / 'export'}\n"


@pytest.mark.parametrize(
    ("name", "measured"), [("generator.npz", True), ("generator_best.npz", False)]
)
def test_measures_are_those_of_the_last_generator_alone(name, measured, run, tmp_path):
    clouds.save(run / name, cloud())
    command = [str(run / name), f"--out={tmp_path / 'out'}", "--formats=safetensors"]
    assert main(command) == 0
    text = (tmp_path / "out" / "README.md").read_text()
    assert "| variant | wgan\\_gp |" in text
    assert ("| w1 | 2.5 |" in text) == measured


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_between_files(
    number, code, run, tmp_path, monkeypatch, capsys
):
    def describe(generator):
        signal.raise_signal(number)
        return exported.describe(generator)

    monkeypatch.setattr(folder, "exported", SimpleNamespace(describe=describe))
    assert main([str(run), f"--out={tmp_path / 'out'}", "--formats=safetensors"]) == code
    assert "nothing is written; run the same command to start over" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["", "model.safetensors"])
def test_an_export_does_not_replace_its_own_source(name, run, tmp_path, capsys):
    out = tmp_path / "out"
    assert main([str(run), f"--out={out}", "--formats=safetensors"]) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    source = out / name
    assert main([str(source), f"--out={out}", "--formats=safetensors", "--fresh"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"export: error: {source} lies inside {out}, which --fresh clears")
    assert {path: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "which generator"),
        (["nothing"], "nothing does not exist"),
        (["RUN", "--formats=safetensors,gguf"], "must be some of safetensors, onnx, jax"),
        (["RUN", "--formats=jax,jax"], "must be some of"),
        (["RUN", "--weights=ema"], "are for files of other tools"),
        (["RUN", "--devices=2"], "--devices has no meaning here"),
        (["RUN", "--out=RUN"], "is not empty"),
        (
            ["RUN", "--out=RUN", "--fresh"],
            "which --fresh clears; move it, or give another --out",
        ),
        (["UNFINISHED"], "has no generator.npz"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(words, line, run, tmp_path, capsys):
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    for name in ("config.json", "metrics.jsonl"):
        (unfinished / name).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    words = [w.replace("RUN", str(run)).replace("UNFINISHED", str(unfinished)) for w in words]
    if not any(word.startswith("--out") for word in words):
        words.append(f"--out={tmp_path / 'out'}")
    assert main(words) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("export: error: ")
    assert line in error
    assert sorted(tmp_path.rglob("*")) == before

"""Exported folders, loaded by others without jaxgan, as their cards and docs/export.md say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxgan.errors import InputError
from jaxgan.export import card, folder, onnx_program, programs, sampler
from jaxgan.export.folder import Story
from jaxgan.networks import convolution
from tests.exported_generators import KINDS, cloud

pytest.importorskip("safetensors", reason="needs the export extra")
onnx = pytest.mark.skipif(not folder.available("onnx"), reason="needs the onnx extra")
DOCUMENT = Path(__file__).parents[2] / "docs" / "export.md"
STORY = Story("a | b", {"data": "m"}, {"fit_ratio": 1.5})


def blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder ``my-faces`` of a small generator, with everything that can be written."""
    out, lines = tmp_path_factory.mktemp("export") / "my-faces", []
    formats = [name for name in folder.FORMATS if folder.available(name)]
    with jax.numpy_rank_promotion("allow"):
        folder.write(KINDS["dense"](), out, STORY, formats, say=lines.append)
    return out, lines


@onnx
def test_the_snippets_run_without_jaxgan(made):
    out, lines = made
    assert [line.split(":")[0] for line in lines] == ["generator.onnx", "sampler.jax"]
    plain = [x for x in blocks(DOCUMENT.read_text()) if "jaxgan" not in x]
    own = [x for x in blocks((out / "README.md").read_text()) if "jaxgan" not in x]
    assert (len(plain), len(own)) == (3, 3)
    code = "import os, sys\nsys.modules['jaxgan'] = sys.modules['torch'] = None\n"
    code += "\n".join(plain[:2]) + "\nfirst = images\n" + plain[2]
    code += "\nassert abs(first - images).max() < 1e-4\nos.chdir('my-faces')\n"
    code += "\n".join(own) + "\nassert abs(made - images).max() < 1e-4\n"
    code += "np.savez('../result.npz', images=images, kernel=arrays['params.Dense_0.kernel'])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=out.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    generator = KINDS["dense"]()
    z = np.random.default_rng(0).standard_normal((4, 6), np.float32)
    with np.load(out.parent / "result.npz") as result:
        images = generator.images(generator.codes(z))
        np.testing.assert_allclose(result["images"], images, rtol=0, atol=1e-4)
        kernel = generator.params["params"]["Dense_0"]["kernel"]
        np.testing.assert_array_equal(result["kernel"], kernel)


def test_the_snippet_of_jaxgan_makes_the_same_images(made, monkeypatch):
    out, _ = made
    (code,) = (x for x in blocks(DOCUMENT.read_text()) if "import jaxgan" in x)
    monkeypatch.chdir(out.parent)
    names = {}
    exec(code, names)
    monkeypatch.chdir(out)
    (code,) = (x for x in blocks((out / "README.md").read_text()) if "import jaxgan" in x)
    exec(code, own := {})
    generator = KINDS["dense"]()
    z = np.random.default_rng(0).standard_normal((4, 6))
    np.testing.assert_array_equal(names["images"], generator.images(generator.codes(z)))
    # The card's latents are drawn as float32, which are other numbers.
    z = np.random.default_rng(0).standard_normal((4, 6), np.float32)
    np.testing.assert_array_equal(own["made"], generator.images(generator.codes(z)))


def test_the_card_has_the_head_of_a_hub_and_says_what_was_measured(made):
    out, _ = made
    text = (out / "README.md").read_text()
    _, head, body = text.split("---\n", 2)
    entries = dict(line.split(": ", 1) for line in head.splitlines())
    assert {name: json.loads(value) for name, value in entries.items()} == {
        "library_name": "jaxgan",
        "tags": ["gan", "jax", "jaxgan"],
        "pipeline_tag": "unconditional-image-generation",
    }
    for line in (r"# a \| b", "| data | m |", "| fit\\_ratio | 1.5 |", "No licence is given."):
        assert line.replace("\\_", "_") in body.replace("\\_", "_").splitlines()
    with Image.open(out / "samples.png") as image:
        assert min(image.size) > 28 * 8
    config = json.loads((out / "config.json").read_text())
    assert config["inputs"] == {"z": ["batch", 6]}
    assert config["training"] == {"data": "m"}


def test_a_card_has_no_paths_and_only_the_exported_lane():
    config = {
        "settings": {"data": "/home/me/faces", "clip": [], "data_sha256": "1", "seeds": 2}
    }
    assert card.settings_of(config) == {"data": "faces", "seeds": 2}
    summary = {
        "swd": [0.5, 0.7],
        "floor": {"swd": 0.1},
        "lanes": 2,
        "train_s": 3.0,
        "model": "x",
    }
    assert card.numbers_of(summary) == {"swd": 0.5, "swd of real data": 0.1}
    points = {"cells": [{"by_seed": {"w1": [1.0, 2.0]}}, {}], "train_s": 1.0}
    assert card.numbers_of(points) == {"w1": 1.0}
    assert card.settings_of([]) == card.numbers_of(None) == {}


@onnx
@pytest.mark.parametrize(
    "kind",
    [
        "labelled dcgan",
        *(pytest.param(k, marks=pytest.mark.slow) for k in ("stylegan2", "stylegan3")),
    ],
)
def test_programs_agree_with_jaxgan(kind, tmp_path):
    function = sampler.of(KINDS[kind]())
    assert programs.write_onnx(tmp_path / "x.onnx", function) < programs.TOLERANCE
    assert programs.write_jax(tmp_path / "x.jax", function) < programs.TOLERANCE


@onnx
def test_points_agree_with_jaxgan(tmp_path):
    folder.write(cloud(), tmp_path / "out", STORY, say=lambda line: None)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    programs_ = {"generator.onnx", "sampler.jax"}
    assert names == {"README.md", "config.json", "model.safetensors", *programs_}


@onnx
def test_a_program_that_differs_is_left_out(tmp_path, monkeypatch):
    function = sampler.of(cloud())
    wrong = function._replace(reference=lambda *z: function.reference(*z) + 0.001)
    with pytest.raises(InputError, match="ONNX: results differ from jaxgan's by 0.0"):
        programs.write_onnx(tmp_path / "x.onnx", wrong)
    with pytest.raises(InputError, match=r"jax.export: results differ"):
        programs.write_jax(tmp_path / "x.jax", wrong)
    assert list(tmp_path.iterdir()) == []


@onnx
def test_what_onnx_cannot_do_is_said_and_the_rest_is_written(tmp_path, monkeypatch):
    def convert(*_):
        raise InputError("ONNX: the operation sort is not supported")

    monkeypatch.setattr(onnx_program, "convert", convert)
    lines = []
    folder.write(cloud(), tmp_path / "a", STORY, ["safetensors", "onnx"], say=lines.append)
    assert lines == ["generator.onnx is left out: ONNX: the operation sort is not supported"]
    assert not (tmp_path / "a" / "generator.onnx").exists()
    assert (tmp_path / "a" / "model.safetensors").exists()
    with pytest.raises(InputError, match="operation sort"):
        folder.write(cloud(), tmp_path / "b", STORY, ["onnx"])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("")
    (tmp_path / "file").write_text("")
    for name, fresh, line in (
        ("full", False, "is not empty"),
        ("full", True, "holds more than an export"),
        ("file", True, "is not a folder"),
    ):
        with pytest.raises(InputError, match=line):
            folder.write(cloud(), tmp_path / name, STORY, ["safetensors"], fresh=fresh)
    (tmp_path / "link").symlink_to("full")
    with pytest.raises(InputError, match="link is a link"):
        folder.write(cloud(), tmp_path / "link", STORY, ["safetensors"], fresh=True)
    (tmp_path / "link").unlink()
    folder.write(cloud(), tmp_path / "out", STORY, ["safetensors"])
    (tmp_path / "out" / "model.safetensors").unlink()  # of other formats there is none
    folder.write(
        cloud(), tmp_path / "out", STORY._replace(title="new"), ["safetensors"], fresh=True
    )
    assert "# new" in (tmp_path / "out" / "README.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"full", "file", "out"}


@pytest.mark.parametrize(
    "config",
    [
        '{"model_type": "bert"}',
        '{"library_name": "jaxgan"}',
        '{"library_name": "diffusers", "format": 1}',
        "[" * 10**5,
        "[]",
        " " * 2**23,
        "\udcff",
    ],
)
def test_a_download_is_no_earlier_export(config, tmp_path):
    for name in ("README.md", "model.safetensors"):
        (tmp_path / name).write_text("")
    (tmp_path / "config.json").write_text(config, errors="surrogateescape")
    with pytest.raises(InputError, match="holds more than an export of jaxgan"):
        folder.check(tmp_path, ["safetensors"], fresh=True)


def test_plain_forms_are_those_of_an_accelerator_and_end():
    assert convolution.on_cpu()
    with convolution.plain():
        assert not convolution.on_cpu()
    assert convolution.on_cpu()
    function = sampler.of(KINDS["dcgan"]())
    shape = jax.ShapeDtypeStruct((1, 6), np.float32)
    usual = str(jax.make_jaxpr(function.function)(shape))
    traced = str(function.traced(jax.make_jaxpr, 1))
    assert "lhs_dilation=(2, 2)" in traced
    assert "lhs_dilation=(2, 2)" not in usual
    assert str(jax.make_jaxpr(function.function)(shape)) == usual

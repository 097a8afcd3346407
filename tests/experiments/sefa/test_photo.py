"""People of photographs in the SeFa laboratory, with a generator of four pixels."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.sefa import photo, run
from experiments.sefa.__main__ import main
from experiments.sefa.config import Config, check_flags
from jaxgan import runs, sefa
from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.runs import outputs
from tests import generators
from tests.generators import DIM, LAYERS, line_of

linear = functools.cache(generators.linear)
SMALL = {"directions": 2, "steps": 3, "noalign": True, "photo_steps": 100}


@pytest.fixture(autouse=True)
def pixels_alone(monkeypatch):
    monkeypatch.setattr(photo, "fetch_features", lambda: None)
    monkeypatch.setattr(photo, "features", lambda: None)


@pytest.fixture
def pictures(tmp_path):
    """A folder with two of the generator's own pictures, enlarged."""
    codes = sefa.draw_codes(linear(), jax.random.key(5), 2)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, image in enumerate(to_uint8(linear().images(codes))):
        large = Image.fromarray(image).resize((32, 32), Image.Resampling.NEAREST)
        large.save(folder / f"someone_{i}.png")
    return folder


def codes_in(folder):
    with np.load(folder / "codes.npz") as arrays:
        return arrays["w+"]


def test_people_are_found_edited_and_can_be_used_again(pictures, tmp_path):
    config = Config(photo=(str(pictures),), **SMALL)
    summary = run.run(config, tmp_path / "run", linear())
    assert np.shape(summary["photo_errors"]) == (2,)
    assert max(summary["photo_errors"]) < 0.06  # the pull to the mean keeps it from 0
    codes = codes_in(tmp_path / "run")
    assert codes.shape == (2, LAYERS, DIM)
    page = (tmp_path / "run" / "sefa.html").read_text()
    assert "photo 2, found" in page
    assert "as it is" not in page
    again = Config(codes=str(tmp_path / "run" / "codes.npz"), directions=2)
    np.testing.assert_array_equal(run.codes_of(again, linear()), codes)


def test_photographs_are_kept_only_if_asked(pictures, tmp_path):
    widths = []
    for keep in (False, True):
        folder = tmp_path / str(keep)
        run.run(Config(photo=(str(pictures),), keep_photo=keep, **SMALL), folder, linear())
        assert ("photo 1, as it is" in (folder / "sefa.html").read_text()) == keep
        with Image.open(folder / "photo_1.png") as way:
            widths.append(way.width)
        assert not any("someone" in path.name for path in folder.rglob("*"))
    assert widths[1] > widths[0]
    outputs.clear(folder)  # as --fresh does
    assert not list(folder.glob("photo_*.png"))


def test_a_stopped_search_goes_on(pictures, tmp_path, monkeypatch):
    config = Config(photo=(str(pictures),), **SMALL)
    run.run(config, tmp_path / "whole", linear())
    keep = photo._keep

    def stop(*args):
        keep(*args)
        raise runs.Stopped(15)

    with monkeypatch.context() as patch:
        patch.setattr(photo, "_keep", stop)
        with pytest.raises(runs.Stopped):
            run.run(config, tmp_path / "parts", linear())
    found = codes_in(tmp_path / "parts")
    assert len(found) == 1
    run.run(config, tmp_path / "parts", linear())
    np.testing.assert_array_equal(codes_in(tmp_path / "parts"), codes_in(tmp_path / "whole"))
    np.testing.assert_array_equal(codes_in(tmp_path / "parts")[:1], found)


def test_what_the_search_lacks_is_said_before_anything_is_written(
    pictures, tmp_path, monkeypatch
):
    config = Config(photo=(str(pictures),), **SMALL)
    with pytest.raises(InputError, match="unknown space of .* 'w'; choose from z"):
        run.run(dataclasses.replace(config, space="w"), tmp_path / "run", linear(0))

    def offline():
        raise InputError("pip cannot download it")

    monkeypatch.setattr(photo, "fetch_features", offline)
    with pytest.raises(InputError, match="pip cannot download it"):
        run.run(config, tmp_path / "run", linear())
    assert not (tmp_path / "run").exists()


def test_photographs_that_are_kept_count_as_people(pictures, tmp_path, monkeypatch):
    size = 2 * 2 * 3 * linear().resolution ** 2 * 3  # directions, people, steps, pixels
    monkeypatch.setattr(run, "MAX_BYTES", size)
    config = Config(photo=(str(pictures),), **SMALL)
    with pytest.raises(InputError, match="2 directions, 4 samples, 3 steps"):
        run.run(dataclasses.replace(config, keep_photo=True), tmp_path / "run", linear())
    assert not (tmp_path / "run").exists()
    run._check_size(config, linear(), 2, 2)  # without them it fits


def test_photographs_and_codes_have_folders_of_their_own(
    pictures, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("experiments.sefa.__main__.load", lambda config: linear())
    file = tmp_path / "codes.npz"
    np.savez(file, **{"w+": sefa.draw_codes(linear(), jax.random.key(1), 1)})
    plain = ["--checkpoint=faces", f"--out={tmp_path}", "--directions=2"]
    for name, flags in {
        "faces": [],
        "faces_photo": [f"--photo={pictures}", "--noalign"],
        "faces_codes": [f"--codes={file}"],
    }.items():
        assert main([*plain, *flags, "--dry_run"]) == 0
        assert list(json.loads(capsys.readouterr().out)) == [str(tmp_path / "sefa" / name)]
    inside = tmp_path / "sefa" / "faces_codes" / "codes.npz"
    inside.parent.mkdir(parents=True)
    file.rename(inside)
    assert main([*plain, f"--codes={inside}", "--fresh"]) == 2
    assert "lies inside" in capsys.readouterr().err
    assert inside.exists()


def test_another_photograph_is_another_run(pictures, tmp_path):
    config = Config(photo=(str(pictures / "someone_0.png"),), **SMALL)
    run.run(config, tmp_path / "run", linear())
    Image.new("RGB", (32, 32), "teal").save(pictures / "someone_0.png")
    with pytest.raises(InputError, match="someone_0.png has changed"):
        run.run(config, tmp_path / "run", linear())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"photo": ("a.png",), "codes": "x.npz"}, "exclude each other"),
        ({"photo": ("a.png",), "samples": 3}, "--samples has no meaning with --photo"),
        ({"photo": ("a.png",), "seed": 3}, "--seed has no meaning with --photo"),
        ({"photo": ("a.png",), "space": "z"}, "must be w or w\\+"),
        ({"noalign": True}, "--noalign has no meaning without --photo"),
        ({"keep_photo": True}, "--keep_photo has no meaning without --photo"),
        ({"space": "w"}, "without --codes or --photo"),
    ],
)
def test_flags_that_do_not_go_together_are_one_line(settings, says):
    with pytest.raises(InputError, match=says) as error:
        check_flags(Config(**settings))
    assert line_of(error)


def test_a_seed_has_a_meaning_where_people_are_drawn():
    check_flags(Config(photo=("a.png",), seed=3, attributes=True))


def test_bad_photographs_are_named_and_nothing_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("experiments.sefa.__main__.load", lambda config: linear())
    (tmp_path / "text.png").write_bytes(b"nothing")
    Image.new("RGB", (3, 40)).save(tmp_path / "thin.png")
    cases = {"text.png": "not a readable image", "thin.png": "3 pixels are too few"}
    cases["none.png"] = "no such file"
    for name, says in cases.items():
        flags = [f"--photo={tmp_path / name}", "--noalign", f"--out={tmp_path / 'runs'}"]
        assert main(flags) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"sefa: error: {tmp_path / name}: ")
        assert says in line
    assert not (tmp_path / "runs").exists()


def test_latents_are_kept_without_the_label_behind_them(pictures, tmp_path):
    def encode(params, z, labels):
        return jnp.concatenate([z, labels], axis=1)

    labelled = linear(0, encode=encode, z_dim=DIM - 2, num_labels=2).with_labels(1)
    config = Config(photo=(str(pictures),), **SMALL | {"photo_steps": 10})
    (tmp_path / "run").mkdir()
    first, again = (
        photo.find(
            config, tmp_path / "run", labelled, photo.targets(config, labelled), no_check
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(again.codes, first.codes)
    assert first.codes[:, DIM - 2 :].tolist() == [[0, 1], [0, 1]]
    file = Config(codes=str(tmp_path / "run" / "codes.npz"))
    np.testing.assert_array_equal(run.codes_of(file, labelled), first.codes)


def no_check():
    pass

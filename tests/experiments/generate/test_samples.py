"""Samples of runs: which generator makes them, and outputs that are stopped and go on."""

import json
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.generate import files
from experiments.generate.__main__ import main
from experiments.generate.config import Config
from jaxgan import convert, runs
from jaxgan.convert import sampling
from jaxgan.data import pixels
from jaxgan.networks import mlp
from jaxgan.training.gan import averaged
from tests.generators import linear


def generate(*words):
    return main([str(word) for word in words])


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".png"}


def images_of(path):
    with np.load(path) as file:
        return file["images"]


def expected(run, count, seed=0):
    """Samples of a run as the library makes them from its generator.npz."""
    generator = convert.load(run)
    z = sampling.latents(seed, 0, count, generator.z_dim)
    return pixels.to_uint8(generator.images(generator.codes(z)))


def test_a_folder_and_an_npz_hold_the_samples_of_the_average(image_run, tmp_path, capsys):
    assert generate(image_run, "--count=21", "--seed=3", f"--out={tmp_path}/f") == 0
    assert generate(image_run, "--count=21", "--seed=3", f"--out={tmp_path}/a.npz") == 0
    assert capsys.readouterr().out == f"{tmp_path}/f\n{tmp_path}/a.npz\n"
    images = images_of(tmp_path / "a.npz")
    assert (images.shape, images.dtype) == ((21, 32, 32, 3), np.uint8)
    files = sorted(contents(tmp_path / "f"))
    assert files == [f"{n:06d}.png" for n in range(21)]
    shown = [np.asarray(Image.open(tmp_path / "f" / name)) for name in files]
    np.testing.assert_array_equal(shown, images)
    # Batches of 21 and 256 round otherwise.
    difference = images.astype(int) - expected(image_run, 21, 3)
    assert np.abs(difference).max() <= 1
    assert {path.name for path in tmp_path.iterdir()} == {"f", "a.npz"}
    settings = json.loads(str(np.load(tmp_path / "a.npz")["jaxgan"]))
    assert (settings["count"], settings["seed"], settings["lane"]) == (21, 3, 0)


def test_lanes_weights_and_epochs_are_those_of_checkpoints(image_run, tmp_path):
    made = {}
    for name, flags in {
        "average": (),
        "raw": ("--weights=raw",),
        "lane": ("--lane=1",),
        "both": ("--lane=1", "--weights=raw"),
        "epoch": ("--epoch=1", "--weights=raw"),
        "last": ("--epoch=2",),
    }.items():
        assert generate(image_run, "--count=5", f"--out={tmp_path}/{name}.npz", *flags) == 0
        made[name] = images_of(tmp_path / f"{name}.npz")
    np.testing.assert_array_equal(made["last"], made["average"])
    others = [made[name].tobytes() for name in ("average", "raw", "lane", "both", "epoch")]
    assert len(set(others)) == 5


def test_a_grid_has_the_samples_and_their_settings(image_run, tmp_path):
    assert generate(image_run, "--count=9", f"--out={tmp_path}/a.png") == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert json.loads(picture.info["jaxgan"])["count"] == 9
        cell = np.asarray(picture)[6:70:2, 6:70:2]
    np.testing.assert_allclose(cell.astype(int), expected(image_run, 1)[0], atol=1)
    before = (tmp_path / "a.png").read_bytes()
    assert generate(image_run, "--count=9", f"--out={tmp_path}/a.png") == 0
    assert (tmp_path / "a.png").read_bytes() == before


@pytest.mark.parametrize("out", ["f", "a.npz"])
def test_what_is_stopped_goes_on_to_the_same_files(out, image_run, tmp_path, monkeypatch):
    words = (image_run, "--count=50", "--batch_size=8", "--seed=1")
    assert generate(*words, f"--out={tmp_path / 'whole' / out}") == 0
    stops = iter([3, 2, 100])
    usual = sampling.batches

    def stopping(draw, starts, size):
        left = next(stops)
        for start, batch in usual(draw, starts, size):
            if left == 0:
                raise runs.Stopped(15)
            left -= 1
            yield start, batch

    monkeypatch.setattr(sampling, "batches", stopping)
    place = tmp_path / "parts" / out
    (tmp_path / "parts").mkdir()
    command = (*words, f"--out={place}")
    assert generate(*command) == 143
    if out == "a.npz":
        raw = tmp_path / "parts" / "a.npz.part" / "samples.raw"
        assert len(raw.read_bytes()) == 24 * 32 * 32 * 3
        with open(raw, "ab") as file:  # part of a batch, as SIGKILL may leave it
            file.write(b"\x07" * 9999)
        assert not place.exists()
    else:
        assert len(contents(place)) == 24
        (place / "tmp_99_000030.png").write_bytes(b"half")
        (place / "000003.png").unlink()
    assert generate(*command) == 143
    assert generate(*command) == 0
    if out == "a.npz":
        assert place.read_bytes() == (tmp_path / "whole" / out).read_bytes()
        assert [path.name for path in place.parent.iterdir()] == ["a.npz"]
    else:
        assert contents(place) == contents(tmp_path / "whole" / out)


def test_batches_of_other_sizes_have_the_same_latents(image_run, tmp_path):
    images = []
    for size in (3, 64):
        place = tmp_path / f"{size}.npz"
        assert generate(image_run, "--count=10", f"--batch_size={size}", f"--out={place}") == 0
        images.append(images_of(place).astype(int))
    assert np.abs(images[0] - images[1]).max() <= 1  # rounding


@pytest.mark.parametrize("out", ["f", "a.npz", "a.png"])
def test_other_settings_are_refused_by_name_and_fresh_starts_over(
    out, image_run, tmp_path, capsys
):
    place = tmp_path / out
    command = (image_run, "--count=6", f"--out={place}")
    assert generate(*command) == 0
    before = place.read_bytes() if place.is_file() else contents(place)
    for flag, words in (
        ("--seed=2", "was made with seed=0, not 2"),
        ("--count=7", "was made with count=6, not 7"),
        ("--lane=1", "was made with lane=0, not 1"),
        ("--weights=raw", "was made with weights=average, not raw"),
        ("--batch_size=2", "was made with batch_size="),
    ):
        assert generate(*command, flag) == 2
        errors = capsys.readouterr().err.splitlines()[-1]
        assert errors.startswith(f"generate: error: {place} {words}")
        assert "--fresh starts over" in errors
    assert before == (place.read_bytes() if place.is_file() else contents(place))
    assert generate(*command, "--seed=2", "--fresh") == 0
    assert before != (place.read_bytes() if place.is_file() else contents(place))


def test_what_is_no_output_is_never_replaced(image_run, tmp_path, capsys):
    file, folder, run = tmp_path / "mine.npz", tmp_path / "mine", tmp_path / "run"
    np.savez(file, images=np.zeros(3))
    folder.mkdir()
    (folder / "000001.png").write_text("mine")
    shutil.copytree(image_run, run)
    everything = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for place, words in (
        (file, "is not an output of this command"),
        (folder, "is not a run of jaxgan"),
        (run, "is not an output of this command"),
    ):
        for more in ((), ("--fresh",)):
            assert generate(image_run, "--count=2", f"--out={place}", *more) == 2
            assert words in capsys.readouterr().err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == everything


def test_a_plan_writes_nothing(image_run, tmp_path, capsys):
    place = tmp_path / "a.npz"
    assert generate(image_run, "--count=1000", f"--out={place}", "--dry_run") == 0
    out, errors = capsys.readouterr()
    (plan,) = json.loads(out).values()
    assert (plan["count"], plan["weights"], plan["batch_size"]) == (1000, "average", 256)
    assert "1000 samples of 32 x 32 x 3, 256 at once: 2.9 MiB" in errors
    assert not list(tmp_path.iterdir())


def test_points_are_in_the_units_of_the_data(point_run_of, tmp_path):
    folder, config, state, lanes = point_run_of
    for name, flags in {"a": (), "b": ("--lane=1", "--weights=raw")}.items():
        place = tmp_path / f"{name}.npz"
        assert generate(folder, "--count=500", f"--out={place}", *flags) == 0
        with np.load(place) as file:
            points = file["points"]
        lane = len(flags) // 2
        version = state if lane else averaged(state)
        variables = {"params": version.generator.params, **version.generator.stats}
        one = jax.tree.map(lambda x, lane=lane: np.asarray(x)[lane], variables)
        z = sampling.latents(0, 0, 500, config.latent_dim)
        made = mlp.Generator(config.generator_widths).apply(one, z)
        mean, scale = lanes.units.mean[lane], lanes.units.scale[lane]
        np.testing.assert_allclose(
            points, np.asarray(made) * scale + mean, rtol=1e-5, atol=1e-5
        )
    assert generate(folder, "--count=50", f"--out={tmp_path}/f") == 0
    assert {p.name for p in (tmp_path / "f").iterdir()} >= {"samples.npz", "samples.png"}
    assert not (tmp_path / "f" / "samples.raw").exists()


@pytest.mark.parametrize("every", [1, 2])
def test_points_that_are_not_finite_are_left_out_of_the_picture(every, tmp_path, capsys):
    points = np.random.default_rng(0).normal(size=(10, 2))
    points[::every] = np.nan, np.inf
    source = SimpleNamespace(generator=None, real=np.eye(2))
    files.write_picture(tmp_path / "x.png", source, points, Config("gan"), "{}")
    assert f"{10 // every} of 10 points are not finite" in capsys.readouterr().err
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.info["jaxgan"] == "{}"


def test_samples_of_a_conditional_generator_have_its_labels(tmp_path, monkeypatch):
    def encode(_, z, labels):
        return jnp.concatenate([z, labels], axis=1)

    generator = linear(0, encode=encode, z_dim=4, num_labels=2, scale=0.1)
    monkeypatch.setattr(convert, "load", lambda *_, **__: generator)
    assert generate("file.pt", "--count=5", f"--out={tmp_path}/a.npz") == 0
    assert generate("file.pt", "--count=5", f"--out={tmp_path}/f", "--label=1,0,0") == 0
    with np.load(tmp_path / "a.npz") as file:
        assert file["labels"].tolist() == [0, 1, 0, 1, 0]
    (tmp_path / "f" / "labels.csv").unlink()  # the same command writes it again
    assert generate("file.pt", "--count=5", f"--out={tmp_path}/f", "--label=1,0,0") == 0
    table = (tmp_path / "f" / "labels.csv").read_text().split()
    assert table == ["file,label"] + [
        f"00000{n}.png,{label}" for n, label in enumerate((1, 0, 0, 1, 0))
    ]


def test_the_default_place_is_beside_the_run(image_run, tmp_path, capsys):
    run = shutil.copytree(image_run, tmp_path / "run")
    assert generate(run, "--count=2", "--seed=4") == 0
    assert capsys.readouterr().out == f"{run}/generated/samples-count2-seed4\n"
    assert len(contents(run / "generated" / "samples-count2-seed4")) == 2
    assert generate(run, "--count=3", "--seed=4", "--lane=1") == 0
    output, errors = capsys.readouterr()
    assert output == f"{run}/generated/samples-count3-seed4-lane1\n"
    assert errors.endswith(
        f"next: python -m experiments.generate {run} --lane=1 --neighbours\n"
    )


def test_a_run_without_its_end_is_read_from_checkpoints(image_run, tmp_path, capsys):
    run = shutil.copytree(image_run, tmp_path / "run")
    (run / "generator.npz").unlink()
    assert generate(run, "--count=4", f"--out={tmp_path}/a.npz") == 0
    assert generate(image_run, "--count=4", f"--out={tmp_path}/b.npz") == 0
    np.testing.assert_array_equal(images_of(tmp_path / "a.npz"), images_of(tmp_path / "b.npz"))
    newest = run / "checkpoints" / "step_00000002" / "manifest.json"
    newest.write_text("{}")
    assert generate(run, "--count=4", f"--out={tmp_path}/c.npz") == 0
    errors = capsys.readouterr().err
    assert "checkpoint step_00000002 skipped: manifest.json is missing or unreadable" in errors
    assert f"{run}: epoch 1 of 2" in errors
    config = json.loads((run / "config.json").read_text())
    config["settings"]["data"] = str(tmp_path / "gone")
    (run / "config.json").write_text(json.dumps(config))
    assert generate(run, "--count=4", f"--out={tmp_path}/d.npz") == 2
    errors = capsys.readouterr().err  # --data is for neighbours alone
    assert errors.startswith(f"generate: error: the data of {run}: no such path")
    assert "--data" not in errors

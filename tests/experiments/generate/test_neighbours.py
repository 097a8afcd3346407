"""Neighbours: a generator that repeats what it saw is found out, and another is not."""

import csv
import json

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.generate import neighbours, real
from experiments.generate.__main__ import main
from jaxgan import convert
from jaxgan.metrics.intervals import Interval
from jaxgan.metrics.neighbours import Nearness, nearness
from tests.generators import linear

SIDE = 16


def pictures(count, seed):
    """Smooth pictures of 16 pixels of two waves, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = rng.normal(size=(count, 3, 2)) * 3
    phase = waves[..., :1, None] * x + waves[..., 1:, None] * y
    shift = rng.uniform(0, 6, (count, 3, 1, 1))
    return (127.5 + 90 * np.sin(phase + shift)).transpose(0, 2, 3, 1).round().astype(np.uint8)


def table_of(place):
    return list(csv.DictReader((place / "neighbours.csv").read_text().splitlines()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(pictures(200, 0)):
        Image.fromarray(image).save(place / f"{number:03d}.png")
    return place


def drawing(images):
    """A generator that draws one of some images by a latent."""
    bank = jnp.asarray(images, jnp.float32) / 127.5 - 1

    def synthesise(params, codes):
        number = jnp.abs(codes[:, 0] * 1e4).astype(int) % len(bank)
        return params["bank"][number]

    return linear(
        0,
        params={"bank": bank, "encode": np.eye(6), "shift": np.zeros(6)},
        encode=lambda params, z: z,
        synthesise=synthesise,
        resolution=SIDE,
    )


@pytest.mark.parametrize("kind", ["repeats", "alike"])
def test_repeated_images_are_found(kind, folder, tmp_path, monkeypatch, capsys):
    own, others = pictures(200, 0), pictures(300, 1)
    bank = np.concatenate([own[:60], others]) if kind == "repeats" else others
    monkeypatch.setattr(convert, "load", lambda *_, **__: drawing(bank))
    command = ["file.pt", "--neighbours=4", "--nearest=3", "--count=200", f"--data={folder}"]
    command += [f"--out={tmp_path}"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    summary = json.loads((tmp_path / "neighbours.json").read_text())
    assert summary["verdict"] == lines[-2]
    assert summary["by"].keys() == {"pixels", "a pyramid"}
    rows = table_of(tmp_path)
    distances = np.array([float(row["distance_by_pixels"]) for row in rows])
    assert len(rows) == 200
    for by in summary["by"].values():
        mean, low, high = by["close"]
        if kind == "repeats":
            assert low > 0.05
        else:
            assert low <= 0.05 <= high
    if kind == "repeats":
        assert lines[-2].startswith("suspicious: by ")
        assert 0.08 < np.mean(distances == 0) < 0.28  # 60 of 360, within four deviations
    else:
        assert lines[-2].startswith("no sign of repeated images: by ")
        assert distances.min() > 0
    before = (tmp_path / "nearest.png").stat().st_mtime_ns
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert (tmp_path / "nearest.png").stat().st_mtime_ns == before


def test_the_page_shows_copies_beside_what_they_copy(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "load", lambda *_, **__: drawing(pictures(200, 0)))
    command = ["file.pt", "--neighbours=2", "--nearest=2", "--count=9", f"--data={folder}"]
    assert main([*command, f"--out={tmp_path}"]) == 0
    rows = table_of(tmp_path)
    with Image.open(tmp_path / "neighbours.png") as picture:
        page = np.asarray(picture)
    scale, names = 64 // SIDE, page.shape[1] - 12 - 7 * 64
    tile = page[28:92, 6 + names : 70 + names][::scale, ::scale]
    nearest = page[28:92, 134 + names : 198 + names][::scale, ::scale]
    np.testing.assert_array_equal(tile, nearest)
    image = Image.open(folder / f"{int(rows[0]['nearest_by_pixels']):03d}.png")
    np.testing.assert_array_equal(tile, np.asarray(image))


def test_a_run_is_compared_with_its_own_data(image_run, tmp_path, monkeypatch, capsys):
    command = [str(image_run), "--neighbours=2", "--count=30", f"--out={tmp_path / 'x'}"]
    with monkeypatch.context() as patch:
        patch.setattr(real, "_pyramid", None)  # a plan computes no features
        assert main([*command, "--dry_run"]) == 0
    assert not (tmp_path / "x").exists()
    assert (
        "30 samples against 60 real images and a real image to another one, by pixels and a"
        in (capsys.readouterr().err)
    )
    assert main(command) == 0
    summary = json.loads((tmp_path / "x" / "neighbours.json").read_text())
    assert (summary["real_images"], summary["held_out"]) == (60, 30)
    assert summary["about"] == f"the images that {image_run} was trained on"
    for name in neighbours.FILES:
        (tmp_path / "x" / name).unlink()
        assert main(command) == 0
        assert (tmp_path / "x" / name).exists()


def test_too_few_images_are_refused(tmp_path, monkeypatch, capsys):
    for number, image in enumerate(pictures(5, 0)):
        (tmp_path / "few").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "few" / f"{number}.png")
    monkeypatch.setattr(convert, "load", lambda *_, **__: drawing(pictures(5, 0)))
    command = ["file.pt", "--neighbours", f"--data={tmp_path / 'few'}"]
    assert main([*command, f"--out={tmp_path / 'x'}"]) == 2
    assert "are 5 images, too few for --nearest=5" in capsys.readouterr().err
    assert main([*command, f"--out={tmp_path / 'few' / 'x'}"]) == 2
    assert "holds the run's folder" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_pyramid_sees_detail_where_pixels_see_brightness():
    images = pictures(60, 0)
    blurred = images.reshape(60, 8, 2, 8, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    wide = [x.repeat(2, 1).repeat(2, 2) for x in (images, blurred.astype(np.uint8))]
    noisy = (wide[0] + np.random.default_rng(0).integers(0, 9, wide[0].shape)).astype(np.uint8)
    features = real._pyramid(noisy)
    rows = features(noisy)
    total = np.square(rows - rows.mean(0)).sum(1).mean()
    assert total == pytest.approx(2, rel=1e-3)  # 1 of each of two levels


def test_the_verdict_names_what_decides():
    def of(low, mean, high):
        return Nearness(Interval(0.5, 0.4, 0.6), Interval(mean, low, high))

    both = {"pixels": of(0.06, 0.08, 0.1), "a pyramid": of(0.03, 0.05, 0.07)}
    assert neighbours.verdict(both).startswith("suspicious: by pixels, 8.0% (6.0%, 10.0%)")
    neither = both | {"pixels": of(0.02, 0.03, 0.05)}
    assert neighbours.verdict(neither).startswith("no sign of repeated images: by a pyramid")
    few = both | {"pixels": of(0.0, 0.02, 0.16)}
    assert neighbours.verdict(few).startswith("these samples are too few to tell: by pixels")
    assert nearness([1.0], [2.0], resamples=9).nearer.mean == 1

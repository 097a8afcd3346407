"""The command line: refusals in this process, training in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from experiments.faces.__main__ import main
from jaxgan.data import cartoon_faces

ROOT = Path(__file__).parents[3]


def photographs(folder, count, damaged=0):
    folder.mkdir()
    pictures = cartoon_faces.load(count, seed=3, size=40).images
    for number, picture in enumerate(pictures):
        path = folder / f"{number:04d}.jpg"
        Image.fromarray(picture).save(path)
        if number < damaged:
            path.write_bytes(path.read_bytes()[: 300 + number])


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (lambda path: path.mkdir(), (), "has no images; .jpg, .jpeg, .jpe, .jfif, .png, "),
        (lambda path: photographs(path, 4, damaged=4), (), "cannot be read"),
        (lambda path: photographs(path, 4), ("--size=48",), "--size=48"),
        (lambda path: path.write_bytes(b"x" * 99), (), "faces"),
        (
            lambda path: photographs(path, 4),
            (f"--inception={ROOT / 'pyproject.toml'}",),
            "toml is",
        ),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, make, arguments, message):
    make(tmp_path / "faces")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    places = (f"--data={tmp_path / 'faces'}", f"--out={tmp_path / 'runs'}")
    assert main([*places, *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_faces_from_a_folder_with_damaged_images(tmp_path):
    photographs(tmp_path / "faces", 60, damaged=3)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.faces"),
            f"--data={tmp_path / 'faces'}",
            "--variant=gan,wgan_gp",
            "--size=32",
            "--width=2",
            "--latent_dim=4",
            "--batch_size=8",
            "--epochs=2",
            f"--out={tmp_path / 'runs'}",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "57 of 60 images\n" in done.stderr
    assert "3 files are left out: see skipped.txt" in done.stderr
    (directory,) = (tmp_path / "runs" / "faces").iterdir()
    for variant in ("gan", "wgan_gp"):
        skipped = (directory / f"dcgan-{variant}-adam" / "skipped.txt").read_text()
        lines = skipped.splitlines()
        assert [line.split(":")[0] for line in lines] == ["0000.jpg", "0001.jpg", "0002.jpg"]
    with Image.open(directory / "side_by_side.png") as image:
        assert image.width > 2 * 4 * 32
    with Image.open(directory / "side_by_side.gif") as image:
        assert image.n_frames == 3

"""The command line."""

from pathlib import Path

import pytest
from PIL import Image

from experiments.faces.__main__ import main
from jaxgan.data import cartoon_faces
from tests.experiments.images.contents import assert_holds_what_it_should

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
        (lambda path: photographs(path, 4), ("--size=50",), "--size=50"),
        (lambda path: photographs(path, 4), ("--model=report_conv",), "unknown model"),
        (
            lambda path: photographs(path, 4),
            ("--conditional", "--batch_size=2"),
            "--conditional: no labels of these images are known",
        ),
        (lambda path: path.write_bytes(b"x" * 99), (), "faces"),
        (
            lambda path: photographs(path, 4),
            (f"--inception={ROOT / 'pyproject.toml'}",),
            "toml is",
        ),
        (
            lambda path: photographs(path, 4),
            (
                f"--inception={ROOT / 'pyproject.toml'}",
                "--fid=4",
                "--batch_size=2",
                "--dry_run",
            ),
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


def test_pictures_of_a_run_are_not_among_its_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--data=."]) == 2
    assert "--data=. holds the run's folder runs/faces/gan" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_faces_from_a_folder_with_damaged_images(tmp_path, monkeypatch, capsys):
    """The good images, and their settings, are those of the tests of ``images``.

    So one program serves both.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    photographs(tmp_path / "faces", 3, damaged=3)
    for number, picture in enumerate(cartoon_faces.load(64, size=32).images):
        Image.fromarray(picture).save(tmp_path / "faces" / f"{100 + number:04d}.png")
    code = main(
        [
            f"--data={tmp_path / 'faces'}",
            "--variant=gan,wgan_gp",
            "--size=32",
            "--width=2",
            "--latent_dim=4",
            "--batch_size=16",
            "--epochs=2",
            "--seeds=2",
            f"--out={tmp_path / 'runs'}",
        ]
    )
    err = capsys.readouterr().err
    assert code == 0, err
    assert "64 of 67 images\n" in err
    assert "3 files are left out: see skipped.txt" in err
    (directory,) = (tmp_path / "runs" / "faces").iterdir()
    for variant in ("gan", "wgan_gp"):
        folder = directory / f"report_dcgan-{variant}-adam"
        assert_holds_what_it_should(folder, 1000)
        lines = (folder / "skipped.txt").read_text().splitlines()
        assert [line.split(":")[0] for line in lines] == ["0000.jpg", "0001.jpg", "0002.jpg"]
    with Image.open(directory / "side_by_side.png") as image:
        assert image.width > 2 * 4 * 32
    with Image.open(directory / "side_by_side.gif") as image:
        assert image.n_frames == 3

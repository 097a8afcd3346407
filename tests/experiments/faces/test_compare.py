from types import SimpleNamespace

import numpy as np
import pytest

from experiments.faces.compare import compare
from experiments.images import run
from experiments.images.run import samples_path
from jaxgan.plots import raster


@pytest.mark.parametrize("damage", [b"", b"PK cut short"])
def test_damaged_samples_are_left_out_and_named(tmp_path, capsys, damage):
    folders = {
        tmp_path / name: SimpleNamespace(model="", variant=name, optimizer="adam", epochs=2)
        for name in ("a", "b")
    }
    for folder in folders:
        (folder / "frames").mkdir(parents=True)
        for epoch in range(3):
            images = np.full((36, 8, 8, 3), 100 * epoch, np.uint8)
            np.savez(samples_path(folder, epoch), images=images)
    (tmp_path / "frames").mkdir()
    samples_path(tmp_path / "b", 1).write_bytes(damage)
    compare(folders, tmp_path)  # type: ignore[arg-type]
    assert "epoch_0001.npz is damaged and left out" in capsys.readouterr().err
    frames = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert frames == ["epoch_0000.png", "epoch_0002.png"]
    assert (tmp_path / "side_by_side.png").exists()
    assert (tmp_path / "side_by_side.gif").exists()


def test_two_optimizers_have_a_row_each(tmp_path, monkeypatch):
    folders = {
        tmp_path / name: SimpleNamespace(model="", variant="gan", optimizer=name, epochs=1)
        for name in ("adam", "sgd")
    }
    rows = []
    monkeypatch.setattr(run, "read_samples", lambda *_: np.zeros((36, 8, 8, 3), np.uint8))
    monkeypatch.setattr(
        raster, "image_panels", lambda _, panels, *__, **___: rows.append(panels)
    )
    monkeypatch.setattr(raster, "gif", lambda *_: None)
    compare(folders, tmp_path)  # type: ignore[arg-type]
    assert list(rows[0]) == [("gan adam", "epoch 1"), ("gan sgd", "epoch 1")]
    assert all(len(frame) == 2 for frame in rows[1:])


def test_without_samples_nothing_is_compared(tmp_path):
    folders = {
        tmp_path / name: SimpleNamespace(model="", variant=name, optimizer="adam", epochs=2)
        for name in ("a", "b")
    }
    compare(folders, tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())

"""Folders that hold a checkpoint, as Hugging Face's libraries write them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import jaxgan
from jaxgan.errors import InputError

CHECKPOINT = Path(__file__).parents[1] / "data" / "checkpoints" / "mobilestylegan.ckpt"


def test_the_checkpoint_of_a_folder_is_opened(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    shutil.copy(CHECKPOINT, tmp_path / "pytorch_model.bin")
    generator, same = jaxgan.load(tmp_path), jaxgan.load(CHECKPOINT)
    assert generator.fingerprint == same.fingerprint
    assert jaxgan.load(tmp_path, weights=None).origin == same.origin


def test_a_folder_of_nothing_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="without a generator.npz and without a checkpoint"):
        jaxgan.load(tmp_path)


def test_a_generator_does_not_depend_on_its_file(tmp_path):
    path = tmp_path / "generator.ckpt"
    shutil.copy(CHECKPOINT, path)
    generator = jaxgan.load(path)
    path.write_bytes(b"")
    same = jaxgan.load(CHECKPOINT)
    z = np.ones((1, same.z_dim), np.float32)
    np.testing.assert_array_equal(generator.codes(z, 0.5), same.codes(z, 0.5))
    assert generator.fingerprint == same.fingerprint

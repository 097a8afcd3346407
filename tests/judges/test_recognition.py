import functools
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from jaxgan.convert import face_recognition, zoo
from jaxgan.data import cartoon_faces
from jaxgan.errors import InputError
from jaxgan.judges import oracles, recognition
from jaxgan.judges.recognition import SIZE
from tests.generators import line_of

FILE = "dlib_face_recognition_resnet_model_v1.dat"
GOLDEN = Path(__file__).parents[1] / "data" / "face_recognition.npz"


def pictures():
    """Eight squares ``[8, 150, 150, 3]``: drawn faces, a ramp, noise, black and white."""
    faces = cartoon_faces.render(cartoon_faces.sample_factors(4, seed=3), SIZE)
    down, right = np.indices((SIZE, SIZE))
    ramp = np.stack([down, right, (down * right) % 256], axis=-1).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    plain = [np.full((SIZE, SIZE, 3), level, np.uint8) for level in (0, 255)]
    return np.stack([*faces, ramp, noise, *plain])


@functools.cache
def path():
    found = zoo.cache() / "face-recognition" / FILE
    if not found.exists():
        pytest.skip(f"needs {found}, which zoo.fetch('face-recognition') downloads")
    return found


@functools.cache
def weights():
    return jax.device_put(face_recognition.load(path()))


def test_embeddings_are_dlibs():
    with np.load(GOLDEN) as golden:
        checksum, expected = golden["checksum"], golden["embeddings"]
    images = pictures()
    assert images.sum(axis=(1, 2, 3), dtype=int).tolist() == checksum.tolist()
    found = np.asarray(recognition.embed(weights(), images))
    # float32 sums in another order; 4e-7 on a CPU.
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_file_holds_what_dlib_says():
    found = weights()
    assert len(found.kernels) == len(found.biases) == 29
    assert found.kernels[0].shape == (7, 7, 3, 32)
    assert found.kernels[-1].shape == (3, 3, 256, 256)
    # Each norm has two numbers for each channel, which are folded into the others.
    count = sum(x.size for x in jax.tree.leaves(found)) + 2 * sum(x.size for x in found.biases)
    settings = path().stat().st_size - 4 * count
    assert 0 < settings < 10_000  # bytes, of 99 layers


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "byte"])
def test_other_files_are_one_line(tmp_path, damage):
    content = path().read_bytes()
    at = content.find(b"affine_")
    changed = {
        "empty": b"",
        "cut": content[: len(content) // 2],
        "other": b"PK" + bytes(1000),
        "byte": content[:at] + b"Affine_" + content[at + 7 :],
    }[damage]
    (tmp_path / FILE).write_bytes(changed)
    with pytest.raises(InputError, match="is not dlib's face recognition network") as error:
        face_recognition.load(tmp_path / FILE)
    assert line_of(error)


def test_chips_are_those_of_the_other_dlib_networks_with_more_around():
    def inner(eyes, padding):
        wide = 1 + 2 * padding
        return (wide * eyes.x - padding, wide * eyes.y - padding, wide * eyes.distance)

    # Both are given to three digits.
    assert inner(recognition.CHIP, 0.25) == pytest.approx(inner(oracles.DLIB, 0.2), abs=2e-3)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(InputError, match="No such file") as error:
        face_recognition.load(tmp_path / FILE)
    assert line_of(error)


def oracle(eyes):
    path()
    return recognition.face_recognition(eyes)


def test_an_oracle_without_attributes():
    judge = oracle(oracles.FFHQ)
    images = cartoon_faces.render(cartoon_faces.sample_factors(3), 96)
    assert judge.attributes == ()
    assert judge.score(images).shape == (3, 0)
    assert judge.embed is not None
    vectors = judge.embed(images)
    assert vectors.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    alone = judge.embed(images[1:2])
    # float32 sums in another order
    np.testing.assert_allclose(alone[0], vectors[1], atol=1e-5)


@pytest.mark.slow
def test_one_person_is_more_alike_than_two(photographs):
    """No labels say who is who: another version of a photograph is the same person."""
    images = photographs[0][:40]
    embed = oracle(oracles.CELEBA).embed
    assert embed is not None
    still = embed(images)
    cosines = still @ still.T
    strangers = cosines[~np.eye(len(images), dtype=bool)]

    def version(change):
        changed = np.stack([np.asarray(change(Image.fromarray(one))) for one in images])
        return (still * embed(changed)).sum(axis=1)

    side = images.shape[1]
    versions = [
        version(lambda one: ImageEnhance.Brightness(one).enhance(0.6)),
        version(
            lambda one: one.rotate(8, Image.Resampling.BICUBIC).transpose(
                Image.Transpose.FLIP_LEFT_RIGHT
            )
        ),
        version(lambda one: one.resize((side // 2,) * 2).resize((side,) * 2)),
    ]
    for same in versions:
        assert same.mean() > 0.95 > 0.9 > strangers.mean()
        assert (same[:, None] > strangers[None]).mean() > 0.99

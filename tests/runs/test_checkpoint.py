import random
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.networks import mlp
from jaxgan.runs import checkpoint
from jaxgan.training.gan import gan
from jaxgan.training.objectives import objective
from jaxgan.training.optimizers import pair


@pytest.fixture
def state(key):
    g = gan(
        mlp.Generator((8,)),
        mlp.Critic((8,)),
        objective("gan"),
        pair("adam", 1e-3),
        latent_dim=2,
    )
    return jax.jit(g.init)(key, jnp.zeros((1, 2)))


def data(tree):
    """Comparable leaves: typed keys have no array interface."""
    return [
        np.asarray(
            jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x
        )
        for x in jax.tree.leaves(tree)
    ]


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(data(a), data(b), strict=True):
        assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


def at(state, step):
    return state.replace(step=jnp.int32(step))


def test_what_is_saved_is_restored_bit_for_bit(tmp_path, state):
    checkpoint.save(tmp_path, 7, state)
    restored = checkpoint.restore(tmp_path, jax.eval_shape(lambda: state))
    assert (restored.step, restored.damaged) == (7, [])
    assert_same(restored.tree, state)


def test_nothing_to_restore(tmp_path, state):
    assert checkpoint.restore(tmp_path / "missing", state) == (None, None, [])


def test_only_the_newest_are_kept(tmp_path, state):
    def names():
        return [int(path.name[5:]) for path in sorted(tmp_path.iterdir())]

    for step in (1, 2, 10, 20):
        checkpoint.save(tmp_path, step, at(state, step), keep=3)
    assert names() == [2, 10, 20]


def test_going_back_voids_later_checkpoints(tmp_path, state):
    """Else damaged ones, being newest, would crowd out the sound ones for ever."""
    for step in (60, 80, 100):
        checkpoint.save(tmp_path, step, at(state, step))
        (tmp_path / f"step_{step:08d}" / "manifest.json").unlink()
    for step in (20, 40):
        checkpoint.save(tmp_path, step, at(state, step))
    restored = checkpoint.restore(tmp_path, state)
    assert (restored.step, restored.damaged) == (40, [])


def test_saving_a_step_again_replaces_it(tmp_path, state):
    checkpoint.save(tmp_path, 1, state)
    checkpoint.save(tmp_path, 1, at(state, 5))
    assert checkpoint.restore(tmp_path, state).tree.step == 5


@pytest.fixture
def two(tmp_path, state):
    """A directory with checkpoints 1 and 2."""
    for step in (1, 2):
        checkpoint.save(tmp_path, step, at(state, step))
    return tmp_path


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path, rng):
    content = bytearray(path.read_bytes())
    bit = rng.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def truncate(path, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])


def delete(path, rng):
    path.unlink()


@pytest.mark.parametrize("damage", [flip, truncate, delete])
def test_damage_in_any_file_is_named_and_the_step_before_is_restored(two, state, damage):
    rng = random.Random(0)
    pristine = two.with_name(two.name + "_pristine")
    shutil.copytree(two, pristine)
    for path in files_of(two / "step_00000002"):
        if not path.stat().st_size:
            continue  # an empty file has no bit to flip
        damage(path, rng)
        restored = checkpoint.restore(two, state)
        assert restored.step == 1, path
        assert_same(restored.tree, at(state, 1))
        (line,) = restored.damaged
        assert line.startswith("checkpoint step_00000002 skipped: ")
        assert "\n" not in line
        assert path.name in line or path.name == "manifest.json"
        shutil.rmtree(two)
        shutil.copytree(pristine, two)


def test_stray_things_in_the_directory_are_no_concern(two, state):
    (two / "9").mkdir()
    (two / "step_00000009").mkdir()
    (two / "step_x").mkdir()
    (two / "step_00000008").write_text("a file")
    (two / "tmp_123").mkdir()
    restored = checkpoint.restore(two, state)
    assert restored.step == 2
    assert restored.damaged == [
        "checkpoint step_00000009 skipped: manifest.json is missing or unreadable"
    ]
    checkpoint.save(two, 3, state)
    assert not (two / "tmp_123").exists()


def test_another_shape_or_dtype_is_refused(two, state):
    def half(x):
        return x.astype(jnp.bfloat16) if x.dtype == jnp.float32 else x

    other = state.replace(average=jax.tree.map(half, state.average))
    restored = checkpoint.restore(two, other)
    assert restored.step is None
    assert len(restored.damaged) == 2
    assert "does not fit this run" in restored.damaged[0]


def test_all_damaged_restores_nothing(two, state):
    for folder in two.iterdir():
        (folder / "manifest.json").write_text("[]")
    restored = checkpoint.restore(two, state)
    assert restored.step is None
    assert len(restored.damaged) == 2


def test_a_failed_save_leaves_older_checkpoints(two, state, monkeypatch):
    def fail(self, *args, **kwargs):
        raise ValueError("RESOURCE_EXHAUSTED: no space left on device\nmore lines")

    monkeypatch.setattr(checkpoint.ocp.Checkpointer, "save", fail)
    with pytest.raises(OSError, match="cannot write checkpoint 3 .*no space left"):
        checkpoint.save(two, 3, state)
    assert checkpoint.restore(two, state).step == 2

import json
import os
import random
import shutil
import subprocess
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import InputError
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


@pytest.mark.parametrize("written", ["cpu", "device"])
def test_what_one_kind_of_device_writes_another_restores(tmp_path, state, device, written):
    places = [jax.devices("cpu")[-1], device]
    source, target = places if written == "cpu" else places[::-1]
    one, other = (jax.device_put(state, place) for place in (source, target))
    checkpoint.save(tmp_path, 7, one)
    other = jax.tree.map(lambda x: x, other.replace(step=other.step + 1))
    back = checkpoint.place(checkpoint.restore(tmp_path, other).tree, other)
    assert {place for x in jax.tree.leaves(back) for place in x.devices()} == {target}
    assert_same(back, one)


def test_nothing_to_restore(tmp_path, state):
    assert checkpoint.restore(tmp_path / "missing", state) == (None, None, [])


def test_only_the_newest_are_kept(tmp_path, state):
    def names():
        return [int(path.name[5:]) for path in sorted(tmp_path.iterdir())]

    for step in (1, 2, 10, 20):
        checkpoint.save(tmp_path, step, at(state, step), keep=3)
    assert names() == [2, 10, 20]


def test_going_back_voids_later_checkpoints(tmp_path, state):
    """Otherwise damaged checkpoints, being the newest, would displace the intact ones."""
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
    (two / "step_00000007").symlink_to(two / "step_00000001")
    (two / "tmp_123").mkdir()
    restored = checkpoint.restore(two, state)
    assert restored.step == 2
    assert restored.damaged == [
        "checkpoint step_00000009 skipped: manifest.json is missing or unreadable"
    ]
    checkpoint.save(two, 3, state)
    assert not (two / "tmp_123").exists()
    for step in (7, 8):
        checkpoint.save(two, step, at(state, step))
        assert checkpoint.restore(two, state).step == step
    assert (two / "step_00000008.damaged").read_text() == "a file"
    assert (two / "step_00000007.aside").is_symlink()


def other_shape(state):
    return state.replace(step=jnp.zeros(3, jnp.int32))


def other_dtype(state):
    return state.replace(step=np.zeros((), np.int64))


def other_key(state):
    return state.replace(key=jax.random.key(0, impl="rbg"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_shape, r"\.step is int32\[\], not int32\[3\]$"),
        (other_dtype, r"\.step is int32\[\], not int64\[\]; jax_enable_x64 differs$"),
        (
            other_key,
            r"\.key is key<threefry2x32>\[\], not key<rbg>\[\]; jax_default_prng_impl differs$",
        ),
    ],
)
def test_an_intact_checkpoint_that_does_not_fit_is_refused(two, state, change, words):
    before = files_of(two)
    with pytest.raises(InputError, match=f"step_00000002 is intact and does not fit: {words}"):
        checkpoint.restore(two, change(state))
    assert files_of(two) == before
    (two / "step_00000002" / "manifest.json").unlink()  # a damaged one is passed over first
    with pytest.raises(InputError, match="step_00000001 is intact and does not fit"):
        checkpoint.restore(two, change(state))


def test_later_checkpoints_are_moved_aside_and_never_removed(tmp_path, state):
    for step in (20, 40, 60):
        checkpoint.save(tmp_path, step, at(state, step))
    (tmp_path / "step_00000040" / "manifest.json").unlink()
    restored = checkpoint.restore(tmp_path, state, lambda step: step < 60)
    assert restored.step == 20
    for _ in range(2):
        checkpoint.save(tmp_path, 40, at(state, 40), keep=1)
        (tmp_path / "step_00000040" / "manifest.json").write_text("5")
    checkpoint.save(tmp_path, 40, at(state, 40), keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_00000040",
        "step_00000040.damaged",
        "step_00000040.damaged_2",
        "step_00000040.damaged_3",
        "step_00000060.aside",
    ]
    assert_same(checkpoint.restore(tmp_path, state).tree, at(state, 40))


@pytest.mark.parametrize("x64", [False, True])
def test_dtypes_are_kept(tmp_path, x64):
    tree = {
        "int64": np.array([5_000_000_000, -1]),
        "uint64": np.array(2**64 - 1, np.uint64),
        "float64": np.array([[1 / 3]]),
        "complex128": np.array([1 / 3 + 1j]),
        "bool": np.array([True, False]),
        "bytes": np.arange(3, dtype=np.uint8),
        "bfloat16": np.asarray(jnp.arange(3, dtype=jnp.bfloat16)),
        "number": 5_000_000_000,
        "keys": [
            jax.random.split(jax.random.key(3, impl=kind), 2)
            for kind in ("threefry2x32", "rbg", "unsafe_rbg")
        ],
    }
    checkpoint.save(tmp_path, 1, tree)
    with jax.enable_x64(x64):
        restored = checkpoint.restore(tmp_path, tree)
    assert (restored.step, restored.damaged) == (1, [])
    assert_same(restored.tree, {**tree, "number": np.array(5_000_000_000)})
    kinds = [jax.random.key_impl(key) for key in restored.tree["keys"]]
    assert kinds == ["threefry2x32", "rbg", "unsafe_rbg"]


def test_checkpoints_with_a_manifest_of_the_first_version_are_restored(tmp_path):
    """These manifests have dtypes as JAX casts them, and keys as integers."""
    tree = {"key": jax.random.key(1), "seconds": np.array([1 / 3])}
    checkpoint.save(tmp_path, 1, tree)
    path = tmp_path / "step_00000001" / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["sha256"]
    manifest["arrays"] = {"['key']": "uint32[2]", "['seconds']": "float32[1]"}
    path.write_text(json.dumps(manifest))
    assert_same(checkpoint.restore(tmp_path, tree).tree, tree)
    with pytest.raises(InputError, match=r"\['key'\] is uint32\[2\], not uint32\[4\]"):
        checkpoint.restore(tmp_path, tree | {"key": jax.random.key(1, impl="rbg")})


def test_a_pipe_in_place_of_a_manifest_is_damage(two, state):
    path = two / "step_00000002" / "manifest.json"
    path.unlink()
    os.mkfifo(path)
    restored = checkpoint.restore(two, state)
    assert restored.step == 1
    assert restored.damaged == [
        "checkpoint step_00000002 skipped: manifest.json is missing or unreadable"
    ]


def test_all_damaged_restores_nothing(two, state):
    for folder in two.iterdir():
        (folder / "manifest.json").write_text("[]")
    restored = checkpoint.restore(two, state)
    assert restored.step is None
    assert len(restored.damaged) == 2


def test_a_failed_save_leaves_older_checkpoints(two, state, monkeypatch):
    def fail(self, *args, **kwargs):
        raise ValueError("RESOURCE_EXHAUSTED: no space left on device\nmore lines")

    monkeypatch.setattr("orbax.checkpoint.Checkpointer.save", fail)
    with pytest.raises(OSError, match="No space left on device: '.*step_00000003'"):
        checkpoint.save(two, 3, state)
    assert checkpoint.restore(two, state).step == 2


# No room. Half of a checkpoint is written, in threads of orbax and tensorstore.


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own, where this user may mount one."""
    command = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(tmp_path)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk_is_one_error_and_older_checkpoints_stay(disk, capfd, caplog):
    tree = {f"array_{i}": np.arange(10.0) for i in range(40)}
    checkpoint.save(disk, 1, {"small": np.zeros(3)})
    with pytest.raises(OSError, match="No space left on device: '.*step_00000002'"):
        checkpoint.save(disk, 2, tree)
    time.sleep(0.2)  # threads may still tell
    assert "Traceback" not in capfd.readouterr().err
    assert caplog.records == []
    assert [path.name for path in disk.iterdir()] == ["step_00000001"]
    assert checkpoint.restore(disk, {"small": np.zeros(3)}).step == 1

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io
from PIL import Image

from experiments.points import fit, program, run
from experiments.points.config import configure
from jaxgan.errors import InputError
from jaxgan.metrics.transport import wasserstein
from jaxgan.runs import Diverged, checkpoint
from jaxgan.training.optimizers import SCHEDULES

ROOT = Path(__file__).parents[3]
SMALL = {
    "epochs": 4,
    "frame_every": 2,
    "checkpoint_every": 2,
    "generator_widths": (8,),
    "critic_widths": (8,),
    "train_size": 512,
    "batch_size": 64,
    "critic_steps": 3,
}


@pytest.fixture
def data(tmp_path):
    """A small cloud, so that exact distances take no time."""
    path = tmp_path / "cloud.npy"
    np.save(path, np.random.default_rng(0).normal(size=(600, 2)) * [2.0, 0.5] + 7)
    return str(path)


def config_of(data, **given):
    (config,) = configure(**SMALL | {"variant": ("wgan_gp",), "data": data} | given)
    return config


def final_state(directory):
    (newest, *_) = sorted((directory / "checkpoints").glob("step_*"), reverse=True)
    manifest = json.loads((newest / "manifest.json").read_text())
    like = {name: text for name, text in manifest["arrays"].items()}
    import orbax.checkpoint as ocp

    with ocp.Checkpointer(ocp.StandardCheckpointHandler()) as reader:
        tree = reader.restore(newest / "arrays")
    import jax

    leaves = [np.asarray(x) for x in jax.tree.leaves(tree)]
    assert len(leaves) == len(like)
    return newest.name, [(x.shape, x.tobytes()) for x in leaves]


def test_a_run_directory_holds_what_the_design_lists(tmp_path, data):
    config = config_of(data, seeds=3)
    summary = run.run(config, tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {
        "config.json",
        "metrics.jsonl",
        "summary.json",
        "samples.npz",
        "losses.png",
        "samples.png",
        "training.gif",
        "frames",
        "checkpoints",
    }
    frames = sorted(path.name for path in (tmp_path / "run" / "frames").iterdir())
    assert frames == ["epoch_0000.png", "epoch_0002.png", "epoch_0004.png"]
    with Image.open(tmp_path / "run" / "training.gif") as image:
        assert image.n_frames == 3
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [(r["epoch"], r["step"]) for r in records] == [(e, 2 * e) for e in (1, 2, 3, 4)]
    assert all(len(r["critic_loss"]) == 3 for r in records)
    samples = np.load(tmp_path / "run" / "samples.npz")
    assert samples["train"].shape == (3, 512, 2)
    assert samples["test"].shape == samples["generated"].shape == (3, 88, 2)
    assert samples["generated_ema"].shape == (3, 88, 2)
    assert len(summary["cells"]) == 1
    json.loads((tmp_path / "run" / "config.json").read_text())


def test_fit_ratio_is_what_its_definition_says(tmp_path, data):
    """Computed again from samples.npz, with draws of our own for the floor."""
    run.run(config_of(data, seeds=2), tmp_path / "run")
    samples = np.load(tmp_path / "run" / "samples.npz")
    (cell,) = json.loads((tmp_path / "run" / "summary.json").read_text())["cells"]
    rng = np.random.default_rng(5)
    for lane in range(2):
        test = samples["test"][lane]
        draws = [rng.choice(samples["train"][lane], 88, replace=False) for _ in range(40)]
        floor = np.mean([wasserstein(draw, test) for draw in draws])
        ratio = wasserstein(samples["generated"][lane], test) / floor
        # A generator that has not learned is far away, so that one draw of 88 points
        # tells its distance to some percent; the floor's 10 draws do as well.
        assert cell["by_seed"]["fit_ratio"][lane] == pytest.approx(ratio, rel=0.15)


def test_samples_of_the_training_data_score_one(data):
    config = config_of(data, seeds=6, train_size=450)
    cloud = run.points.load(data)
    lanes = program.prepare(config, cloud.points)
    perfect = np.stack([[*fit.floor_samples(x, 150, 99)] for x in lanes["train"]])
    # As a generator gives them.
    perfect = (perfect - lanes["mean"][:, None]) / lanes["scale"][:, None]
    results, _ = fit.evaluate(config, lanes, cloud, (perfect, perfect))
    # six ratios of means over ten draws, each within about a tenth of 1
    assert np.mean(results["fit_ratio"]) == pytest.approx(1, abs=0.15)
    assert results["fit_ratio"].std() > 0
    assert np.sum(results["p_value"] > 0.05) >= 4  # of 6, at the 5 % level


@pytest.mark.parametrize("standardize", [True, False])
def test_a_lane_equals_the_same_seed_run_alone(tmp_path, data, standardize):
    given = {"standardize": standardize, "learning_rate": (1e-3, 1e-4)}
    run.run(config_of(data, seeds=2, **given), tmp_path / "together")
    given["learning_rate"] = (1e-4,)
    run.run(config_of(data, seed=1, **given), tmp_path / "alone")
    together = np.load(tmp_path / "together" / "samples.npz")
    alone = np.load(tmp_path / "alone" / "samples.npz")
    assert together["seed"].tolist() == [0, 1, 0, 1]
    for name in ("train", "test", "generated", "generated_ema"):
        np.testing.assert_allclose(together[name][3], alone[name][0], rtol=1e-5)


def files(directory):
    """What must not depend on interruptions."""
    names = ("metrics.jsonl", "samples.npz", "losses.png", "training.gif")
    return {name: (directory / name).read_bytes() for name in names}


def test_stopped_and_resumed_equals_uninterrupted(tmp_path, data, monkeypatch):
    config = config_of(data, seeds=2, epochs=8)
    run.run(config, tmp_path / "whole")
    save, saved = checkpoint.save, []

    def save_and_die(directory, step, tree, **options):
        save(directory, step, tree, **options)
        saved.append(step)
        raise KeyboardInterrupt

    for _ in range(4):
        monkeypatch.setattr("jaxgan.runs.loop.checkpoint.save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            run.run(config, tmp_path / "cut")
    monkeypatch.undo()
    run.run(config, tmp_path / "cut")
    assert saved == [2, 4, 6, 8]
    assert final_state(tmp_path / "cut") == final_state(tmp_path / "whole")
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_a_damaged_checkpoint_is_skipped_and_named(tmp_path, data, monkeypatch, capsys):
    config = config_of(data, epochs=6)
    run.run(config, tmp_path / "whole")
    run.run(config, tmp_path / "cut")
    (tmp_path / "cut" / "summary.json").unlink()
    newest = tmp_path / "cut" / "checkpoints" / "step_00000006"
    victim = max(newest.rglob("*"), key=lambda path: path.stat().st_size)
    victim.write_bytes(b"\0" + victim.read_bytes()[1:])
    capsys.readouterr()
    run.run(config, tmp_path / "cut")
    lines = [x for x in capsys.readouterr().err.splitlines() if "skipped" in x]
    assert len(lines) == 1
    assert f"step_00000006 skipped: {victim.relative_to(newest)} is damaged" in lines[0]
    assert final_state(tmp_path / "cut") == final_state(tmp_path / "whole")
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_divergence_keeps_the_last_finite_checkpoint(tmp_path, data, monkeypatch):
    """The learning rate becomes infinite in the third of eight epochs."""
    monkeypatch.setitem(
        SCHEDULES, "linear", lambda rate, _: lambda n: jnp.where(n < 20, rate, jnp.inf)
    )
    config = config_of(data, variant=("gan",), epochs=8, critic_steps=1)
    assert config.steps_per_epoch == 8
    with pytest.raises(Diverged, match="no lane is finite any more at epoch 3"):
        run.run(config, tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    name, leaves = final_state(tmp_path / "run")
    assert name == "step_00000002"
    for shape, content in leaves:
        assert np.isfinite(np.frombuffer(content, np.float32)).all() or shape == (1, 2)
    assert not (tmp_path / "run" / "summary.json").exists()


def test_a_lane_that_diverges_counts(tmp_path, data, capsys):
    config = config_of(
        data,
        variant=("lsgan",),
        optimizer=("sgd",),
        learning_rate=(1e-3, 1e3),
        schedule="constant",
    )
    rows = run.run_all([config], tmp_path / "run")
    assert "lane 1: no longer finite" in capsys.readouterr().err
    assert [row["diverged"] for row in rows] == [0, 1]
    assert rows[0]["fit_ratio_mean"] > 0
    assert rows[1]["fit_ratio_mean"] == ""
    text = (tmp_path / "run" / "summary.csv").read_text()
    table = list(csv.DictReader(text.splitlines()))
    assert [row["learning_rate"] for row in table] == ["0.001", "1000.0"]


def test_collapse_is_said(tmp_path, data, capsys):
    """A generator that does not move yet: its first outputs are nearly one point."""
    config = config_of(data, learning_rate=(1e-9,), generator_widths=(4, 4, 4, 4))
    run.run(config, tmp_path / "run")
    assert "collapse: generated spread under 10% of the data's" in capsys.readouterr().err


def test_a_program_that_diverges_has_its_row(tmp_path, data, capsys):
    exploding = config_of(
        data, variant=("lsgan",), optimizer=("sgd",), learning_rate=(1e10,), schedule="constant"
    )
    rows = run.run_all([config_of(data), exploding], tmp_path / "sweep")
    assert [row["diverged"] for row in rows] == [0, 1]
    assert rows[1]["fit_ratio_mean"] == ""
    assert "no lane is finite any more" in capsys.readouterr().err
    with pytest.raises(Diverged):
        run.run_all([exploding], tmp_path / "alone")


def test_lost_metrics_are_made_again(tmp_path, data, capsys):
    config = config_of(data)
    run.run(config, tmp_path / "run")
    before = files(tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    (tmp_path / "run" / "metrics.jsonl").write_text('{"epoch": 1}\nrubbish\n')
    run.run(config, tmp_path / "run")
    assert "metrics.jsonl lacks epochs before 4; starts over" in capsys.readouterr().err
    assert files(tmp_path / "run") == before


def test_a_cloud_far_from_the_origin_is_measured_as_well(tmp_path, data):
    np.save(tmp_path / "far.npy", np.load(data) + 1e8)
    near = run.run(config_of(data), tmp_path / "near")["cells"][0]["by_seed"]
    far = run.run(config_of(str(tmp_path / "far.npy")), tmp_path / "there")
    far = far["cells"][0]["by_seed"]
    # the file itself has room for 8 digits after the offset
    assert far["fit_ratio"] == pytest.approx(near["fit_ratio"], rel=1e-3)
    assert far["p_value"] == pytest.approx(near["p_value"], abs=0.01)


def test_a_sweep_writes_one_table_and_one_figure_and_skips_what_is_done(tmp_path, data, capsys):
    given = SMALL | {"data": data, "variant": ("gan", "wgan"), "seeds": 2, "epochs": 2}
    configs = configure(optimizer=("sgd", "adam"), **given)
    run.run_all(configs, tmp_path / "sweep")
    (tmp_path / "sweep" / "summary.csv").unlink()
    capsys.readouterr()
    rows = run.run_all(configs, tmp_path / "sweep")
    assert capsys.readouterr().err.count("already complete") == 4
    with pytest.raises(InputError, match="was made with programs="):
        run.run_all(configs[:2], tmp_path / "sweep")
    assert [(row["variant"], row["optimizer"]) for row in rows] == [
        (v, o) for v in ("gan", "wgan") for o in ("sgd", "adam")
    ]
    assert (tmp_path / "sweep" / "summary.csv").exists()
    assert (tmp_path / "sweep" / "clouds.png").exists()
    assert (tmp_path / "sweep" / "wgan-adam" / "training.gif").exists()
    for row in rows:
        assert row["fit_ratio_low"] < row["fit_ratio_mean"] < row["fit_ratio_high"]


def test_known_modes_are_counted(tmp_path):
    (config,) = configure(**SMALL | {"variant": ("gan",), "data": "ring", "train_size": 8000})
    (cell,) = run.run(config, tmp_path / "run")["cells"]
    assert 0 <= cell["by_seed"]["modes"][0] <= 8
    assert 0 <= cell["by_seed"]["quality_ema"][0] <= 1


def test_tensorboard_gets_the_same_numbers(tmp_path, data):
    loader = pytest.importorskip("tensorboardX", reason="needs the tb extra")
    assert loader
    run.run(config_of(data), tmp_path / "run", tensorboard=True)
    (events,) = (tmp_path / "run" / "tensorboard").iterdir()
    content = events.read_bytes()
    assert content.count(b"critic_loss") == 4
    assert content.count(b"\x89PNG") == 3


# The command line, in processes of its own.


def command(*args, cwd, **options):
    """Start the experiment; every test gives --out, so that nothing lands here."""
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.points", *args],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process, timeout=300):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def flags_of(data, **given):
    settings = SMALL | {"variant": "wgan_gp", "data": data} | given
    return [
        f"--{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in settings.items()
    ]


def test_the_command_trains_and_prints_the_table(tmp_path, data):
    code, out, err = finish(command(*flags_of(data), cwd=tmp_path))
    assert code == 0, err
    assert "fit ratio" in out
    assert "runs/points/cloud-wgan_gp" in out
    assert "first step after" in err
    assert "epoch 4/4" in err
    assert (tmp_path / "runs" / "points" / "cloud-wgan_gp" / "summary.csv").exists()


def test_dry_run_writes_nothing(tmp_path, data):
    code, out, _ = finish(command("--dry_run", *flags_of(data), cwd=tmp_path))
    assert code == 0
    (settings,) = json.loads(out).values()
    assert settings["epochs"] == 4
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_the_command_goes_on(tmp_path, data, signum, code):
    args = flags_of(data, epochs=20000, checkpoint_every=20000)
    process = command(*args, cwd=tmp_path)
    for line in process.stderr:
        if line.startswith("epoch 4/"):
            break
    process.send_signal(signum)
    assert finish(process)[0] == code
    (folder,) = (tmp_path / "runs" / "points" / "cloud-wgan_gp" / "checkpoints").iterdir()
    stopped_at = int(folder.name[5:])
    process = command(*args, cwd=tmp_path)
    for line in process.stderr:
        if "goes on after epoch" in line:
            break
    assert line.split()[-1] == str(stopped_at)
    process.kill()
    finish(process)


def test_killed_at_random_moments_ends_with_the_same_bits(tmp_path, data):
    args = flags_of(data, epochs=40, seeds=2)
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    assert finish(command(*args, cwd=tmp_path / "whole"))[0] == 0
    rng = np.random.default_rng(0)
    resumed = 0
    for epoch in (4, 12, 20, 30):
        process = command(*args, cwd=tmp_path / "killed")
        for line in process.stderr:
            resumed += "goes on after epoch" in line
            if line.startswith("epoch ") and int(line.split()[1].split("/")[0]) >= epoch:
                break
        time.sleep(rng.uniform(0, 0.2))  # into a checkpoint, a frame or a step
        process.kill()
        process.communicate()
    assert resumed >= 2
    assert finish(command(*args, cwd=tmp_path / "killed"))[0] == 0
    whole, killed = (
        tmp_path / name / "runs" / "points" / "cloud-wgan_gp" for name in ("whole", "killed")
    )
    assert final_state(killed) == final_state(whole)
    assert files(killed) == files(whole)


def bad_files(folder):
    """What BAD refers to."""
    cloud = np.random.default_rng(0).normal(size=(60, 2))
    scipy.io.savemat(folder / "keys.mat", {"a": cloud, "b": cloud})
    (folder / "text.mat").write_text("no MATLAB here")
    (folder / "file").write_text("")
    (folder / "binary").write_bytes(b"\xff\xfe")
    return str(folder)


BAD = [  # flags, with {} for the folder of bad files, and what the one line must say
    ("--data=nowhere.mat", "no such file: nowhere.mat"),
    ("--data={}/keys.mat", "no variable 'xx'; it has: a, b"),
    ("--data={}/text.mat", "not a readable .mat file"),
    ("--variant=wgna", "unknown variant 'wgna'; choose from gan, gan_minimax"),
    ("--learning_rate=fast", "--learning_rate=fast is not a list of numbers"),
    ("--critic_widths=64,1.5", "is not a list of whole numbers"),
    ("--epochs=ten", "epochs"),
    ("--epochs=-1", "--epochs=-1: must be a whole number"),
    ("--epoch=3", "Unknown command line flag 'epoch'"),
    ("--flagfile={}/binary", "decode"),
    ("gan", "unexpected argument 'gan'"),
    ("--out={}/file", "file"),
    ("--out=/dev/null/here", "/dev/null"),
    ("--out=", "must be the name of a folder"),
    ("--name=../escape", "must be a plain folder name"),
]


@pytest.mark.parametrize(("flag", "message"), BAD)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, flag, message):
    (tmp_path / "input").mkdir()
    (tmp_path / "cwd").mkdir()
    flag = flag.format(bad_files(tmp_path / "input"))
    before = sorted(tmp_path.rglob("*"))
    code, out, err = finish(command(flag, cwd=tmp_path / "cwd"), timeout=60)
    assert (code, out) == (2, "")
    assert err.startswith("points: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_changed_setting_is_refused_and_nothing_is_touched(tmp_path, data):
    assert finish(command(*flags_of(data), cwd=tmp_path))[0] == 0
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    code, _, err = finish(command(*flags_of(data, epochs=6), cwd=tmp_path))
    assert code == 2
    assert "was made with epochs=4, not 6; --fresh starts over" in err
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_second_start_takes_its_programs_from_the_cache(tmp_path, data):
    """Counted in files, not in seconds: the second start adds none."""
    cache = tmp_path / "cache"
    for name in ("first", "second"):
        env = {"JAX_COMPILATION_CACHE_DIR": str(cache)}
        process = subprocess.run(
            [sys.executable, "-m", "experiments.points", *flags_of(data), f"--name={name}"],
            cwd=tmp_path,
            env=os.environ | env | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr
        programs = {path.name for path in cache.rglob("*-cache")}
        if name == "first":
            first = programs
    assert any("advance" in name for name in first)
    assert programs == first

import csv
import json
import re
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from experiments.points import fit, lanes, program, run, tables
from experiments.points.config import configure
from jaxgan.data import points
from jaxgan.errors import InputError
from jaxgan.metrics import fit_ratio
from jaxgan.metrics.transport import wasserstein
from jaxgan.runs import Diverged, checkpoint
from jaxgan.runs.directory import write_csv
from jaxgan.training.optimizers import SCHEDULES


def files(directory):
    """What must not depend on interruptions."""
    names = ("metrics.jsonl", "samples.npz", "losses.png", "training.gif")
    return {name: (directory / name).read_bytes() for name in names}


def test_a_run_directory_holds_what_the_design_lists(original):
    names = {path.name for path in original.iterdir()}
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
    frames = sorted(path.name for path in (original / "frames").iterdir())
    assert frames == ["epoch_0000.png", "epoch_0002.png", "epoch_0004.png"]
    with Image.open(original / "training.gif") as image:
        assert image.n_frames == 3
    lines = (original / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [(r["epoch"], r["step"]) for r in records] == [(e, 2 * e) for e in (1, 2, 3, 4)]
    assert all(len(r["critic_loss"]) == 4 for r in records)
    samples = np.load(original / "samples.npz")
    assert samples["train"].shape == (4, 512, 2)
    assert samples["test"].shape == samples["generated"].shape == (4, 88, 2)
    assert samples["generated_ema"].shape == (4, 88, 2)
    assert samples["learning_rate"].tolist() == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    assert len(json.loads((original / "summary.json").read_text())["cells"]) == 2
    json.loads((original / "config.json").read_text())


def test_fit_ratio_is_what_its_definition_says(original):
    """Computed again from samples.npz, with draws of our own for the floor."""
    samples = np.load(original / "samples.npz")
    (cell, _) = json.loads((original / "summary.json").read_text())["cells"]
    rng = np.random.default_rng(5)
    for lane in range(2):
        test = samples["test"][lane]
        draws = [rng.choice(samples["train"][lane], 88, replace=False) for _ in range(40)]
        floor = np.mean([wasserstein(draw, test) for draw in draws])
        ratio = wasserstein(samples["generated"][lane], test) / floor
        # A generator that has not learned is far away, so that one draw of 88 points
        # tells its distance to some percent; the floor's 10 draws do as well.
        assert cell["by_seed"]["fit_ratio"][lane] == pytest.approx(ratio, rel=0.15)


def test_samples_of_the_training_data_score_one(data, config_of):
    config = config_of(seeds=6, train_size=450)
    cloud = points.load(data)
    starts = lanes.lanes_of(config, cloud.points)
    perfect = np.stack([[*fit_ratio.floor_samples(x, 150, 99)] for x in starts.train])
    # As a generator gives them.
    generated = [lanes.at(starts, i).units.to_training(x) for i, x in enumerate(perfect)]
    modes = cloud._replace(modes=cloud.points[:3], radius=1e9)
    results, samples = fit.evaluate(starts, modes, (generated, generated))
    np.testing.assert_allclose(samples["generated"], perfect[:, 0], rtol=1e-12)
    # six ratios of means over ten draws, each within about a tenth of 1
    assert np.mean(results["fit_ratio"]) == pytest.approx(1, abs=0.15)
    assert results["fit_ratio"].std() > 0
    for name in ("p_value", "classifier_p_value"):
        assert np.sum(results[name] > 0.05) >= 4  # of 6, at the 5 % level
    assert results["classifier_accuracy"] == pytest.approx(0.5, abs=0.1)
    assert results["quality"].tolist() == [1] * 6
    assert (results["reverse_kl"] >= 0).all()
    assert (results["modes_ema"] >= 1).all()


def test_the_floor_of_equal_points_is_measured_once(data, config_of, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cloud = points.load(data).points
    lane, other = (lanes.start(config_of(), cloud, seed) for seed in (0, 1))
    floor = fit.floor_of(lane)
    assert floor == fit_ratio.floor(lane.train, lane.reference, 0)
    monkeypatch.setattr(fit_ratio, "floor", lambda *arguments: -1.0)
    assert fit.floor_of(lane) == floor
    assert fit.floor_of(other) == -1


def test_floors_of_two_splits_of_the_same_points_differ(data, config_of, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cloud = points.load(data).points
    lane = lanes.start(config_of(), cloud, 0)
    for size in (50, 60):
        split = lane._replace(train=cloud[:size], reference=cloud[size:80])
        assert fit.floor_of(split) == fit_ratio.floor(cloud[:size], cloud[size:80], 0)


def test_any_number_of_epochs_is_one_program(data, config_of):
    cloud = points.load(data).points

    def program_of(epochs):
        config = config_of(epochs=epochs, schedule="linear", learning_rate=(1e-3,), seeds=1)
        all_lanes = program.on_device(config, lanes.lanes_of(config, cloud))
        reals = np.zeros((config.critic_steps, config.batch_size, 2), np.float32)

        def step(lane):
            gan = program.build(config, lane.values)
            start = gan.init(jax.random.key(lane.seed), reals[0, :1])
            return gan.step(start, reals)[0].generator

        return jax.jit(step).lower(jax.tree.map(lambda x: x[0], all_lanes))

    assert program_of(4).as_text() == program_of(6).as_text()


def test_units_are_affine_maps_of_the_data(data, config_of):
    cloud = points.load(data).points
    lane = lanes.start(config_of(), cloud, 0)
    np.testing.assert_allclose(lane.units.to_training(lane.train).std(axis=0), 1, rtol=1e-12)
    there = lane.units.to_training(cloud)
    np.testing.assert_allclose(lane.units.to_data(there), cloud, rtol=1e-12)
    # Measures are in units of the root mean square distance to the mean.
    radii = np.linalg.norm(lane.units.to_measure(lane.train), axis=1)
    assert np.sqrt(np.mean(radii**2)) == pytest.approx(1, rel=1e-12)


def test_a_cloud_far_from_the_origin_is_measured_as_well(data, config_of):
    """Float32 has no room for it: the program measures in units of its own."""
    cloud = points.load(data).points
    near, far = (lanes.lanes_of(config_of(), x) for x in (cloud, cloud + 1e8))
    assert far.floor == pytest.approx(near.floor, rel=1e-3)  # the file has 8 digits left
    shifts = [program.on_device(config_of(), x) for x in (near, far)]
    for one, other in zip(*(jax.tree.leaves(x) for x in shifts), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_clusters_reached_are_those_of_the_data(monkeypatch):
    """Here a generator gives points of some of the ring's 8 modes."""
    cloud = points.load("ring")
    (config,) = configure(data="ring")
    start = lanes.with_values(lanes.start(config, cloud.points, 0), config.combinations()[0])
    assert start.clusters.shape[0] == 8
    traced = jax.tree.map(lambda x: x[0], program.on_device(config, lanes.stack([start])))
    monkeypatch.setattr(program, "averaged", lambda state: state)
    monkeypatch.setattr(program, "generate", lambda gan, state, lane: state)
    mode = np.argmin(np.linalg.norm(start.test[:, None] - cloud.modes, axis=-1), axis=1)
    gan: Any = None  # not called
    for count in (1, 4, 6, 7, 8):
        fake = start.units.to_training(start.test[mode < count])
        fake = jnp.asarray(np.resize(fake, start.reference.shape), jnp.float32)
        metrics = program.measure(gan, fake, traced)
        assert metrics["clusters"] == pytest.approx(count / 8)
    assert np.isnan(program.measure(gan, fake * np.nan, traced)["clusters"])


@pytest.mark.parametrize("standardize", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_lane_equals_the_same_seed_run_alone(
    tmp_path, request, config_of, train, standardize
):
    given = {"standardize": standardize, "learning_rate": (1e-3, 1e-4)}
    if standardize:
        together = request.getfixturevalue("original")
    else:
        together = tmp_path / "together"
        train(config_of(seeds=2, **given), together)
    given["learning_rate"] = (1e-4,)
    train(config_of(seed=1, **given), tmp_path / "alone")
    together = np.load(together / "samples.npz")
    alone = np.load(tmp_path / "alone" / "samples.npz")
    assert together["seed"].tolist() == [0, 1, 0, 1]
    for name in ("train", "test", "generated", "generated_ema"):
        np.testing.assert_allclose(together[name][3], alone[name][0], rtol=1e-5)


def test_stopped_and_resumed_equals_uninterrupted(
    tmp_path, original, config_of, train, final_state, monkeypatch
):
    """Dies right after each checkpoint: before the second, nothing of the second is kept."""
    save, saved = checkpoint.save, []

    def save_and_die(directory, step, tree, keep):
        save(directory, step, tree, keep)
        saved.append(step)
        raise KeyboardInterrupt

    config = config_of(seeds=2, learning_rate=(1e-3, 1e-4))
    for _ in range(2):
        monkeypatch.setattr("jaxgan.runs.loop.checkpoint.save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "cut")
    monkeypatch.undo()
    train(config, tmp_path / "cut")
    assert saved == [2, 4]
    assert final_state(tmp_path / "cut") == final_state(original)
    assert files(tmp_path / "cut") == files(original)


def test_a_damaged_checkpoint_is_skipped_and_named(
    finished, original, config_of, train, final_state, capsys
):
    (finished / "summary.json").unlink()
    newest = finished / "checkpoints" / "step_00000004"
    victim = max(newest.rglob("*"), key=lambda path: path.stat().st_size)
    victim.write_bytes(b"\0" + victim.read_bytes()[1:])
    capsys.readouterr()
    train(config_of(seeds=2, learning_rate=(1e-3, 1e-4)), finished)
    lines = [x for x in capsys.readouterr().err.splitlines() if "skipped" in x]
    assert len(lines) == 1
    assert f"step_00000004 skipped: {victim.relative_to(newest)} is damaged" in lines[0]
    assert final_state(finished) == final_state(original)
    assert files(finished) == files(original)


def test_frames_say_the_quality_where_modes_are_known(tmp_path, data, config_of, monkeypatch):
    cloud, titles = points.load(data), []
    view = (cloud.points[:8], np.zeros(72 * 48))
    monkeypatch.setattr(program, "make_view", lambda *_: lambda state: view)
    monkeypatch.setattr(
        run.figures, "points_frame", lambda path, title, **_: titles.append(title)
    )
    modes = cloud._replace(modes=cloud.points[:2], radius=1e-6)
    for x in (cloud, modes):
        run.job(config_of(), tmp_path, x).draw(3, None)()
    assert titles[0].endswith("epoch    3")
    assert titles[1] == titles[0] + "   quality  25.0%"


def test_rows_and_grid_of_cells(original, finished, config_of, monkeypatch):
    """The table and the figure of a sweep, from two complete runs."""
    summary = json.loads((original / "summary.json").read_text())
    rows = tables.rows(summary["cells"])
    assert [row["learning_rate"] for row in rows] == [1e-3, 1e-4]
    for row in rows:
        assert row["fit_ratio_low"] < row["fit_ratio_mean"] < row["fit_ratio_high"]
    folders = {
        x: config_of(seeds=2, variant=(v,)) for x, v in ((original, "gan"), (finished, "wgan"))
    }
    for cell in summary["cells"]:
        cell["by_seed"]["quality"] = [0.5, 0.75]
    (finished / "summary.json").write_text(json.dumps(summary))
    draw, drawn = tables.figures.cloud_grid, []
    monkeypatch.setattr(tables.figures, "cloud_grid", lambda *x: drawn.append(x) or draw(*x))
    tables.draw_grid(finished / "clouds.png", folders)
    with Image.open(finished / "clouds.png") as image:
        assert image.width > 500
    shown = [panel.title.count("quality 62.5%") for panel in drawn[0][1].values()]
    assert shown == [0, 0, 1, 1]


def test_a_row_is_compared_with_the_first_between_equal_seeds(original, capsys):
    """Seeds differ by far more than rows do."""
    cell = json.loads((original / "summary.json").read_text())["cells"][0]

    def row_of(*ratios):
        return {**cell, "by_seed": cell["by_seed"] | {"fit_ratio_ema": ratios}}

    lost, alone = row_of(1.0, None), row_of(1.0)
    table = tables.rows([row_of(1.0, 3.0), row_of(1.1, 3.12), lost])
    assert table[1]["fit_ratio_ema_difference_mean"] == pytest.approx(0.11)
    half = 12.7062 * 0.01  # Student's quantile with one degree of freedom, standard error
    assert table[1]["fit_ratio_ema_difference_low"] == pytest.approx(0.11 - half, abs=1e-5)
    for row in (table[0], table[2]):
        assert "fit_ratio_ema_difference_mean" not in row
    tables.show(table)
    lines = capsys.readouterr().out.splitlines()
    assert "  +0.11 [-0.02, +0.24]  " in lines[2]
    assert lines[4] == tables.PAIRS
    tables.show(tables.rows([alone, alone]))
    assert "  +0.00  " in capsys.readouterr().out
    tables.show(tables.rows([lost, lost]))
    assert "difference" not in capsys.readouterr().out


def test_variants_with_an_optimizer_each_stand_side_by_side(
    original, tmp_path, config_of, monkeypatch
):
    """Not on the diagonal of a grid that is empty elsewhere."""
    summary = json.loads((original / "summary.json").read_text())
    summary["cells"] = summary["cells"][:1]
    folders = {}
    for variant, optimizer in (("gan", "rmsprop"), ("wgan_gp", "adam")):
        folder = tmp_path / variant
        folder.mkdir()
        shutil.copy(original / "samples.npz", folder)
        (folder / "summary.json").write_text(json.dumps(summary))
        folders[folder] = config_of(seeds=2, variant=(variant,), optimizer=(optimizer,))
    drawn = []
    monkeypatch.setattr(tables.figures, "cloud_grid", lambda *x: drawn.append(x))
    tables.draw_grid(tmp_path / "clouds.png", folders)
    assert list(drawn[0][1]) == [("", "gan, rmsprop"), ("", "wgan_gp, adam")]


def test_a_table_of_older_runs_leaves_what_they_lack_empty(original, tmp_path, capsys):
    cells = json.loads((original / "summary.json").read_text())["cells"]
    numbers = {"modes": [8.0], "modes_ema": [7.0], "quality": [1.0], "quality_ema": [1.0]}
    new = {"reverse_kl": [0.25], "reverse_kl_ema": [0.5]}
    new |= {"classifier_p_value": [0.5, 0.05], "classifier_p_value_ema": [0.049, None]}
    older, newer = ({**cells[0], "by_seed": cells[0]["by_seed"] | x} for x in (numbers, new))
    for name in [x for x in older["by_seed"] if x.startswith("classifier")]:
        older["by_seed"].pop(name)
    table = tables.rows([older, newer])
    tables.show(table)
    write_csv(tmp_path / "summary.csv", table)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("medians")[1].split()[:4] == ["quality", "modes", "reverse", "KL"]
    assert lines[0].endswith("by classifier")
    columns = [re.split(" {2,}", line)[-6:] for line in lines]
    assert columns[1][:3] == ["1.000, 1.000", "8.0, 7.0", "nan, nan"]
    assert columns[2][:3] == ["nan, nan", "nan, nan", "0.25, 0.50"]
    assert [columns[1][-1], columns[2][-1]] == ["nan, nan", "2, 0"]
    assert columns[1][3] == "nan, nan" != columns[2][3]
    with open(tmp_path / "summary.csv") as file:
        first, second = csv.DictReader(file)
    assert first["reverse_kl_mean"] == second["modes_mean"] == ""
    assert first["indistinguishable_classifier"] == ""
    assert second["indistinguishable_classifier"] == "2"


def test_a_program_that_diverges_has_its_row(tmp_path, data, config_of, monkeypatch, capsys):
    """Programs are not trained here: one returns its cells, one has no finite lane."""
    good, exploding = config_of(), config_of(variant=("lsgan",), optimizer=("sgd",))
    results = {name: np.array([2.0]) for name in fit.RESULTS}

    def train_one(config, directory, cloud, **options):
        directory.mkdir(parents=True, exist_ok=True)
        if config == exploding:
            raise Diverged("every lane has diverged")
        return {"cells": fit.summarize(config, results, np.array([True]))}

    monkeypatch.setattr(run, "run", train_one)
    monkeypatch.setattr(tables, "draw_grid", lambda path, folders: path.write_text("drawn"))
    cloud = points.load(data)
    rows = run.run_all([good, exploding], tmp_path / "sweep", cloud)
    assert [row["diverged"] for row in rows] == [0, 1]
    assert rows[0]["fit_ratio_mean"] == 2
    assert rows[1]["fit_ratio_mean"] == ""
    assert "every lane has diverged" in capsys.readouterr().err
    text = (tmp_path / "sweep" / "summary.csv").read_text()
    assert [row["variant"] for row in csv.DictReader(text.splitlines())] == ["wgan_gp", "lsgan"]
    assert (tmp_path / "sweep" / "clouds.png").exists()
    with pytest.raises(Diverged):
        run.run_all([exploding], tmp_path / "alone", cloud)
    assert "lsgan" in (tmp_path / "alone" / "summary.csv").read_text()


@pytest.mark.slow
def test_divergence_keeps_the_last_finite_checkpoint(
    tmp_path, config_of, train, final_state, monkeypatch
):
    """The learning rate becomes infinite in the third of eight epochs."""
    monkeypatch.setitem(
        SCHEDULES,
        "linear",
        SCHEDULES["linear"]._replace(
            generator=lambda rate, _: lambda n: jnp.where(n < 20, rate, jnp.inf)
        ),
    )
    config = config_of(variant=("gan",), epochs=8, critic_steps=1)
    assert config.steps_per_epoch == 8
    with pytest.raises(Diverged, match="every lane has diverged by epoch 3"):
        train(config, tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    name, leaves = final_state(tmp_path / "run")
    assert name == "step_00000002"
    for shape, content in leaves:
        assert np.isfinite(np.frombuffer(content, np.float32)).all() or shape == (1, 2)
    assert not (tmp_path / "run" / "summary.json").exists()


@pytest.mark.slow
def test_an_optimizer_of_optax_goes_on_where_it_stopped(
    tmp_path, config_of, train, final_state
):
    """With rates that are traced, and a state that is in the checkpoints."""
    name = "optax.adamw:b1=0.5,weight_decay=0.01"
    config = config_of(optimizer=(name,), learning_rate=(1e-3, 1e-2))
    train(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (tmp_path / "cut" / "summary.json").unlink()
    (newest, *_) = sorted((tmp_path / "cut" / "checkpoints").glob("step_*"), reverse=True)
    shutil.rmtree(newest)
    train(config, tmp_path / "cut")
    assert final_state(tmp_path / "cut") == final_state(tmp_path / "whole")
    recorded = json.loads((tmp_path / "cut" / "config.json").read_text())
    assert recorded["settings"]["optimizer"] == name


@pytest.mark.slow
def test_a_sweep_writes_one_table_and_one_figure_and_skips_what_is_done(
    tmp_path, data, config_of, capsys
):
    """And lanes that diverge count."""
    given = {"variant": ("lsgan", "wgan"), "optimizer": ("sgd",), "seeds": 2}
    given |= {"learning_rate": (1e-3, 1e3), "schedule": "constant"}
    small = {name: getattr(config_of(), name) for name in ("epochs", "train_size", "data")}
    widths = {"generator_widths": (8,), "critic_widths": (8,)}
    configs = configure(**small, **widths, **given)
    cloud = points.load(data)
    run.run_all(configs, tmp_path / "sweep", cloud)
    err = capsys.readouterr().err
    assert "lane 2: diverged (no longer finite)" in err
    assert "lane 3: diverged (no longer finite)" in err
    (tmp_path / "sweep" / "summary.csv").unlink()
    rows = run.run_all(configs, tmp_path / "sweep", cloud)
    assert capsys.readouterr().err.count("already complete") == 2
    with pytest.raises(InputError, match="was made with programs="):
        run.run_all([*configs, config_of()], tmp_path / "sweep", cloud)
    assert [(row["variant"], row["optimizer"]) for row in rows] == [
        ("lsgan", "sgd"),
        ("lsgan", "sgd"),
        ("wgan", "sgd"),
        ("wgan", "sgd"),
    ]
    assert [row["diverged"] for row in rows[:2]] == [0, 2]
    assert rows[0]["fit_ratio_mean"] > 0
    assert rows[1]["fit_ratio_mean"] == ""
    text = (tmp_path / "sweep" / "summary.csv").read_text()
    table = list(csv.DictReader(text.splitlines()))
    assert [row["learning_rate"] for row in table] == ["0.001", "1000.0"] * 2
    assert (tmp_path / "sweep" / "clouds.png").exists()
    assert (tmp_path / "sweep" / "wgan-sgd" / "training.gif").exists()

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import claims_cells, claims_points, points
from experiments.claims_cells import Cell, Laboratory, Lane, Record
from experiments.points_config import configure
from jaxgan import checkpoint, parallel, plots

SMALL = {
    "epochs": 4,
    "generator_widths": (8,),
    "critic_widths": (8,),
    "train_size": 512,
    "batch_size": 64,
    "schedule": "constant",
}


def laboratory(trained, problem=lambda lanes: None):
    """Counts what is trained; configurations of equal first letters share a program."""

    def train(lanes, directory, tell, check):
        trained.append([(lane.cell.config, lane.seed) for lane in lanes])
        problem(lanes)
        tell(0.5)
        return [Record({"x": np.float64(lane.seed)}, {"seconds": 1.0}) for lane in lanes]

    return Laboratory(lambda c: {"c": c}, lambda c: c[0], lambda c: 1.0, (), train)


def test_lanes_of_one_program_run_together_and_once(tmp_path):
    trained = []
    lab = laboratory(trained)
    cells = [Cell(lab, name) for name in ("a1", "b1", "a2")]
    records = claims_cells.gather(tmp_path, cells, 2)
    assert trained == [[("a1", 0), ("a1", 1), ("a2", 0), ("a2", 1)], [("b1", 0), ("b1", 1)]]
    assert [float(r.arrays["x"]) for r in records[cells[2]]] == [0, 1]
    claims_cells.gather(tmp_path, cells, 2)
    assert len(trained) == 2
    claims_cells.gather(tmp_path, cells[:1], 4)  # only the missing seeds
    assert trained[2:] == [[("a1", 2), ("a1", 3)]]
    assert not list((tmp_path / "work").iterdir())


def test_a_damaged_record_is_made_again(tmp_path, capsys):
    trained = []
    cell = Cell(laboratory(trained), "a1")
    claims_cells.gather(tmp_path, [cell], 2)
    claims_cells.path_of(tmp_path, Lane(cell, 1)).write_bytes(b"PK no")
    claims_cells.gather(tmp_path, [cell], 2)
    assert trained == [[("a1", 0), ("a1", 1)], [("a1", 1)]]
    assert "seed_0001.npz: damaged, runs again" in capsys.readouterr().err


def test_what_was_begun_is_ended_first_and_with_its_lanes(tmp_path):
    """Even if another set of cells and seeds is asked for."""
    trained = []

    def die(lanes):
        if len(trained) == 1:
            raise KeyboardInterrupt

    lab = laboratory(trained, die)
    cells = [Cell(lab, "b1"), Cell(lab, "a1")]
    with pytest.raises(KeyboardInterrupt):
        claims_cells.gather(tmp_path, cells[1:], 2)
    claims_cells.gather(tmp_path, cells, 3)
    begun, *later = trained[1:]
    assert begun == trained[0] == [("a1", 0), ("a1", 1)]
    assert later == [[("b1", 0), ("b1", 1), ("b1", 2)], [("a1", 2)]]


def test_a_key_says_what_decides_a_result():
    def one(x):
        """Words."""
        return x + 1  # a remark

    def same(x):
        return x + 1

    def other(x):
        return x + 2

    def key(config, *code):
        lab = laboratory([])._replace(code=code)
        return claims_cells.key(Cell(lab, config))

    assert key("a") == key("a")
    assert key("a") != key("b")
    digests = [claims_cells._code((part,)) for part in (one, other)]
    assert digests[0] != digests[1]
    named = [claims_cells._source(part).replace("same", "one") for part in (one, same)]
    assert named[0] == named[1]


def test_progress_on_a_terminal_and_elsewhere(tmp_path, capsys):
    lab = laboratory([])
    claims_cells.gather(tmp_path, [Cell(lab, "a1"), Cell(lab, "b1")], 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1 of 2 programs done after 0 s, about 0 s left")
    assert len(lines) == 2


# The points laboratory.


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "cloud.npy"
    np.save(path, np.random.default_rng(0).normal(size=(600, 2)) * [2.0, 0.5] + 7)
    return str(path)


def cell_of(data, **given):
    (config,) = configure(**SMALL | {"variant": ("wgan_gp",), "data": data} | given)
    return Cell(claims_points.POINTS, config)


def numbers(records):
    return {
        (number, seed): {name: x.tobytes() for name, x in record.arrays.items()}
        for number, each in enumerate(records.values())
        for seed, record in enumerate(each)
    }


def test_a_record_is_what_the_laboratory_measures(tmp_path, data):
    cell = cell_of(data)
    (config,) = configure(
        **SMALL | {"variant": ("wgan_gp",), "data": data, "seeds": 2, "frame_every": 2}
    )
    summary = points.run(config, tmp_path / "run")
    records = claims_cells.gather(tmp_path / "study", [cell], 2)[cell]
    fits = [float(record.arrays["fit_ratio"]) for record in records]
    assert fits == summary["cells"][0]["by_seed"]["fit_ratio"]
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ratios = np.array([json.loads(line)["sliced_ratio"] for line in lines])
    np.testing.assert_array_equal(
        np.stack([record.arrays["curve"] for record in records], 1), ratios.astype(np.float32)
    )
    samples = np.load(tmp_path / "run" / "samples.npz")
    np.testing.assert_allclose(records[1].arrays["sample"], samples["generated"][1], rtol=1e-6)
    assert records[0].arrays["frames"].shape == (5, claims_points.SHOWN, 2)
    assert records[0].arrays["frame_epochs"].tolist() == [0, 1, 2, 3, 4]
    assert records[0].facts["lanes"] == 2
    assert records[0].facts["seconds"] > 0


def test_where_data_was_read_from_decides_nothing(tmp_path, data):
    moved = str(Path(data).rename(tmp_path / "moved.npy"))
    np.save(data, np.load(moved))
    assert claims_cells.key(cell_of(data)) == claims_cells.key(cell_of(moved))
    np.save(moved, np.load(data)[::-1])
    claims_points.digest.cache_clear()
    claims_cells.key.cache_clear()
    assert claims_cells.key(cell_of(data)) != claims_cells.key(cell_of(moved))


@pytest.mark.slow
def test_killed_and_started_again_gives_the_same_numbers(tmp_path, data, monkeypatch):
    cells = [cell_of(data), cell_of(data, learning_rate=(1e-3,))]
    whole = claims_cells.gather(tmp_path / "whole", cells, 3)
    monkeypatch.setattr(claims_points, "SAVE_EVERY", 0)
    save, saved = checkpoint.save, []

    def save_and_die(directory, step, tree, **options):
        save(directory, step, tree, **options)
        saved.append(step)
        raise KeyboardInterrupt

    for _ in range(4):
        monkeypatch.setattr("experiments.claims_points.checkpoint.save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            claims_cells.gather(tmp_path / "cut", cells, 3)
    monkeypatch.setattr("experiments.claims_points.checkpoint.save", save)
    cut = claims_cells.gather(tmp_path / "cut", cells, 3)
    assert saved == [1, 2, 3, 4]
    assert numbers(cut) == numbers(whole)


@pytest.mark.slow
def test_more_seeds_later_give_the_numbers_of_all_at_once(tmp_path, data):
    cell = cell_of(data)
    claims_cells.gather(tmp_path / "later", [cell], 2)
    later = claims_cells.gather(tmp_path / "later", [cell], 5)
    assert numbers(later) == numbers(claims_cells.gather(tmp_path / "once", [cell], 5))


def test_a_run_that_diverges_is_kept(tmp_path, data):
    given = {"variant": ("lsgan",), "optimizer": ("sgd",)}
    cells = [cell_of(data, **given, learning_rate=(rate,)) for rate in (1e-3, 1e3)]
    good, bad = (each[0] for each in claims_cells.gather(tmp_path, cells, 1).values())
    assert int(good.arrays["diverged_at"]) == 0
    assert float(good.arrays["fit_ratio"]) < np.inf
    at = int(bad.arrays["diverged_at"])
    assert at > 0
    assert float(bad.arrays["fit_ratio"]) == np.inf
    assert 1 < float(bad.arrays["worst_ratio"]) < np.inf
    assert np.isfinite(bad.arrays["curve"]).tolist() == [epoch < at for epoch in (1, 2, 3, 4)]
    alone = claims_cells.gather(tmp_path / "alone", cells[1:], 1)
    assert numbers(alone)[0, 0] == {n: x.tobytes() for n, x in bad.arrays.items()}


def program_of(data, devices):
    (config,) = configure(**SMALL | {"variant": ("wgan_gp",), "data": data, "seeds": 8})
    cloud = np.load(data)
    lanes = points.prepare(config, cloud)
    mesh = parallel.mesh(jax.devices()[:devices])
    return points.make_program(config, lanes, plots.extent_of(cloud), mesh)


def test_lanes_over_four_devices_equal_those_of_one_exactly(data):
    results = []
    for devices in (1, 4):
        made = program_of(data, devices)
        state, metrics = made.advance(made.init(), 3)
        results.append(jax.device_get((metrics, made.sample(state), made.draw(state))))
        assert len(metrics["critic_loss"].sharding.device_set) == devices
    jax.tree.map(np.testing.assert_array_equal, *results)


def test_lanes_need_no_collective(data):
    made = program_of(data, 4)
    step = jax.jit(lambda state: made.advance(state, 2))
    text = step.lower(made.init()).compile().as_text()
    assert "num_partitions=4" in text
    for word in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert word not in text

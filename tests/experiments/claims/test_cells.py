import json
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxgan.data.points as points_data
from experiments.claims import cells as claims_cells
from experiments.claims import training
from experiments.claims.cells import Cell, Laboratory, Lane, Record
from experiments.claims.points import cells as points_cells
from experiments.points import fit, program, run
from experiments.points.config import configure
from jaxgan.errors import InputError
from jaxgan.metrics import transport
from jaxgan.networks import mlp
from jaxgan.plots import figures
from jaxgan.runs import cache, checkpoint
from jaxgan.training import devices as training_devices
from jaxgan.training import epochs, gan

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

    shapes = {"x": ()}
    return Laboratory(
        lambda c: {"c": c}, lambda c: c[0], lambda c: 1.0, (), lambda c: shapes, epochs
    )


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


def with_facts(**given):
    facts = {"seconds": 1.0, "seed": 1, "versions": {"jax": "0"}} | given
    return Record({"x": np.float64(1)}, {n: x for n, x in facts.items() if x is not None})


DAMAGED = {
    "an array is missing": with_facts()._replace(arrays={}),
    "a shape is wrong": with_facts()._replace(arrays={"x": np.zeros(3)}),
    "no number": with_facts()._replace(arrays={"x": np.array("x")}),
    "facts are no dict": Record({"x": np.float64(1)}, [1, 2]),  # pyright: ignore
    "no seconds": with_facts(seconds=None),
    "seconds are text": with_facts(seconds="1"),
    "another seed": with_facts(seed=0),
    "no seed": with_facts(seed=None),
    "versions are a list": with_facts(versions=["jax"]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_a_record_is_made_again(tmp_path, name, capsys):
    trained = []
    cell = Cell(laboratory(trained), "a1")
    claims_cells.gather(tmp_path, [cell], 2)
    claims_cells.write(tmp_path, Lane(cell, 1), with_facts())
    claims_cells.gather(tmp_path, [cell], 2)
    assert len(trained) == 1  # a record that is none of these is taken
    claims_cells.write(tmp_path, Lane(cell, 1), DAMAGED[name])
    claims_cells.gather(tmp_path, [cell], 2)
    assert trained[1:] == [[("a1", 1)]]
    assert "seed_0001.npz: damaged, runs again" in capsys.readouterr().err


def test_a_record_is_mended_once(tmp_path):
    trained = []
    lab = laboratory(trained)._replace(shapes=lambda config: {"y": ()})
    with pytest.raises(InputError, match="seed_0000.npz: damaged again"):
        claims_cells.gather(tmp_path, [Cell(lab, "a1")], 1)
    assert len(trained) == 2


@pytest.mark.parametrize("text", ['[["k", 1e999]]', "[" * 100_000, '[["KEY", -1]]', "{}", "1"])
def test_lanes_of_nothing_are_ignored(tmp_path, text):
    trained = []
    cell = Cell(laboratory(trained), "a1")
    (tmp_path / "work" / "x").mkdir(parents=True)
    text = text.replace("KEY", claims_cells.key(cell))
    (tmp_path / "work" / "x" / "lanes.json").write_text(text)
    claims_cells.gather(tmp_path, [cell], 1)
    assert trained == [[("a1", 0)]]


def test_records_are_kept_as_they_come(tmp_path):
    def train(lanes, directory, tell, check):
        for lane in lanes:
            if lane.seed == 2:
                raise KeyboardInterrupt
            yield Record({"x": np.float64(lane.seed)}, {"seconds": 1.0})

    cell = Cell(laboratory([])._replace(train=epochs), "a1")
    with pytest.raises(KeyboardInterrupt):
        claims_cells.gather(tmp_path, [cell], 3)
    there = [claims_cells.path_of(tmp_path, Lane(cell, seed)).exists() for seed in range(3)]
    assert there == [True, True, False]


@pytest.fixture
def key_of(data):
    """The key of a cell of points, taken anew."""

    def key(**given):
        for cached in (claims_cells.key, cache._code, points_cells.digest):
            cached.cache_clear()
        return claims_cells.key(cell_of(data, **given))

    yield key
    claims_cells.key.cache_clear()
    cache._code.cache_clear()


DECISIVE = {
    "variant": ("gan",),
    "optimizer": ("sgd",),
    "schedule": "linear",
    "epochs": 5,
    "batch_size": 32,
    "train_size": 500,
    "critic_steps": 2,
    "latent_dim": 3,
    "generator_widths": (9,),
    "critic_widths": (9,),
    "betas": (0.3, 0.9),
    "learning_rate": (1e-3,),
    "critic_learning_rate": 1e-2,
    "penalty_weight": (0.7,),
    "ema": 0.5,
    "standardize": False,
}


def test_settings_that_decide_a_result_are_in_its_key(key_of):
    keys = [key_of(), *(key_of(**{name: x}) for name, x in DECISIVE.items())]
    assert len(set(keys)) == len(DECISIVE) + 1
    for given in ({"frame_every": 5}, {"checkpoint_every": 40}, {"seeds": 3}, {"seed": 3}):
        assert key_of(**given) == keys[0]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (run, "DIRECTIONS"),
        (run, "MAX_COMPARED"),
        (fit, "DRAWS"),
        (points_cells, "FRAMES"),
        (points_cells, "SHOWN"),
    ],
)
def test_constants_that_decide_a_result_are_in_its_key(key_of, monkeypatch, module, name):
    before = key_of()
    monkeypatch.setattr(module, name, 7)
    assert key_of() != before


def test_versions_are_in_a_key(key_of, monkeypatch):
    before = key_of()
    monkeypatch.setattr(claims_cells, "version", lambda name: f"{name} of another day")
    assert key_of() != before


@pytest.mark.parametrize(
    "part",
    [
        *(gan, mlp, epochs, transport, points_data.split, fit._floor),
        *(program.start, program._sliced, program.make_program),
        *(points_cells._measure, points_cells._marks, points_cells._in_units),
        *(points_cells._worst_sliced, training.train),
    ],
    ids=lambda part: part.__name__,
)
def test_code_that_decides_a_result_is_in_its_key(key_of, monkeypatch, part):
    before, source = key_of(), cache._source
    monkeypatch.setattr(cache, "_source", lambda x: source(x) + ("\npass" if x is part else ""))
    assert key_of() != before


def test_words_are_not_code():
    def one(x):
        """Words."""
        return x + 1  # a remark

    def same(x):
        return x + 1

    def other(x):
        return x + 2

    sources = [cache._source(part) for part in (one, same, other)]
    assert sources[0] == sources[1].replace("same", "one")
    assert sources[0] != sources[2].replace("other", "one")


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
    return Cell(points_cells.POINTS, config)


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
    summary = run.run(config, tmp_path / "run")
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
    worst = [float(record.arrays["worst_sliced"]) for record in records]
    lanes = program.prepare(config, np.load(data))
    for seed, (held_out, mean, size, floor) in enumerate(
        zip(*(lanes[x] for x in ("reference", "centre", "size", "floor")), strict=True)
    ):
        angles = np.pi * np.arange(16) / 16
        lines = (held_out - mean) / size @ np.stack([np.cos(angles), np.sin(angles)])
        # float32 sums of a hundred numbers
        assert worst[seed] == pytest.approx(np.abs(lines).mean() / floor, rel=1e-4)
    assert records[0].arrays["frames"].shape == (5, points_cells.SHOWN, 2)
    assert records[0].arrays["frame_epochs"].tolist() == [0, 1, 2, 3, 4]
    assert records[0].facts["lanes"] == 2
    assert records[0].facts["seconds"] > 0


def test_where_data_was_read_from_decides_nothing(tmp_path, data):
    moved = str(Path(data).rename(tmp_path / "moved.npy"))
    np.save(data, np.load(moved))
    assert claims_cells.key(cell_of(data)) == claims_cells.key(cell_of(moved))
    np.save(moved, np.load(data)[::-1])
    points_cells.digest.cache_clear()
    claims_cells.key.cache_clear()
    assert claims_cells.key(cell_of(data)) != claims_cells.key(cell_of(moved))


@pytest.mark.slow
def test_killed_and_started_again_gives_the_same_numbers(tmp_path, data, monkeypatch):
    cells = [cell_of(data), cell_of(data, learning_rate=(1e-3,))]
    whole = claims_cells.gather(tmp_path / "whole", cells, 3)
    monkeypatch.setattr(training, "SAVE_EVERY", 0)
    save, saved = checkpoint.save, []

    def save_and_die(directory, step, tree, **options):
        save(directory, step, tree, **options)
        saved.append(step)
        raise KeyboardInterrupt

    for _ in range(4):
        monkeypatch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            claims_cells.gather(tmp_path / "cut", cells, 3)
    monkeypatch.setattr(checkpoint, "save", save)
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


def test_points_that_are_nearly_all_equal_are_refused_before_training(tmp_path):
    path = tmp_path / "cloud.npy"
    np.save(path, [[0.0, 0.0]] * 599 + [[1.0, 1.0]])
    with pytest.raises(InputError, match="cloud.npy: with seed 11 too many points are equal"):
        claims_cells.gather(tmp_path / "study", [cell_of(str(path))], 12)
    assert not list((tmp_path / "study").glob("cells/*/*"))


def program_of(data, devices):
    (config,) = configure(**SMALL | {"variant": ("wgan_gp",), "data": data, "seeds": 8})
    cloud = np.load(data)
    lanes = program.prepare(config, cloud)
    mesh = training_devices.mesh(jax.devices()[:devices])
    return program.make_program(config, lanes, figures.extent_of(cloud), mesh)


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

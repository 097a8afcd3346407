from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.claims import lanes as claims_lanes
from experiments.claims.points import cells
from experiments.points import fit, lanes, program
from experiments.points.config import configure
from jaxgan.data import points
from jaxgan.errors import InputError
from jaxgan.metrics import fit_ratio
from jaxgan.runs import checkpoint
from jaxgan.runs.records import Cell, key
from jaxgan.runs.study import gather
from jaxgan.training import devices as training_devices
from tests.quick import user_jit

# The shape of the points laboratory's own tests.
SMALL = {
    "variant": ("wgan_gp",),
    "epochs": 4,
    "generator_widths": (8,),
    "critic_widths": (8,),
    "train_size": 512,
    "batch_size": 64,
    "critic_steps": 3,
}
RATES = (1e-3, 1e38)  # a run with the second diverges


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "cloud.npy"
    np.save(path, np.random.default_rng(0).normal(size=(600, 2)) * [2.0, 0.5] + 7)
    return str(path)


@pytest.fixture(scope="module")
def cell_of(data):
    def make(rate=RATES[0], **settings):
        settings = SMALL | {"data": data, "learning_rate": (rate,)} | settings
        (config,) = configure(**settings)
        return Cell(cells.POINTS, config)

    return make


@pytest.fixture(scope="module")
def study(tmp_path_factory, cell_of):
    """Records by cell of a study of two cells with two seeds: one program."""
    folder = tmp_path_factory.mktemp("study")
    return gather(folder, [cell_of(rate) for rate in RATES], 2)


def numbers(records):
    return {
        (number, seed): {name: x.tobytes() for name, x in record.arrays.items()}
        for number, each in enumerate(records.values())
        for seed, record in enumerate(each)
    }


def test_a_record_is_what_the_laboratory_measures(study, cell_of, data):
    (config,) = configure(**SMALL | {"data": data, "learning_rate": RATES, "seeds": 2})
    cloud = points.load(data)
    starts = lanes.lanes_of(config, cloud.points)
    functions = program.make_program(config, starts)
    state, curves = functions.init(), []
    for _ in range(4):
        state, metrics = functions.advance(state, 1)
        curves.append(np.asarray(metrics["sliced_ratio"])[:, 0])
    good, bad = study.values()
    for seed, record in enumerate(good):
        np.testing.assert_array_equal(record.arrays["curve"], [x[seed] for x in curves])
    two = jax.tree.map(lambda x: x[:2], starts)
    generated = [np.asarray(x)[:2] for x in functions.each(program.final_samples)(state)]
    results, samples = fit.evaluate(two, cloud, generated)
    ratios = [float(record.arrays["fit_ratio"]) for record in good]
    assert ratios == results["fit_ratio"].tolist()
    for seed, record in enumerate(good):
        # The record has them in float32.
        np.testing.assert_allclose(
            record.arrays["sample"], samples["generated"][seed], rtol=1e-6
        )
        lane = lanes.at(starts, seed)
        angles = np.pi * np.arange(16) / 16
        lines = lane.units.to_measure(lane.reference)
        lines = lines @ np.stack([np.cos(angles), np.sin(angles)])
        worst = np.abs(lines).mean() / lane.floor
        # float32 sums of a hundred numbers
        assert float(record.arrays["worst_sliced"]) == pytest.approx(worst, rel=1e-4)
        assert record.arrays["frames"].shape == (5, cells.FRAME_POINTS, 2)
        assert record.arrays["frame_epochs"].tolist() == [0, 1, 2, 3, 4]
        assert record.facts["lanes"] == 4
        assert record.facts["seconds"] > 0


def test_a_run_that_diverges_has_a_record(study):
    good, bad = (each[0] for each in study.values())
    assert int(good.arrays["diverged_at"]) == 0
    assert float(good.arrays["fit_ratio"]) < np.inf
    at = int(bad.arrays["diverged_at"])
    assert at > 0
    assert float(bad.arrays["fit_ratio"]) == np.inf
    assert 1 < float(bad.arrays["worst_ratio"]) < np.inf
    assert np.isfinite(bad.arrays["curve"]).tolist() == [epoch < at for epoch in (1, 2, 3, 4)]


@pytest.mark.slow
def test_a_run_that_diverges_alone_has_the_same_record(study, cell_of, tmp_path):
    """Training ends early then."""
    alone = gather(tmp_path, [cell_of(RATES[1])], 1)
    assert numbers(alone)[0, 0] == numbers(study)[1, 0]


@pytest.mark.slow
def test_killed_and_started_again_gives_the_same_numbers(tmp_path, study, monkeypatch):
    monkeypatch.setattr(claims_lanes, "SAVE_EVERY", 0)
    save, saved = checkpoint.save, []

    def save_and_die(directory, step, tree, keep):
        save(directory, step, tree, keep)
        saved.append(step)
        raise KeyboardInterrupt

    for _ in range(4):
        monkeypatch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            gather(tmp_path, study, 2)
    monkeypatch.setattr(checkpoint, "save", save)
    again = gather(tmp_path, study, 2)
    assert saved == [1, 2, 3, 4]
    assert numbers(again) == numbers(study)


@pytest.mark.slow
def test_more_seeds_later_give_the_numbers_of_all_at_once(tmp_path, cell_of):
    """Two and two lanes, and four, as many as those of ``study``."""
    cell = cell_of()
    gather(tmp_path / "later", [cell], 2)
    later = gather(tmp_path / "later", [cell], 4)
    assert numbers(later) == numbers(gather(tmp_path / "once", [cell], 4))


def test_points_that_are_nearly_all_equal_are_refused_before_training(tmp_path, cell_of):
    path = tmp_path / "cloud.npy"
    np.save(path, [[0.0, 0.0]] * 599 + [[1.0, 1.0]])
    with pytest.raises(InputError, match="cloud.npy: with seed 11 too many points are equal"):
        gather(tmp_path / "study", [cell_of(data=str(path))], 12)
    assert not list((tmp_path / "study").glob("cells/*/*"))


# Keys.


@pytest.fixture
def key_of(cell_of):
    """Makes the key of a cell, taken anew."""

    def fresh(**settings):
        key.cache_clear()
        cells.digest.cache_clear()
        return key(cell_of(**settings))

    yield fresh
    key.cache_clear()


DECISIVE = {
    "variant": ("gan",),
    "optimizer": ("sgd",),
    "schedule": "constant",
    "epochs": 5,
    "batch_size": 32,
    "train_size": 500,
    "critic_steps": 2,
    "latent_dim": 3,
    "generator_widths": (9,),
    "critic_widths": (9,),
    "betas": (0.3, 0.9),
    "rate": 1e-2,
    "critic_learning_rate": 1e-2,
    "penalty_weight": (0.7,),
    "ema": 0.5,
    "standardize": False,
}


def test_settings_that_decide_a_result_are_in_its_key(key_of):
    keys = [key_of(), *(key_of(**{name: x}) for name, x in DECISIVE.items())]
    assert len(set(keys)) == len(DECISIVE) + 1
    aside = {"frame_every": 5, "checkpoint_every": 40, "seeds": 3, "seed": 3}
    assert key_of(**aside) == keys[0]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (lanes, "DIRECTIONS"),
        (lanes, "MAX_POINTS"),
        (fit_ratio, "DRAWS"),
        (cells, "FRAMES"),
        (cells, "FRAME_POINTS"),
    ],
)
def test_constants_that_decide_a_result_are_in_its_key(key_of, monkeypatch, module, name):
    before = key_of()
    monkeypatch.setattr(module, name, 7)
    assert key_of() != before


def test_where_data_was_read_from_decides_nothing(tmp_path, data, key_of):
    moved = str(tmp_path / "moved.npy")
    Path(moved).write_bytes(Path(data).read_bytes())
    assert key_of() == key_of(data=moved)
    np.save(moved, np.load(data)[::-1])
    assert key_of() != key_of(data=moved)


# Several devices.


@pytest.mark.slow
def test_lanes_over_four_devices_equal_those_of_one_exactly(cell_of):
    config = cell_of(seeds=8).config
    starts = lanes.lanes_of(config, points.load(config.data).points)
    results = []
    for devices in (1, 4):
        mesh = training_devices.make_mesh(jax.devices()[:devices])
        functions = program.make_program(config, starts, mesh)
        state = functions.init()
        step = user_jit(lambda state, advance=functions.advance: advance(state, 3))
        step = step.lower(state).compile()
        state, metrics = step(state)
        samples = functions.each(program.final_samples)(state)
        frame = functions.each(program.generate)(state)
        results.append(jax.device_get((metrics, samples, frame)))
        assert len(metrics["critic_loss"].sharding.device_set) == devices
    jax.tree.map(np.testing.assert_array_equal, *results)
    text = step.as_text()
    assert "num_partitions=4" in text
    for word in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert word not in text  # lanes have no need of one another

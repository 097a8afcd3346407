"""Cells of images, trained on few images with judges that have learnt nothing."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from experiments.claims.entries import claims
from experiments.claims.images import cells, faces, fashion
from experiments.claims.images.face_entries import GAN, GP, WASSERSTEIN
from experiments.claims.images.faces import FACES
from experiments.claims.images.fashion import FASHION
from experiments.claims.images.fashion_entries import NETWORK
from experiments.images import program
from experiments.images.config import Dataset
from jaxgan.data import fashion_mnist
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.judges import cartoons
from jaxgan.judges import fashion as judges_fashion
from jaxgan.metrics.claims import capped
from jaxgan.runs import Stopped
from jaxgan.runs.records import Cell, key
from jaxgan.runs.study import complete, gather

WILD = {"learning_rate": (1e38,)}  # diverges


def configurations():
    """Those of the claims: of garments, and of faces by role."""
    many = None, Dataset(np.broadcast_to(np.uint8(0), (60_000, 1)), "many")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fashion, "garments", lambda: many)
        dense = claims(names=["E2"])["E2"].settings["dense"][NETWORK].config
    pair = claims(names=["D3"])["D3"].settings[WASSERSTEIN]
    return dense, {role: cell.config.config for role, cell in pair.items()}


DENSE, PAIR = configurations()


@pytest.fixture(autouse=True, scope="module")
def small():
    """Few random images in place of Fashion-MNIST, small numbers, untrained judges."""
    rng = np.random.default_rng(0)
    data = fashion_mnist.Images(
        rng.integers(0, 256, (96, 28, 28, 1), np.uint8),
        np.arange(96, dtype=np.int32) % 10,
        rng.integers(0, 256, (64, 28, 28, 1), np.uint8),
        np.arange(64, dtype=np.int32) % 10,
    )

    def untrained(network, shape):
        like = jax.eval_shape(network.init, jax.random.key(0), np.zeros(shape))
        return jax.tree.map(lambda x: rng.normal(0, 0.1, x.shape).astype(np.float32), like)

    params = untrained(cartoons.NETWORK, (1, 32, 32, 3))
    reader = cartoons.FactorReader(params, tuple(FACTORS), {})
    params = untrained(judges_fashion.Classifier(), (1, 28, 28, 1))
    classifier = judges_fashion.GarmentClassifier(params, 0.1)
    with pytest.MonkeyPatch.context() as patch:
        few = data, Dataset(data.train_images, "few")
        patch.setattr(fashion, "garments", lambda: few)
        patch.setattr(cells, "EVALUATION_COUNT", 32)
        patch.setattr(cells, "MOVE_COUNT", 32)
        patch.setattr(faces, "HELD_OUT", 40)
        patch.setattr(faces, "TIMED_UPDATES", 2)
        patch.setattr(cartoons, "load_or_train", lambda size: reader)
        patch.setattr(judges_fashion, "load_or_train", lambda data: classifier)
        key.cache_clear()  # of cells with other numbers
        yield
    key.cache_clear()


def dense(**settings):
    few = {"width": 8, "epochs": 3, "train_size": 96, "batch_size": 16}
    return Cell(FASHION, dataclasses.replace(DENSE, **few | settings))


def dcgan(**settings):
    few = {"width": 2, "epochs": 3, "train_size": 32, "batch_size": 8, "latent_dim": 8}
    penalised = dataclasses.replace(PAIR[GP], **few | settings)
    return Cell(FACES, faces.Faces(penalised, dataclasses.replace(PAIR[GAN], **few)))


def same(one, other):
    assert one.arrays.keys() == other.arrays.keys()
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], other.arrays[name], err_msg=name)


def stopped_and_started_again(folder, chosen, seeds):
    """Records by cell of a study that was stopped after its second epoch."""
    stops = iter([False, True, False])

    def check():
        if next(stops, False):
            raise Stopped(15)

    with pytest.raises(Stopped):
        complete(folder, chosen, seeds, check)
    assert not list(folder.glob("cells/*/*.npz"))
    return gather(folder, chosen, seeds)


def check_good(runs):
    for run in runs:
        assert np.isfinite(run.arrays["curve"]).all()
        assert run.arrays["diverged_at"] == 0
    first, second = (run.arrays["frames"] for run in runs)
    assert (first != second).any()


def check_lost(runs):
    for run in runs:
        at = int(run.arrays["diverged_at"])
        assert at > 0
        assert np.isnan(run.arrays["curve"][at - 1 :]).all()
        assert capped([run])[0, -1] == run.arrays["worst_ratio"] > 0


# Garments.


@pytest.fixture(scope="module")
def garments(tmp_path_factory):
    """Records by cell of a study of two cells with two seeds: one program."""
    return gather(tmp_path_factory.mktemp("garments"), [dense(), dense(**WILD)], 2)


def test_records_of_garments(garments):
    good, lost = garments.values()
    check_good(good)
    check_lost(lost)
    for run in good:
        np.testing.assert_allclose(run.arrays["shares"].sum(-1), 1, atol=1e-5)  # float32


def test_garments_stopped_and_started_again(tmp_path, garments):
    again = stopped_and_started_again(tmp_path, list(garments), 2)
    for cell, runs in garments.items():
        for one, other in zip(runs, again[cell], strict=True):
            same(one, other)


@pytest.mark.slow
def test_one_lane_alone_is_that_of_many(tmp_path, garments):
    (one,) = gather(tmp_path, [dense()], 1)[dense()]
    many = garments[dense()][0]
    # XLA sums in another order where there is one lane.
    np.testing.assert_allclose(one.arrays["curve"], many.arrays["curve"], rtol=1e-3)
    np.testing.assert_allclose(one.arrays["critic_loss"], many.arrays["critic_loss"], rtol=1e-5)


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_updates_are_timed_in_turn(monkeypatch, real):
    clock, config = [0.0], dense().config
    monkeypatch.setattr(faces.time, "perf_counter", lambda: clock[0])
    unused: Any = None
    fake = program.program.Program(lambda: 0, lambda *_: (0, {}), unused, unused, unused)
    make_program = program.make_program

    def slow(config, dataset):
        functions = make_program(config, dataset) if real else fake

        def advance(state, epochs):
            clock[0] += config.width * config.steps_per_epoch
            return functions.advance(state, epochs)

        return functions._replace(advance=advance)

    monkeypatch.setattr(program, "make_program", slow)
    _, dataset = fashion.garments()
    wide = dataclasses.replace(config, width=12)
    assert faces._race(wide, config, dataset)() == 12 / 8  # of an update, by this clock


def test_what_decides_a_result_is_in_the_key():
    keys = {key(dense())}
    for change in ({"width": 9}, {"epochs": 4}, {"learning_rate": (1e-3,)}, {"train_size": 80}):
        keys.add(key(dense(**change)))
    assert len(keys) == 5
    assert key(dense(seed=3, frame_every=2, checkpoint_every=2)) in keys
    # Lanes of one program.
    assert FASHION.program(dense(**WILD).config) == FASHION.program(dense().config)
    more = dense(critic_learning_rate=1e-3)  # one traced value more
    assert FASHION.program(more.config) != FASHION.program(dense().config)
    cell = dcgan()
    beside = dataclasses.replace(cell.config.beside, width=3)
    timed = Cell(FACES, cell.config._replace(beside=beside))
    assert key(timed) != key(cell)


# Faces.


@pytest.mark.slow
def test_faces_stopped_and_started_again(tmp_path, monkeypatch):
    # It compiles two more convolutional programs; it has a test of its own.
    monkeypatch.setattr(faces, "_race", lambda *_: lambda: np.array(1.5))
    chosen = [dcgan(), dcgan(**WILD)]
    whole = gather(tmp_path / "whole", chosen, 2)
    again = stopped_and_started_again(tmp_path / "cut", chosen, 2)
    for cell, runs in whole.items():
        for one, other in zip(runs, again[cell], strict=True):
            same(one, other)
    good, lost = whole.values()
    check_good(good)
    check_lost(lost)
    for run in good:
        assert run.arrays["relative_cost"] == 1.5
        assert np.abs(run.arrays["shifts"]).max() > 0

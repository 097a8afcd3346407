import dataclasses
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from experiments.claims import cells as claims_cells
from experiments.claims import report as claims_report
from experiments.claims import study as claims_study
from experiments.claims import training
from experiments.claims.cells import Cell, Lane, Record
from experiments.claims.images import cells as images_cells
from experiments.claims.images import entries, pictures
from experiments.claims.images.cells import DIRECTIONS, FACES, FASHION, TRAVERSED
from experiments.claims.images.entries import (
    BUILDERS,
    GAN,
    GP,
    LISTING,
    NETWORK,
    RECOGNISABLE,
    WASSERSTEIN,
)
from experiments.claims.points.entries import fits_well
from experiments.claims.points.pictures import draw_points
from experiments.claims.rules import Claim, cells_of, judge
from experiments.images import config as images_config
from experiments.images import program, run
from jaxgan import runs
from jaxgan.data import cartoon_faces, fashion_mnist
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.data.fashion_mnist import CLASSES
from jaxgan.judges import attributes, cartoons, fashion, fitting
from jaxgan.metrics.verdicts import FAILS, HOLDS, UNDECIDED
from jaxgan.runs import cache
from jaxgan.training import gan as training_gan
from tests.records import LAB, Made
from tests.records import record as made_up

EPOCHS, SEEDS = 30, 8
RACE = images_cells._race


@pytest.fixture(autouse=True, scope="module")
def garments():
    """Few random images in place of Fashion-MNIST."""
    rng = np.random.default_rng(0)
    data = fashion_mnist.Images(
        rng.integers(0, 256, (96, 28, 28, 1), np.uint8),
        np.arange(96, dtype=np.int32) % 10,
        rng.integers(0, 256, (64, 28, 28, 1), np.uint8),
        np.arange(64, dtype=np.int32) % 10,
    )
    with pytest.MonkeyPatch.context() as patch:
        few = data, images_config.Dataset(data.train_images, "few")
        many = data, images_config.Dataset(np.broadcast_to(np.uint8(0), (60_000, 1)), "many")
        patch.setattr(images_cells, "garments", lambda: few)
        patch.setattr(entries, "garments", lambda: many)  # only counted
        yield


# What claims say of made-up runs.


def record(seed=0, **given):
    """A made-up run of either laboratory."""
    noise = 0.01 * np.random.default_rng(seed).normal()
    arrays = {
        "critic_loss": np.full(EPOCHS, 1.0 + noise),
        "generator_loss": np.full(EPOCHS, 1.0 + noise),
        "hue_bits": np.full(EPOCHS, 2.0 + noise),
        "curve": np.full(EPOCHS, 10.0 + noise),
        "worst_ratio": 60.0,
        "diverged_at": 0,
        "relative_cost": 1.0 + noise,
        "shifts": np.full((2, DIRECTIONS, len(FACTORS)), 0.1 + noise),
        "shares": np.full((len(TRAVERSED), 3, 10), 0.1),
        **given,
    }
    return Record({name: np.asarray(x) for name, x in arrays.items()}, {})


def several(made=lambda seed: {}):
    return [record(seed, **made(seed)) for seed in range(SEEDS)]


def outcome(name, **roles):
    """What is said of a claim whose cells of each role have the same records."""
    claim = BUILDERS[name]("small")
    records = {}
    for setting in claim.settings.values():
        for role, cell in setting.items():
            records[cell] = roles.get({GAN: "gan", GP: "gp"}.get(role, role), several())
    return judge(claim, records)


def verdict(name, **roles):
    return outcome(name, **roles).overall.verdict


def seen(epoch):
    """A curve that is recognisable from an epoch on."""
    return np.where(np.arange(1, EPOCHS + 1) >= epoch, RECOGNISABLE / 3, RECOGNISABLE * 2)


def test_recognisable_early_and_late():
    early, late = several(lambda s: {"curve": seen(4)}), several(lambda s: {"curve": seen(15)})
    never = several(lambda s: {"curve": seen(100)})
    assert verdict("D1", gp=early, gan=late) == HOLDS
    assert verdict("D1", gp=early, gan=never) == HOLDS
    assert verdict("D1", gp=early, gan=early) == FAILS
    assert verdict("D1", gp=never, gan=late) == FAILS
    levels = outcome("D1", gp=early, gan=late).by_level
    assert {level: each.verdict for level, each in levels.items()} == {15: HOLDS, 22: HOLDS}


def test_hues():
    def hues(bits, before=2.0):
        return several(lambda s: {"hue_bits": np.r_[np.full(20, before), np.full(10, bits)]})

    assert verdict("D2", gan=hues(0.3), gp=hues(2.0)) == HOLDS
    assert verdict("D2", gan=hues(1.8), gp=hues(2.4)) == FAILS
    assert verdict("D2", gan=hues(0.3, before=0.3), gp=hues(0.4)) == FAILS
    # Only what comes after epoch 20 counts.
    assert verdict("D2", gan=hues(0.3, before=4.0), gp=hues(2.0, before=0.0)) == HOLDS


def test_quality_at_the_end():
    good, bad = several(), several(lambda s: {"curve": np.full(EPOCHS, 20.0 + s / 10)})
    assert verdict("D3", gp=good, gan=bad) == HOLDS
    assert verdict("D3", gp=bad, gan=good) == FAILS
    diverged = np.where(np.arange(EPOCHS) < 5, 10.0, np.nan)
    lost = several(lambda s: {"curve": diverged, "diverged_at": 6})
    assert verdict("D3", gp=good, gan=lost) == HOLDS  # as bad as the worst, not left out
    (finding, *_) = outcome("D3", gp=good, gan=lost).findings
    assert finding.diverged == {GAN: SEEDS, GP: 0}
    assert finding.values[GAN].tolist() == [math.log(60.0)] * SEEDS


def test_speed_of_updates_and_of_what_is_learnt():
    slow = several(lambda s: {"relative_cost": 1.5 + s / 100, "curve": seen(5)})
    gan = several(lambda s: {"curve": seen(20)})
    assert verdict("D4", gp=slow, gan=gan) == FAILS
    assert verdict("D4b", gp=slow, gan=gan) == HOLDS  # 5 slow epochs are less than 20
    slower = several(lambda s: {"relative_cost": 5.0 + s / 100, "curve": seen(5)})
    assert verdict("D4b", gp=slower, gan=gan) == FAILS
    fast = several(lambda s: {"relative_cost": 0.5 + s / 100})
    assert verdict("D4", gp=fast) == HOLDS
    assert verdict("D4") == FAILS  # as fast


def test_losses_fall_and_rise():
    up, down = np.linspace(1, 2, EPOCHS), np.linspace(2, 1, EPOCHS)
    right = several(lambda s: {"critic_loss": down + s / 100, "generator_loss": up})
    assert verdict("D5", gan=right, gp=right) == HOLDS
    wrong = several(lambda s: {"critic_loss": up + s / 100, "generator_loss": up})
    assert verdict("D5", gan=right, gp=wrong) == FAILS


def test_losses_stay():
    steady = several(lambda s: {"critic_loss": np.r_[9, 9, 9, np.full(7, 1 + s / 100)]})
    assert verdict("E1", dense=steady, convolutional=steady) == HOLDS
    grows = several(lambda s: {"generator_loss": np.linspace(1, 10, 10) + s / 100})
    assert verdict("E1", dense=steady, convolutional=grows) == FAILS

    def either(seed):  # up with one seed, down with the next: the mean hides it
        factor = 2 if seed % 2 else 0.5
        return {"generator_loss": np.r_[np.ones(6), np.full(4, factor)] + seed / 1000}

    assert verdict("E1", dense=several(either)) == FAILS


@pytest.mark.parametrize("at", [1, 25])
@pytest.mark.parametrize(
    ("name", "role", "also"),
    [
        ("D2", "gan", {"hue_bits": np.full(EPOCHS, 0.1)}),
        ("D5", "gp", {}),
        ("E1", "dense", {}),
        ("E2", "network", {}),
        ("S1", "gp", {}),
    ],
)
def test_one_run_that_diverged_is_evidence_for_nothing(name, role, also, at):
    epoch = 8 if name == "E1" and at > 1 else at
    runs = several(lambda s: also)
    lost = np.arange(1, EPOCHS + 1) >= epoch
    curves = {
        name: np.where(lost, np.nan, x)
        for name, x in runs[0].arrays.items()
        if x.shape == lost.shape
    }
    runs[0] = record(**(curves | {"diverged_at": epoch}))
    for finding in outcome(name, **{role: runs}).findings:
        if any({GAN: "gan", GP: "gp"}.get(x, x) == role for x in finding.part.roles):
            assert finding.verdict == UNDECIDED
            assert all(np.isfinite(x).all() for x in finding.values.values())


def test_a_dimension_means_the_same_with_every_seed_or_not():
    def shares(before, after):
        made = np.zeros((len(TRAVERSED), 3, 10))
        for i in range(len(TRAVERSED)):
            made[i, :, CLASSES.index(before[i])] = 1, 0.5, 0
            made[i, :, CLASSES.index(after[i])] += 0, 0.5, 1
        return {"shares": made}

    report = shares(
        ["Trouser", "Shirt", "Sneaker", "Coat", "Pullover"],
        ["Sandal", "Sneaker", "Dress", "Trouser", "Ankle boot"],
    )
    assert verdict("E2", network=several(lambda s: report)) == HOLDS
    names = list(CLASSES)

    def other(seed):
        drawn = np.random.default_rng(seed).permutation(names)
        return shares(drawn[:5], drawn[5:])

    tops = ["Shirt", "Shirt", "Sneaker", "Coat", "Pullover"]
    half = shares(tops, ["Sandal", "Sneaker", "Dress", "Trouser", "Ankle boot"])
    found = outcome("E2", network=several(lambda s: half))
    # Sandals gain all that trousers were to lose, but it is shirts that lose it.
    assert [f.verdict for f in found.findings[2:7]] == [FAILS, *[HOLDS] * 4]
    found = outcome("E2", network=several(other))
    verdicts = [finding.verdict for finding in found.findings if finding.setting == "dense"]
    assert verdicts[:2] == [HOLDS, FAILS]  # it moves much, and each seed elsewhere
    assert found.overall.verdict == FAILS
    assert verdict("E2", network=several()) == FAILS  # nothing moves


def test_directions_change_factors_more_than_random_ones_do():
    def shifts(seed, size=2.0, random=0.0):
        made = np.full((2, DIRECTIONS, len(FACTORS)), 0.01 * seed)
        made[1] += random
        for i, name in enumerate(("hair_length", "turn", "smile", "age")):
            made[0, i, list(FACTORS).index(name)] = -size  # the sign has no meaning
        return {"shifts": made}

    assert verdict("S1", gp=several(shifts)) == HOLDS
    assert verdict("S1", gp=several(lambda s: shifts(s, 0.5))) == FAILS
    found = outcome("S1", gp=several(lambda s: shifts(s, 2.0, random=3.0)))
    assert [f.verdict for f in found.findings[:5]] == [HOLDS] * 4 + [FAILS]


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("scale", entries.SCALES)
def test_an_entry(name, scale):
    claim = BUILDERS[name](scale)
    assert claim.name == name
    assert len(claim.settings) == (1 if name == "E1" else 2)  # E1 names both networks
    size = entries.SCALES[scale]
    assert str(size["faces" if name[0] in "DS" else "conv"]["width"]) in claim.note
    for setting in claim.settings.values():
        assert {role for part in claim.parts for role in part.roles} <= set(setting)
    for part in claim.parts:
        assert part.allowed.low < part.allowed.high
        numbers = {f"{x:.3g}" for x in part.allowed if math.isfinite(x) and x}
        numbers |= {f"{math.exp(x):.3g}" for x in part.allowed if math.isfinite(x)}
        said = {f"{float(x):.3g}" for x in re.findall(r"\d+(?:\.\d+)?", part.rule)}
        if 0.0 not in part.allowed:
            assert said & numbers, part.rule
        else:
            sign = "falls" if part.allowed.high == 0 else ("rises", "exceed")
            assert any(word in part.rule for word in np.atleast_1d(sign)), part.rule


def test_cells_are_those_of_the_report():
    cells = {s: x for s, x in BUILDERS["D3"]("report").settings.items()}
    gan = cells[WASSERSTEIN][GAN].config.config
    assert (
        gan.optimizer,
        gan.batch_size,
        gan.epochs,
        gan.latent_dim,
    ) == ("sgd", 512, 30, 200)
    assert gan.learning_rate == (512 * 0.005,)
    assert (gan.size, gan.width, gan.critic_norm) == (
        64,
        64,
        "batch",
    )
    text, listing = (cells[name][GP].config.config for name in (WASSERSTEIN, LISTING))
    assert (text.variant, text.penalty, text.critic_norm) == ("wgan_gp", "gradient", "none")
    assert (listing.variant, listing.penalty) == ("gan", "gradient")
    assert text.learning_rate == (0.001,)
    assert text.betas == (0.5, 0.999)
    # One training of GAN serves both settings, and the claims share their cells.
    assert cells[LISTING][GAN] == cells[WASSERSTEIN][GAN]
    every = cells_of(build("small") for build in BUILDERS.values())
    assert len(every) == 5
    dense = BUILDERS["E2"]("small").settings["dense"][NETWORK].config
    assert (dense.model, dense.width, dense.learning_rate) == ("dense", 128, (2e-4,))


# Training, on few images and with judges that have learnt nothing.


def tiny_faces():
    cell = BUILDERS["D3"]("small").settings[WASSERSTEIN]
    small = {"width": 2, "epochs": 3, "train_size": 32, "batch_size": 8, "latent_dim": 8}
    gan, penalised = (
        dataclasses.replace(cell[role].config.config, **small) for role in (GAN, GP)
    )
    return Cell(FACES, images_cells.Faces(penalised, beside=training_gan))


def tiny_dense():
    config = BUILDERS["E2"]("small").settings["dense"][NETWORK].config
    small = {"width": 8, "epochs": 3, "train_size": 96, "batch_size": 16}
    return Cell(FASHION, dataclasses.replace(config, **small))


@pytest.fixture(scope="module")
def judges():
    params = cartoons.NETWORK.init(jax.random.key(0), np.zeros((1, 32, 32, 3)))
    reader = cartoons.FactorReader(params, tuple(FACTORS), {})
    params = fashion.Classifier().init(jax.random.key(0), np.zeros((1, 28, 28, 1)))
    judge = fashion.GarmentClassifier(params, 0.1)
    numbers = {"EVALUATED": 32, "HELD_OUT": 40, "MOVED": 4, "TIMED_UPDATES": 2}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in numbers.items():
            patch.setattr(images_cells, name, value)
        patch.setattr(cartoons, "trained", lambda size: reader)
        patch.setattr(fashion, "trained", lambda data: judge)
        # It compiles two more convolutional programs; it has a test of its own.
        patch.setattr(images_cells, "_race", lambda *_: lambda: np.array(1.5))
        claims_cells.key.cache_clear()  # of cells with other numbers
        yield
    claims_cells.key.cache_clear()


def tiny(name):
    """A claim with one small cell in all roles, and its first part."""
    claim = BUILDERS[name]("small")
    cell = tiny_dense() if name[0] == "E" else tiny_faces()
    settings = {s: dict.fromkeys(x, cell) for s, x in claim.settings.items()}
    return claim._replace(settings=settings, parts=claim.parts[:1])


@pytest.fixture(scope="module")
def study(tmp_path_factory, judges):
    """A study of four claims with two seeds: its report and its folder."""
    folder = tmp_path_factory.mktemp("study")
    chosen = claims_study.study_of_claims(
        {name: tiny(name) for name in ("D1", "D4", "E2", "S1")}
    )
    return claims_study.run(chosen, folder, seeds=2), folder


def same(one, other):
    names = one.arrays.keys() - {"relative_cost"}  # a time
    assert one.arrays.keys() == other.arrays.keys()
    for name in names:
        np.testing.assert_array_equal(one.arrays[name], other.arrays[name], err_msg=name)


@pytest.mark.parametrize("make", [tiny_faces, tiny_dense])
def test_stopped_and_started_again(tmp_path, study, make):
    cell, (_, whole) = make(), study
    stops = iter([False, True, False])

    def check():
        if next(stops, False):
            raise runs.Stopped(15)

    again = tmp_path / "again"
    with pytest.raises(runs.Stopped):
        claims_cells.complete(again, [cell], 2, check)
    assert not list(again.glob("cells/*/*.npz"))
    claims_cells.complete(again, [cell], 2)
    for seed in range(2):
        lane = Lane(cell, seed)
        record = claims_cells.read(again, lane)
        assert record is not None  # of the shapes that are promised
        same(record, claims_cells.read(whole, lane))
        assert np.isfinite(record.arrays["curve"]).all()
        assert record.arrays["diverged_at"] == 0
        if make is tiny_faces:
            assert record.arrays["relative_cost"] == 1.5
            assert np.abs(record.arrays["shifts"]).max() > 0
        else:
            np.testing.assert_allclose(record.arrays["shares"].sum(-1), 1, atol=1e-5)
    first, second = (claims_cells.read(again, Lane(cell, seed)).arrays for seed in range(2))
    assert (first["frames"] != second["frames"]).any()


def test_updates_are_timed_in_turn(monkeypatch):
    monkeypatch.setattr(images_cells, "TIMED_UPDATES", 2)
    clock, config = [0.0], tiny_dense().config
    monkeypatch.setattr(images_cells.time, "perf_counter", lambda: clock[0])
    make = program.make_program

    def slow(config, dataset):
        made = make(config, dataset)

        def advance(state, epochs):
            clock[0] += config.width * config.steps_per_epoch
            return made.advance(state, epochs)

        return made._replace(advance=advance)

    monkeypatch.setattr(run, "make_program", slow)
    _, dataset = images_cells.garments()
    wide = dataclasses.replace(config, width=12)
    assert RACE(wide, config, dataset)() == 12 / 8  # of an update, by this clock


def test_one_lane_alone_is_that_of_many(tmp_path, study):
    cell, (_, whole) = tiny_dense(), study
    claims_cells.complete(tmp_path, [cell], 1)
    one, many = (claims_cells.read(x, Lane(cell, 0)) for x in (tmp_path, whole))
    np.testing.assert_allclose(one.arrays["curve"], many.arrays["curve"], rtol=1e-3)
    np.testing.assert_allclose(one.arrays["critic_loss"], many.arrays["critic_loss"], rtol=1e-5)


@pytest.mark.parametrize("make", [tiny_faces, tiny_dense])
def test_a_run_that_diverges(tmp_path, judges, make):
    cell = make()
    wild = {"learning_rate": (1e38,)}
    if make is tiny_faces:
        config = dataclasses.replace(cell.config.config, **wild)
        cell = cell._replace(config=cell.config._replace(config=config))
    else:
        cell = cell._replace(config=dataclasses.replace(cell.config, **wild))
    claims_cells.complete(tmp_path, [cell], 1)
    record = claims_cells.read(tmp_path, Lane(cell, 0))
    at = int(record.arrays["diverged_at"])
    assert at > 0
    assert np.isnan(record.arrays["curve"][at - 1 :]).all()
    worst = images_cells.capped([record])[0, -1]
    assert worst == record.arrays["worst_ratio"] > 0


def test_what_decides_a_result_is_in_the_key(judges):
    cell = tiny_dense()
    keys = {claims_cells.key(cell)}
    for change in ({"width": 9}, {"epochs": 4}, {"learning_rate": (1e-3,)}, {"train_size": 80}):
        keys.add(
            claims_cells.key(cell._replace(config=dataclasses.replace(cell.config, **change)))
        )
    assert len(keys) == 5
    aside = dataclasses.replace(cell.config, seed=3, frame_every=2, checkpoint_every=2)
    assert claims_cells.key(cell._replace(config=aside)) in keys
    other = dataclasses.replace(cell.config, learning_rate=(1e-3,))
    assert FASHION.program(other) == FASHION.program(cell.config)  # lanes of one program
    more = dataclasses.replace(cell.config, critic_learning_rate=1e-3)
    assert FASHION.program(more) != FASHION.program(cell.config)  # one traced value more
    faces = tiny_faces()
    beside = dataclasses.replace(faces.config.beside, width=3)
    timed = Cell(FACES, faces.config._replace(beside=beside))
    assert claims_cells.key(timed) != claims_cells.key(faces)


@pytest.mark.parametrize(
    "part",
    [
        *(cartoon_faces, cartoons, fitting, training_gan, attributes.Network),
        *(program.make_program, images_cells._train, images_cells.faces_data),
        training.train,
    ],
    ids=lambda part: part.__name__,
)
def test_code_that_decides_a_result_is_in_its_key(judges, monkeypatch, part):
    def key():
        for cached in (claims_cells.key, cache._code):
            cached.cache_clear()
        return claims_cells.key(tiny_faces())

    before, source = key(), cache._source
    with monkeypatch.context() as patch:
        patch.setattr(cache, "_source", lambda x: source(x) + "\npass" * (x is part))
        assert key() != before
    assert key() == before


def test_every_picture_is_drawn(tmp_path, study):
    faces, dense, (_, folder) = tiny_faces(), tiny_dense(), study
    records = {
        cell: [claims_cells.read(folder, Lane(cell, seed)) for seed in range(2)]
        for cell in (faces, dense)
    }
    settings = {"one": {GAN: faces, GP: faces}, "two": {GP: faces}}
    drawn = [
        *pictures.draw_faces(settings, records),
        *pictures.draw_hues(settings, records),
        *pictures.draw_losses(settings, records),
        *pictures.draw_directions({"two": {GP: faces}}, records),
        *pictures.draw_traversal({"dense": {NETWORK: dense}}, records),
    ]
    for number, picture in enumerate(drawn):
        path = tmp_path / f"{number}.image"
        path.write_bytes(picture.image)
        with Image.open(path) as image:
            assert min(image.size) > 50
            assert len(image.convert("RGB").getcolors(2**24)) > 5
        assert picture.caption.endswith(".")
    assert [x.image[:3] for x in drawn].count(b"GIF") == 1


def test_a_page_of_claims_about_images(study):
    made, folder = study
    faces = tiny_faces()
    assert [row[0] for row in made.table.rows] == ["D1", "D4", "E2", "S1"]
    assert [len(section.pictures) for section in made.sections] == [3, 0, 2, 2]
    assert (folder / "claims.html").stat().st_size < 2**20
    told = "judged by the same network"
    assert not any(told in line for line in made.lead)

    kept_record = claims_cells.read(folder, Lane(faces, 0))
    other = kept_record._replace(
        arrays=kept_record.arrays | {"floor": np.array(1.1 * kept_record.arrays["floor"])}
    )
    # Beside a claim about points, whose runs hold other arrays.
    cell = Cell(LAB, Made())
    points = Claim("A1", "", (fits_well(GAN),), {"one": {GAN: cell}}, "", draw_points)
    records = {cell: [made_up(), made_up()], faces: [kept_record, other]}
    both = claims_report.report({"A1": points, "D1": tiny("D1")}, records, str)
    assert told in both.lead[-1]
    assert [len(section.pictures) for section in both.sections] == [3, 3]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--only=E1"], "Fashion-MNIST"),
        (["--only=B2", "--scale=huge"], "unknown scale 'huge'; choose from small, report"),
        (["--only=D9"], "unknown claim 'D9'"),
        (["--study=grid", "--scale=small"], "--scale"),
    ],
)
def test_refusals(tmp_path, flags, message):
    out = tmp_path / "out"
    ended = subprocess.run(
        [sys.executable, "-m", "experiments.claims", f"--out={out}", *flags],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[4],
        env=os.environ | {"JAXGAN_DATA": str(tmp_path / "none")},
        check=False,
    )
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert message in line
    assert not out.exists()


def test_undecided_with_few_seeds():
    assert verdict("D3", gp=several()[:3], gan=several()[:3]) == UNDECIDED

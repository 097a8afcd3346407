import dataclasses
import io
import math
import re

import numpy as np
import pytest
from PIL import Image

from experiments.claims import report as claims_report
from experiments.claims.entries import IMAGES, SCALES, claims
from experiments.claims.images import fashion, pretrained
from experiments.claims.images.cells import EDIT_COUNT
from experiments.claims.images.direction_entries import PEOPLE
from experiments.claims.images.face_entries import ALSO_ADAM, GAN, GP, LISTING, WASSERSTEIN
from experiments.claims.images.faces import DIRECTIONS, FACES
from experiments.claims.images.fashion import DIMENSIONS
from experiments.claims.images.fashion_entries import NETWORK
from experiments.claims.images.parts import RECOGNISABLE
from experiments.claims.images.pretrained import PRETRAINED
from experiments.claims.points.parts import fits_well
from experiments.images.config import Dataset
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.data.fashion_mnist import CLASSES
from jaxgan.errors import InputError
from jaxgan.metrics.claims import Claim, cells_of, decide
from jaxgan.metrics.verdicts import FAILS, HOLDS, UNDECIDED
from jaxgan.plots.report_page import Notes, report_page
from jaxgan.runs.records import Cell, Record
from tests import records

EPOCHS, SEEDS = 30, 8
ROLES = {GAN: "gan", GP: "gp", PEOPLE: "people"}


def claim_of(name, scale="small"):
    return claims(names=[name], scale=scale)[name]


@pytest.fixture(autouse=True, scope="module")
def garments():
    """Images that are only counted in place of Fashion-MNIST."""
    many = None, Dataset(np.broadcast_to(np.uint8(0), (60_000, 1)), "many")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fashion, "garments", lambda: many)
        yield


# Settings.


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", IMAGES)
def test_settings_do_not_depend_on_what_memory_holds(name, scale, monkeypatch):
    monkeypatch.setattr(np, "empty", np.zeros)  # as fresh memory often is
    assert claim_of(name, scale).settings


# Verdicts on records of runs that never ran.


def record(seed=0, **changes):
    """A record of either laboratory."""
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
        "shares": np.full((len(DIMENSIONS), 3, 10), 0.1),
        **changes,
    }
    return Record({name: np.asarray(x) for name, x in arrays.items()}, {})


def several(arrays=lambda seed: {}, count=SEEDS):
    return [record(seed, **arrays(seed)) for seed in range(count)]


def several_of(cell):
    """Records that a cell may have."""
    return several(lambda seed: moved(seed)) if cell.laboratory is PRETRAINED else several()


def moved(seed, size=2.0, random=0.0):
    """People: the largest changes by leading directions, and by random ones."""
    names = pretrained.names()
    shifts = np.full((2, DIRECTIONS, len(names)), 0.01 * seed)
    shifts[1] += random
    for i, name in enumerate(("gender", "age", "turn of the head", "smile")):
        shifts[0, i, names.index(name)] = -size  # the sign has no meaning
    return {"shifts": shifts}


def outcome(name, **roles):
    """The outcome of a claim whose cells of each role have the same records."""
    claim = claim_of(name)
    runs = {}
    for setting in claim.settings.values():
        for role, cell in setting.items():
            runs[cell] = roles.get(ROLES.get(role, role), several_of(cell))
    return decide(claim, runs)


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
        if any(ROLES.get(x, x) == role for x in finding.part.roles):
            assert finding.verdict == UNDECIDED
            assert all(np.isfinite(x).all() for x in finding.values.values())


def test_a_dimension_means_the_same_with_every_seed_or_not():
    def shares(before, after):
        moved = np.zeros((len(DIMENSIONS), 3, 10))
        for i in range(len(DIMENSIONS)):
            moved[i, :, CLASSES.index(before[i])] = 1, 0.5, 0
            moved[i, :, CLASSES.index(after[i])] += 0, 0.5, 1
        return {"shares": moved}

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
    result = outcome("E2", network=several(lambda s: half))
    # Sandals gain all that trousers were to lose, but it is shirts that lose it.
    assert [f.verdict for f in result.findings[2:7]] == [FAILS, *[HOLDS] * 4]
    result = outcome("E2", network=several(other))
    verdicts = [finding.verdict for finding in result.findings if finding.setting == "dense"]
    assert verdicts[:2] == [HOLDS, FAILS]  # it moves much, and each seed elsewhere
    assert result.overall.verdict == FAILS
    assert verdict("E2", network=several()) == FAILS  # nothing moves


def test_directions_change_factors_more_than_random_ones_do():
    def shifts(seed, size=2.0, random=0.0):
        changes = np.full((2, DIRECTIONS, len(FACTORS)), 0.01 * seed)
        changes[1] += random
        for i, name in enumerate(("hair_length", "turn", "smile", "age")):
            changes[0, i, list(FACTORS).index(name)] = -size  # the sign has no meaning
        return {"shifts": changes}

    assert verdict("S1", gp=several(shifts)) == HOLDS
    small = outcome("S1", gp=several(lambda s: shifts(s, 0.5)))
    assert list(small.by_setting.values()) == [HOLDS, HOLDS, FAILS, FAILS]
    result = outcome("S1", gp=several(lambda s: shifts(s, 2.0, random=3.0)))
    cartoons = [f.verdict for f in result.findings if GP in f.part.roles]
    assert cartoons == ([HOLDS] * 4 + [FAILS]) * 2


def test_pretrained_generators_come_first_and_have_rules_of_their_own():
    claim = claim_of("S1")
    assert [list(setting) for setting in claim.settings.values()] == [[PEOPLE]] * 2 + [[GP]] * 2
    assert [list(setting.values())[0].config for setting in claim.settings.values()][:2] == [
        pretrained.FFHQ,
        pretrained.CELEBA,
    ]
    # Cartoons hold here: what fails is what fails of people.
    for people, verdicts in (
        (several(moved), [HOLDS] * 5),
        (several(lambda s: moved(s, 0.5)), [FAILS] * 4 + [HOLDS]),
        (several(lambda s: moved(s, 2.0, random=3.0)), [HOLDS] * 4 + [FAILS]),
    ):
        findings = outcome("S1", people=people).findings
        found = [f for f in findings if f.setting == next(iter(claim.settings))]
        assert [f.verdict for f in found] == verdicts
        assert [f.part.roles for f in found] == [(PEOPLE,)] * 5
    words = ("gender", "facing direction", "age", "smile")
    for word, part in zip(words, claim.parts, strict=False):
        assert f"changes {'the ' * (' ' in word)}{word} by over 1 sd among people" in part.rule


def test_a_generator_that_cannot_be_had_is_left_out_and_named(monkeypatch, capsys):
    def refuse(name, say):
        raise InputError(f"pip cannot download {name}")

    monkeypatch.setattr(pretrained.zoo, "fetch", refuse)
    claim = claims(names=["S1"], fetch=True)["S1"]
    assert [list(setting) for setting in claim.settings.values()] == [[GP]] * 2
    assert claim.note.startswith("Not tested on a generator that is style-based")
    assert "pip cannot download dcgan-faces" in claim.note
    assert capsys.readouterr().err.count("S1: Not tested") == 2
    assert len(claim_of("S1").settings) == 4  # without fetch nothing is asked for


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("scale", SCALES)
def test_an_entry(name, scale):
    claim = claim_of(name, scale)
    assert claim.name == name
    # E1 names both networks; in four claims GAN has the optimizer of WGAN-GP too.
    four = dict.fromkeys(("D1", "D2", "D3", "D4b", "S1"), 4)
    assert len(claim.settings) == {"E1": 1, **four}.get(name, 2)
    size = SCALES[scale]
    assert str(size["faces" if name[0] in "DS" else "report_conv"]["width"]) in claim.note
    for setting in claim.settings.values():
        tested = [part for part in claim.parts if set(part.roles) <= set(setting)]
        assert len(tested) == len(claim.parts) or name == "S1"
        assert {role for part in tested for role in part.roles} == set(setting) or name == "D4"
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
    cells = {s: x for s, x in claim_of("D3", "report").settings.items()}
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
    # Where GAN has Adam too, it differs from WGAN-GP's listing in penalty and norm alone.
    for name in (WASSERSTEIN, LISTING):
        setting = cells[f"{name}, {ALSO_ADAM}"]
        assert setting[GP] == cells[name][GP]
        assert setting[GAN].config.config == dataclasses.replace(
            listing, penalty="none", penalty_weight=(), critic_norm="batch"
        )
    every = cells_of(claim_of(name) for name in IMAGES)
    assert len(every) == 8
    dense = claim_of("E2").settings["dense"][NETWORK].config
    assert (dense.model, dense.width, dense.learning_rate) == ("report_dense", 128, (2e-4,))


def test_who_chose_a_setting_depends_on_the_cell_and_the_scale():
    claim = claim_of("D3")
    gan, penalised = (claim.origins(x) for x in claim.settings[WASSERSTEIN].values())
    assert (gan.report["optimizer"], gan.ours["size"]) == ("sgd", "32")
    assert gan.report["learning rate"] == "0.16"  # 0.005 on a sum over batches of 32
    assert (penalised.report["betas"], penalised.ours["penalty weight"]) == (
        "0.5 and 0.999",
        "10",
    )
    also = claim.origins(claim.settings[f"{WASSERSTEIN}, {ALSO_ADAM}"][GAN])
    assert {"optimizer", "learning rate", "betas"} <= also.ours.keys()
    large = claim_of("D3", "report")
    told = large.origins(large.settings[WASSERSTEIN][GAN]).report
    assert (told["size"], told["batch size"]) == ("64", "512")
    s1 = claim_of("S1")
    people, *_, cartoons = (s1.origins(*x.values()) for x in s1.settings.values())
    assert people.ours["generator"] == "mobilestylegan-ffhq"
    assert people.report == cartoons.report == {"directions": "5, not whitened"}
    for name, side in (("report_dense", "report"), ("report_conv", "ours")):
        cells = {x.config.model: x for x in cells_of([claim_of("E1")])}
        assert "width" in getattr(claim_of("E1").origins(cells[name]), side)


def test_undecided_with_few_seeds():
    assert verdict("D3", gp=several(count=3), gan=several(count=3)) == UNDECIDED


# Pictures and pages of records of runs that never ran.


def face_records(count=2):
    """Records of faces with pictures of random pixels."""
    rng = np.random.default_rng(0)

    def arrays(seed):
        return {
            "floor": 3.0,
            "frames": rng.integers(0, 256, (4, 16, 32, 32, 3), np.uint8),
            "edits": rng.integers(0, 256, (DIRECTIONS, EDIT_COUNT, 3, 32, 32, 3), np.uint8),
        }

    return several(arrays, count)


def people_records():
    """Records of people of a pretrained generator, without curves."""
    rng = np.random.default_rng(1)

    def made(seed):
        edits = rng.integers(0, 256, (DIRECTIONS, EDIT_COUNT, 3, 32, 32, 3), np.uint8)
        arrays = {**moved(seed), "edits": edits, "diverged_at": 0}
        return Record({name: np.asarray(x) for name, x in arrays.items()}, {})

    return [made(seed) for seed in range(2)]


def garment_records():
    rng = np.random.default_rng(0)
    shape = (len(DIMENSIONS), EDIT_COUNT, 3, 28, 28, 1)
    return several(lambda seed: {"edits": rng.integers(0, 256, shape, np.uint8)}, 2)


def shown_of(claims):
    """A report on claims with records that have pictures."""
    cells = cells_of(claims.values())
    kinds = {FACES: face_records, PRETRAINED: people_records}
    runs = {x: kinds.get(x.laboratory, garment_records)() for x in cells}
    return claims_report.report(claims, runs, str, [Notes("How")])


@pytest.fixture(scope="module")
def shown():
    """A report on the claims whose pictures differ in kind."""
    names = ("D1", "D2", "D4", "D5", "E2", "S1")
    return shown_of({name: claim_of(name) for name in names})


def test_every_picture_is_drawn(shown):
    drawn = [picture for section in shown.sections for picture in section.pictures]
    for picture in drawn:
        with Image.open(io.BytesIO(picture.image)) as image:
            assert min(image.size) > 50
            assert len(image.convert("RGB").getcolors(2**24)) > 5
        assert picture.caption.endswith(".")
    assert [x.image[:3] for x in drawn].count(b"GIF") == 1


def test_a_page_of_claims_about_images(shown):
    assert [row[0] for row in shown.table.rows] == ["D1", "D2", "D4", "D5", "E2", "S1"]
    # The samples of D2 are those of D1.
    assert [len(section.pictures) for section in shown.sections] == [3, 1, 0, 1, 2, 4]
    assert "The pictures of D1 belong here too." in shown.sections[1].notes
    assert [note.title for note in shown.method] == ["How"]
    html = report_page(shown.title, shown.lead, shown.table, shown.sections, {})
    assert len(html) < 2**20


def test_a_page_warns_of_networks_that_differ():
    cell = Cell(FACES, claim_of("D1").settings[WASSERSTEIN][GP].config)
    claim = claim_of("D3")
    claim = claim._replace(
        settings={"one": {GAN: cell, GP: cell}}, draw=lambda settings, records: []
    )
    other = Cell(records.LAB, records.Config("points"))
    # Beside a claim about points, whose runs hold other arrays.
    points = Claim("A1", "", (fits_well(GAN),), {"one": {GAN: other}}, "")
    for factor, lines in ((1.0005, 3), (1.1, 4)):
        runs = [record(0, floor=3.0), record(1, floor=3.0 * factor)]
        by_cell = {other: [records.record(), records.record()], cell: runs}
        both = claims_report.report({"A1": points, "D3": claim}, by_cell, str)
        assert len(both.lead) == lines
    assert "judged by the same network" in both.lead[-1]

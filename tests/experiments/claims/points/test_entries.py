import math
import re
from pathlib import Path

import numpy as np
import pytest

from experiments.claims import entries as claims_entries
from experiments.claims.points import parts
from experiments.claims.points.entries import CLAIMS
from jaxgan.errors import InputError
from jaxgan.runs.study import plan

NAMES = ["A1", "A2", "A3", "A4", "A5", "A6", "B1", "B2", "B3", "C1", "C2", "C3"]


@pytest.fixture(scope="module")
def entries():
    return claims_entries.claims("m", names=NAMES)


def test_the_table_has_the_claims_about_points(entries):
    assert list(CLAIMS) == list(entries) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_entry(entries, name):
    claim = entries[name]
    assert claim.name == name
    assert len(claim.settings) >= 2
    assert claim.note
    for setting in claim.settings.values():
        used = {role for part in claim.parts for role in part.roles}
        assert used <= set(setting)
    cells = [tuple(setting.values()) for setting in claim.settings.values()]
    assert len(set(cells)) == len(cells)  # settings differ
    for part in claim.parts:
        assert part.allowed.low < part.allowed.high
        numbers = {f"{x:.3g}" for x in part.allowed if math.isfinite(x)}
        said = {f"{float(x):.3g}" for x in re.findall(r"\d+(?:\.\d+)?", part.rule)}
        if part.measure is parts.FIT:
            assert said & numbers, part.rule  # the words have the number of the code
        if part.measure is parts.FIRST and math.isfinite(part.allowed.high):
            for setting in claim.settings.values():
                # else a run that never gets there could count as one that does
                assert part.allowed.high < setting[part.roles[0]].config.epochs


def test_settings_are_those_of_the_reports(entries):
    b1 = entries["B1"].settings["batch 64"]
    for cell in b1.values():
        config = cell.config
        assert config.generator_widths == config.critic_widths == (256, 64)
        assert (config.epochs, config.critic_steps, config.train_size) == (200, 1, 7000)
        assert config.learning_rate == (1e-4,)
        assert config.optimizer == "rmsprop"
    assert b1["WGAN-GP"].config.penalty_weight == (0.001,)
    (b3, _) = entries["B3"].settings.values()
    assert [cell.config.epochs for cell in b3.values()] == [2000, 200]
    c2 = next(iter(entries["C2"].settings.values()))["GAN with Adam"].config
    assert c2.generator_widths == (512, 256)
    steps = {
        cell.config.critic_steps
        for setting in entries["A4"].settings.values()
        for role, cell in setting.items()
        if role == "SGD"
    }
    assert steps == {20, 30}
    # What claims share is run once: 12 claims, 53 cells in 29 programs.
    study = claims_entries.study(entries)
    assert len(study.cells) == 53
    assert len(plan(Path("nowhere"), study.cells, 2).programs) == 29


def test_critic_steps_and_penalty_weight_which_report_c_leaves_open_span_a_grid(entries):
    for name, optimizer in (("C1", "Adam"), ("C3", "RMSprop")):
        found = []
        for setting in entries[name].settings.values():
            gan, wgan, penalised = (
                setting[f"{variant} with {optimizer}"].config
                for variant in ("GAN", "WGAN", "WGAN-GP")
            )
            assert gan.critic_steps == wgan.critic_steps == penalised.critic_steps
            found.append((*gan.learning_rate, gan.critic_steps, *penalised.penalty_weight))
        grid = [(1e-4, steps, weight) for steps in (1, 5) for weight in (0.001, 0.1, 10.0)]
        assert found == [grid[0], (1e-3, 1, 0.001), *grid[1:]]
    assert [name.endswith("(report B's)") for name in entries["C1"].settings] == [
        True,
        *[False] * 6,
    ]


def test_as_many_generator_updates(entries):
    setting = entries["A4"].settings["a rate each, SGD 20 steps, 800 epochs"]
    more, fewer = (setting[role].config for role in ("SGD", "SGD with 5 critic steps"))
    updates = [config.epochs * config.steps_per_epoch for config in (more, fewer)]
    assert updates == [800 * 5, 200 * 21]


def test_notes_tell_what_was_filled_in(entries):
    for name, claim in entries.items():
        for words in ("latent dimension 2", "mean 0", "minimax", "batch"):
            assert words in claim.note, name
    for name in ("A4", "A5", "A6"):
        assert "21 at 5 steps, 5 at 20 and 3 at 30" in entries[name].note
    for name in ("A1", "A2", "A3"):
        assert "The optimizer of GAN, WGAN and WGAN-GP is RMSprop" in entries[name].note


def test_every_setting_of_a_cell_is_the_reports_or_ours(entries):
    def of(name, setting, role):
        claim = entries[name]
        return claim.origins(dict(claim.settings)[setting][role])

    b = of("B1", "batch 64", "WGAN-GP")
    assert b.report["learning rate"] == "0.0001"
    assert (b.report["penalty weight"], b.ours["batch size"]) == ("0.001", "64")
    assert of("B1", "batch 64, clip 0.1", "WGAN").ours["clip"] == "0.1"
    c = entries["C1"].origins(next(iter(entries["C1"].settings.values()))["WGAN-GP with Adam"])
    assert {"learning rate", "critic steps", "penalty weight", "epochs"} <= c.ours.keys()
    assert {"optimizer", "generator widths", "variant"} <= c.report.keys()
    assert "optimizer" in of("A1", "rate 1e-4", "GAN").ours
    assert of("A4", "a rate each, SGD 30 steps", "SGD").report["critic steps"] == "30"
    for claim in entries.values():
        for setting in claim.settings.values():
            for cell in setting.values():
                report, ours = claim.origins(cell)
                assert len(report.keys() | ours.keys()) == len(report) + len(ours) >= 10


# What every claim says: the first role's number, less the second's, lies in the range.
MEANT = {
    "A1": [("GAN", -math.inf, 30), ("GAN", -math.inf, 1.5)],
    "A2": [("WGAN - GAN", 5, math.inf), ("GAN - WGAN", 0.05, math.inf)],
    "A3": [("WGAN-GP - GAN", -math.inf, 0.405), ("GAN - WGAN-GP", 0.05, math.inf)],
    "A4": [
        ("SGD - Adam", 10, math.inf),
        ("SGD - RMSprop", 10, math.inf),
        ("SGD", 95.5, 190.9),
        ("SGD with 5 critic steps - SGD", 0.5, math.inf),
    ],
    "A5": [("SGD - Adam", 10, math.inf), ("Adam - SGD", 0.05, math.inf)],
    "A6": [
        ("SGD - RMSprop", 10, math.inf),
        ("Adam - RMSprop", 10, math.inf),
        ("SGD - RMSprop", 0.05, math.inf),
        ("Adam - RMSprop", 0.05, math.inf),
    ],
    "B1": [("WGAN - WGAN-GP", 0.05, math.inf), ("GAN - WGAN", 0.05, math.inf)],
    "B2": [("GAN", 49.5, 99), ("WGAN", 49.5, 99), ("WGAN-GP", 21.2, 42.4)],
    "B3": [
        ("SGD with 2000 epochs", 2.5, math.inf),
        ("SGD with 2000 epochs - RMSprop", 0.05, math.inf),
    ],
    "C1": [
        ("GAN with Adam", 2.5, math.inf),
        ("WGAN with Adam", 2.5, math.inf),
        ("GAN with Adam - WGAN-GP with Adam", 0.5, math.inf),
        ("WGAN with Adam - WGAN-GP with Adam", 0.5, math.inf),
    ],
    "C2": [
        ("GAN with Adam - GAN with RMSprop", 0.5, math.inf),
        ("WGAN with Adam - WGAN with RMSprop", 0.5, math.inf),
        ("WGAN-GP with Adam - WGAN-GP with RMSprop", 0.5, math.inf),
    ],
    "C3": [
        ("GAN with RMSprop - WGAN with RMSprop", -0.5, 0.5),
        ("GAN with RMSprop - WGAN-GP with RMSprop", 0.05, math.inf),
        ("WGAN with RMSprop - WGAN-GP with RMSprop", 0.05, math.inf),
    ],
}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_claim_says(entries, name):
    said = [(" - ".join(part.roles), *part.allowed) for part in entries[name].parts]
    assert [roles for roles, *_ in said] == [roles for roles, *_ in MEANT[name]]
    for (_, *ends), (_, *meant) in zip(said, MEANT[name], strict=True):
        assert ends == pytest.approx(meant, abs=0.06)  # one digit after the point


def test_only_what_is_asked_for_is_made(tmp_path):
    """600 points are too few for the reports' 7000 and for 30 critic steps of 64 points."""
    data = str(tmp_path / "cloud.npy")
    np.save(data, np.random.default_rng(0).normal(size=(600, 2)))
    assert list(claims_entries.claims(data, names=["C1", "A1"])) == ["C1", "A1"]
    for name, reason in (("A4", "takes 30 batches"), ("B1", "--train_size=7000")):
        with pytest.raises(InputError) as error:
            claims_entries.claims(data, names=["C1", name])
        assert str(error.value).startswith(f"claim {name} cannot be tested on {data}: ")
        assert reason in str(error.value)
        assert "\n" not in str(error.value)

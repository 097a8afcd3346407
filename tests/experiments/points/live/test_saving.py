"""What the live page saves, and the commands it shows."""

import json
import shlex
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from experiments.points.__main__ import main
from experiments.points.config import configure
from experiments.points.live import saving
from jaxgan.data import points
from jaxgan.errors import InputError


def words_of(command):
    """The flags of a command."""
    python, module, name, *flags = shlex.split(command)
    assert [python, module, name] == ["python", "-m", "experiments.points"]
    return flags


def planned(command, capsys):
    """The settings that a command resolves to."""
    capsys.readouterr()
    assert main([*words_of(command), "--dry_run"]) == 0
    (settings,) = json.loads(capsys.readouterr().out).values()
    return settings


@pytest.mark.slow
def test_the_command_goes_on_with_a_saved_run_as_if_it_had_made_it(
    session_of, play, tmp_path, monkeypatch, final_state, flags_of
):
    monkeypatch.chdir(tmp_path)
    session = session_of()
    play(session, updates=5)  # two of four epochs, and one update of the third
    saved = session.save("mine")
    folder = tmp_path / "runs" / "points" / "mine"
    assert saved["exact"]
    for name in ("config.json", "metrics.jsonl", "samples.npz", "samples.png", "losses.png"):
        assert (folder / name).exists()
    assert not (folder / "summary.json").exists()
    assert final_state(folder)[0] == "step_00000002"
    assert json.loads((folder / "config.json").read_text())["command"] == saved["command"]
    assert main(words_of(saved["command"])) == 0
    assert main([*flags_of(), "--name=other"]) == 0
    other = folder.with_name("other")
    assert final_state(folder) == final_state(other)
    assert {x.name for x in (folder / "frames").iterdir()} == {
        x.name for x in (other / "frames").iterdir()
    }
    mine, theirs = (json.loads((x / "summary.json").read_text()) for x in (folder, other))
    assert mine["cells"] == theirs["cells"]


@pytest.mark.slow
def test_a_run_that_was_changed_is_complete_and_says_how(
    session_of, play, tmp_path, monkeypatch, capsys, final_state
):
    monkeypatch.chdir(tmp_path)
    session = session_of()
    rows = "\n".join(f"{x},{y}" for x, y in np.random.default_rng(0).normal(size=(600, 2)))
    session.load("mine.csv", rows.encode())
    session.step("critic")
    session.change(variant="gan", learning_rate=3e-4, batch_size=80)
    play(session, updates=3)
    saved = session.save("own")
    assert not saved["exact"]
    folder = tmp_path / "runs" / "points" / "own"
    cloud = points.load(str(folder / "cloud.npy")).points
    np.testing.assert_array_equal(cloud, session.training.ground.cloud.points)
    config = json.loads((folder / "config.json").read_text())
    assert [list(act) for act in config["settings"]["live"]] == [
        ["step", "update"],
        ["step", "variant", "learning_rate", "penalty_weight", "batch_size"],
    ]
    assert json.loads((folder / "summary.json").read_text())["cells"][0]["variant"] == "gan"
    assert np.load(folder / "samples.npz")["generated"].shape == (1, 120, 2)
    assert final_state(folder)[0] == "step_00000001"
    settings = planned(saved["command"], capsys)
    assert settings["data"] == str(folder / "cloud.npy")
    assert (settings["variant"], settings["batch_size"]) == ("gan", 80)
    assert "--name=own-anew" in words_of(saved["command"])
    # The saved run is no command's: one with its settings is refused.
    same = [x.replace("own-anew", "own") for x in words_of(saved["command"])]
    assert main(same) == 2
    assert "own was made with live=" in capsys.readouterr().err


CHANGES = [
    {},
    {"learning_rate": (0.1 + 0.2,)},
    {"optimizer": "sgd", "schedule": "constant"},
    {"critic_learning_rate": None, "betas": (0.9, 0.999), "penalty": "none"},
    {"generator_widths": (8, 9), "critic_widths": (7,), "latent_dim": 1, "latent": "uniform"},
    {"seed": 7, "epochs": 20, "data": "ring", "standardize": False},
]


@pytest.mark.parametrize("variant", ["gan", "wgan", "wgan_gp", "rpgan"])
def test_the_command_line_reads_a_command_as_its_settings(variant, capsys):
    (usual,) = configure(variant=(variant,))
    for changes in CHANGES:
        config = replace(usual, **changes)
        if config.penalty == "none":
            config = replace(config, penalty_weight=())
        folder = Path("elsewhere") / "points" / "x y"
        command = saving.command_of(config, points.sample(config.data), folder)
        assert planned(command, capsys) == json.loads(json.dumps(asdict(config)))
        assert words_of(command)[-2:] == ["--out=elsewhere", "--name=x y"]
    plain = saving.command_of(usual, points.sample("m"), Path("runs/points/x"))
    assert words_of(plain) == [f"--variant={variant}", "--name=x"]


def test_what_cannot_be_saved_is_refused(session_of, tmp_path):
    session = session_of()
    with pytest.raises(InputError, match="no epoch is complete yet: play first"):
        session.save("early")
    for _ in range(2):
        session.step("both")
    for name in ("", "..", "a/b", "a\nb", "x" * 300):
        with pytest.raises(InputError, match="must be a plain folder name"):
            session.save(name)
    folder = tmp_path / "runs" / "points" / "live"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match="live exists; give another name"):
        session.save("live")
    assert list(folder.iterdir()) == []
    assert list(folder.parent.iterdir()) == [folder]
    assert session.shot.facts["status"] == ""
    assert saving.free_name(folder.parent, "live") == "live-2"

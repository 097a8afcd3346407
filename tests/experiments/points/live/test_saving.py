"""What the live page saves, and the commands it shows."""

import json
import shlex

import numpy as np
import pytest

from experiments.points.__main__ import main
from experiments.points.config import configure, resolve
from experiments.points.live import saving
from jaxgan.data import points
from jaxgan.errors import InputError

STROKES = [[[0.3, 0.2], [1.2, 0.2]], [[0.75, 0.3], [0.75, 0.9]]]


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
    session.pause()
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
    session.draw(STROKES)
    session.step("critic")
    session.change(variant="gan", learning_rate=3e-4, batch_size=256)
    play(session, updates=9)
    saved = session.save("drawn")
    assert not saved["exact"]
    folder = tmp_path / "runs" / "points" / "drawn"
    cloud = points.load(str(folder / "cloud.npy")).points
    np.testing.assert_array_equal(cloud, session.training.ground.cloud.points)
    config = json.loads((folder / "config.json").read_text())
    assert [list(act) for act in config["settings"]["live"]] == [
        ["step", "update"],
        ["step", "variant", "learning_rate", "penalty_weight", "batch_size"],
    ]
    assert json.loads((folder / "summary.json").read_text())["cells"][0]["variant"] == "gan"
    assert np.load(folder / "samples.npz")["generated"].shape == (1, 1192, 2)
    assert final_state(folder)[0] == "step_00000001"
    settings = planned(saved["command"], capsys)
    assert settings["data"] == str(folder / "cloud.npy")
    assert (settings["variant"], settings["batch_size"]) == ("gan", 256)
    assert "--name=drawn-anew" in words_of(saved["command"])
    # The saved run is no command's: one with its settings is refused.
    same = [x.replace("drawn-anew", "drawn") for x in words_of(saved["command"])]
    assert main(same) == 2
    assert "drawn was made with live=" in capsys.readouterr().err


CHANGES = [
    {},
    {"learning_rate": (0.1 + 0.2,)},
    {"optimizer": "sgd", "schedule": "constant"},
    {"critic_learning_rate": None, "betas": (0.9, 0.999), "penalty_weight": ()},
    {"generator_widths": (8, 9), "critic_widths": (7,), "latent_dim": 1, "latent": "uniform"},
    {"seed": 7, "epochs": 20, "data": "ring", "standardize": False},
]


@pytest.mark.parametrize("variant", ["gan", "wgan", "wgan_gp", "rpgan"])
def test_flags_resolve_to_the_settings(variant):
    (usual,) = configure(variant=(variant,))
    cloud = points.sample("ring")
    for changes in CHANGES:
        if changes.get("penalty_weight") == ():
            changes = changes | {"penalty": "none"}
        config = saving.replace(usual, **changes)
        flags = saving.flags_of(config, cloud)
        assert len(flags) <= 1 + len(changes) + (config.optimizer != usual.optimizer) * 3
        given = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
        assert given["variant"] == variant
        directory = saving.Path("runs/points/x")
        command = saving.command_of(config, cloud, directory)
        assert shlex.split(command) == [
            *["python", "-m", "experiments.points"],
            *flags,
            "--name=x",
        ]


def test_commands_are_read_back(capsys):
    """The command line reads the flags as the settings they are meant to be."""
    ((usual,), _) = resolve(variant=("gan",))
    changes = {"learning_rate": (1e-3 / 3,), "critic_widths": (5, 6), "standardize": False}
    config = saving.replace(usual, **changes)
    command = saving.command_of(config, points.sample("m"), saving.Path("elsewhere/points/x"))
    settings = planned(command, capsys)
    assert settings == json.loads(json.dumps(saving.dataclasses.asdict(config)))


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

"""Trackers, with modules that record what they are told, and with the real ones."""

import json
import sys
import types

import pytest

from jaxgan.errors import InputError
from jaxgan.runs import Stopped, trackers
from tests.runs.test_jobs import run

TOLD = ("critic_loss/lane_0", "critic_loss/lane_1", "generator_loss/lane_0")


class Recorder:
    """Stands for ``wandb`` and ``aim``, and for their runs: keeps calls, and may fail."""

    def __init__(self, broken=()):
        self.calls, self.broken, self.starts = [], broken, []

    def module(self, name):
        module = types.ModuleType(name)
        module.__spec__ = types.SimpleNamespace(name=name)
        module.Settings, module.Image = dict, lambda image: image.size
        module.init = module.Run = self.start
        return module

    def start(self, **options):
        if "start" in self.broken:
            raise RuntimeError("no\nserver")
        self.starts.append(options)
        self.id = self.hash = options.get("id") or options.get("run_hash") or "made"
        return self

    def __setitem__(self, name, value):
        self.settings = value

    def log(self, values):
        if "log" in self.broken:
            raise RuntimeError("no\nroom")
        (names,) = [{name: x for name, x in values.items() if name != "epoch"}]
        self.calls += [(values["epoch"], name, value) for name, value in names.items()]

    def track(self, value, name, step, epoch):
        assert step == epoch
        self.log({"epoch": epoch, name: value})

    def define_metric(self, *_, **__):
        pass

    def finish(self):
        self.calls.append("end")

    close = finish


@pytest.mark.parametrize("name", trackers.TRACKERS)
def test_each_gets_numbers_pictures_and_settings_and_goes_on(name, tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, name, recorder.module(name))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wanted = iter([Stopped])

    def check():
        for error in wanted:
            raise error(15)

    with pytest.raises(Stopped):
        run(tmp_path / "r", trackers=(name,), check=check)
    run(tmp_path / "r", trackers=(name,))
    first, second = recorder.starts
    (id,) = json.loads((tmp_path / "r" / trackers.FILE).read_text()).values()
    assert id == (second["id"] if name == "wandb" else second["run_hash"]) == recorder.id
    if name == "wandb":
        assert first["mode"] == "offline"
        assert first["config"]["kind"] == "test"
    else:
        assert first["repo"] == str(tmp_path)
        assert recorder.settings["kind"] == "test"
    numbers = {call[:2] for call in recorder.calls if call != "end"}
    assert {(epoch, tag) for epoch in (1, 2, 3) for tag in TOLD} <= numbers
    assert (3, "drawings", (8, 8)) in recorder.calls
    assert recorder.calls.count("end") == 2


@pytest.mark.parametrize("broken", ["start", "log"])
def test_one_that_fails_is_one_line_and_training_goes_on(broken, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", Recorder([broken]).module("wandb"))
    assert run(tmp_path, trackers=("wandb",))["count"] == [3, 3]
    lines = [line for line in capsys.readouterr().err.splitlines() if "wandb" in line]
    assert len(lines) == 1
    assert lines[0].startswith(
        "--wandb fails and is left out; training goes on (RuntimeError: no"
    )


def test_one_that_is_missing_is_one_line_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"--aim needs the aim extra: pip install"):
        run(tmp_path / "r", trackers=("aim",))
    assert not (tmp_path / "r").exists()


def test_wandb_itself_writes_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="needs the wandb extra")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    run(tmp_path, trackers=("wandb",))
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (records,) = folder.glob("*.wandb")
    assert records.read_bytes().count(b"critic_loss/lane_1") >= 3
    assert len(list(folder.rglob("*.png"))) == 3


def test_aim_itself_keeps_the_numbers(tmp_path):
    aim = pytest.importorskip("aim", reason="needs the aim extra")
    run(tmp_path / "r", trackers=("aim",))
    (id,) = json.loads((tmp_path / "r" / trackers.FILE).read_text()).values()
    kept = aim.Run(run_hash=id, repo=str(tmp_path), system_tracking_interval=None)
    metrics = {metric.name: metric.values.values_list() for metric in kept.metrics()}
    assert metrics["critic_loss/lane_1"] == [1.0, 1.0, 1.0]


def test_a_damaged_list_of_identifiers_counts_as_none(tmp_path):
    for text in ("{", "[]", '{"wandb": 3}'):
        (tmp_path / trackers.FILE).write_text(text)
        assert trackers._read(tmp_path / trackers.FILE) == {}

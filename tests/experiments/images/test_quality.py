"""FID and KID of runs, by pixels in place of Inception-v3."""

import csv
import json

import numpy as np
import pytest

import jaxgan
from experiments.images import quality, run
from experiments.images.program import LatentSet, fixed_latents
from experiments.images.quality import Quality
from jaxgan.convert import zoo
from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.metrics import frechet, images, kernels
from jaxgan.networks import inception
from jaxgan.runs import Stopped

COUNT = 24
LINE = "epoch,lane,images,convention,fid,kid,kid_deviation"


def pixels(x):
    return (x.reshape(len(x), -1)[:, : inception.FEATURES] / 255).astype(np.float32)


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Images that were turned into features, one batch after the other."""
    seen = []

    def features(weights, convention):
        def extract(x):
            seen.append(x)
            return pixels(x) * (2 if convention == "clean" else 1)

        return extract

    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"weights")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(zoo, "inception", lambda say: weights)
    monkeypatch.setattr(images, "inception_features", features)
    monkeypatch.setattr(quality, "_AT_ONCE", 16)
    return seen


@pytest.fixture
def judge(seen, dataset):
    def make(check=lambda: None, **flags):
        return Quality(**{"fid": COUNT, **flags}).judge(dataset.images, "images", check)

    return make


def rows_of(folder):
    text = (folder / "fid.csv").read_text()
    assert text.startswith(LINE)
    return list(csv.DictReader(text.splitlines()))


def stop_after(count):
    def check():
        nonlocal count
        count -= 1
        if count < 0:
            raise Stopped(15)

    return check


def test_runs_that_are_measured_at_the_end_on_the_way_and_after_a_stop(
    tmp_path, dataset, config_of, judge, arrays_of, seen
):
    # At this rate two epochs are enough for images that are not all grey.
    config = config_of(seeds=2, learning_rate=(0.5,))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run.run(config, whole, dataset, samples=10)
    files = {name: (whole / name).read_bytes() for name in ("metrics.jsonl", "samples.npz")}
    summary = run.run(config, whole, dataset, judge=judge())  # it is complete
    assert {name: (whole / name).read_bytes() for name in files} == files
    assert summary == json.loads((whole / "summary.json").read_text())
    assert [(row["epoch"], row["lane"]) for row in rows_of(whole)] == [("2", "0"), ("2", "1")]
    assert (summary["fid_images"], summary["fid_convention"]) == (COUNT, "tensorflow")

    for count in (1, 3, 3):  # amid the measurement on the way, and those of both lanes
        stopping = judge(stop_after(count), fid_every=1)
        with pytest.raises(Stopped):
            run.run(config, cut, dataset, samples=10, judge=stopping)
    seen.clear()
    resumed = run.run(config, cut, dataset, judge=judge(fid_every=1))
    assert arrays_of(cut) == arrays_of(whole)
    assert (cut / "metrics.jsonl").read_bytes() == files["metrics.jsonl"]
    rows = rows_of(cut)
    assert [(row["epoch"], row["lane"]) for row in rows] == [("1", "0"), ("2", "0"), ("2", "1")]
    assert rows[1:] == rows_of(whole)
    assert summary["fid"] == resumed["fid"] == [float(row["fid"]) for row in rows[1:]]

    real = dataset.images[np.sort(np.random.default_rng(0).permutation(64)[:COUNT])]
    last = np.concatenate(seen)  # of the last lane; the real images are in the cache
    assert last.std() > 1
    distance = frechet.frechet_distance(pixels(real), pixels(last))
    assert summary["fid"][1] == pytest.approx(distance, rel=1e-9) != summary["fid"][0]
    kernel = kernels.kernel_distance(pixels(real), pixels(last))
    assert (summary["kid"][1], summary["kid_deviation"][1]) == kernel

    best = min(rows[:2], key=lambda row: float(row["fid"]))
    assert best["fid"] != rows[0]["fid"] or best["fid"] != rows[1]["fid"]
    assert (resumed["fid_best"], resumed["fid_best_epoch"]) == (
        float(best["fid"]),
        int(best["epoch"]),
    )
    kept = jaxgan.load(cut / "generator_best.npz")
    z = fixed_latents(config, 64, LatentSet.GRID)
    frame = run.read_samples(cut, resumed["fid_best_epoch"])
    difference = to_uint8(kept.images(np.asarray(z[:4]))).astype(int) - frame[:4]
    assert np.abs(difference).max() <= 1  # another program rounds otherwise

    kept_bytes = (cut / "generator_best.npz").read_bytes()
    other = judge(fid_every=1, fid_convention="clean")
    assert "fid_best" not in run.run(config, cut, dataset, judge=other)
    assert (cut / "generator_best.npz").read_bytes() == kept_bytes


def test_nothing_is_measured_twice(finished, dataset, config_of, judge, seen, capsys):
    config = config_of(seeds=2)
    summary = run.run(config, finished, dataset, judge=judge())
    assert "epoch 2/2, lane 1: FID " in capsys.readouterr().err
    assert list(map(len, seen)) == 3 * [16, 8]  # real images, and both lanes
    assert not (finished / "generator_best.npz").exists()  # it is the last one
    assert run.run(config, finished, dataset, judge=judge()) == summary
    assert run.run(config, finished, dataset) == summary
    assert len(seen) == 6
    (finished / "fid.csv").write_text(LINE + "\n2,0,24\n")
    assert run.run(config, finished, dataset, judge=judge()) == summary
    assert "fid.csv is damaged: FIDs are measured again" in capsys.readouterr().err
    assert len(seen) == 10  # the features of the real images are in the cache
    other = run.run(config, finished, dataset, judge=judge(fid_convention="clean"))
    assert len(seen) == 16
    assert other["fid_convention"] == "clean"
    assert other["fid"] == pytest.approx([4 * x for x in summary["fid"]], rel=1e-4)
    assert [row["convention"] for row in rows_of(finished)] == 2 * ["tensorflow", "clean"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"fid": 1}, "--fid=1: must be 2 images or more, or 0"),
        ({"fid": -5}, "--fid=-5: must be"),
        ({"fid": 0, "fid_every": 2}, "--fid_every=2 needs --fid"),
        ({"fid": 9, "fid_every": 3}, "--fid_every=3: must be 0 or a multiple of .*_every=2"),
        ({"fid": 9, "fid_every": -2}, "--fid_every=-2: must be 0"),
        ({"fid_convention": "clean"}, "--fid_convention=clean needs --fid"),
        ({"fid": 9, "fid_convention": "caffe"}, "unknown fid_convention 'caffe'"),
    ],
)
def test_what_cannot_be_measured_is_refused(flags, words, config_of):
    with pytest.raises(InputError, match=words):
        Quality(**flags).check([config_of(checkpoint_every=2)])


def test_the_cost_counts_every_image(config_of, capsys):
    configs = [config_of(seeds=3, epochs=9), config_of(epochs=9)]
    Quality(fid=1000, fid_every=3).show_cost(configs, 500)
    # epochs 3 and 6 of two programs, four lanes at the end
    assert "FID: 8000 generated images and, the first time, 500 real" in capsys.readouterr().err
    Quality().show_cost(configs, 500)
    assert not capsys.readouterr().err

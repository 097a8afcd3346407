"""The live page in a browser, on a desktop and on a phone."""

import json
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[4]


@pytest.fixture
def command(tmp_path, flags_of):
    """The page's address, and the folder of its process; it ends by Ctrl-C."""
    pytest.importorskip("starlette", reason="needs the extra 'ui'")
    words = ["--live", "--port=0", *flags_of(), "--epochs=1000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.points", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
    )
    ready, _, _ = select.select([process.stdout], [], [], 120)
    line = process.stdout.readline() if ready else ""
    try:
        assert line.startswith("http://127.0.0.1:"), line
        yield line.strip(), tmp_path
    finally:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    said, ended = errors.splitlines()
    assert said.endswith(": trains on 512 points, holds out 88")
    assert ended == "points: stopped by SIGINT; unsaved work is lost"


def until(tab, holds, seconds=120):
    """Wait until the page's state is so; the page's policy forbids the driver's own way."""
    end = time.monotonic() + seconds
    while not holds(state := tab.locator("#main").evaluate("x => ({...x.dataset})")):
        assert time.monotonic() < end, state
        time.sleep(0.05)
    return state


def button(tab, name):
    return tab.get_by_role("button", name=name, exact=True)


def stroke(tab, *places):
    """Draw a line on the canvas, whose places are shares of its width and height."""
    box = tab.locator("#plane").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    tab.mouse.move(*points[0])
    tab.mouse.down()
    for point in points[1:]:
        tab.mouse.move(*point, steps=5)
    tab.mouse.up()


def test_a_person_draws_trains_changes_and_saves(command, new_tab):
    home, folder = command
    tab = new_tab(home)
    tab.goto(home)
    until(tab, lambda x: "number" in x)

    # A cloud that is drawn: an L.
    button(tab, "Draw by hand").click()
    assert not button(tab, "Play").is_visible()
    stroke(tab, (0.3, 0.1), (0.3, 0.8), (0.7, 0.8))
    button(tab, "Use this cloud").click()
    until(tab, lambda x: x["data"] == "drawn")
    tab.get_by_text("8192 points along the strokes").wait_for()
    assert tab.locator("#source").input_value() == "drawn"

    # Play and pause; one step of each network.
    button(tab, "Play").click()
    until(tab, lambda x: int(x["step"]) > 40)
    button(tab, "Pause").click()
    paused = until(tab, lambda x: x["playing"] == "false")
    button(tab, "Both").click()
    step = int(paused["step"]) + 1
    until(tab, lambda x: int(x["step"]) == step)
    assert "resumes the saved one" in tab.locator("#exact").text_content()
    button(tab, "Critic step").click()
    until(tab, lambda x: x["acts"] == "1" and int(x["step"]) == step)
    button(tab, "Generator step").click()
    until(tab, lambda x: x["acts"] == "2" and int(x["step"]) == step + 1)

    # A rate that is changed, and one that is refused.
    rate = tab.get_by_label("Generator's rate")
    rate.fill("5e-4")
    rate.press("Enter")
    until(tab, lambda x: x["acts"] == "3")
    assert rate.input_value() == "0.0005"
    rate.fill("fast")
    rate.press("Enter")
    tab.get_by_text("learning_rate='fast' must be a number").wait_for()
    assert until(tab, lambda x: True)["acts"] == "3"

    # An answer that is no JSON is shown as what it is.
    tab.evaluate("() => told(new Response('failed', { status: 500, statusText: 'Failed' }))")
    assert tab.locator("#message").text_content() == "the server answers 500 Failed"

    # What is shown changes the canvas, and nothing else.
    def pixels():
        return tab.locator("#plane").evaluate("x => x.toDataURL()")

    seen = [pixels()]
    for layer in ("generator's gradients", "warped latent grid", "real points"):
        tab.get_by_label(layer).click()
        seen.append(pixels())
    assert len(set(seen)) == 4

    # A saved run.
    tab.get_by_label("Name").fill("mine")
    button(tab, "Save").click()
    tab.locator("#saved").wait_for(timeout=120_000)
    shown = tab.locator("#command").text_content()
    assert "--name=mine-anew" in shlex.split(shown)
    assert "--learning_rate=0.0005" in shlex.split(shown)
    run = folder / "runs" / "points" / "mine"
    settings = json.loads((run / "config.json").read_text())["settings"]
    assert [list(act)[1] for act in settings["live"]] == ["update", "update", "learning_rate"]
    cloud = np.load(run / "cloud.npy")
    assert cloud.min() > 0.1  # the L, in the sheet's units: from 0.45 to the right and 0.2 up
    assert np.median(cloud[:, 0]) < 0.6
    assert (run / "samples.npz").exists()

    # Curves stay short, and keep their last point.
    length, last = tab.evaluate("""async () => {
      const many = Array.from({ length: 20000 }, (_, i) => [1e6 + i, i, 1, 1, null, null]);
      await take({ ...shot, facts: { ...shot.facts, curve: many } });
      return [curve.length, curve[curve.length - 1][0]];
    }""")
    assert 10_000 <= length <= 10_100
    assert last == 1e6 + 19_999

    # A second tab sees the same; on a phone nothing sticks out, and all can be reached.
    phone = new_tab(home, width=390, has_touch=True, is_mobile=True)
    phone.goto(home)
    state = until(phone, lambda x: "number" in x)
    assert int(state["step"]) == step + 1
    assert phone.locator("html").evaluate("x => x.scrollWidth") <= 390
    assert phone.locator("#plane").bounding_box()["width"] > 350
    button(phone, "Reset").tap()
    until(tab, lambda x: x["step"] == "0")
    phone.get_by_label("Critic steps").fill("2")
    phone.get_by_label("Critic steps").press("Enter")
    until(tab, lambda x: x["acts"] == "0")
    tab.locator("#lowest").click()  # then by keyboard alone: the first control is Play
    tab.keyboard.press("Tab")
    assert tab.evaluate("() => document.activeElement.id") == "play"
    tab.keyboard.press("Enter")
    until(tab, lambda x: int(x["step"]) > 0)

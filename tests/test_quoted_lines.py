"""The error lines that the pages of the laboratories quote are those that commands print."""

import importlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from experiments.points.config import configure
from experiments.points.run import settings
from jaxgan.data import points
from jaxgan.runs import Run

DOCS = Path(__file__).parents[1] / "docs"
# A command by its page; the page quotes what the command prints after its name and "error:".
COMMANDS = {
    "points": """
        points --data=nofile.csv
        points --data=bad.csv
        points --data=three.csv
        points --data=points.mat --data_key=yy
        points --data=small.csv
        points --data=table.csv --recipe=report_b
        points --variant=gan --clip=0.1
        points --variant=gan --epochs=20
        points --variant=gan --epochs=10
    """,
    "live": """
        points --live --seeds=2
        points --live --fresh
    """,
    "fashion_mnist": """
        fashion_mnist --data=nowhere
        fashion_mnist --data=pics
    """,
    "faces": """
        pack nowhere
        pack none
        faces --data=pics --out=pics
        faces --data=pics --size=30
        faces --data=pics --batch_size=512
        faces --data=pics --variant=wgan_gp --critic_norm=batch
    """,
    "generate": """
        generate nowhere
        generate runs/points/gan
    """,
    "export": """
        export nowhere
    """,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Inputs with the faults, a run of points that is in use, and where commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("bad.csv").write_text("x,y\n1,2\n3,abc\n4,5\n")
    Path("three.csv").write_text("x,y,z\n1,2,3\n3,4,5\n4,5,6\n")
    Path("small.csv").write_text("x,y\n1,2\n3,4\n4,5\n")
    scipy.io.savemat(
        "points.mat", {name: np.zeros((9, 2)) for name in ("a", "b", "c", "d", "xx")}
    )
    np.savetxt("table.csv", np.random.default_rng(0).normal(size=(900, 2)), delimiter=",")
    for name in ("pics", "none"):
        Path(name).mkdir(parents=True)
    for number in range(40):
        image = np.full((40, 40, 3), 5 * number, np.uint8)
        Image.fromarray(image).save(f"pics/{number}.png")
    (config,) = configure(variant=("gan",), epochs=10)
    with Run(Path("runs/points/gan"), settings(points.load("m"), config)):
        yield


@pytest.mark.parametrize("page", COMMANDS)
def test_quoted_errors_of(page, folder, capsys):
    text = (DOCS / f"{page}.md").read_text("utf-8")
    quoted = re.findall(
        r"^\| `([^`]+)` \|", text.partition("## Common failures")[2], re.MULTILINE
    )
    for command in filter(str.strip, COMMANDS[page].splitlines()):
        name, *words = shlex.split(command)
        code = importlib.import_module(f"experiments.{name}.__main__").main(words)
        line = capsys.readouterr().err.splitlines()[-1].removeprefix(f"{name}: error: ")
        assert code == 2, line
        assert any(_like(x, line) for x in quoted), f"{page}.md does not quote: {line}"


def _like(quoted, line):
    """Whether a quoted line, in which an ellipsis may leave something out, is that line."""
    return re.fullmatch(".+".join(map(re.escape, quoted.split("…"))), line)

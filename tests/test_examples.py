"""The files of ``examples/`` and the notebook of the documents: they run, and are short."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jaxgan.convert import zoo
from tests.quick import AS_USERS

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"
ENVIRONMENT = AS_USERS | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
FACES = "mobilestylegan-ffhq"
PRINTED = {  # how each example's last line begins
    "custom_checkpoint": "shares of the three directions that move images most: [0.",
    "custom_data": "trained on 1024 images; custom_data.png shows 32 generated ones",
    "custom_gan": "seed 3: mean radius ",
    "custom_sweep": "rate 0.01: a classifier's accuracy is 0.",
}


def cells(kind):
    return [
        c for c in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if c["cell_type"] == kind
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_it_shows(path):
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 40
    assert lines[0].startswith('"""')


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, tmp_path):
    command = [sys.executable, "-W", "error", str(path)]
    options = {
        "capture_output": True,
        "text": True,
        "cwd": tmp_path,
        "env": os.environ | ENVIRONMENT,
    }
    done = subprocess.run(command, **options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(PRINTED[path.stem])
    if path.stem == "custom_gan":  # it fits
        radii = re.findall(r"radius ([\d.]+),", done.stdout)
        assert all(0.8 < float(radius) < 1.2 for radius in radii)
        assert len(radii) == 4


def test_the_notebook_is_committed_as_it_ran():
    assert NOTEBOOK.stat().st_size < 500_000
    text = NOTEBOOK.read_text("utf-8")
    assert re.findall(r"/(?:home|tmp|root|work|Users)/|site-packages", text) == []
    assert [c["execution_count"] for c in cells("code")] == [*range(1, len(cells("code")) + 1)]
    outputs = [output for cell in cells("code") for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5
    for output in outputs:
        assert output["output_type"] != "error"
        assert "warn" not in "".join(output.get("text", "")).lower()


def test_each_code_cell_of_the_notebook_follows_a_text():
    kinds = [c["cell_type"] for c in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]]
    assert (kinds[0], kinds[-1]) == ("markdown", "markdown")
    assert 8 <= kinds.count("code") <= 12


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    nbclient, nbformat = map(pytest.importorskip, ("nbclient", "nbformat"))
    pytest.importorskip("ipykernel")
    if not (zoo.cache() / FACES).exists():
        pytest.skip(f"needs {zoo.cache() / FACES}, which zoo.fetch({FACES!r}) downloads")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, 4)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=place).execute()  # raises
    printed = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    text = "".join(output.get("text", "") for output in printed)
    ratios = re.search(r"fit ratio: ([\d.]+) to ([\d.]+), mean", text)
    assert ratios, text
    low, high = map(float, ratios.groups())
    assert 0.8 < low < high < 3

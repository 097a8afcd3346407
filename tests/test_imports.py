"""Imports go down only, and each heavy library has one importer."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jaxgan

ROOT = Path(__file__).parents[1]
FLOOR = {  # a module may import modules of a lower floor, or of its own package
    "errors": 0,
    "runtime": 1,
    "plots": 2,
    "data": 2,
    "networks": 2,
    "training": 3,
    "convert": 4,
    "runs": 5,
    "metrics": 6,
    "judges": 7,
    "sefa": 8,
    "export": 9,
}
CORE = {"errors", "networks", "metrics", "training"}
ONLY_IN = {
    "matplotlib": [f"jaxgan/plots/{name}.py" for name in ("figures", "_figure_text", "_ticks")],
    "orbax": ["jaxgan/runs/checkpoint.py"],
    "absl": ["experiments"],
    "tensorboardX": ["jaxgan/runs/tensorboard.py"],
    "av": ["jaxgan/plots/video.py"],
    "wandb": ["jaxgan/runs/trackers.py"],
    "aim": ["jaxgan/runs/trackers.py"],
    "onnx": ["jaxgan/export/onnx_graph.py"],
    "safetensors": ["jaxgan/export/folder.py"],
    "gradio": ["experiments/explore/server.py"],
    "starlette": ["experiments/points/live/server.py"],
    "uvicorn": ["experiments/common/web.py", "experiments/points/live/server.py"],
    "torch": [],
    "tensorflow": [],
}
FILES = sorted(p for folder in ("jaxgan", "experiments") for p in (ROOT / folder).rglob("*.py"))


def imported(path):
    """Dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(path):
    return path.relative_to(ROOT / "jaxgan").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_of(path):
    relative = str(path.relative_to(ROOT))
    for name in imported(path):
        library = name.split(".")[0]
        if library in ONLY_IN:
            assert any(relative.startswith(home) for home in ONLY_IN[library]), name
        if relative.startswith("jaxgan/"):
            assert library != "experiments", name
        if (
            relative.startswith("jaxgan/")
            and library == "jaxgan"
            and "__init__" not in relative
        ):
            mine, other = module_of(path), name.split(".")[1]
            assert mine == other or FLOOR[other] < FLOOR[mine], f"{mine} imports {other}"


CORE_FILES = [p for p in FILES if ROOT / "jaxgan" in p.parents and module_of(p) in CORE]


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_neither_prints_nor_opens_files(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "open"), f"line {node.lineno}"


def test_no_module_is_long():
    lines = {p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in FILES}
    longest = {"jaxgan": 350, "experiments": 300}
    assert {p: n for p, n in lines.items() if n > longest[p.split("/")[0]]} == {}


def test_importing_jaxgan_loads_nothing_heavy():
    heavy = ["torch", "matplotlib", "absl", "orbax", "tensorflow", "jax", "numpy"]
    code = f"import sys, jaxgan; sys.exit(str([m for m in {heavy} if m in sys.modules] or ''))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.strip() == ""


def test_the_points_laboratory_loads_what_it_draws_and_measures_with_at_need():
    later = ["matplotlib", "orbax", "scipy.stats", "scipy.spatial"]
    code = "import sys, experiments.points.__main__\n"
    code += f"sys.exit(str([m for m in {later} if m in sys.modules] or ''))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.strip() == ""


def test_public_names_exist():
    for name in jaxgan.__all__:
        assert getattr(jaxgan, name) is not None
        assert name in dir(jaxgan)
    with pytest.raises(AttributeError, match="nothing"):
        jaxgan.nothing  # noqa: B018

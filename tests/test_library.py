"""The library as a user meets it: its names, and the examples in their docstrings."""

import doctest
import importlib
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import jaxgan
import jaxgan.training.gan  # the module must not hide the function ``jaxgan.gan``

ROOT = Path(jaxgan.__file__).parents[1]


def functions_of(package):
    values = {f"{package.__name__}.{name}": getattr(package, name) for name in package.__all__}
    return {n: value for n, value in values.items() if isinstance(value, types.FunctionType)}


ENTRIES = functions_of(jaxgan) | functions_of(jaxgan.metrics)
EXAMPLES = sorted(p for p in (ROOT / "jaxgan").rglob("*.py") if " >>> " in p.read_text())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_examples_in(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed


@pytest.mark.parametrize("name", ENTRIES)
def test_there_is_an_example_of(name):
    (example,) = doctest.DocTestFinder(recurse=False).find(ENTRIES[name], name, globs={})
    assert example.examples


def test_the_main_entries_are_functions():
    for name in ("setup", "fit", "load", "gan", "metrics.fid", "metrics.kid", "metrics.prdc"):
        assert f"jaxgan.{name}" in ENTRIES


def test_reaching_for_a_measure_does_not_load_jax():
    code = (
        "import jaxgan; jaxgan.metrics.fid, jaxgan.metrics.intervals.student; import sys; "
        "sys.exit(str([m for m in ('jax', 'matplotlib', 'orbax') if m in sys.modules] or ''))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr.strip() == ""


def test_the_version_is_that_of_the_changelog():
    assert (ROOT / "jaxgan" / "py.typed").exists()
    versions = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == jaxgan.__version__

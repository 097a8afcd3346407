"""The documents: links lead somewhere, commands parse, examples run, and no page is a diary.

A block of Python runs, all blocks of a page in one program, unless the line above it says
``<!-- not run: REASON -->`` or ``<!-- run by tests/FILE.py -->``, or another test runs those of
the page (``RUN_BY``).
"""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.__main__ import FOLDER as EXPERIMENTS
from experiments.common.flags import CommandLine
from experiments.points import config, modes
from jaxgan.data import image_folder, points

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted([*DOCS.rglob("*.md"), *DOCS.rglob("*.ipynb"), *ROOT.glob("examples/*.md")]),
]
DIARY = re.compile(
    r"\b(formerly|beside other work|no longer|(?<!is )(?<!are )(?<!be )used to|was not tried"
    r"|before, )",
    re.IGNORECASE,
)
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
LINK = re.compile(r"\]\(([^()\s]+)(?: \"[^\"]*\")?\)|\b(?:src|href)=\"([^\"]+)\"")
COMMAND = re.compile(
    r"python3? (?:-m (?P<module>experiments(?:\.\w+)?|benchmarks)\b"
    r"|(?P<file>benchmarks/\w+\.py))"
)
AFTER = re.compile(r"^\|.*after `python -m (experiments\.\w+)`")
FLAG = re.compile(r"--([a-z]\w*)")
PATH = re.compile(r"(?:\.ci|benchmarks|docs|examples|experiments|jaxgan|tests)/[\w./-]*\w")
RUN_BY = {"docs/export.md": "tests/export/test_folder.py"}
FOREIGN = {"flagfile", "strict"}  # flags of absl and of mkdocs


def text_of(document):
    """A document's text; of a notebook that of its cells of Markdown."""
    text = document.read_text("utf-8")
    if document.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(x["source"]) for x in cells if x["cell_type"] == "markdown")


def blanked(match):
    """As many lines, without their text."""
    return re.sub(r"[^\n]+", "", match[0])


def prose_of(text):
    """The text without blocks of code, line by line."""
    text = FENCE.sub(blanked, text)
    return re.sub(r"^ {4}[^`\n]*$", "", text, flags=re.MULTILINE)


def spans_of(text):
    """Each inline piece of code and its line."""
    prose = prose_of(text)
    for match in SPAN.finditer(prose):
        yield prose.count("\n", 0, match.start()) + 1, " ".join(match[1].split())


def shell_of(text):
    """Each line of a block of code and its number; a backslash joins lines."""
    lines, prose = text.splitlines(), prose_of(text).splitlines()
    number = 0
    while number < len(lines):
        start, line = number, lines[number]
        while line.endswith("\\") and number + 1 < len(lines):
            number += 1
            line = line[:-1] + lines[number]
        number += 1
        if line.strip() and not prose[start].strip():
            yield start + 1, line.strip()


def commands_of(text):
    """Each command of the project in a document: line, module or file, words."""
    for number, line in [*shell_of(text), *spans_of(text)]:
        found = list(COMMAND.finditer(line))
        for match, after in zip(found, [*found[1:], None], strict=False):
            rest = line[match.end() : after and after.start()]
            rest = re.split(r"\s*(?:&&|[|;)>]|\s#)", rest)[0]
            words = [word.strip("[]") for word in shlex.split(rest) if word != "..."]
            yield number, match["module"] or match["file"], words
    module = None
    for number, line in enumerate(text.splitlines(), 1):
        head = AFTER.match(line)
        module = head[1] if head else module if line.startswith("|") else None
        if module and not head:
            for _, code in spans_of(line.split("|")[1]):
                if code.startswith("--"):
                    yield number, module, shlex.split(code)


def anchors_of(document):
    """What a link to a part of a document may name, as GitHub and as mkdocs spell it."""
    text = FENCE.sub(blanked, text_of(document))
    found = set(re.findall(r"\{#([\w.-]+)\}|<a id=\"([\w.-]+)\"|^::: ([\w.]+)$", text, re.M))
    found = {name for names in found for name in names if name}
    for title in re.findall(r"^#+ +(.*?)\s*$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|\{#.*\}", r"\1", title)
        plain = re.sub(r"[^\w\s-]", "", plain).strip().lower()
        found |= {plain.replace(" ", "-"), re.sub(r"[-\s]+", "-", plain)}
    return found


def complaints_of_links(document):
    text = prose_of(text_of(document))
    for match in LINK.finditer(SPAN.sub(blanked, text)):
        link = match[1] or match[2]
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        line = text.count("\n", 0, match.start()) + 1
        if not target.exists():
            yield line, f"{link} does not exist"
        elif DOCS in document.parents and not target.is_relative_to(DOCS):
            yield line, f"{link} is not part of the site: name it as code"
        elif anchor and target.suffix == ".md" and anchor not in anchors_of(target):
            yield line, f"{link}: no such heading"


def check(document, complaints):
    name = document.relative_to(ROOT)
    told = "\n".join(f"{name}:{line}: {text}" for line, text in complaints)
    if told:
        pytest.fail(told, pytrace=False)


each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


@each_document
def test_links_of(document):
    check(document, complaints_of_links(document))


@each_document
def test_there_is_no_diary_in(document):
    text = text_of(document)
    found = [] if document.parent.name == "notes" else DIARY.finditer(text)
    check(document, [(text.count("\n", 0, x.start()) + 1, f"a diary: {x[0]}") for x in found])


class Ready(BaseException):
    """The flags of a command are read, and it is about to work."""


@pytest.fixture
def parse(monkeypatch):
    """Reads the flags of a command line as far as it goes without data and files."""

    def ready(line, *args):
        raise Ready(line)

    for name in ("start", "run_directory", "check_inputs"):
        monkeypatch.setattr(CommandLine, name, ready)
    monkeypatch.setattr(image_folder, "pack", lambda *_, **options: ready(None))
    load = points.load
    built_in = points.POINT_CLOUDS

    def lenient(data, *_):
        return load(data if data in built_in else "m")

    monkeypatch.setattr(points, "load", lenient)
    for function in (config.configure, config.resolve):  # which hold it as a default
        monkeypatch.setitem(function.__kwdefaults__, "load", lenient)
    monkeypatch.setattr(modes, "add", lambda cloud, *_: cloud)

    def parse(module, words):
        if module == "experiments":
            return [] if words in ([], ["--completion"]) else [f"{words[0]} is no flag"]
        if not (EXPERIMENTS / module.partition(".")[2] / "__main__.py").exists():
            return [f"there is no {module}"]
        if not words:
            return []  # the name of a command in a sentence
        main = importlib.import_module(f"{module}.__main__").main
        dry = [] if module in ("experiments.pack", "experiments.export") else ["--dry_run"]
        with pytest.raises((Ready, SystemExit)) as stop:
            raise SystemExit(main([*words, *dry]))
        if stop.type is SystemExit:
            return ["refused:"] if stop.value.code else []
        return list(unknown_names(stop.value.args[0]))

    return parse


def unknown_names(line):
    """Values that a flag does not know, of flags whose values have names."""
    if not isinstance(line, CommandLine):
        return
    for name in line.choices.keys() - {"data", "checkpoint", "optimizer"}:
        values = line.values[name].value or []
        for value in values if isinstance(values, list) else [values]:
            if value not in line.choices[name] and not value.isupper():
                yield f"--{name}={value} is not known"


def unknown_flags(module, words):
    """Flags that the source of a benchmark does not name."""
    files = [ROOT / (module if module.endswith(".py") else f"{module}/__main__.py")]
    if not files[0].exists():
        yield f"{module} does not exist"
        return
    source = "".join(file.read_text() for file in [*files, ROOT / "benchmarks" / "harness.py"])
    for word in words:
        flag = word.partition("=")[0]
        known = f'"{flag}"' in source or f'"{flag.removeprefix("--")}"' in source
        if flag.startswith("-") and not known and "parse_known_args" not in source:
            yield f"{module} has no {flag}"


@each_document
def test_commands_of(document, parse, capsys):
    def complaints():
        for line, module, words in commands_of(text_of(document)):
            benchmark = module.startswith("benchmarks")
            for text in unknown_flags(module, words) if benchmark else parse(module, words):
                said = " ".join(capsys.readouterr().err.split())
                yield line, f"{shlex.join([module, *words])}: {text} {said}"

    check(document, complaints())


@pytest.fixture(scope="module")
def flags_of_all():
    """All flags of all commands of the project."""
    found = set(FOREIGN)
    for file in EXPERIMENTS.glob("*/__main__.py"):
        main = importlib.import_module(f"experiments.{file.parent.name}.__main__").main
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CommandLine, "run", lambda line, *_: found.update(line.values))
            main([])
    for file in (ROOT / "benchmarks").glob("*.*"):
        source = file.read_text()
        found |= {*FLAG.findall(source), *re.findall(r"\"([a-z]\w*)\"", source)}
    return found


@each_document
def test_names_in(document, flags_of_all):
    """Flags and files that are mentioned are there."""

    def complaints():
        for line, code in spans_of(text_of(document)):
            for flag in FLAG.findall(code) if code.startswith("--") else ():
                if not flags_of_all & {flag, flag.removeprefix("no")}:
                    yield line, f"no command has --{flag}"
            if PATH.fullmatch(code) and code.islower() and not (ROOT / code).exists():
                yield line, f"{code} does not exist"

    check(document, complaints())


# What blocks about directions start from: a generator's file, people and their scores.
GIVEN = """
import pathlib, numpy as np
from jaxgan.convert.blueprint import Blueprint
from jaxgan.export import folder
from jaxgan.networks import stylegan2
from tests.exported_generators import pretrained

path = pathlib.Path("generator")
plan = Blueprint(stylegan2.Synthesis((4, 4)), stylegan2.Mapping(2))
g = pretrained(plan, 24, 4)
folder.write(g, path, folder.Story("example"), ["safetensors"])
codes, scores = (np.random.default_rng(0).normal(size=(60, n)) for n in (24, 2))
"""


def python_of(document):
    """The blocks of Python that run, each on its own lines; empty if there are none."""
    text = text_of(document)
    source = [""] * (text.count("\n") + 1)
    for match in FENCE.finditer(text):
        above = text[: match.start()].rstrip().rpartition("\n")[2]
        marked = re.fullmatch(r"<!-- (?:not run: .+|run by (tests/[\w/]+\.py)) -->", above)
        if marked and marked[1]:
            assert (ROOT / marked[1]).exists(), f"{document.name}: {marked[1]} does not exist"
        if match[2] == "python" and not marked:
            first = text.count("\n", 0, match.start()) + 1
            lines = match[3].splitlines()
            source[first : first + len(lines)] = [x.removeprefix(match[1]) for x in lines]
    return "\n".join(source).rstrip()


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [x for x in DOCUMENTS if str(x.relative_to(ROOT)) not in RUN_BY and python_of(x)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_python_of(document, tmp_path):
    code = python_of(document)  # errors name the lines of the document
    if re.search(r"\bsefa\b", code):
        (tmp_path / "given.py").write_text(GIVEN)
        code = "from given import *" + code
    program = tmp_path / f"{document.stem}.py"
    program.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

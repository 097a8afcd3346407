"""Command lines: flags from dataclasses, and how a command ends."""

import dataclasses
import importlib
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from experiments.common.flags import CommandLine, Shared
from jaxgan import runs
from jaxgan.errors import InputError

ROOT = Path(__file__).parents[3]
LABORATORIES = (
    "points",
    "fashion_mnist",
    "faces",
    "stacked_mnist",
    "sefa",
    "explore",
    "claims",
    "generate",
)


@dataclasses.dataclass(frozen=True)
class Base:
    """Settings.

    Attributes:
      count: Number of things,
        in two lines.
      rate: Their ``rate``.
    """

    count: int
    rate: float | None


@dataclasses.dataclass(frozen=True)
class Config(Base):
    """More settings.

    Attributes:
      title: A title.
      loud: Whether to be loud.
      numbers: Some numbers.
      widths: Some widths.
      names: Some names.
      model: A model.
      secret: No flag.
    """

    title: str = "none"
    loud: bool = True
    numbers: tuple[float, ...] = (0.5, 2.0)
    widths: tuple[int, ...] = ()
    names: tuple[str, ...] | None = None
    model: str = "dense"
    secret: int = 7


def run(*argv, command=None, defaults=None, **options):
    """The exit code, the flags that were read and the shared ones."""
    line = CommandLine("test", "A test.", **options)
    read = line.define(
        Config, defaults, {"title": "Another."}, lists=("model",), without=("secret",)
    )
    results = []

    def work(check):
        results.extend([read(), line.shared])
        if command is not None:
            command(check)

    return line.run(work, argv), *results


def test_flags_have_the_types_of_the_fields():
    code, given, shared = run(
        *("--count=3", "--rate=0.1", "--title=a,b", "--noloud", "--numbers=1,2.5"),
        *("--widths=4,8", "--names=x,y", "--model=dense,conv", "--out=there", "--fresh"),
    )
    assert code == 0
    assert given == {
        "count": 3,
        "rate": 0.1,
        "title": "a,b",
        "loud": False,
        "numbers": (1.0, 2.5),
        "widths": (4, 8),
        "names": ("x", "y"),
        "model": ("dense", "conv"),
    }
    assert shared == Shared(out="there", fresh=True)


def test_only_flags_that_are_given_are_read():
    assert run() == (0, {}, Shared())
    assert run("--names=", "--title=") == (0, {"names": (), "title": ""}, Shared())
    assert run(shared=Shared(out="claims"))[2].out == "claims"


def test_help_says_what_the_docstrings_say(capsys):
    assert run("--help", defaults={"count": 5}, without=("name",)) == (0,)
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("A test. networks: --model: A model.")
    assert "--count: Number of things, in two lines. Default: 5. (an integer)" in text
    assert "--rate: Their rate. (a number)" in text
    assert "--title: Another. --" in text  # the defaults that are given replace all others
    assert (
        "--out: Folder of all runs. A run goes to OUT/LABORATORY/NAME. Default: runs." in text
    )
    assert "this run, such as --out=claims: --[no]dry_run: Print" in text
    assert "other flags: --count: Number" in text
    assert text.endswith("Flags after it override those in the file.")
    assert "--name:" not in text
    assert "secret" not in text
    assert run("--help") == (0,)
    text = " ".join(capsys.readouterr().out.split())
    assert "--numbers: Some numbers. Default: 0.5,2.0. (a comma separated list)" in text
    assert "--[no]loud: Whether to be loud. Default: True." in text


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--count=x", "flag --count=x: invalid literal for int()"),
        ("--count=1.5", "flag --count=1.5: invalid literal"),
        ("--rate=fast", "flag --rate=fast: could not convert string to float"),
        ("--numbers=1,b", "--numbers=1,b is not a list of numbers"),
        ("--widths=1,2.5", "--widths=1,2.5 is not a list of whole numbers"),
        ("--loud=perhaps", "flag --loud=perhaps: ('Non-boolean argument to boolean flag'"),
        ("--rates=1", "Unknown command line flag 'rates'. Did you mean: rate ?"),
        ("--secret=1", "Unknown command line flag 'secret'"),
        ("count=3", "unexpected argument 'count=3'; flags are --name=value"),
        ("--name=x", "--name has no meaning here"),
        ("--flagfile=missing", "Unable to open flagfile"),
        ("--flagfile=.", "Is a directory"),
    ],
)
def test_bad_flags_are_one_line(argument, words, capsys):
    assert run(argument, without=("name",))[0] == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith("test: error: ")
    assert words in errors
    assert errors.count("\n") == 1


def test_flags_may_come_from_a_file(tmp_path, capsys):
    path = tmp_path / "flags"
    path.write_text("--count=3\n# a comment\n--noloud\n")
    assert run(f"--flagfile={path}", "--count=4")[1] == {"count": 4, "loud": False}
    path.write_bytes(b"--count=\xff\n")
    assert run(f"--flagfile={path}") == (2,)
    assert "can't decode byte" in capsys.readouterr().err


def noted(error, note):
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("two\nlines"), 2, "test: error: two lines\n"),
        (runs.Diverged("all lanes"), 1, "test: error: all lanes\n"),
        (
            OSError(111, "Connection refused"),
            1,
            "test: error: [Errno 111] Connection refused\n",
        ),
        (
            noted(OSError(28, "No space left", "a.png"), "epoch 2 is saved"),
            2,
            "test: error: cannot write a.png: No space left; epoch 2 is saved; "
            "fix this, then run the same command to resume\n",
        ),
        (runs.Stopped(15), 143, "test: stopped by SIGTERM; run the same command to resume\n"),
        (runs.Stopped(2), 130, "test: stopped by SIGINT; run the same command to resume\n"),
        (KeyboardInterrupt(), 130, "test: stopped at once\n"),
    ],
)
def test_a_command_ends_with_a_line_and_a_code(error, code, line, capsys):
    def fail(check):
        raise error

    assert run(command=fail)[0] == code
    assert capsys.readouterr().err == line


def test_commands_compute_in_float32(capsys):
    def command(check):
        assert not jax.config.read("jax_enable_x64")
        assert jnp.zeros(1).dtype == jnp.float32

    jax.config.update("jax_enable_x64", True)
    try:
        assert run(command=command)[0] == 0
        assert jax.config.read("jax_enable_x64")
    finally:
        jax.config.update("jax_enable_x64", False)
    line = "jax_enable_x64 is turned off: the laboratories compute in float32\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(("flags", "code"), [(["--dry_run"], 0), ([], 141)])
def test_a_reader_that_is_gone_ends_a_plan_well_and_a_run_early(
    flags, code, capsys, monkeypatch
):
    def command(check):
        raise BrokenPipeError(32, "Broken pipe")

    targets = []
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 99, raising=False)
    monkeypatch.setattr(os, "dup2", lambda source, target: targets.append(target))
    assert run(*flags, command=command)[0] == code
    assert targets == [99]
    assert capsys.readouterr().err == ""


def test_a_defect_is_no_line():
    def fail(check):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(command=fail)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--name=",), "--name='' must be a plain folder name"),
        (("--name=..",), "--name='..' must be"),
        (("--name=a/b",), "--name='a/b' must be"),
        (("--name=a\n",), "--name='a\\n' must be"),
        (("--out=",), "--out='' must be the name of a folder"),
    ],
)
def test_folders_that_are_none(flags, words):
    line = CommandLine("test", "")

    def command(check):
        with pytest.raises(InputError) as error:
            line.run_directory("usual")
        assert words in str(error.value)

    assert line.run(command, flags) == 0


@pytest.mark.parametrize(
    ("flags", "folder"), [((), "runs/test/usual"), (("--out=o", "--name=n"), "o/test/n")]
)
def test_the_folder_of_a_run(flags, folder):
    line = CommandLine("test", "")

    def command(check):
        assert line.run_directory("usual") == Path(folder)

    assert line.run(command, flags) == 0


@pytest.mark.parametrize("laboratory", LABORATORIES)
def test_every_laboratory_runs_in_process_and_more_than_once(laboratory, capsys):
    main = importlib.import_module(f"experiments.{laboratory}.__main__").main
    for _ in range(2):
        assert main(["--help"]) == 0
        assert main(["--hlp"]) == 2
    out, errors = capsys.readouterr()
    assert out.count(f"python -m experiments.{laboratory}") >= 2
    assert "\nothers:" not in out  # every flag has a purpose
    assert "--[no]dry_run: Print the settings and what would be written" in out
    assert errors.startswith(f"{laboratory}: error: Unknown command line flag 'hlp'")
    assert errors.count("\n") == 2


def test_a_reader_may_leave_early():
    """``--help | head -1``, whose pipe is closed before all is written."""
    script = (
        "import sys\n"
        "from experiments.common.flags import CommandLine\n"
        "line = CommandLine('test', 'x' * 200_000)\n"  # more than a pipe holds
        "sys.exit(line.run(lambda check: None, ['--help']))"
    )
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=write_end, stderr=subprocess.PIPE, cwd=ROOT
    )
    os.close(write_end)
    os.read(read_end, 10)
    os.close(read_end)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0


def test_fresh_is_refused_where_an_input_lies_in_the_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "test" / "usual").mkdir(parents=True)
    (tmp_path / "runs" / "test" / "usual" / "faces.zip").write_text("precious")
    (tmp_path / "link.zip").symlink_to("runs/test/usual/faces.zip")

    def start(*given):
        line = CommandLine("test", "A test.")
        line.define(Config, {})
        return line.run(lambda check: line.run_directory("usual") and None, given)

    for name in ("runs/test/usual/faces.zip", "link.zip", "runs/test/usual"):
        given = f"--title={name}"
        assert start(given) == 0
        assert start(given, "--name=other", "--fresh") == 0
        assert start(given, "--fresh") == 2
        error = capsys.readouterr().err
        assert f"--title={name} lies inside runs/test/usual, which --fresh clears" in error
    monkeypatch.setenv("JAXGAN_DATA", "runs/test/usual")
    assert start() == 0
    assert start("--fresh") == 2
    assert "$JAXGAN_DATA=runs/test/usual lies inside" in capsys.readouterr().err

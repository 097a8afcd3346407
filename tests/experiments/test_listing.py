"""The list of commands, and the completion of their words in bash."""

import shutil
import subprocess

import pytest

from experiments import __main__ as listing


def test_all_commands_are_listed(capsys):
    assert listing.main([]) == 0
    out = capsys.readouterr().out
    for name in ("points", "faces", "sefa", "pack"):
        assert f"python -m experiments.{name} " in out
    assert "common" not in listing.commands()
    assert "images" not in listing.commands()


def test_what_is_no_flag_is_one_line(capsys):
    assert listing.main(["points"]) == 2
    assert capsys.readouterr().err == (
        "experiments: error: points: the only flag is --completion\n"
    )


@pytest.fixture(scope="module")
def complete():
    """Completes a line as bash does: to the words that may come next."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    script = listing.completion()

    def complete(line):
        ask = (
            f"{script}\ncompopt() {{ :; }}\n"
            'COMP_LINE=$1 COMP_POINT=${#1}; _jaxgan; echo "${COMPREPLY[@]}"'
        )
        command = [bash, "--norc", "-c", ask, "bash", line]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    return complete


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python -m experiments.po", ["experiments.points"]),
        ("python -m experiments.points --vari", ["--variant="]),
        ("python -m experiments.points --epochs=3 --sch", ["--schedule="]),
        ("python -m experiments.points --schedule=l", ["linear"]),
        ("python -m experiments.points --variant=gan,hinge,l", ["gan,hinge,lsgan"]),
        ("python -m experiments.points --dry", ["--dry_run"]),
        ("python -m experiments.explore --dev", []),  # it has no such flag
        ("python -m experiments.points --epochs=", []),
        ("python -m other --vari", []),
        ("python", []),
    ],
)
def test_bash_completes(complete, line, words):
    assert complete(line) == words

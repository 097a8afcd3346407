"""The laboratories and tools of jaxgan. Each one lists its flags with --help.

    python -m experiments
    eval "$(python -m experiments --completion)"

The second command enables tab completion of commands, flags and values in bash. In zsh, run
``autoload -U bashcompinit && bashcompinit`` first.
"""

import contextlib
import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from experiments.common.flags import COMPLETION

FOLDER = Path(__file__).parent


def commands() -> dict[str, ModuleType]:
    """Return the module of every command by name."""
    names = sorted(file.parent.name for file in FOLDER.glob("*/__main__.py"))
    return {name: importlib.import_module(f"experiments.{name}.__main__") for name in names}


def completion() -> str:
    """Return a script that completes the commands in bash."""
    modules = commands()
    cases = []
    for name, module in modules.items():
        with contextlib.redirect_stdout(io.StringIO()) as listing:
            module.main([COMPLETION])
        cases.append(f"    {name}) echo '{listing.getvalue().strip()}' ;;")
    script = (FOLDER / "completion.bash").read_text("utf-8")
    script = script.replace("NAMES", " ".join(modules))
    return script.replace("\nFLAGS\n", "\n{}\n".format("\n".join(cases)))


def main(argv: Sequence[str] | None = None) -> int:
    """List the commands, or print a script that completes them; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == [COMPLETION]:
        print(completion())
    elif words in ([], ["--help"]):
        print(__doc__)
        for name, module in commands().items():
            line = (module.__doc__ or "").partition("\n")[0]
            print(f"python -m experiments.{name:14} {line}")
    else:
        print(f"experiments: error: {words[0]}: the only flag is --completion", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

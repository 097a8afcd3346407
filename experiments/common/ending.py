"""Print the results of a command and the next steps."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from jaxgan.runs.progress import say

# The files to look at first, in this order.
_FIRST_FILES = (
    *("side_by_side.gif", "side_by_side.png", "clouds.png", "training.gif", "samples.png"),
    *("losses.png", "sefa.html", "summary.csv", "classes.csv", "modes.csv", "summary.json"),
)


def finish(directory: Path, then: Sequence[str] = ()) -> None:
    """Report the files that a command wrote and the next steps; print its folder on stdout.

    Args:
      directory: The folder that the command wrote.
      then: Next steps: commands to run and pages to open.
    """
    say(f"wrote {_files(directory)} in {directory}")
    if programs := _programs(directory):
        say(f"wrote {_files(programs[0])} in each of {len(programs)} folders below")
    for text in then:
        say(f"next: {text}")
    print(directory)


def _programs(directory: Path) -> list[Path]:
    """Return the folders of a sweep's programs."""
    return sorted(path.parent for path in directory.glob("*/summary.json"))


def _files(folder: Path) -> str:
    names = [name for name in _FIRST_FILES if (folder / name).exists()]
    return ", ".join(names) or "the results"


def export(directory: Path) -> None:
    """Export the generators of a command's runs in all formats with installed libraries."""
    from experiments.export import source  # imported here because it is slow and rarely needed
    from jaxgan.export import folder

    formats = tuple(filter(folder.available, folder.FORMATS))
    for run in _programs(directory) or [directory]:
        generator = source.open_generator(str(run), None, None)
        story = source.of(str(run), generator)
        folder.write(generator, run / "export", story, formats, say=say, fresh=True)
        say(f"exported to {run / 'export'}")


def after_training(directory: Path, *, sefa: bool = False) -> list[str]:
    """Return commands to run after a training."""
    name = shlex.quote(str((_programs(directory) or [directory])[0]))
    commands = [f"python -m experiments.generate {name} --count=1000"]
    if sefa:
        commands.append(f"python -m experiments.sefa --checkpoint={name} --unit=image")
    return commands

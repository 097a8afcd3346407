"""Pack: crop the images of a folder or an archive to squares, as one array on disk.

    python -m experiments.pack FOLDER_OR_ARCHIVE --size=64

``experiments.faces --data=FOLDER_OR_ARCHIVE --size=64`` packs by itself and uses what this
command has packed. The command is for large folders, before training: it uses all cores and
little memory, and resumes after an interruption. The array has one byte per colour value and
goes to the cache; the command prints its path.
"""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    # Each decoding process imports this module and should not import JAX.
    from experiments.common import flags
    from jaxgan.data import image_folder
    from jaxgan.errors import InputError
    from jaxgan.runs import progress

    @dataclasses.dataclass(frozen=True)
    class Options:
        """Flags of the command.

        Attributes:
          size: Side of the images in pixels.
        """

        size: int = 64

    without = ("out", "name", "fresh", "dry_run", "devices")
    line = flags.CommandLine("pack", __doc__, without=without, arguments=1)
    read = line.define(Options)

    def command(check: Callable[[], None]) -> None:
        if not line.arguments:
            raise InputError("which folder or archive of images?")
        with progress.counting("image") as tell:

            def report(done: int, total: int) -> None:
                check()
                tell(done, total)

            packed = image_folder.pack(
                line.arguments[0], Options(**read()).size, processes=True, tell=report
            )
        for text in packed.lines:
            progress.say(text)
        for name, reason in packed.skipped:
            progress.say(f"{name}: {reason}")
        next_flags = shlex.join(
            [f"--data={line.arguments[0]}", f"--size={packed.images.shape[1]}"]
        )
        progress.say(f"next: python -m experiments.faces {next_flags}")
        print(getattr(packed.images, "filename", "not kept: the cache cannot be written"))

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

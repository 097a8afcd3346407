"""Export: write a trained generator in others' formats.

    python -m experiments.export runs/faces/gan --out=my-faces
    python -m experiments.export mobilestylegan-ffhq --out=faces --formats=safetensors,onnx

It takes a complete run of any laboratory, or whatever generator ``jaxgan.load`` opens. The
folder has the layout of a Hugging Face repository: ``model.safetensors``, ``config.json``, a
model card and a picture, and programs that need no jaxgan: ``generator.onnx`` and
``sampler.jax``. jaxgan reads it back: ``jaxgan.load(FOLDER)``.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.common import flags
from experiments.export.source import of, open_generator
from jaxgan import runs
from jaxgan.errors import InputError
from jaxgan.export import folder
from jaxgan.runs import progress


@dataclasses.dataclass(frozen=True)
class Options:
    """Flags of the command.

    Attributes:
      formats: What to write, a list: safetensors, onnx, jax; by default all whose libraries
        are installed.
      weights: Name of the generator in a file that holds several, or the end of its name.
      settings: Settings of the network that its file does not show: name=value,... or a .json
        file of a training run's settings.
    """

    formats: tuple[str, ...] = ()
    weights: str | None = None
    settings: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    texts = {
        "out": "Folder to write; by default exports/NAME, after the run or the file.",
        "fresh": "Replace an earlier export.",
    }
    without = ("name", "dry_run", "devices")
    shared = flags.Shared(out="")
    line = flags.CommandLine(
        "export", __doc__, shared=shared, texts=texts, without=without, arguments=1
    )
    read = line.define(Options, headings={"formats": "generator"})

    def command(check: Callable[[], None]) -> None:
        if not line.arguments:
            raise InputError("which generator? a run's folder, a file, or a name on offer")
        options, source = Options(**read()), line.arguments[0]
        named = line.shared.out or str(Path("exports") / Path(source).resolve().name)
        if not named.isprintable():
            raise InputError(f"--out={named!r} must be the name of a folder")
        out, formats = Path(named), options.formats
        for name in folder.FORMATS if not formats else ():
            if not folder.available(name):
                progress.say(f"{name} is left out: its library is not installed")
        formats = formats or tuple(filter(folder.available, folder.FORMATS))
        line.check_inputs(out)
        folder.check(out, formats, fresh=line.shared.fresh)
        line.start()
        generator = open_generator(source, options.weights, options.settings)
        story, fresh = of(source, generator), line.shared.fresh
        try:
            folder.write(
                generator, out, story, formats, say=progress.say, fresh=fresh, between=check
            )
        except runs.Stopped as error:
            error.add_note("nothing is written; the same command starts over")
            raise
        print(out)

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

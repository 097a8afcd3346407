"""Export: write a trained generator as safetensors, ONNX and a JAX program.

    python -m experiments.export runs/faces/gan --out=my-faces
    python -m experiments.export mobilestylegan-ffhq --out=faces --formats=safetensors,onnx

The argument is a complete run of any laboratory, or any generator that ``jaxgan.load`` can
load. The folder has the layout of a Hugging Face repository: ``model.safetensors``,
``config.json``, a model card and a picture. ``generator.onnx`` and ``sampler.jax`` are programs
that run without jaxgan. ``jaxgan.load(FOLDER)`` loads the generator again.
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
      formats: Formats to write, a list of: safetensors, onnx, jax. By default all whose
        libraries are installed.
      weights: Which generator to use from a file with several: its name or the end of it.
      settings: Settings of the network that do not show in its file: name=value,... or a .json
        file with the settings of a training run.
    """

    formats: tuple[str, ...] = ()
    weights: str | None = None
    settings: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    texts = {
        "out": "Folder to write; by default exports/NAME, with the name of the run or file.",
        "fresh": "Replace an earlier export.",
    }
    without = ("name", "dry_run", "devices")
    defaults = flags.Shared(out="")
    line = flags.CommandLine(
        "export", __doc__, shared=defaults, texts=texts, without=without, arguments=1
    )
    read = line.define(Options, headings={"formats": "generator"})

    def command(check: Callable[[], None]) -> None:
        if not line.arguments:
            raise InputError("which generator? Give a run's folder, a file or a name")
        options, source = Options(**read()), line.arguments[0]
        out_name = line.shared.out or str(Path("exports") / Path(source).resolve().name)
        if not out_name.isprintable():
            raise InputError(f"--out={out_name!r} must be the name of a folder")
        out, formats = Path(out_name), options.formats
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
            error.add_note("nothing is written; run the same command to start over")
            raise
        progress.say(f"wrote {', '.join(sorted(path.name for path in out.iterdir()))} in {out}")
        progress.say("next: README.md in it says how to load each file")
        print(out)

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

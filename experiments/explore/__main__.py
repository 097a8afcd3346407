"""A page in the browser in which a person plays with a face generator.

    python -m experiments.explore
    python -m experiments.explore --checkpoint=FILE --directions_file=DIRECTIONS.npz
    python -m experiments.explore --codes=runs/sefa/RUN/codes.npz

Sliders add up. The page is for this machine alone. Names that are saved are shown by the
same command and read by ``experiments.sefa --directions_file``. Needs ``jaxgan[ui]``.
"""

import dataclasses
import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.common import flags, web
from experiments.explore import server
from experiments.explore.page import Answers, application, legible
from experiments.explore.pictures import MOST
from experiments.sefa import config as sefa_config
from experiments.sefa import run
from experiments.sefa.config import Config
from experiments.sefa.load import load
from jaxgan import runs, runtime, sefa
from jaxgan.convert import zoo
from jaxgan.errors import InputError
from jaxgan.sefa import files, known, naming


@dataclasses.dataclass(frozen=True)
class Options:
    """Flags of the explorer; all but ``port`` are settings of ``experiments.sefa`` too.

    Attributes:
      checkpoint: Generator, as for experiments.sefa.
      weights: Name of the generator in a file that holds several, as for experiments.sefa.
      settings: Settings of the network that its file does not show, as for experiments.sefa.
      label: Label of a conditional generator, a number from 0.
      labels: File of labels of a conditional generator; people have the first of them.
      layers: Layers to factorise and to move, as for experiments.sefa.
      directions: How many directions, of each group of layers.
      like: Tool whose directions these are, as for experiments.sefa.
      directions_file: A directions.npz to use instead.
      distance: How far sliders go either way.
      unit: Unit of distances: code or std, as for experiments.sefa.
      truncation: Share of the way from the mean code that is left.
      seed: Person who is shown first.
      codes: File of codes whose rows are the people, from 0, as experiments.sefa finds them in
        photographs; codes w+ are not truncated.
      space: The codes' space, as for experiments.sefa.
      size: Pixels of the image, at most, while sliders move.
      noalign: Take the centred squares of photographs that are uploaded, not their faces
        framed as FFHQ's.
      port: Port of this machine; 0 takes a free one.
    """

    checkpoint: str = Config.checkpoint
    weights: str | None = None
    settings: str | None = None
    label: int | None = None
    labels: str | None = None
    layers: str = Config.layers
    directions: int = Config.directions
    like: str = Config.like
    directions_file: str | None = None
    distance: float = Config.distance
    unit: str = Config.unit
    truncation: float = Config.truncation
    seed: int = Config.seed
    codes: str | None = None
    space: str | None = None
    size: int = Config.size
    noalign: bool = Config.noalign
    port: int = 7860


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    line = flags.CommandLine("explore", __doc__, without=("devices",))
    read = line.define(
        Options,
        headings={"size": "measures and pictures"},
        choices={"checkpoint": zoo.GENERATORS, "like": sefa.TOOLS},
    )

    def command(check: Callable[[], None]) -> None:
        values = read()
        port = values.pop("port", Options.port)
        noalign = values.pop("noalign", Options.noalign)  # read by the page alone
        config = Config(**values)
        web.check_port(port)
        sefa_config.check_ranges(config)
        sefa_config.check_flags(config)
        if config.unit == "image":
            raise InputError("--unit=image must be code or std")
        if abs(config.truncation) > MOST:
            raise InputError(f"--truncation={config.truncation} must be -{MOST:g} to {MOST:g}")
        name = re.sub(r"[^\w+.-]", "_", Path(config.checkpoint).resolve().stem)[:120]
        directory = line.run_directory(name)
        server.gradio()
        runtime.keep_memory()
        runtime.setup()
        generator = load(config)
        directions, names = run.find(config, generator)
        identity = directions._asdict() | dict.fromkeys(("vectors", "values", "shares"))
        identity["directions"] = hashlib.sha256(directions.vectors.tobytes()).hexdigest()[:16]
        if line.shared.dry_run:
            runs.compare(directory, identity, fresh=line.shared.fresh)
            flags.show_plan({directory: config})
            return
        with runs.Run(directory, identity, fresh=line.shared.fresh):
            path = directory / "directions.npz"
            names = files.load(path, generator)[1] if path.exists() else names
            suggestions = known.names(known.recognise(directions))
            titles = legible(naming.titles(names, directions.layers, suggestions))
            answers = Answers(config, directory, generator, directions, titles, noalign)
            app = application(answers, generator)
            check()
            try:
                server.serve(app, port)
            finally:
                answers.photographs.close()
            check()

    return line.run(command, argv)


if __name__ == "__main__":
    sys.exit(main())

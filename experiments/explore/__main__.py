"""A page in the browser in which a person plays with a face generator.

    python -m experiments.explore
    python -m experiments.explore --checkpoint=FILE --directions_file=DIRECTIONS.npz

Sliders add up. The page is for this machine alone. Names that are saved are shown by the
same command and read by ``experiments.sefa --directions_file``. Needs ``jaxgan[ui]``.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags as absl_flags

from experiments.common import flags
from experiments.explore import server
from experiments.explore.page import MOST, application, legible
from experiments.sefa import config as sefa_config
from experiments.sefa import run
from experiments.sefa.config import Config
from jaxgan import convert, runs
from jaxgan.errors import InputError
from jaxgan.runs import progress
from jaxgan.sefa import files


def _define() -> Callable[[], tuple[Config, int]]:
    """Define the flags; the function reads them."""
    text, whole = absl_flags.DEFINE_string, absl_flags.DEFINE_integer
    number = absl_flags.DEFINE_float
    texts: dict[str, tuple[Callable[..., Any], str]] = {
        "checkpoint": (text, "Generator, as for experiments.sefa."),
        "layers": (text, "Layers to factorise and to move, as for experiments.sefa."),
        "directions": (whole, "How many directions, of each group of layers."),
        "like": (text, "Tool whose directions these are, as for experiments.sefa."),
        "directions_file": (text, "A directions.npz to use instead."),
        "distance": (number, "How far sliders go either way."),
        "unit": (text, "Of distances: code or std, as for experiments.sefa."),
        "truncation": (number, "Share of the way from the mean code that is kept."),
        "seed": (whole, "Of the person who is shown first."),
        "size": (whole, "Pixels of the image, at most, while sliders move."),
    }
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    holders = {x: define(x, defaults[x], told) for x, (define, told) in texts.items()}
    port = whole("port", 7860, "Of this machine; 0 takes a free one.", 0, 65535)
    return lambda: (Config(**{x: holder.value for x, holder in holders.items()}), port.value)


def main() -> None:
    """Run from the command line."""
    read_flags = _define()

    def command(stop: Callable[[], None]) -> None:
        config, port = read_flags()
        sefa_config.check_ranges(config)
        sefa_config.check_flags(config)
        if config.unit == "image":
            raise InputError("--unit=image must be code or std")
        if abs(config.truncation) > MOST:
            raise InputError(f"--truncation={config.truncation} must be -{MOST:g} to {MOST:g}")
        name = re.sub(r"[^\w+.-]", "_", Path(config.checkpoint).resolve().stem)[:120]
        directory = flags.run_directory("explore", name)
        server.gradio()
        flags.start_jax()
        generator = convert.load(config.checkpoint, progress.say)
        found, names = run.find(config, generator)
        identity = found._asdict() | dict.fromkeys(("vectors", "values", "shares"))
        identity["directions"] = hashlib.sha256(found.vectors.tobytes()).hexdigest()[:16]
        if flags.DRY_RUN.value:
            runs.compare(directory, identity, fresh=flags.FRESH.value)
            flags.show_plan({directory: config})
            return
        with runs.Run(directory, identity, fresh=flags.FRESH.value):
            path = directory / "directions.npz"
            names = files.load(path, generator)[1] if path.exists() else names
            titles = legible(run.titles(names, found, None))
            app = application(config, directory, generator, found, titles)
            stop()
            server.serve(app, port)
            stop()

    flags.main("explore", command)


if __name__ == "__main__":
    main()

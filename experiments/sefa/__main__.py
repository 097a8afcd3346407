"""SeFa: semantic directions of a pretrained face generator, found in its weights alone.

    python -m experiments.sefa
    python -m experiments.sefa --attributes
    python -m experiments.sefa --checkpoint=FILE --layers=0-1 --distance=3 --steps=11
    python -m experiments.sefa --checkpoint=FILE --like=genforce --unit=code
    python -m experiments.sefa --checkpoint=runs/faces/RUN --unit=image

Without a checkpoint it downloads one of real faces, once. A checkpoint is of PyTorch, which
is not needed to read it, of OpenVINO, or a run of jaxgan's own image laboratories. Writes a
picture of every direction, a GIF, ``directions.npz`` and ``sefa.html``, a page with a slider
per direction that needs no network. With ``--attributes`` other networks score what each
direction does to age, gender, pose and expression, and to whatever else there are labelled
photographs of; names come from these scores.

On 2 CPU cores, a DCGAN of 64 pixels takes 10 s, a StyleGAN2 of 256 pixels 160 s and the
MobileStyleGAN of 1024 pixels, which is the default, 2 min.
"""

from collections.abc import Callable
from pathlib import Path

from experiments.common import flags
from experiments.sefa.config import _define, check_flags, check_ranges
from experiments.sefa.run import codes_of, find, run, settings, show
from jaxgan import convert, runs
from jaxgan.runs import progress


def main() -> None:
    """Run from the command line."""
    read_config = _define()

    def command(stop: Callable[[], None]) -> None:
        config = read_config()
        check_ranges(config)
        check_flags(config)
        name = Path(config.checkpoint).resolve().stem
        name = "".join(c if c.isalnum() or c in "-_+." else "_" for c in name)[:120]
        directory = flags.run_directory("sefa", name + "_attributes" * config.attributes)
        flags.start_jax()
        generator = convert.load(config.checkpoint, progress.say)
        if flags.DRY_RUN.value:
            found, _ = find(config, generator)
            identity = settings(config, generator, found, codes_of(config, generator))
            runs.compare(directory, identity, fresh=flags.FRESH.value)
            flags.show_plan({directory: config})
            return
        summary = run(config, directory, generator, fresh=flags.FRESH.value, check=stop)
        show(summary)
        print(directory)

    flags.main("sefa", command)


if __name__ == "__main__":
    main()

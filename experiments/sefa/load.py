"""Load the generator of the SeFa laboratory or the explorer."""

from experiments.sefa.config import Config
from jaxgan import convert
from jaxgan.convert import options
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.runs import progress


def load(config: Config) -> Pretrained:
    """Load the generator in the settings.

    Raises:
      InputError: If it cannot be loaded, or it is conditional and has no label.
    """
    settings = None if config.settings is None else options.read_settings(config.settings)
    label = config.label if config.labels is None else options.read_labels(config.labels)
    generator = convert.load(
        config.checkpoint,
        progress.say,
        weights=config.weights,
        settings=settings,
        label=label,
    )
    if generator.num_labels and label is None:
        raise InputError(
            f"{config.checkpoint} is conditional ({generator.flavour}): choose "
            f"--label=0 to {generator.num_labels - 1}, or --labels=FILE"
        )
    return generator

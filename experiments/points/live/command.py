"""The flags of the live page, and its start and end."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.common import web
from experiments.points.config import Config
from jaxgan.data.points import PointCloud
from jaxgan.errors import InputError
from jaxgan.runs import Stopped


@dataclasses.dataclass(frozen=True)
class Options:
    """Flags of the live page.

    Attributes:
      live: Serve a page to browsers on this machine, where you watch and steer one training.
        Needs jaxgan[ui].
      port: Port of the live page; 0 chooses a free one.
    """

    live: bool = False
    port: int = 7861


def check(configs: Sequence[Config], flags: dict[str, bool], port: int) -> Config:
    """Return the configuration of the page's only training.

    Args:
      configs: Configurations that the flags ask for.
      flags: Whether each flag was given that the page does not support.
      port: Port of the page.

    Raises:
      InputError: If the flags ask for several trainings, or the page does not support them.
    """
    web.check_port(port)
    for name, present in flags.items():
        if present:
            raise InputError(f"--{name} has no meaning with --live")
    config, *others = configs
    lanes = config.seeds * len(config.combinations())
    if others or lanes > 1:
        many = f"{len(configs)} variants and optimizers" if others else f"{lanes} lanes"
        raise InputError(f"--live shows one training; the flags ask for {many}")
    return config


def serve(
    config: Config, cloud: PointCloud, directory: Path, port: int, check: Callable[[], None]
) -> None:
    """Serve the page until a signal comes.

    Args:
      config: The settings at the start.
      cloud: The points at the start.
      directory: Where the first run is saved, if it does not exist.
      port: Port of this machine.
      check: Raises ``Stopped`` after a signal.

    Raises:
      InputError: If the port is not available.
      Stopped: After a signal.
    """
    from experiments.points.live.server import SITE, Feed, application, require
    from experiments.points.live.session import Session

    require()
    feed = Feed()
    session = Session(config, cloud, directory.parent, directory.name, feed.tell)
    try:
        with web.serving(application(session, feed), SITE, port):
            session.run(check)
    except Stopped as error:
        error.add_note("unsaved work is lost")
        raise

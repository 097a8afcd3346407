"""The command of the live page: its flags, its start and its end."""

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
      live: Show a page in the browser of this machine, on which one training is played with.
        Needs jaxgan[ui].
      port: Port of the live page; 0 takes a free one.
    """

    live: bool = False
    port: int = 7861


def check(configs: Sequence[Config], given: dict[str, bool], port: int) -> Config:
    """The one training of the page.

    Args:
      configs: What the flags ask for.
      given: Flags that have no meaning here, and whether they are given.
      port: Port of the page.

    Raises:
      InputError: If the flags ask for several, or have no meaning here.
    """
    web.check_port(port)
    for name, present in given.items():
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
    """Show the page until a signal comes.

    Args:
      config: The settings at the start.
      cloud: The points at the start.
      directory: Of the run that is saved first, if there is none yet.
      port: Port of this machine.
      check: Raises ``Stopped`` if a signal has come.

    Raises:
      InputError: If the port cannot be had.
      Stopped: By a signal.
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
        error.add_note("what was not saved is gone")
        raise

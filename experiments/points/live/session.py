"""The actions of the live page's controls, and the data for the page."""

import queue
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from experiments.points import modes
from experiments.points.config import Config, resolve
from experiments.points.live import choices, clouds, saving
from experiments.points.live.programs import NETWORKS
from experiments.points.live.shots import NO_SHOT, Shot
from experiments.points.live.training import FITS, Training, ground_of
from jaxgan.data import points
from jaxgan.data.points import PointCloud
from jaxgan.errors import InputError, lookup

RATE = 15  # most pictures per second
SLOW = 0.5  # seconds between updates in slow motion
IDLE = 0.05  # seconds between checks for signals
SPLIT = ("seed", "train_size", "standardize")  # settings that determine a ground
# Errors that unchecked settings and files may raise.
UNFIT = (ArithmeticError, ValueError, MemoryError, jax.errors.JaxRuntimeError)
FAST, EACH, SLOW_MOTION = choices.SPEEDS


class Session:
    """A training and its controls. Any thread may call ``ask``; only one may call the rest.

    Args:
      config: The settings at the start.
      cloud: The points at the start.
      home: Folder for saved runs.
      name: Name of the first saved run.
      tell: Called after every shot.
    """

    def __init__(
        self,
        config: Config,
        cloud: PointCloud,
        home: Path,
        name: str,
        tell: Callable[[], None] = lambda: None,
    ):
        self.home, self.tell = home, tell
        self.name = saving.free_name(home, name)
        self._file = config.data_key, config.columns  # options for reading files
        self._check: Callable[[], None] = lambda: None
        self._requests: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]]
        self._requests = queue.SimpleQueue()
        self.playing, self.speed, self._due = False, FAST, 0.0
        self.status = self.message = ""
        self.number = self.start = self.cloud_number = 0
        self.shot = NO_SHOT
        self._acts = {
            name: getattr(self, name)
            for name in ("play", "pause", "pace", "step", "reset", "change", "usual")
            + ("choose", "draw", "load", "save")
        }
        self._begin(config, cloud)

    def _begin(self, config: Config, cloud: PointCloud | None = None, own: bool = False):
        """Start a new training, perhaps on another cloud."""
        if cloud is not None:
            ground = ground_of(config, cloud, own=own)
            self.cloud_number += 1
        elif any(getattr(config, n) != getattr(self.training.config, n) for n in SPLIT):
            old = self.training.ground
            ground = ground_of(config, old.cloud, own=old.own)
            self.cloud_number += 1
        else:
            ground = self.training.ground
        training = Training(config, ground, self._compiling)
        self.training, self.message = training, ""
        self.start += 1
        self._show()

    # Actions of the user. Each returns a message, or raises InputError and changes nothing.

    def ask(self, act: str, **arguments: Any) -> Future[Any]:
        """Schedule an action between two pictures; the future gets its result or error."""
        future: Future[Any] = Future()
        self._requests.put((lambda: lookup("act", act, self._acts)(**arguments), future))
        return future

    def play(self) -> str:
        """Start or continue the training."""
        if self.training.done:
            epochs = self.training.config.epochs
            raise InputError(f"the {epochs} epochs are done; raise Epochs to continue")
        self.playing, self.message = True, ""
        return ""

    def pause(self) -> str:
        """Pause the training."""
        self.playing = False
        return ""

    def pace(self, speed: str) -> str:
        """Change the speed of the training."""
        self.speed = lookup("speed", speed, {name: name for name in choices.SPEEDS})
        return ""

    def step(self, of: str) -> str:
        """Make one update: of one network, or of both with all critic steps."""
        lookup("step", of, dict.fromkeys((*NETWORKS, "both")))
        self.playing = False
        if of == "both":
            self.training.advance(1)
        else:
            self.training.update(of)
        self._show()
        return ""

    def reset(self) -> str:
        """Restart with new networks from the seed."""
        self.playing = False
        self._begin(self.training.config)
        return ""

    def change(self, **settings: Any) -> str:
        """Change settings; the training continues with the current networks if they fit."""
        training = self.training
        new = choices.changed(training.config, settings, training.ground.cloud)
        anew = new.seed != training.config.seed
        if new == training.config:
            return ""
        if anew or not training.begun:
            self._begin(new)
            return ""
        parts = training.change(new)
        self.message = ""
        self._show()
        return f"restarted: {', '.join(parts)}" if parts else ""

    def usual(self) -> str:
        """Restart with the command line's default settings of the variant."""
        old = self.training
        self._begin(choices.usual_of(old.config, old.config.variant, old.ground.cloud))
        return f"the settings of --variant={old.config.variant}"

    def choose(self, cloud: str) -> str:
        """Restart on a built-in cloud."""
        lookup("cloud", cloud, points.POINT_CLOUDS)
        self._another(points.load(cloud), cloud)
        return ""

    def draw(self, strokes: Any) -> str:
        """Restart on a cloud that is drawn by hand."""
        self._another(clouds.draw(strokes), clouds.DRAWN, own=True)
        return f"{clouds.COUNT} points along the strokes"

    def load(self, name: str, content: bytes) -> str:
        """Restart on the points of a file."""
        cloud = clouds.read(name, content, *self._file)
        self._another(cloud, clouds.FILE, own=True)
        return "; ".join([f"{len(cloud.points)} points", *cloud.notes])

    def _another(self, cloud: PointCloud, data: str, *, own: bool = False) -> None:
        """Restart on another cloud, with settings that fit its size."""
        old, cloud = self.training.config, modes.add(cloud)
        settings = {"data": data, "variant": (old.variant,), "optimizer": (old.optimizer,)}
        ((usual,), _) = resolve(load=lambda *_: cloud, **settings)
        defaults = {n: getattr(usual, n) for n in ("data", "data_key", "columns", "train_size")}
        config = replace(old, **defaults, modes="")
        if config.batch_size * config.critic_steps > config.train_size:
            config = replace(
                config, batch_size=usual.batch_size, critic_steps=usual.critic_steps
            )
        choices.check(config, len(cloud.points))
        self._begin(config, cloud, own)

    def save(self, name: str) -> dict[str, Any]:
        """Save the training as a run; return its folder and command."""
        saving.check_name(name)
        self.status = "saving"
        self._shoot()
        try:
            result = saving.save(self.home / name, self.training.snapshot(), self._check)
        finally:
            self.status = ""
            self._shoot()
        self.name = saving.free_name(self.home, name)
        return result._asdict() | {"directory": str(result.directory)}

    # The loop.

    def run(self, check: Callable[[], None], ends: Callable[[], bool] = lambda: False) -> None:
        """Carry out actions, and train while playing.

        Args:
          check: Raises ``Stopped`` after a signal.
          ends: Returns whether to stop.
        """
        self._check = check
        while not ends():
            check()
            waits = not self.playing or time.monotonic() < self._due
            self._obey(IDLE if waits else 0.0)
            if self.playing and time.monotonic() >= self._due:
                self._train()

    def _obey(self, seconds: float) -> None:
        """Carry out actions; wait at most ``seconds`` for one."""
        try:
            do, future = self._requests.get(seconds > 0, seconds)
        except queue.Empty:
            return
        self._due = 0.0
        try:
            answer = do()
        except (InputError, OSError, TypeError) as error:
            future.set_exception(error)
        except UNFIT as error:  # keep the training: there is no other copy
            self.status = ""
            first = (str(error) or type(error).__name__).partition("\n")[0][:200]
            future.set_exception(InputError(f"that cannot be done: {first}"))
        else:
            self.message = answer if isinstance(answer, str) else ""
            future.set_result(answer)
        self._shoot()

    def _train(self) -> None:
        """Train until the next picture, and show it."""
        began, training = time.monotonic(), self.training
        if self.speed == FAST:
            end = began + 1 / RATE - training.cost
            while True:
                remaining = end - time.monotonic()
                training.advance(int(remaining / training.each) if training.each else 1)
                if training.done or time.monotonic() + training.each > end:
                    break
        else:
            training.advance(1)
            self._due = began + (SLOW if self.speed == SLOW_MOTION else 0.0)
        if not training.finite:
            self.playing = False
            text = "no longer finite; a smaller learning rate may help, after Reset"
            self.message = f"update {training.step}: {text}"
        elif training.done:
            self.playing = False
            self.message = f"the {training.config.epochs} epochs are done"
        self._show()

    # Data for the page.

    def _compiling(self) -> None:
        if self.number and self.status == "":
            self.status = "compiling"
            self._shoot()

    def _show(self) -> None:
        """Make a picture of the current state."""
        self.picture, self._coverage = self.training.look(self.number + 1)
        self.status = ""
        self._shoot()

    def _shoot(self) -> None:
        """Send the current state to the page."""
        self.number += 1
        training, config, ground = self.training, self.training.config, self.training.ground
        facts = {
            "number": self.number,
            "start": self.start,
            "cloud": self.cloud_number,
            "data": config.data,
            "extent": ground.extent,
            "playing": self.playing,
            "speed": self.speed,
            "status": self.status,
            "message": self.message,
            "step": training.step,
            "updates": config.updates,
            "epoch": len(training.records),
            "fit": [training.metrics.get(name) for name in FITS],
            "modes": self._coverage,
            "settings": choices.page_values(config),
            "acts": len(training.acts),
            "name": self.name,
            "plane": config.latent_dim > 1,
        }
        real = ground.shares(ground.lane.reference)
        self.shot = Shot(self.number, facts, self.picture, training.curve, real)
        self.tell()

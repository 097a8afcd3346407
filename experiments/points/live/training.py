"""One training: its updates, ends of epochs, and pictures."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.points import lanes
from experiments.points.config import Config
from experiments.points.lanes import Lane
from experiments.points.live import clouds
from experiments.points.live.choices import SETTINGS
from experiments.points.live.programs import (
    Picture,
    carried,
    lane_of,
    latent_grid,
    programs_of,
    without_clusters,
)
from experiments.points.live.saving import Snapshot
from jaxgan.data.points import PointCloud
from jaxgan.metrics.coverage import coverage
from jaxgan.plots import figures
from jaxgan.plots.figures import Extent

MOST = 20_000  # most points of the curves
LOSSES = ("critic_loss", "generator_loss")
FITS = ("sliced_ratio", "sliced_ratio_ema")


class Ground(NamedTuple):
    """A cloud and the visible part of the plane.

    Attributes:
      cloud: The points.
      own: Whether it has no name on the command line: a drawing or a file from the page.
      lane: The lane that a training starts from.
      extent: The visible part of the plane.
    """

    cloud: PointCloud
    own: bool
    lane: Lane
    extent: Extent

    def shares(self, data: np.ndarray) -> np.ndarray:
        """Convert points ``[N, 2]`` to shares of the visible area, from the lower left."""
        return ((data - [self.extent.left, self.extent.bottom]) / self.size).astype(np.float32)

    @property
    def size(self) -> np.ndarray:
        """Width and height of the visible area."""
        left, right, bottom, top = self.extent
        return np.array([right - left, top - bottom])


def ground_of(config: Config, cloud: PointCloud, *, own: bool = False) -> Ground:
    """Split a cloud by a configuration, and choose the visible area."""
    extent = clouds.extent(cloud, by_hand=own and config.data == clouds.DRAWN)
    return Ground(cloud, own, lanes.start(config, cloud.points, config.seed), extent)


_signatures: set[Any] = set()  # compiled functions with the shapes of their arguments


class Training:
    """A training whose settings can change at any time.

    Args:
      config: The settings.
      ground: The cloud to train on.
      compiling: Called before a function is compiled.

    Attributes:
      records: Records of ``metrics.jsonl``, one per epoch.
      metrics: The metrics of the last record.
      acts: Actions that a command cannot repeat.
      curve: ``(number, step, critic_loss, generator_loss, fit, fit_ema)`` for each picture
        after updates, as means since the picture before.
      each: Approximate seconds per update; 0 if unknown.
      cost: Seconds per picture.
    """

    def __init__(self, config: Config, ground: Ground, compiling: Callable[[], None]):
        self.ground, self._compiling = ground, compiling
        self._prepare(config)
        self.state = self._call(self.programs.init, self._short)
        self.records: list[dict[str, Any]] = []
        self.metrics: dict[str, float] = {}
        self.acts: list[dict[str, Any]] = []
        self.curve: list[tuple[Any, ...]] = []
        self._frames: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._in_epoch: dict[str, float] = {}
        self._in_picture: dict[str, float] = {}
        self._singles = 0
        self._keep(0)

    def _prepare(self, config: Config) -> None:
        """Prepare the functions, the lane and the latents for the settings."""
        self.config, self.programs = config, programs_of(config)
        self._lane = lane_of(config, self.ground.lane)
        self._short = without_clusters(self._lane)
        self.latents = latent_grid(config)
        self.each = self.cost = 0.0

    def _call(self, function: Any, *arguments: Any) -> Any:
        """Call a compiled function; announce it if it must be compiled first."""
        key = function, tuple(np.shape(x) for x in jax.tree.leaves(arguments))
        if key not in _signatures:
            self._compiling()
            _signatures.add(key)
        return jax.block_until_ready(function(*arguments))

    @property
    def step(self) -> int:
        """Number of generator updates so far."""
        return int(self.state.step[0])

    @property
    def begun(self) -> bool:
        """Whether there was any update."""
        return self.step > 0 or bool(self.acts)

    @property
    def done(self) -> bool:
        """Whether all epochs are done."""
        return self.step >= self.config.updates

    @property
    def finite(self) -> bool:
        """Whether the last known losses and samples are finite."""
        values = [self.metrics.get(name, 0.0) for name in (*LOSSES, "spread")]
        return bool(np.isfinite(values).all())

    def advance(self, count: int) -> None:
        """Make ``count`` updates of both networks, or fewer at the end of an epoch."""
        steps = self.config.steps_per_epoch
        count = max(1, min(count, steps - self.step % steps))
        began = time.monotonic()
        call = self.programs.advance
        self.state, sums = self._call(call, self.state, self._short, np.int32(count))
        seconds = (time.monotonic() - began) / count
        self.each = min(seconds, 2 * self.each) if self.each else seconds
        for total in (self._in_epoch, self._in_picture):
            total["count"] = total.get("count", 0) + count
            for name, value in sums.items():
                total[name] = total.get(name, 0.0) + float(value[0])
        if self.step % steps == 0:
            self._end_epoch()

    def update(self, network: str) -> None:
        """Make one update of one network."""
        self._note({"update": network})
        self._singles += 1
        call = self.programs.step[network]
        self.state = self._call(call, self.state, self._short, np.int32(self._singles))
        if network == "generator" and self.step % self.config.steps_per_epoch == 0:
            self._end_epoch()

    def change(self, config: Config) -> list[str]:
        """Continue with new settings; return what restarts. An error changes nothing."""
        backup = vars(self) | {"acts": list(self.acts)}
        try:
            return self._change(config)
        except Exception:
            vars(self).update(backup)
            raise

    def _change(self, config: Config) -> list[str]:
        old, before = self.config, self.programs
        names = [name for name in SETTINGS if getattr(old, name) != getattr(config, name)]
        self._note({name: getattr(config, name) for name in names})
        each, cost = self.each, self.cost
        self._prepare(config)
        if self.programs is before:
            self.each, self.cost = each, cost
            return []
        first = self._call(self.programs.init, self._short)
        rules = [(x.optimizer, x.betas, x.schedule) for x in (old, config)]
        self.state, anew = carried(self.state, first, rules[0] == rules[1])
        return anew

    def _note(self, act: Mapping[str, Any]) -> None:
        self.acts.append({"step": self.step} | dict(act))

    def _end_epoch(self) -> None:
        """Measure the epoch and keep its data for a run directory."""
        count = self._in_epoch.pop("count", 0)
        if not count:
            return
        metrics = {name: np.float32(x / count) for name, x in self._in_epoch.items()}
        metrics |= self._call(self.programs.measure, self.state, self._lane)
        self._in_epoch = {}
        self.metrics = {name: float(x) for name, x in metrics.items()}
        epoch = len(self.records) + 1
        columns = {name: np.array([x]) for name, x in metrics.items()}
        self.records.append({"epoch": epoch, "step": self.step} | columns)
        if epoch % self.config.frame_every == 0:
            self._keep(epoch)

    def _keep(self, epoch: int) -> None:
        """Keep the state at the end of an interval, and the content of its frame."""
        picture = self._look(figures.extent_of(self.ground.cloud.points))
        self._frames[epoch] = self._in_data(picture.fake), picture.scores.astype(float)
        self._boundary = epoch, self.state

    def _in_data(self, x: np.ndarray) -> np.ndarray:
        return self.ground.lane.units.to_data(x.astype(float))

    def _look(self, extent: Extent) -> Picture:
        field = figures.field_points(extent)
        places = self.ground.lane.units.to_training(field).astype(np.float32)
        return self._call(self.programs.picture, self.state, self._short, places, self.latents)

    def look(self, number: int) -> tuple[Picture, list[Any] | None]:
        """Make a picture of the state and add a point to the curves.

        Args:
          number: Number of the picture.

        Returns:
          The picture, with points and arrows as shares of the visible area; and, if modes are
          known, the number of modes reached, their total, and the share of samples on a mode.
        """
        began = time.monotonic()
        picture = self._look(self.ground.extent)
        seconds = time.monotonic() - began
        self.cost = min(seconds, 2 * self.cost) if self.cost else seconds
        fake, cloud = self._in_data(picture.fake), self.ground.cloud
        modes = None
        if cloud.modes is not None:
            result = coverage(fake, cloud.modes, cloud.radius)
            modes = [result.modes, len(cloud.modes), result.quality]
        if count := self._in_picture.pop("count", 0):
            means = [self._in_picture[name] / count for name in LOSSES]
            fits = [self.metrics.get(name) for name in FITS]
            self.curve.append((number, self.step, *means, *fits))
            if len(self.curve) > MOST:
                self.curve = self.curve[::2]
        self._in_picture = {}
        shares = self.ground.shares
        pull = picture.pull * self.ground.lane.units.scale / self.ground.size
        grid = shares(self._in_data(picture.grid))
        return Picture(shares(fake), picture.scores, pull.astype(np.float32), grid), modes

    def snapshot(self) -> Snapshot:
        """The training to save."""
        return Snapshot(
            self.config,
            self.ground.cloud,
            self.ground.own,
            self.ground.lane,
            self.state,
            self.records,
            self._boundary,
            self._frames,
            self.acts,
        )

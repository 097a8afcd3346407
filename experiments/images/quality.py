"""FID and KID of an image laboratory's generators, at the end of a run and during it.

They do not affect the training, so a complete run can be measured later. ``fid.csv`` has one
line per epoch, lane, number of images and convention.
"""

import csv
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.images import program
from experiments.images.config import Config, Dataset
from experiments.images.program import LatentSet, Sampler, fixed_latents, lanes_of
from jaxgan.convert import inception as convert_inception
from jaxgan.convert import zoo
from jaxgan.errors import InputError, lookup
from jaxgan.metrics import frechet, images, kernels
from jaxgan.networks import inception
from jaxgan.runs import cache
from jaxgan.runs.directory import write_csv
from jaxgan.runs.progress import Forecast, duration, say
from jaxgan.training.gan import GanState

BEST = "generator_best.npz"
FEWEST = 2
_AT_ONCE = 1000  # images per call, and per line of progress
_CHECK_EVERY = 20  # images between two checks for signals
_SECONDS = 0.12  # seconds per image on two idle cores
_NAMES = ("fid", "kid", "kid_deviation")

Row = dict[str, Any]
Draw = Callable[[int, int], np.ndarray]  # (first, end) of the latents -> images


@dataclasses.dataclass(frozen=True)
class Quality:
    """Flags of FID and KID.

    Attributes:
      fid: Number of real and of generated images for FID and KID at the end of every lane; 0
        measures nothing. A complete run is measured without further training.
      fid_every: Epochs between two measurements of the first lane during training, a multiple
        of --checkpoint_every; the best generator is kept. 0 measures only at the end.
      fid_convention: How images are prepared for Inception-v3: tensorflow (as in
        torch-fidelity and StyleGAN), clean (as in clean-fid) or pytorch (as in pytorch-fid).
      inception: File with the weights of Inception-v3; by default they are downloaded once.
    """

    fid: int = 0
    fid_every: int = 0
    fid_convention: str = "tensorflow"
    inception: str | None = None

    def check(self, configs: Sequence[Config]) -> None:
        """Check the values of the flags.

        Raises:
          InputError: If a value is out of range, or the file of weights does not fit.
        """
        lookup("fid_convention", self.fid_convention, inception.CONVENTIONS)
        if self.fid < 0 or 0 < self.fid < FEWEST:
            raise InputError(
                f"--fid={self.fid}: must be {FEWEST} images or more, or 0 for none"
            )
        if self.fid_convention != Quality.fid_convention and not self.fid:
            raise InputError(f"--fid_convention={self.fid_convention} needs --fid")
        if self.fid_every and not self.fid:
            raise InputError(f"--fid_every={self.fid_every} needs --fid, the number of images")
        for config in configs:
            if self.fid_every < 0 or self.fid_every % config.checkpoint_every:
                raise InputError(
                    f"--fid_every={self.fid_every}: must be 0 or a multiple of "
                    f"--checkpoint_every={config.checkpoint_every}"
                )
        if self.inception and self.fid:
            convert_inception.load(self.inception)

    def show_cost(self, configs: Sequence[Config], real: int) -> None:
        """Report how many images go through Inception-v3, and how long this takes."""
        if not self.fid:
            return
        count, first = 0, min(self.fid, real)
        for config in configs:
            before = (config.epochs - 1) // self.fid_every if self.fid_every else 0
            count += self.fid * (before + len(lanes_of(config).seed))
        time = duration((count + first) * _SECONDS)
        say(
            f"FID: {count} generated images and, the first time, {first} real ones go through "
            f"Inception-v3, about {time} on two cores; {first / 128:.0f} MiB of features stay "
            "in the cache; the weights are downloaded once, 77 MiB"
        )

    def judge(self, real: np.ndarray, about: str, check: Callable[[], None]) -> "Judge | None":
        """Make a ``Judge``; None if the flags ask for no measurement."""
        return Judge(self, real, about, check) if self.fid else None


class Judge:
    """Measures generated images against real ones.

    Args:
      quality: The flags.
      real: All real images ``[N, H, W, C]`` uint8; the number in the flags is drawn from them.
      about: A word or two that describe the real images.
      check: Called after every few images; it may raise ``Stopped``.

    Raises:
      InputError: If the weights cannot be downloaded, or there are too few images.
    """

    def __init__(
        self, quality: Quality, real: np.ndarray, about: str, check: Callable[[], None]
    ):
        self.quality, self.check = quality, check
        self._weights = Path(quality.inception or zoo.inception(say))
        count = min(quality.fid, len(real))
        if count < FEWEST:
            raise InputError(f"--fid: there are {len(real)} {about}; {FEWEST} are needed")
        say(f"FID against {count} {about}, as by {quality.fid_convention}")
        rows = np.random.default_rng(0).permutation(len(real))[:count]
        self._images = np.asarray(real[np.sort(rows)])

    def measure(self, draw: Draw) -> Row:
        """Measure FID and KID of a generator's images, with the standard deviation of KID."""
        fake = self._features("generated", self.quality.fid, draw)
        kid = kernels.kernel_distance(self._real, fake)
        return {
            "fid": frechet.frechet_distance(self._real, fake),
            "kid": kid.mean,
            "kid_deviation": kid.deviation,
        }

    @functools.cached_property
    def _real(self) -> np.ndarray:
        """Return features of the real images, from the cache if they are there."""
        shape = f"{self._images.shape}"
        weights = hashlib.sha256(self._weights.read_bytes()).digest()
        parts = (self._images.tobytes(), shape, self.quality.fid_convention, weights)
        count = len(self._images)
        return cache.load_or_make(
            f"inception-{cache.digest(*parts)}",
            jax.ShapeDtypeStruct((count, inception.FEATURES), np.float32),
            lambda: self._features("real", count, lambda a, b: self._images[a:b]),
        )

    @functools.cached_property
    def _extract(self) -> images.Features:
        return images.inception_features(self._weights, self.quality.fid_convention)

    def _features(self, kind: str, count: int, draw: Draw) -> np.ndarray:
        starts = range(0, count, _AT_ONCE)
        ends = [min(start + _AT_ONCE, count) for start in starts]
        costs = [end - start for start, end in zip(starts, ends, strict=True)]
        parts = []
        with Forecast(costs, count, "image", f"thousand {kind} images") as forecast:
            for start, end in zip(starts, ends, strict=True):
                batch = draw(start, end)
                for first in range(0, len(batch), _CHECK_EVERY):
                    self.check()
                    few = batch[first : first + _CHECK_EVERY]
                    parts.append(np.asarray(self._extract(few)))
                if len(costs) > 1:
                    forecast.next()
        return np.concatenate(parts)


class Records:
    """The lines of a run's ``fid.csv`` for one number of images and one convention.

    Args:
      directory: Directory of the run.
      quality: The flags.
    """

    def __init__(self, directory: Path, quality: Quality):
        self.path = directory / "fid.csv"
        self._key = {"images": quality.fid, "convention": quality.fid_convention}
        self._all = _read(self.path)

    def lane(self, lane: int) -> dict[int, Row]:
        """Return the rows of a lane by epoch."""
        rows = [
            row for row in self._all if row["lane"] == lane and self._key.items() <= row.items()
        ]
        return {row["epoch"]: row for row in rows}

    def add(self, epoch: int, lane: int, values: Row) -> None:
        """Write a row to the file."""
        self._all.append({"epoch": epoch, "lane": lane, **self._key, **values})
        self._all.sort(key=lambda row: (row["epoch"], row["lane"]))
        write_csv(self.path, self._all)

    def summary(self, epoch: int, lanes: int) -> dict[str, Any]:
        """Return the final results of all lanes, and the best epoch of the first lane."""
        rows = [self.lane(lane)[epoch] for lane in range(lanes)]
        values: dict[str, Any] = {name: [row[name] for row in rows] for name in _NAMES}
        values |= {f"fid_{name}": value for name, value in self._key.items()}
        epochs = self.lane(0).values()
        if len(epochs) > 1:
            best = min(epochs, key=lambda row: row["fid"])
            values |= {"fid_best": best["fid"], "fid_best_epoch": best["epoch"]}
        return values


def _read(path: Path) -> list[Row]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                {name: int(row[name]) for name in ("epoch", "lane", "images")}
                | {"convention": row["convention"]}
                | {name: float(row[name]) for name in _NAMES}
                for row in csv.DictReader(file)
            ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, csv.Error):
        say(f"{path} is damaged: FIDs are measured again")
        return []


class Follower:
    """Measures the generators of a run, each of them once.

    Args:
      judge: Measures images.
      config: Configuration of the run.
      directory: Directory of the run.
      dataset: Images that the run is trained on.
    """

    def __init__(self, judge: Judge, config: Config, directory: Path, dataset: Dataset):
        self._judge, self._config, self._directory = judge, config, directory
        self._dataset = dataset

    @functools.cached_property  # read later, after an earlier run's files are deleted
    def _records(self) -> Records:
        return Records(self._directory, self._judge.quality)

    def look(self, sample: Sampler, state: GanState) -> None:
        """Measure the first lane, if it is due in the state's epoch."""
        epoch = int(np.asarray(state.step)[0]) // self._config.steps_per_epoch
        every = self._judge.quality.fid_every
        if every and epoch and epoch % every == 0:
            self._measure(sample, state, epoch, 0, keep=True)

    def finish(
        self, start: Callable[[], tuple[Sampler, GanState]], summary: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Measure every lane of the last state; return the summary with the results.

        Args:
          start: Returns the sampler and the last state; called only if needed.
          summary: Summary of the run.
        """
        epoch, lanes = self._config.epochs, len(lanes_of(self._config).seed)
        if any(epoch not in self._records.lane(lane) for lane in range(lanes)):
            sample, state = start()
            # A complete run that is measured in another way keeps its best generator.
            keep = self._judge.quality.fid_every and len(self._records.lane(0))
            for lane in range(lanes):
                self._measure(sample, state, epoch, lane, keep=bool(keep))
        others = {name: x for name, x in summary.items() if not name.startswith("fid_best")}
        return others | self._records.summary(epoch, lanes)

    def _measure(
        self, sample: Sampler, state: GanState, epoch: int, lane: int, *, keep: bool
    ) -> None:
        """Measure a lane; with ``keep``, save its generator if it is the best so far."""
        if epoch in self._records.lane(lane):
            return
        quality = self._judge.quality
        z = fixed_latents(self._config, quality.fid, LatentSet.MEASURES)
        labels = program.fixed_labels(
            self._config, self._dataset, quality.fid, LatentSet.MEASURES
        )

        def draw(first, end):
            some = slice(first, end)
            return sample(state, z[some], labels if labels is None else labels[some])[lane]

        row = self._judge.measure(draw)
        earlier = self._records.lane(0)
        best = lane == 0 and all(row["fid"] < old["fid"] for old in earlier.values())
        if keep and best:
            # Before the row is written: after a kill in between, it is measured again.
            path = self._directory / BEST
            program.save_generator(path, self._config, self._dataset, state)
        self._records.add(epoch, lane, row)
        say(
            f"epoch {epoch}/{self._config.epochs}, lane {lane}: FID {row['fid']:.2f}  KID "
            f"{row['kid']:.5f} (deviation {row['kid_deviation']:.5f}), {quality.fid} images"
        )

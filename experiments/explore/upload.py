"""The visitor's own photograph: its person is found in memory, and nothing is written."""

import base64
import functools
import html
import io
import re
import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from experiments.explore.pictures import PHOTO_NAME, png
from experiments.sefa import photo
from jaxgan import runs
from jaxgan.convert.generator import Pretrained
from jaxgan.data import photographs
from jaxgan.errors import InputError
from jaxgan.judges import faces
from jaxgan.runs import progress
from jaxgan.sefa import invert
from jaxgan.sefa.render import reduce

SIDE = 1024  # pixels to which the page reduces a photograph's longer side
EVERY = 10  # updates between two pictures; a search can be stopped after each
LOOK = 1.0  # seconds between two looks at a search
PATIENCE = 10.0  # seconds after which a page that no longer asks has been left
MAX_PEOPLE = 100  # people; the oldest are forgotten
PICTURE_SIZE = 128  # pixels of their pictures
BUSY = "another search is running; try again when it has ended"
UNREADABLE = "not a readable image"


class View(NamedTuple):
    """What the box shows.

    Attributes:
      text: HTML.
      mine: Names of this page's people, in one line. The one who is searched for is the last.
      person: Name of the person who was found just now.
    """

    text: str
    mine: str
    person: str | None = None


class Person(NamedTuple):
    """A person who was found.

    Attributes:
      codes: ``[1, L, D]``, or ``[1, D]`` of a generator without layers.
      picture: HTML of the picture.
    """

    codes: np.ndarray
    picture: str


class Search:
    """What a search and the page that waits for it tell each other."""

    def __init__(self):
        self.name = f"photo-{secrets.token_hex(4)}"  # nobody guesses the name of another's
        self.line, self.remarks = "Looking at the photograph", list[str]()
        self.step, self.began, self.picture = 0, 0.0, ""
        self.last_request, self.stopped, self.ended = time.monotonic(), False, threading.Event()
        self.result: invert.Inverted | None = None


class _NobodyWaits(Exception):
    """Nobody waits for a search any more."""


def decode(url: Any) -> np.ndarray:
    """Decode the data URL of an image file to ``[H, W, 3]`` uint8, with the bounds of files.

    Raises:
      InputError: If it is none.
    """
    match = re.fullmatch(r"data:[\w/.+-]*;base64,([\w+/]*={0,2})", str(url), re.ASCII)
    try:
        content = base64.b64decode(match[1], validate=True) if match else None
    except ValueError:
        content = None
    if content is None:
        raise InputError(UNREADABLE)
    return photographs.decode(content)


class Photographs:
    """Finds the people of photographs, one at a time, and remembers their codes.

    Args:
      generator: Makes the pictures.
      noalign: Take a photograph's centred square instead of its face.
      steps: Updates of a search.
    """

    def __init__(self, generator: Pretrained, noalign: bool = False, steps: int = invert.STEPS):
        self._generator, self._noalign, self._steps = generator, noalign, steps
        self._people: dict[str, Person] = {}
        self._free, self._closed = threading.Lock(), threading.Event()
        self._search: Search | None = None

    def lacks(self) -> str:
        """What is to be installed before a face can be found; empty if all is there."""
        try:
            if not self._noalign:
                faces.require()
        except InputError as error:
            return str(error)
        return ""

    def codes(self, name: str) -> np.ndarray:
        """The code of a person who was found, ``[1, L, D]`` or ``[1, D]``.

        Raises:
          InputError: If there is none of this name.
        """
        if name not in self._people:
            raise InputError(
                f"person {name[:40]} is not known: people of photographs last as "
                "long as the explorer runs"
            )
        return self._people[name].codes

    def file(self, name: str) -> bytes:
        """A ``codes.npz`` of one person, as ``--codes`` takes it; raises as ``codes`` does."""
        stream = io.BytesIO()
        own = photo.code_arrays(self._generator, self.codes(name))
        np.savez(stream, allow_pickle=False, **own)
        return stream.getvalue()

    def find(self, url: Any, mine: Any) -> Iterator[View]:
        """Find the person of a photograph; yields what the box shows until that is done.

        The search ends if it is stopped, or if no view is asked for any more.

        Args:
          url: The photograph, a data URL.
          mine: Names of the page's people.
        """
        names = list(dict.fromkeys(re.findall(PHOTO_NAME, str(mine))))
        search = Search()
        if not self._free.acquire(blocking=False):
            yield self._view(_line(BUSY), names)
            return
        self._search = search
        threading.Thread(target=self._work, args=(search, url), daemon=True).start()
        while True:
            search.last_request = time.monotonic()
            yield self._view(self._running(search), names, search.name)
            if search.ended.wait(LOOK):
                break
        remarks = "".join(map(_line, search.remarks))
        if search.result is None:
            yield self._view(_line(search.line) + remarks, names)
            return
        self._people[search.name] = Person(search.result.codes, search.picture)
        for old in list(self._people)[:-MAX_PEOPLE]:
            del self._people[old]
        text = _line(f"Found, with an error of {search.result.error:.3f}") + remarks
        yield self._view(text, [*names, search.name])._replace(person=search.name)

    def stop(self, mine: Any) -> None:
        """Stop the search of the page that has these people."""
        search = self._search
        if search is not None and search.name in str(mine):
            search.stopped = True

    def close(self) -> None:
        """End the search at once; none begins any more."""
        self._closed.set()
        search = self._search
        if search is not None:
            search.ended.wait(5)

    def _work(self, search: Search, url: Any) -> None:
        def check() -> None:
            if self._closed.is_set():
                raise _NobodyWaits

        try:
            search.result = runs.stoppable(lambda: self._find_person(search, url), check)
        except _NobodyWaits:
            search.line = "Stopped"
        except (InputError, OSError) as error:
            search.line = str(error)
        except BaseException:
            search.line = "the search failed; the terminal says why"
            raise
        finally:
            self._search = None
            self._free.release()
            search.ended.set()

    def _find_person(self, search: Search, url: Any) -> invert.Inverted:
        def show(step: int, image: np.ndarray) -> None:
            if search.stopped or time.monotonic() - search.last_request > PATIENCE:
                raise _NobodyWaits
            if not search.step:
                search.began = time.monotonic()
            search.step, search.picture = min(step, self._steps), _picture(image)

        target = self._frame(decode(url), search.remarks.append)
        search.line = "Getting ready, which takes longer the first time"
        if search.stopped:
            raise _NobodyWaits
        return self._invert(target, show)

    @functools.cached_property
    def _frame(self) -> photo.Framer:
        return photo.framer(self._generator, self._noalign)

    @functools.cached_property
    def _invert(self) -> Any:
        return invert.inverter(
            self._generator, steps=self._steps, features=photo.features(), every=EVERY
        )

    def _running(self, search: Search) -> str:
        step, line = search.step, search.line
        if step:
            line = f"Searching: {step} of {self._steps} updates"
        if step > EVERY:
            seconds = time.monotonic() - search.began
            remaining = seconds * (self._steps - step) / (step - EVERY)
            line += f", about {progress.duration(remaining)} left"
        if search.stopped:
            line = "Stopping" if step else "Stopping as soon as the search is ready"
        bar = f'<progress max="{self._steps}" value="{step}"></progress>'
        remarks = "".join(map(_line, search.remarks))
        return f'<div class="running">{_line(line)}{bar}</div>{remarks}{search.picture}'

    def _view(self, text: str, names: list[str], *pending: str) -> View:
        names = [name for name in names if name in self._people]
        people = "".join(
            f'<li><button type="button" data-person="{name}" title="Show {name}">'
            f"{self._people[name].picture}</button>"
            f'<a href="/codes.npz?person={name}" download="{name}.npz">Download code</a></li>'
            for name in names
        )
        return View(f"{text}<ul>{people}</ul>", " ".join([*names, *pending]))


def _line(text: str) -> str:
    return f'<p role="status">{html.escape(text)}</p>'


def _picture(image: np.ndarray) -> str:
    data = base64.b64encode(png(reduce(image, PICTURE_SIZE))).decode()
    return f'<img src="data:image/png;base64,{data}" alt="The person of the photograph">'

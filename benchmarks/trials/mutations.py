"""Mutated input files, read in processes with limits of memory and time."""

import functools
import multiprocessing
import resource
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError
from trials.samples import KINDS, STEM, Sample

LINE = 2100  # characters of a refusal
MEMORY = 3 * 2**30  # bytes of addresses of a process that reads
TOKENS = b'nan inf 1e999 - " , ; \n \0 \xff \xef\xbb\xbf'.split(b" ") + [b" ", b"9" * 400]
_ENDS = (0, 1, 2**7 - 1, 2**7, 2**8 - 1)


class Reading(NamedTuple):
    """What came of one file.

    Attributes:
      number: Of the file.
      ending: ``read``, ``refused``, ``other`` (another class of exception), ``lines`` (a
        refusal of more than one line), ``hang`` or ``died``.
      words: About it.
      peak: Memory of the process in MiB.
    """

    number: int
    ending: str
    words: str = ""
    peak: int = 0


def _span(rng: np.random.Generator, size: int, most: int = 64) -> slice:
    start = int(rng.integers(0, max(1, size)))
    return slice(start, start + int(rng.integers(1, most)))


def _flip(rng: np.random.Generator, data: bytearray) -> None:
    for place in rng.integers(0, len(data), rng.integers(1, 9)).tolist():
        data[place] ^= 1 << int(rng.integers(8))


def _cut(rng: np.random.Generator, data: bytearray) -> None:
    del data[int(rng.integers(0, len(data))) :]


def _remove(rng: np.random.Generator, data: bytearray) -> None:
    del data[_span(rng, len(data))]


def _zero(rng: np.random.Generator, data: bytearray) -> None:
    span = _span(rng, len(data))
    data[span] = bytes(len(data[span]))


def _swap(rng: np.random.Generator, data: bytearray) -> None:
    a, b = _span(rng, len(data), 16), _span(rng, len(data), 16)
    data[a], data[b] = data[b], data[a]


def _insert(rng: np.random.Generator, data: bytearray) -> None:
    place = int(rng.integers(0, len(data) + 1))
    data[place:place] = rng.bytes(int(rng.integers(1, 64)))


def _double(rng: np.random.Generator, data: bytearray) -> None:
    place = int(rng.integers(0, len(data) + 1))
    data[place:place] = data[_span(rng, len(data), 512)]


def _number(rng: np.random.Generator, data: bytearray) -> None:
    """Change what may be a length, in either byte order."""
    width = int(rng.choice([1, 2, 4, 8]))
    place = int(rng.integers(0, len(data)))
    old = int.from_bytes(data[place : place + width], "little")
    end = int(rng.choice(_ENDS)) << 8 * (width - 1) if rng.integers(2) else old + 1
    order = "little" if rng.integers(2) else "big"
    data[place : place + width] = (end % 256**width).to_bytes(width, order)


def _token(rng: np.random.Generator, data: bytearray) -> None:
    place = int(rng.integers(0, len(data) + 1))
    data[place:place] = TOKENS[int(rng.integers(len(TOKENS)))]


MUTATIONS: tuple[Callable[[np.random.Generator, bytearray], None], ...] = (
    _flip, _cut, _remove, _zero, _swap, _insert, _double, _number, _token,
)  # fmt: skip


def mutate(rng: np.random.Generator, content: bytes) -> bytes:
    """Change a content in one to three ways."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if data:
            MUTATIONS[int(rng.integers(len(MUTATIONS)))](rng, data)
    return bytes(data)


@functools.cache
def _samples(kind: str) -> list[Sample]:
    return KINDS[kind].samples()


def mutant(kind: str, seed: int, number: int) -> tuple[str, bytes]:
    """Suffix and content of a mutated file, always the same for the same arguments."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    samples = _samples(kind)
    sample = samples[int(rng.integers(len(samples)))]
    if rng.integers(2):
        return sample.suffix, mutate(rng, sample.join(sample.parts))
    part = list(sample.parts)[int(rng.integers(len(sample.parts)))]
    return sample.suffix, sample.join({**sample.parts, part: mutate(rng, sample.parts[part])})


def attempt(kind: str, seed: int, number: int, folder: Path) -> Reading:
    """Read a mutated file in this process."""
    suffix, content = mutant(kind, seed, number)
    path = folder / f"{STEM}{number}{suffix}"
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            KINDS[kind].read(path, folder / "cache")
        ending, words = "read", ""
    except InputError as error:
        words = str(error)
        ending = "refused" if words.isprintable() and len(words) < LINE else "lines"
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        place = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[:-4:-1])
        ending, words = "other", f"{type(error).__name__} at {place}: {str(error)[:100]}"
    path.unlink()
    shutil.rmtree(folder / "cache", ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return Reading(number, ending, words, peak)


def _serve(connection, kind: str, seed: int, start: int, stop: int, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in range(start, stop):
        connection.send(attempt(kind, seed, number, folder))


def read_all(kind: str, seed: int, start: int, stop: int, limit: float) -> Iterator[Reading]:
    """Read mutated files in a process of their own.

    Args:
      kind: A name in ``KINDS``.
      seed: Of all files.
      start: Number of the first file.
      stop: Number after the last one.
      limit: Seconds for one file; the process is killed then, and the next one goes on.

    Yields:
      One result for each file.
    """
    context = multiprocessing.get_context("spawn")
    while start < stop:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_serve, args=(theirs, kind, seed, start, stop, Path(folder))
            )
            process.start()
            theirs.close()
            patience, ending = limit + 60, "hang"  # its imports come first
            try:
                while start < stop and ours.poll(patience):
                    yield ours.recv()
                    start, patience = start + 1, limit
            except EOFError:
                ending = "died"
            process.kill()
            process.join()
            ours.close()
        if start < stop:
            yield Reading(start, ending)
            start += 1

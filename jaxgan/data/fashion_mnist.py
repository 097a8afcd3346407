"""Fashion-MNIST, MNIST or EMNIST from four IDX files, which are downloaded if needed."""

import gzip
import hashlib
import http.client
import io
import os
import urllib.request
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxgan.data._class_names import DIGITS, EMNIST, GARMENTS, read_names, recognise
from jaxgan.errors import InputError
from jaxgan.runtime import cache_folder, replacing

__all__ = ["CLASSES", "Images", "load", "read_idx", "read_names"]

CLASSES = GARMENTS  # the classes of Fashion-MNIST
MAX_BYTES = 640 * 2**20  # limit of a file's content; the largest of EMNIST has 522 MiB
_SIDE = 28
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_TIMEOUT = 15.0  # seconds without an answer
_FILES = {  # size in bytes and SHA-256 of the published gzip files
    "train-images-idx3-ubyte": (
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "train-labels-idx1-ubyte": (
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "t10k-images-idx3-ubyte": (
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "t10k-labels-idx1-ubyte": (
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}


class Images(NamedTuple):
    """Labelled images for training and test; Fashion-MNIST has N = 60000 and M = 10000.

    Attributes:
      train_images: ``[N, 28, 28, 1]`` uint8, read-only.
      train_labels: ``[N]`` int32, below the number of classes.
      test_images: ``[M, 28, 28, 1]`` uint8, read-only.
      test_labels: ``[M]`` int32.
      classes: Names of the classes.
      about: Name of the data set, or how its classes are named.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...] = DIGITS
    about: str = "numbered classes"


def load(directory: str | os.PathLike | None = None) -> Images:
    """Read the four IDX files, each plain, gzipped, or in a folder of the same name.

    The data set is recognised by its content, which gives the names of the classes: garments
    for Fashion-MNIST, letters and digits for EMNIST, and numbers for all others, including
    MNIST. EMNIST's transposed images are turned upright, and its letters count from 0.

    Example: ``experiments/fashion_mnist``; ``examples/custom_data.py`` uses other images.

    Args:
      directory: Folder of the files. If it has several splits of EMNIST, append the prefix
        of their names, as in ``gzip/emnist-letters``. By default ``$JAXGAN_DATA`` if that
        is set, else the folder of Debian's package ``dataset-fashion-mnist``, else the cache
        (``~/.cache/jaxgan/fashion-mnist``). If none of these has the files, they are
        downloaded (31 MB) to the cache.

    Returns:
      Images and labels for training and test.

    Raises:
      InputError: If a file is missing, damaged, of another kind, or cannot be downloaded.
    """
    folder, prefix = _find(directory)
    train_images, train_labels = _part(folder, prefix, "train")
    test_images, test_labels = _part(folder, prefix, "t10k")
    split = next((split for split in EMNIST if f"emnist-{split}-" in prefix.lower()), None)
    dataset = recognise(train_labels, test_labels, split)
    if min(train_labels.min(), test_labels.min()) < dataset.first:
        raise InputError(f"{folder}: {dataset.about} has labels from {dataset.first}; one is 0")
    if dataset.transposed:
        train_images, test_images = train_images.swapaxes(1, 2), test_images.swapaxes(1, 2)
    return Images(
        train_images[..., None],
        train_labels.astype(np.int32) - dataset.first,
        test_images[..., None],
        test_labels.astype(np.int32) - dataset.first,
        dataset.classes,
        dataset.about + ", put upright" * dataset.transposed,
    )


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    Returns:
      ``[N]`` or ``[N, H, W]`` uint8, read-only.

    Raises:
      InputError: If it is another kind of file, is damaged, or its size differs from its
        header. Content beyond that size is never decompressed.
    """
    if not os.path.isfile(path):
        problem = "not a file" if os.path.exists(path) else "no such file"
        raise InputError(f"{problem}: {path}")
    try:
        with open(path, "rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not zipped:
                return _read(file, path)
            with gzip.open(file) as stream:
                return _read(stream, path)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} is a damaged gzip file: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _read(file: io.BufferedIOBase, path: str | os.PathLike) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[3] not in (1, 3):
        raise InputError(
            f"{path} is not an IDX file of images or labels: it begins with "
            f"{magic.hex(' ') or 'nothing'}, not with 00 00 08 03 or 00 00 08 01"
        )
    if magic[2] != 8:
        raise InputError(f"{path} has IDX type 0x{magic[2]:02x}; only 0x08, bytes, is read")
    header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise InputError(f"{path} is cut short in its header")
    shape = [int.from_bytes(header[i : i + 4], "big") for i in range(0, len(header), 4)]
    size = 1
    for extent in shape:
        size *= extent
    if not 0 < size <= MAX_BYTES:
        raise InputError(
            f"{path} has a header that says {shape}, which is {size} bytes; "
            f"1 to {MAX_BYTES} are allowed"
        )
    content = file.read(size + 1)
    if len(content) != size:
        actual = f"only {len(content)}" if len(content) < size else "more"
        raise InputError(
            f"{path} has a header that says {shape}, which is {size} bytes, but {actual} follow"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _part(folder: Path, prefix: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images ``[N, 28, 28]`` and labels ``[N]`` of a part, both uint8."""
    kinds = ("images-idx3", "labels-idx1")
    paths = [_path(folder, f"{prefix}{name}-{kind}-ubyte") for kind in kinds]
    images, labels = (read_idx(path) for path in paths)
    if images.shape[1:] != (_SIDE, _SIDE):
        raise InputError(
            f"{paths[0]} has shape {list(images.shape)}; images are [N, {_SIDE}, {_SIDE}]"
        )
    if labels.ndim != 1:
        raise InputError(f"{paths[1]} has shape {list(labels.shape)}; labels are [N]")
    if len(images) != len(labels):
        raise InputError(
            f"{paths[0]} has {len(images)} images, but {paths[1]} has {len(labels)} labels"
        )
    return images, labels


def _path(folder: Path, name: str) -> Path:
    """Find a file: its name with or without a dot, or a folder of that name (Kaggle)."""
    names = [name, name.replace("-idx", ".idx")]
    names += [stem.replace("t10k-", "test-") for stem in names]  # EMNIST's
    for stem in names:
        for path in (folder / stem, folder / f"{stem}.gz"):
            for place in (path, path / stem, path / f"{stem}.gz"):
                if os.path.isfile(place):
                    return place
    raise InputError(f"{folder} has no {name}, plain or .gz; four such files are needed")


def _prefix(folder: Path, begin: str = "") -> str:
    """Return the prefix of the names of EMNIST's files; empty for those of MNIST."""
    middle = "train-images"
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from error
    names = (name for name in names if name.startswith(begin) and middle in name)
    prefixes = sorted({name[: name.index(middle)] for name in names})
    if len(prefixes) < 2 or "" in prefixes:
        return "" if not prefixes or "" in prefixes else prefixes[0]
    choices = ", ".join(prefix.rstrip("-") for prefix in prefixes)
    raise InputError(f"{folder} has several data sets; add one to its path: {choices}")


def _complete(folder: Path) -> bool:
    try:
        return all(_path(folder, name) for name in _FILES)
    except InputError:
        return False


def _find(directory: str | os.PathLike | None) -> tuple[Path, str]:
    """Find the folder and the prefix of the files' names.

    If the user names a folder, no other is used.
    """
    location = directory or os.environ.get("JAXGAN_DATA")
    if location:
        if os.path.isdir(location):
            return Path(location), _prefix(Path(location))
        folder, begin = Path(location).parent, Path(location).name
        prefix = _prefix(folder, f"{begin}-") if os.path.isdir(folder) else ""
        if not prefix:
            origin = "" if directory else " (from JAXGAN_DATA)"
            raise InputError(f"no such directory: {location}{origin}")
        return folder, prefix
    cache = cache_folder("fashion-mnist")
    for folder in (_DEBIAN, cache):
        if _complete(folder):
            return folder, ""
    _download(cache)
    return cache, ""


def _download(folder: Path) -> None:
    """Download missing files to a folder; each is written atomically."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (size, digest) in _FILES.items():
            path = folder / f"{name}.gz"
            if path.is_file():
                continue
            content = _fetch(f"{_URL}/{name}.gz", size)
            if hashlib.sha256(content).hexdigest() != digest:
                raise ValueError(
                    f"the {len(content)} bytes that {_URL}/{name}.gz sent are not the "
                    f"published file of {size}"
                )
            with replacing(path) as temporary:
                temporary.write_bytes(content)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"Fashion-MNIST is not on this machine and cannot be downloaded ({reason}): "
            "install Debian's package dataset-fashion-mnist, or give --data=DIR with its "
            "four IDX files"
        ) from error


def _fetch(url: str, size: int) -> bytes:
    """Download a file, up to one byte more than its expected size."""
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
        return answer.read(size + 1)

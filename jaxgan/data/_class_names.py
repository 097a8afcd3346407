"""Names of the classes of MNIST, Fashion-MNIST and EMNIST, recognised by their content."""

import hashlib
import os
import string
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError

GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGITS = tuple(string.digits)
_FASHION = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"  # of the labels
_LETTERS = tuple(string.ascii_uppercase)
_MERGED_CLASSES = (*DIGITS, *_LETTERS, *"abdefghnqrt")  # others are merged
EMNIST = {  # split to the names of its classes; its letters are numbered from 1
    "letters": _LETTERS,
    "balanced": _MERGED_CLASSES,
    "bymerge": _MERGED_CLASSES,
    "byclass": (*DIGITS, *_LETTERS, *string.ascii_lowercase),
    "digits": DIGITS,
    "mnist": DIGITS,
}
_COUNTS = {  # training images, test images and largest label, to the split
    (124_800, 20_800, 26): "letters",
    (88_800, 14_800, 26): "letters",  # as in the paper
    (112_800, 18_800, 46): "balanced",
    (697_932, 116_323, 46): "bymerge",
    (697_932, 116_323, 61): "byclass",
    (240_000, 40_000, 9): "digits",
}


class Dataset(NamedTuple):
    """A data set that was recognised.

    Attributes:
      about: Its name.
      classes: Names of its classes.
      first: Label of the first class.
      transposed: Whether its images are transposed, as in EMNIST.
    """

    about: str
    classes: tuple[str, ...]
    first: int = 0
    transposed: bool = False


def recognise(train: np.ndarray, test: np.ndarray, split: str | None = None) -> Dataset:
    """Recognise a data set by its labels; the classes of an unknown one are numbers.

    Args:
      train: Labels ``[N]`` uint8 of the training part.
      test: Labels ``[M]`` uint8 of the test part.
      split: Split of EMNIST, if the files are named after one.
    """
    largest = int(max(train.max(), test.max()))
    if hashlib.sha256(train.tobytes()).hexdigest() == _FASHION:
        return Dataset("Fashion-MNIST", GARMENTS)
    split = split or _COUNTS.get((len(train), len(test), largest))
    if split in EMNIST:
        names, first = EMNIST[split], int(split == "letters")
        if largest < len(names) + first:
            return Dataset(f"EMNIST {split}", names, first, transposed=True)
    count = max(10, largest + 1)
    return Dataset("numbered classes", tuple(map(str, range(count))))


def read_names(path: str | os.PathLike, count: int) -> tuple[str, ...]:
    """Read names of classes, one per line, in the order of the labels.

    Args:
      path: A text file in UTF-8.
      count: Number of classes.

    Raises:
      InputError: If the file cannot be read, has a wrong number of names, or repeats one.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            names = tuple(line.strip() for line in file if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read names of classes from {path}: {reason}") from error
    if len(names) != count:
        raise InputError(f"{path} has {len(names)} names; there are {count} classes")
    if len(set(names)) < count:
        raise InputError(f"{path} has a name twice; each class has its own")
    if not all(map(str.isprintable, names)):
        raise InputError(f"{path} has a name with characters that cannot be printed")
    return names

"""Attributes of images, from a CSV file or CelebA's list."""

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError

FIRST = ("image", "image_id")  # allowed first names of a header; the second is Kaggle's
_VALUES = {"0": False, "1": True, "-1": False}


class Labels(NamedTuple):
    """Attributes of images.

    Attributes:
      images: Names of N images.
      attributes: Names of A attributes.
      values: ``[N, A]`` bool: whether an image has an attribute.
    """

    images: tuple[str, ...]
    attributes: tuple[str, ...]
    values: np.ndarray


def read_labels(path: str | os.PathLike) -> Labels:
    r"""Read attributes of images: a line per image, with values 0 and 1, or -1 and 1.

    The file is a CSV file with the header ``image,Attribute,...``; or Kaggle's
    ``list_attr_celeba.csv``, whose header begins with ``image_id``; or
    ``list_attr_celeba.txt`` of CelebA's authors: the number of images, a line with the names
    of the attributes, and lines whose values are separated by blanks.

    Raises:
      InputError: If the file has another format, or an attribute is equal for all images.

    Examples:
      >>> import pathlib, tempfile
      >>> from jaxgan.data.labels import read_labels
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "labels.csv")
      ...     _ = path.write_text("image,Smiling,Male\na.png,1,0\nb.png,0,1\n")
      ...     read_labels(path).attributes
      ('Smiling', 'Male')
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
        rows = _official(text, path)
        if rows is None:
            rows = [line for line in csv.reader(io.StringIO(text, newline="")) if line] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read labels from {path}: {reason}") from error
    names = [name.strip() for name in rows[0]]
    if len(names) < 2 or names[0] not in FIRST or not all(names) or len({*names}) < len(names):
        raise InputError(f"{path}: the first line must be image,Attribute,... without repeats")
    if len(rows) == 1:
        raise InputError(f"{path} has a first line and no images; it needs one per line")
    return _labels(names[1:], rows[1:], path)


def _official(text: str, path: str | os.PathLike) -> list[list[str]] | None:
    """Return the rows of a file that begins with the number of images; None for others."""
    lines = [line for line in text.splitlines() if line.strip()]
    first = lines[0].strip() if lines else ""
    if not first.isdecimal() or len(first) > 9:
        return None
    count = int(first)
    if len(lines) != count + 2:
        raise InputError(
            f"{path} says that it has {count} images; {max(len(lines) - 2, 0)} lines of images "
            "follow"
        )
    return [[FIRST[0], *lines[1].split()], *(line.split() for line in lines[2:])]


def _labels(
    names: Sequence[str], lines: Sequence[Sequence[str]], path: str | os.PathLike
) -> Labels:
    values = np.empty((len(lines), len(names)), bool)
    for number, line in enumerate(lines):
        if len(line) != len(names) + 1:
            raise InputError(
                f"{path}: {line[0]!r} has {len(line) - 1} values, not {len(names)}"
            )
        try:
            values[number] = [_VALUES[text.strip()] for text in line[1:]]
        except KeyError as error:
            pairs = zip(names, line[1:], strict=True)
            name, text = next(pair for pair in pairs if pair[1].strip() not in _VALUES)
            raise InputError(
                f"{path}: {name} of {line[0]!r} is {text!r}, not 0, 1 or -1"
            ) from error
    images = tuple(line[0].strip() for line in lines)
    twice = next((name for name, count in Counter(images).items() if count > 1), None)
    if twice is not None:  # it could be in both the training and the test part
        raise InputError(f"{path} names {twice!r} twice; each image has one line")
    for name, column in zip(names, values.T, strict=True):
        if column.all() or not column.any():
            raise InputError(
                f"{path}: {name} is the same for every image; leave that column out"
            )
    return Labels(images, tuple(names), values)

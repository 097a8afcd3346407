"""Labels of images, from a file of the user's."""

import csv
import os
from collections import Counter
from typing import NamedTuple

import numpy as np

from jaxgan.errors import InputError


class Labels(NamedTuple):
    """Attributes of images.

    Attributes:
      images: N names of images.
      attributes: A names of attributes.
      values: ``[N, A]`` bool, whether an image has an attribute.
    """

    images: tuple[str, ...]
    attributes: tuple[str, ...]
    values: np.ndarray


def read_labels(path: str | os.PathLike) -> Labels:
    """Read a header ``image,Attribute,...`` and a line per image with 0 and 1, or -1 and 1.

    Raises:
      InputError: If the file is anything else, or an attribute is the same everywhere.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *lines = [line for line in csv.reader(file) if line] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read labels from {path}: {reason}") from error
    names = [name.strip() for name in header]
    if len(names) < 2 or names[0] != "image" or not all(names) or len({*names}) < len(names):
        raise InputError(f"{path}: the first line must be image,Attribute,... with own names")
    if not lines:
        raise InputError(f"{path} has a first line and no images; it needs one per line")
    values = np.empty((len(lines), len(names) - 1), bool)
    for number, line in enumerate(lines):
        if len(line) != len(names):
            raise InputError(
                f"{path}: {line[0]!r} has {len(line) - 1} values, not {len(names) - 1}"
            )
        for column, text in enumerate(line[1:]):
            if text.strip() not in ("0", "1", "-1"):
                raise InputError(
                    f"{path}: {names[column + 1]} of {line[0]!r} is {text!r}, not 0, 1 or -1"
                )
            values[number, column] = text.strip() == "1"
    images = tuple(line[0].strip() for line in lines)
    twice = next((name for name, count in Counter(images).items() if count > 1), None)
    if twice is not None:  # it could be both in the training and in the test part
        raise InputError(f"{path} names {twice!r} twice; each image has one line")
    for name, column in zip(names[1:], values.T, strict=True):
        if column.all() or not column.any():
            raise InputError(
                f"{path}: {name} is the same for every image; leave that column out"
            )
    return Labels(images, tuple(names[1:]), values)

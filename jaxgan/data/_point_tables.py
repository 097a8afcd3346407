"""Points in text tables, as spreadsheets, pandas, numpy and R write them."""

import array
import codecs
import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from jaxgan.errors import InputError

MAX_LINE = 2**16  # characters
_SAMPLE = 50  # number of rows to find the separator and columns from
_SEPARATORS = {"\t": "a tab", ";": "';'", "|": "'|'", ",": "','", " ": "blanks"}
_MARKS = {  # byte-order marks, longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_THOUSANDS = re.compile(r"\s*[+-]?[1-9][0-9]{0,2},[0-9]{3}\s*")  # or a decimal comma
_INDEX_NAMES = ("", "index", "id", "row", "unnamed: 0")

Row = tuple[int, list[str]]  # line number, from 1, and the fields of the line


class _Layout(NamedTuple):
    """The layout of a table.

    Attributes:
      separator: Separator of fields; a blank stands for any number of blanks.
      width: Number of columns.
      names: Names of the columns; empty without a header.
      header: Whether the first row is a header.
      notes: Assumptions about the table, one sentence each.
    """

    separator: str
    width: int
    names: list[str]
    header: bool
    notes: list[str]


def read(path: Path, columns: Sequence[str] = ()) -> tuple[np.ndarray, list[str]]:
    """Read two columns of a table.

    Args:
      path: A text file: UTF-8, UTF-16, UTF-32 or Latin-1; columns separated by a comma, a
        semicolon, a tab, ``|`` or blanks. Numbers may have decimal commas if the comma is not
        the separator.
      columns: Names of two columns, or their numbers from 0. By default the two columns that
        hold numbers; a column of row numbers does not count.

    Returns:
      Points ``[N, 2]`` float64, and assumptions about the table, one sentence each.

    Raises:
      InputError: If the file is not such a table, or it is unclear which columns to read.
    """
    encoding = _encoding_of(path)
    notes = [f"{path}: read as Latin-1, as it is not UTF-8"] if encoding == "latin-1" else []
    try:
        with open(path, encoding=encoding) as file:
            separator_line = _separator_line(file)
            separator = separator_line or _separator_of(_lines(path, file))
            file.seek(0)
            layout = _layout(path, separator, _sample(path, file, separator))
            pair, more = _choose(path, layout, _sample(path, file, separator), columns)
            file.seek(0)
            rows = _rows(path, file, separator)
            numbers, doubts = _numbers(path, rows, layout, pair)
    except UnicodeError as error:
        raise InputError(f"{path} is not a text file") from error
    except csv.Error as error:
        raise InputError(f"{path} is not a readable table: {error}") from error
    return numbers, notes + layout.notes + more + doubts


def _encoding_of(path: Path) -> str:
    with open(path, "rb") as file:
        begin = file.read(4096)
        for mark, encoding in _MARKS.items():
            if begin.startswith(mark):
                return encoding
        if 0 in begin:
            # UTF-16 without a byte-order mark: every other byte of digits is zero.
            for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
                zeros = begin[first::2].count(0)
                if 4 * zeros > len(begin) and all(begin[1 - first :: 2]):
                    return encoding
            raise InputError(f"{path} is not a text file")
        decoder = codecs.getincrementaldecoder("utf-8")()
        file.seek(0)
        try:
            while part := file.read(2**16):
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """Yield the remaining lines of a file, including empty lines and comments."""
    for number in itertools.count(1):
        line = file.readline(MAX_LINE)
        if not line:
            return
        if len(line) == MAX_LINE:
            raise InputError(f"{path}, line {number}: longer than {MAX_LINE} characters")
        if "\0" in line:
            raise InputError(f"{path} is not a text file")
        yield line


def _separator_line(file: TextIO) -> str | None:
    """Read the separator from Excel's line ``sep=;``, if there is one."""
    match = re.fullmatch(r"sep=(.)", file.readline(MAX_LINE).strip("\r\n"))
    file.seek(0)
    return match[1] if match and match[1] in _SEPARATORS else None


def _is_row(line: str) -> bool:
    text = line.strip()
    return bool(text) and text[0] != "#" and not re.fullmatch(r"sep=.?", text)


def _rows(path: Path, file: TextIO, separator: str) -> Iterator[Row]:
    if separator == " ":
        for number, line in enumerate(_lines(path, file), 1):
            if _is_row(line):
                yield number, line.replace('"', "").split()
        return
    lines = (line if _is_row(line) else "\n" for line in _lines(path, file))
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    for row in reader:
        if row:
            yield reader.line_num, row


def _sample(path: Path, file: TextIO, separator: str) -> list[Row]:
    file.seek(0)
    return list(itertools.islice(_rows(path, file, separator), _SAMPLE))


def _separator_of(lines: Iterator[str]) -> str:
    """Choose the separator with the largest share of numbers among the fields.

    Separators that split all rows and the header into equally many fields come first.
    """
    sample = list(itertools.islice(filter(_is_row, lines), _SAMPLE))
    best, winner = (False, 0.0), ","
    for separator in _SEPARATORS:
        split = separator if separator != " " else None
        rows = [line.strip("\r\n ").replace('"', "").split(split) for line in sample]
        fields = rows[1:] or rows
        if min(map(len, fields), default=0) < 2:
            continue
        good = sum(_number(x, separator != ",") is not None for row in fields for x in row)
        score = len({*map(len, rows)}) == 1, good / sum(map(len, fields))
        if good and score > best:
            best, winner = score, separator
    return winner


def _number(text: str, comma: bool) -> float | None:
    if comma and "." not in text:
        text = text.replace(",", ".", 1)
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        # Fortran's exponents, and Unicode's minus sign.
        other = re.sub(r"(?<=[0-9.])[dD](?=[+-]?[0-9]+\s*$)", "e", text.replace("\u2212", "-"))
        return _number(other, comma) if other != text else None


def _layout(path: Path, separator: str, sample: list[Row]) -> _Layout:
    """Find the header and the number of columns from the first rows."""
    if not sample:
        raise InputError(f"{path} has no rows: points have the shape [N, 2]")
    first = [field.strip() for field in sample[0][1]]
    comma, notes = separator != ",", []
    header = all(_number(field, comma) is None for field in first)
    names = first[1:] if first[0] == "" else first
    if len(names) > 1 and names == [str(i) for i in range(len(names))]:
        header = True
        notes.append(
            f"{path}: the first row, {separator.join(first)}, numbers the columns: read as a "
            f"header (a point would be {separator.join(f'{field}.0' for field in names)})"
        )
    row = sample[1 if header and len(sample) > 1 else 0][1]
    width = len(row)
    if header and len(first) == width - 1:
        # R leaves out the name of the row names; other programs end rows with a separator.
        first = ["", *first] if row[-1].strip() else [*first, ""]
    if header and len(first) != width:
        description, rows = (
            _describe_columns(path, separator, width),
            [fields for _, fields in sample[1:]],
        )
        raise InputError(f"{description}, and its header {len(first)}{_hint(separator, rows)}")
    return _Layout(separator, width, first if header else [], header, notes)


def _describe_columns(path: Path, separator: str, width: int) -> str:
    if width == 1:
        return f"{path} has 1 column; none of ',' ';' '|', tab and blank separates its numbers"
    return f"{path} has {width} columns, separated by {_SEPARATORS[separator]}"


def _hint(separator: str, rows: list[list[str]]) -> str:
    """Explain rows that were also split at decimal commas."""
    halves = [(row[::2], row[1::2]) for row in rows]
    split = separator == "," and all(
        len(first) == len(second) > 1
        and all(re.fullmatch(r"\s*[+-]?[0-9]+", x) for x in first)
        and all(re.fullmatch(r"[0-9]+\s*", x) for x in second)
        for first, second in halves
    )
    return "; save decimal commas with ';' between the columns" if rows and split else ""


def _choose(
    path: Path, layout: _Layout, sample: list[Row], columns: Sequence[str]
) -> tuple[list[int], list[str]]:
    """Find the two columns to read, and note which ones if there are others."""
    if columns:
        return _columns_by_name(path, layout, columns), []
    rows = [fields for _, fields in sample[layout.header :]]
    comma = layout.separator != ","

    def numbers(column):
        return [_number(row[column], comma) if column < len(row) else None for row in rows]

    width, notes = layout.width, []
    numeric = [i for i in range(width) if None not in numbers(i)] if len(rows) > 1 else []
    indices = numeric if width > 2 else list(range(width))
    count = numbers(0)
    counts = [float(i + (count[0] or 0)) for i in range(len(count))]
    nameless = not layout.names or layout.names[0].lower() in _INDEX_NAMES
    if indices[:1] == [0] and len(indices) == 3 and nameless and count == counts:
        if count[0] in (0, 1):
            indices = indices[1:]
            notes.append(f"{path}: the first column numbers the rows and is left out")
    elif len(indices) == 2 and width > 2:
        names = " and ".join(_label(layout, i) for i in indices)
        notes.append(f"{path}: read columns {names}; the others do not hold numbers")
    if width == 1:
        raise InputError(_describe_columns(path, layout.separator, width))
    if width == 2 and layout.names and nameless and count == counts and count[0] in (0, 1):
        raise InputError(
            f"{path} has 2 columns, and the first numbers the rows; --columns=0,1 reads both"
        )
    if len(indices) != 2:
        have = ", ".join(_label(layout, i) for i in range(min(width, 8)))
        pair = indices[-2:] if len(indices) > 1 else [0, 1]
        example = ",".join(_label(layout, i) for i in pair)
        description = _describe_columns(path, layout.separator, width)
        if len(rows) == 1:
            raise InputError(f"{description}, and 1 row; each point has a row of its own")
        hint = _hint(layout.separator, rows)
        raise InputError(f"{description} ({have}); choose two with --columns={example}{hint}")
    return indices, notes


def _label(layout: _Layout, column: int) -> str:
    name = layout.names[column] if layout.names else ""
    return name if name and layout.names.count(name) == 1 else str(column)


def _columns_by_name(path: Path, layout: _Layout, columns: Sequence[str]) -> list[int]:
    pair = []
    for name in columns:
        if layout.names.count(name) > 1:
            raise InputError(f"{path} has several columns {name!r}; choose by numbers from 0")
        if name in layout.names:
            pair.append(layout.names.index(name))
        elif re.fullmatch(r"[0-9]{1,6}", name) and int(name) < layout.width:
            pair.append(int(name))
        else:
            have = ", ".join(_label(layout, i) for i in range(min(layout.width, 20)))
            raise InputError(f"{path} has no column {name!r}; it has: {have}")
    if pair[0] == pair[1]:
        raise InputError(f"--columns={','.join(columns)} is the same column of {path} twice")
    return pair


def _why(text: str, fields: list[str]) -> str:
    """Say why a field is not a number, if that is clear."""
    text = text.strip()
    if text.lower() in ("", "na", "n/a", "#n/a", "null", "none", "missing", "-", "?", "."):
        return ": a value is missing"
    if re.fullmatch(r"[+-]?[0-9]{1,3}(['\u2019\s.,][0-9]{3})+([.,][0-9]*)?", text):
        return ": numbers have no separators of thousands, and a decimal point"
    if re.fullmatch(r"[+-]?[0-9]*,[0-9]+", text):
        return ": where commas separate the columns, numbers have a decimal point"
    if not any(character.isdigit() for field in fields for character in field):
        return ": only one header line, and comments that begin with #, may precede the numbers"
    return ""


def _numbers(
    path: Path, rows: Iterator[Row], layout: _Layout, pair: list[int]
) -> tuple[np.ndarray, list[str]]:
    """Read the two columns of all rows into one array, and note doubts."""
    comma, numbers = layout.separator != ",", array.array("d")
    doubts: list[str] | None = None  # None once commas are clearly decimal
    points = commas = 0  # last line with a decimal point, with a decimal comma
    if layout.header:
        next(rows, None)
    for number, fields in rows:
        if len(fields) != layout.width:
            raise InputError(
                f"{path}, line {number} has {len(fields)} columns; the lines before have "
                f"different lengths: {layout.width}"
            )
        for column in pair:
            text = fields[column]
            value = _number(text, comma)
            if value is None:
                line, why = layout.separator.join(fields), _why(text, fields)
                raise InputError(
                    f"{path}, line {number}: {line[:40]!r} is not all numbers{why}"
                )
            if comma and "." in text:
                points = points or number
            elif comma and "," in text:
                commas = commas or number
                if doubts is None or doubts:
                    note = f"{path}: commas are decimal commas: {text.strip()} is {value:g}"
                    doubts = (doubts or [note]) if _THOUSANDS.fullmatch(text) else []
            numbers.append(value)
        if points and commas:
            raise InputError(
                f"{path} has decimal points (line {points}) and commas (line {commas})"
            )
    return np.frombuffer(numbers or b"", np.float64).reshape(-1, 2), doubts or []

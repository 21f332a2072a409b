"""Reads rows from a CSV file: every cell is checked, bad ones are named, nothing is guessed."""

import csv
import math
import stat
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from student_score.data.rows import Rows
from student_score.data.table import Table
from student_score.errors import InputError
from student_score.masking import cut, visible

LARGEST_FILE = 2**30
"""Bytes (1 GiB), some 50 million rows of the tutorial's."""

LISTED_CELLS, LISTED_NAMES, LISTED_COUNTS = 20, 10, 5
"""Bad cells, columns and counts by column that a message lists; of others it says how many they are."""

LONGEST_CELL, LONGEST_PATH = 40, 300
"""Characters that are shown of a cell or a column's name, and of a path."""

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What a path may lead to that is no file; a pipe or a device would be waited for, or read without an end."""


def read_csv(path: Path, *, features: Sequence[str], target: str) -> Rows:
    """Read the named columns of a CSV file with a header line; empty lines are skipped.

    >>> from student_score import read_csv
    >>> from student_score.paths import REPOSITORY
    >>> path = REPOSITORY / "data" / "student_scores.csv"
    >>> read_csv(path, features=["hours_studied", "hours_slept"], target="exam_score").targets.tolist()
    [85.0, 60.0, 95.0]

    Raises:
        InputError: the path leads to no readable CSV file; or naming bad cells by line and column, in one message.
    """
    columns, name = [*features, target], shown(path)
    if repeated := [column for column, count in Counter(columns).items() if count > 1]:
        raise InputError(
            f"features: {quoted(repeated)} stands more than once in {quoted(columns)} (the target is last)"
        )
    with opened(path) as lines:
        _, first = next(lines, (0, []))
        if not first:
            raise InputError(f"{name} is empty; it needs a header line with the columns {quoted(columns)}")
        header = [column.strip() for column in first]
        if repeated := [column for column, count in Counter(header).items() if count > 1]:
            raise InputError(f"{name} has duplicate column names: {quoted(repeated)}; each must be unique")
        places = {column: place for place, column in enumerate(header)}
        if missing := [column for column in columns if column not in places]:
            raise InputError(f"{name} has no column {quoted(missing)}; its columns are {quoted(header)}")
        asked, faults, values = {column: places[column] for column in columns}, Faults(), array("d")
        for line, cells in lines:
            values.extend(parse_row(line, cells, len(header), asked, faults))
    if not values:
        raise InputError(f"{name} has a header but no rows; at least one is needed")
    if faults.count:
        raise InputError(f"{name} has {faults.count} bad cell{'s'[: faults.count > 1]}: {faults.described()}")
    table = np.frombuffer(values, dtype=np.float64).reshape(-1, len(columns))
    return Rows(table[:, :-1].copy(), table[:, -1].copy())


def read_table(path: Path, *, features: Sequence[str], target: str) -> Table:
    """Read the named columns of a CSV file."""
    return Table.of(read_csv(path, features=features, target=target), features)


@contextmanager
def opened(path: Path) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a CSV file and yield its non-empty lines, each with its number; they never lie in memory all at once."""
    try:
        check_file(path)
        file = path.open(encoding="utf-8-sig", newline="")
    except FileNotFoundError:
        raise InputError(f"path: there is no file {shown(path)}") from None
    except OSError as error:
        raise InputError(f"path: {shown(path)} cannot be read: {error.strerror}") from None
    with file:
        yield non_empty(file, path)


def check_file(path: Path) -> None:
    """Raise InputError unless a path leads to a file that is not too large, without opening it."""
    try:
        found = path.stat()
    except ValueError as error:  # Of a NUL, or what the file system's encoding does not have.
        raise InputError(f"path: {shown(path)} cannot be the name of a file: {error}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise InputError(f"path: {shown(path)} is {kind}; a CSV file is needed")
    if found.st_size > LARGEST_FILE:
        raise InputError(
            f"path: {shown(path)} has {found.st_size / 2**30:.2f} GiB; a CSV file of at most "
            f"{LARGEST_FILE / 2**30:.2f} GiB can be read, so leave out columns or rows"
        )


def non_empty(file: Iterable[str], path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of the non-empty lines of a CSV file, each with the number of the line it starts on."""
    reader, first = csv.reader(file, strict=True), 1
    try:
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                yield first, cells
            first = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{shown(path)} is not a CSV file: line {reader.line_num}: {error}") from None
    except UnicodeDecodeError as error:
        place = undecodable(path, error.start)
        raise InputError(f"{shown(path)} is not UTF-8 text: byte {place} cannot be decoded") from None
    except OSError as error:
        raise InputError(f"path: {shown(path)} cannot be read: {error.strerror}") from None


def undecodable(path: Path, place: int) -> int:
    """Return how many bytes come before the first that cannot be decoded; `place` counts from somewhere in the file."""
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError as error:
        return error.start
    return place  # The file has changed meanwhile.


class Faults:
    """What is wrong with the cells of a file: the first in words, all of them counted by column."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self.counts: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many there are."""
        return self.counts.total()

    def add(self, sentence: str, *, where: str) -> None:
        """Note one of them."""
        self.counts[where] += 1
        if len(self.listed) < LISTED_CELLS:
            self.listed.append(sentence)

    def described(self) -> str:
        """Return them in words."""
        said, left = "; ".join(self.listed), self.count - len(self.listed)
        if not left:
            return said
        most = [f"{where} {count}" for where, count in self.counts.most_common(LISTED_COUNTS)]
        return f"{said}; and {left} more; by column: {listing(most, len(self.counts))}"


def parse_row(line: int, cells: Sequence[str], width: int, places: dict[str, int], faults: Faults) -> list[float]:
    """Return the numbers of one line at the places of the columns, and add what is wrong with it to `faults`."""
    if len(cells) != width:
        faults.add(f"line {line} has {len(cells)} cells where the header has {width}", where="lines of another length")
        return [math.nan] * len(places)
    row = []
    for name, place in places.items():
        cell = cells[place].strip()
        try:
            value = math.nan if "_" in cell else float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            column = cut(visible(name), LONGEST_CELL)
            text = cut(repr(cell[: LONGEST_CELL + 1]), LONGEST_CELL)
            faults.add(f"line {line}, column {column}: {text} is not a finite number", where=column)
        row.append(value)
    return row


# --- Words of bounded length.


def quoted(names: Sequence[str]) -> str:
    """Return the first of the names for a message, and how many more there are: 'a', 'b'."""
    return listing([cut(repr(name), LONGEST_CELL) for name in islice(names, LISTED_NAMES)], len(names))


def listing(first: Sequence[str], count: int) -> str:
    """Return the first of `count` words for a message, and how many more there are."""
    return ", ".join(first) + (f" and {count - len(first)} more" if count > len(first) else "")


def shown(path: Path) -> str:
    """Return a path for a message."""
    return cut(visible(str(path)), LONGEST_PATH)

"""Reads students from CSV and Parquet files: every cell is checked, bad ones are named, what is found out is said."""

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from student_score.data.cells import MISSING, Faults, number, numbers
from student_score.data.dialect import Decimal, Delimiter
from student_score.data.parquet_file import is_parquet, read_parquet
from student_score.data.proposals import FIRST_ROWS, proposal
from student_score.data.rows import Rows
from student_score.data.table import Table, check_gaps
from student_score.data.text_file import check_unpacked, opened, quoted, shown
from student_score.errors import InputError

__all__ = ["opened", "read_csv", "read_table"]

TOGETHER = 1024
"""Rows that lie in memory as texts."""

DECIMAL_COMMA, THOUSANDS = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?"), re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
"""Numbers with a decimal comma, and those of them that may have a separator of thousands instead."""

Reading: TypeAlias = "dict[str, list[str] | array[Any]]"


def read_csv(path: Path, *, features: Sequence[str], target: str) -> Rows:
    """Read the named columns of a CSV or Parquet file in which no number is missing.

    >>> from student_score import read_csv
    >>> from student_score.paths import REPOSITORY
    >>> path = REPOSITORY / "data" / "student_scores.csv"
    >>> read_csv(path, features=["hours_studied", "hours_slept"], target="exam_score").targets.tolist()
    [85.0, 60.0, 95.0]

    Raises:
        InputError: the path leads to no readable file; or naming bad cells by line and column, in one message.
    """
    table = read_table(path, features=features, target=target)
    check_gaps(table)
    return Rows(table.frame.to_numpy(dtype=np.float64), table.targets)


def read_table(
    path: Path,
    *,
    features: Sequence[str],
    target: str | None,
    categorical: Sequence[str] = (),
    delimiter: Delimiter = Delimiter.auto,
    decimal: Decimal = Decimal.auto,
) -> Table:
    """Read the named columns of a CSV file with a header line, or of a Parquet file; empty lines are skipped.

    Args:
        path: may be packed with gzip.
        features: columns, in the order in which the table has them.
        target: the column of the scores; None where there is none, and every score is missing.
        categorical: those of the features that hold words.
        delimiter: what stands between cells; found out from the header by default.
        decimal: what stands before decimals; found out from the first rows by default.

    Raises:
        InputError: the path leads to no readable file; or naming bad cells by line and column, in one message.
    """
    columns = [*features] if target is None else [*features, target]
    check_roles(columns, categorical, target)
    faults = Faults(target=target)
    first: dict[str, int]
    notes: tuple[str, ...]
    if is_parquet(path):
        found, first, notes = read_parquet(path, columns, categorical, faults), {}, ()
    else:
        check_unpacked(path)
        separator = found_delimiter(path, columns, delimiter)
        check_header(path, columns, target, separator)
        if decimal is Decimal.auto:
            decimal = found_decimal(path, [name for name in columns if name not in categorical], separator)
        found, first = read_cells(path, columns, categorical, separator, decimal, faults)
        notes = dialect_notes(separator, decimal)
    if faults.count:
        raise InputError(f"{shown(path)} has {faults.count:,} bad cell{'s'[: faults.count > 1]}{faults.described()}")
    table = Table.read(found, features, target, categorical=tuple(categorical), first_gaps=first)
    return table.noted(path, notes)


def check_roles(columns: Sequence[str], categorical: Sequence[str], target: str | None) -> None:
    """Raise InputError unless every column has one role."""
    if repeated := [column for column, count in Counter(columns).items() if count > 1]:
        last = "" if target is None else " (the target is last)"
        raise InputError(f"features: {quoted(repeated)} stands more than once in {quoted(columns)}{last}")
    if odd := [name for name in categorical if name not in columns or name == target]:
        raise InputError(f"categorical: {quoted(odd)} is none of the features")
    if not columns or columns == [target]:
        raise InputError("features: at least one column is needed")


# --- The header.


def header_of(path: Path, separator: str) -> list[str]:
    """Return the columns' names."""
    with opened(path, separator) as lines:
        return [name.strip() for name in next(lines, (0, []))[1]]


def found_delimiter(path: Path, columns: Sequence[str], delimiter: Delimiter) -> str:
    """Return what stands between two cells: that under which the header has most of the columns asked for."""
    if delimiter is not Delimiter.auto:
        return str(delimiter.value)
    best, most = str(Delimiter.comma.value), (-1, -1)
    for tried in Delimiter:
        if tried is Delimiter.auto:
            continue
        try:
            header = header_of(path, tried.value)
        except InputError:
            if tried is Delimiter.comma:
                most = (0, 0)
            continue
        score = (len(set(columns) & set(header)), len(header))
        if score[0] == len(set(columns)):
            return str(tried.value)
        if score > most:
            best, most = str(tried.value), score
    return best


def check_header(path: Path, columns: Sequence[str], target: str | None, separator: str) -> None:
    """Raise InputError unless the header has each of the columns, once, the target among them."""
    header, name = header_of(path, separator), shown(path)
    if not header:
        raise InputError(f"{name} is empty; it needs a header line with the columns {quoted(columns)}")
    counts = Counter(header)
    if repeated := [column for column in columns if counts[column] > 1]:
        raise InputError(f"{name} has duplicate column names: {quoted(repeated)}; each must be unique")
    if missing := [column for column in columns if column not in counts]:
        about = proposal(path, header, missing, target=target, wanted=columns, separator=separator)
        raise InputError(f"{name} has no column {quoted(missing)}; its columns are {quoted(header)}{about}")


# --- The cells.


def found_decimal(path: Path, columns: Sequence[str], separator: str) -> Decimal:
    """Return what stands before decimals in the first rows of columns of numbers.

    Raises:
        InputError: it may stand between thousands as well.
    """
    if separator == Delimiter.comma.value:
        return Decimal.point
    header = header_of(path, separator)
    places = [header.index(name) for name in columns]
    with opened(path, separator) as lines:
        next(lines)
        rows = [cells for _, cells in islice(lines, FIRST_ROWS) if len(cells) == len(header)]
    cells = [row[place].strip() for row in rows for place in places]
    commas = [cell for cell in cells if DECIMAL_COMMA.fullmatch(cell)]
    if not commas or any(number(cell, Decimal.point) is not None and "." in cell for cell in cells):
        return Decimal.point
    if all(THOUSANDS.fullmatch(cell) for cell in commas):
        raise InputError(
            f"decimal=auto: {shown(path)} has {quoted(commas[:1])}, whose comma may stand before decimals or between "
            "thousands; dataset.decimal=comma or dataset.decimal=point decides, and the latter takes no such cells; "
            "one cell with another number of decimals decides, too"
        )
    return Decimal.comma


def read_cells(
    path: Path,
    columns: Sequence[str],
    categorical: Sequence[str],
    separator: str,
    decimal: Decimal,
    faults: Faults,
) -> tuple[Reading, dict[str, int]]:
    """Return the cells of columns, and the line of each one's first gap; add what is wrong with them to `faults`."""
    header = header_of(path, separator)
    places = {name: header.index(name) for name in columns}
    found: Reading = {name: [] if name in categorical else array("d") for name in columns}
    first: dict[str, int] = {}
    with opened(path, separator) as lines:
        next(lines)
        for numbered in batches(lines):
            faults.rows += len(numbered)
            whole = [row for row in numbered if len(row[1]) == len(header)]
            if len(whole) == len(numbered) and fast(numbered, places, found, decimal):
                note_gaps(numbered, places, found, first)
                continue
            for line, cells in numbered:
                read_line(line, cells, len(header), places, found, decimal, faults)
            note_gaps(whole, places, found, first)
    if not faults.rows:
        raise InputError(f"{shown(path)} has a header but no rows; at least one is needed")
    return found, first


def batches(lines: Iterator[tuple[int, list[str]]]) -> Iterator[list[tuple[int, list[str]]]]:
    """Yield lines, many at a time."""
    while batch := list(islice(lines, TOGETHER)):
        yield batch


def fast(numbered: list[tuple[int, list[str]]], places: dict[str, int], found: Reading, decimal: Decimal) -> bool:
    """Add the cells of lines to `found`, unless any cell is no number: then add none, and return False."""
    read: dict[str, list[Any]] = {}
    for name, place in places.items():
        texts = [cells[place] for _, cells in numbered]
        if isinstance(found[name], list):
            words = {text: category(text) for text in set(texts)}
            read[name] = [words[text] for text in texts]
            continue
        values = numbers(texts, decimal)
        if values is None:
            return False
        read[name] = values.tolist()
    for name, cells in read.items():
        found[name].extend(cells)
    return True


def read_line(
    line: int,
    cells: Sequence[str],
    width: int,
    places: dict[str, int],
    found: Reading,
    decimal: Decimal,
    faults: Faults,
) -> None:
    """Add the cells of one line to `found`, and what is wrong with it to `faults`."""
    if len(cells) != width:
        faults.add(
            f"line {line} has {len(cells)} cell{'s'[: len(cells) != 1]} where the header has {width}",
            where="lines of another length",
        )
        return
    for name, place in places.items():
        column = found[name]
        if isinstance(column, list):
            column.append(category(cells[place]))
            continue
        value = number(cells[place], decimal)
        if value is None:
            faults.add_cell(f"line {line}", name, cells[place].strip())
        column.append(0.0 if value is None else value)


def category(text: str) -> str:
    """Return a word, "" where it is missing."""
    text = text.strip()
    return "" if text in MISSING else text


def note_gaps(
    numbered: list[tuple[int, list[str]]], places: dict[str, int], found: Reading, first: dict[str, int]
) -> None:
    """Note the line of the first gap of every column, of which the last lines have just been read."""
    for name in places:
        if name in first or not numbered:
            continue
        for (line, _), value in zip(numbered, found[name][-len(numbered) :], strict=True):
            if str(value) in {"", "nan"}:
                first[name] = line
                break


def dialect_notes(separator: str, decimal: Decimal) -> tuple[str, ...]:
    """Return in words what differs from commas between cells and points before decimals."""
    said = []
    if separator != Delimiter.comma.value:
        said.append({";": "semicolons", "\t": "tabs", "|": "pipes"}[separator] + " between cells")
    if decimal is Decimal.comma:
        said.append("decimal commas")
    return tuple(said)

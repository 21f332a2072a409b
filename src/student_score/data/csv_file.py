"""Reads rows from a CSV file: every cell is checked, every bad one named, nothing is guessed."""

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from student_score.data.rows import Rows
from student_score.errors import InputError


def read_csv(path: Path, *, features: Sequence[str], target: str) -> Rows:
    """Read the named columns of a CSV file with a header line; empty lines are skipped.

    >>> from student_score import read_csv
    >>> from student_score.paths import REPOSITORY
    >>> path = REPOSITORY / "data" / "student_scores.csv"
    >>> read_csv(path, features=["hours_studied", "hours_slept"], target="exam_score").targets.tolist()
    [85.0, 60.0, 95.0]

    Raises:
        InputError: naming every bad cell by line and column, in one message.
    """
    columns = [*features, target]
    if repeated := [name for name, count in Counter(columns).items() if count > 1]:
        raise InputError(
            f"features: {quoted(repeated)} stands more than once in {quoted(columns)} (the target is last)"
        )
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path} is empty; it needs a header line with the columns {quoted(columns)}")
    header = [name.strip() for name in lines[0][1]]
    if repeated := [name for name, count in Counter(header).items() if count > 1]:
        raise InputError(f"{path} has duplicate column names: {quoted(repeated)}; each must be unique")
    if missing := [name for name in columns if name not in header]:
        raise InputError(f"{path} has no column {quoted(missing)}; its columns are {quoted(header)}")
    if len(lines) == 1:
        raise InputError(f"{path} has a header but no rows; at least one is needed")
    problems: list[str] = []
    values = [parse_row(line, cells, header, columns, problems) for line, cells in lines[1:]]
    if problems:
        raise InputError(f"{path} has {len(problems)} bad cell{'s'[: len(problems) > 1]}: " + "; ".join(problems))
    table = np.array(values, dtype=np.float64)
    return Rows(table[:, :-1].copy(), table[:, -1].copy())


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of the non-empty lines of a CSV file, each with the number of the line it starts on."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"path: there is no file {path}") from None
    except IsADirectoryError:
        raise InputError(f"path: {path} is a directory; a CSV file is needed") from None
    except OSError as error:
        raise InputError(f"path: {path} cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: byte {error.start} cannot be decoded") from None
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    lines, first = [], 1
    try:
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                lines.append((first, cells))
            first = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: line {reader.line_num}: {error}") from None
    return lines


def parse_row(
    line: int, cells: Sequence[str], header: Sequence[str], columns: Sequence[str], problems: list[str]
) -> list[float]:
    """Return the numbers of one line in the order of `columns`, and add what is wrong with it to `problems`."""
    if len(cells) != len(header):
        problems.append(f"line {line} has {len(cells)} cells where the header has {len(header)}")
        return [math.nan] * len(columns)
    row = []
    for name in columns:
        cell = cells[header.index(name)].strip()
        try:
            value = math.nan if "_" in cell else float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            problems.append(f"line {line}, column {name}: {cell!r} is not a finite number")
        row.append(value)
    return row


def quoted(names: Sequence[str]) -> str:
    """Return the names for a message: 'a', 'b'."""
    return ", ".join(repr(name) for name in names)

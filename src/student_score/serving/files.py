"""Reads rows to predict as a run's own were read, and writes them with their predictions."""

import csv
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from student_score.arrays import Floats
from student_score.config.dataset import DatasetConfig
from student_score.data.csv_file import found_decimal, found_delimiter, read_table
from student_score.data.dialect import Decimal
from student_score.data.parquet_file import is_parquet
from student_score.data.preparation import Missing
from student_score.data.table import LISTED_GAPS, Table
from student_score.data.text_file import opened, quoted, shown
from student_score.errors import InputError

COLUMN = "prediction"
"""The column that is added to the rows."""


@dataclass(frozen=True, kw_only=True)
class GivenRows:
    """Rows of a file.

    Attributes:
        path: the file.
        table: the columns that are features, read and checked.
        separator: what stands between two cells; empty for Parquet.
        decimal: what stands before decimals.
    """

    path: Path
    table: Table
    separator: str
    decimal: Decimal


def read_rows(path: Path, dataset: DatasetConfig) -> GivenRows:
    """Read the columns of a file that are features of a run, as the run's configuration says.

    Raises:
        InputError: it cannot be read, or naming bad cells by line and column.
    """
    path, separator, decimal = path.expanduser(), "", dataset.decimal
    if not is_parquet(path):
        separator = found_delimiter(path, dataset.features, dataset.delimiter)
    table = read_table(
        path,
        features=dataset.features,
        target=None,
        categorical=dataset.categorical,
        delimiter=dataset.delimiter,
        decimal=decimal,
    )
    if separator and decimal is Decimal.auto:
        numeric = [name for name in dataset.features if name not in dataset.categorical]
        decimal = found_decimal(path, numeric, separator)
    return GivenRows(path=path, table=table, separator=separator, decimal=decimal)


def check_whole(given: GivenRows, dataset: DatasetConfig, means: Collection[str]) -> None:
    """Raise InputError if a cell is missing that no mean can fill, unless the run left such rows out."""
    gaps = {name: count for name, count in given.table.missing.items() if name not in means}
    if not gaps or dataset.missing is Missing.drop:
        return
    lines = given.table.first_gaps
    said = [
        f"{quoted([name])} {count:,}" + (f" (the first in line {lines[name]})" if name in lines else "")
        for name, count in gaps.items()
    ]
    more = f" and {len(said) - LISTED_GAPS} more columns" if len(said) > LISTED_GAPS else ""
    fills = "gaps in numbers alone" if dataset.missing is Missing.mean else "no gap"
    raise InputError(
        f"{shown(given.path)} has missing cells: {', '.join(said[:LISTED_GAPS])}{more}; this run, trained with "
        f"dataset.missing={dataset.missing.name}, fills {fills}"
    )


def write_rows(path: Path, given: GivenRows, scores: Floats) -> None:
    """Write rows as they were given, each with its prediction; the file is there whole, or not at all.

    Raises:
        InputError: it cannot be written, or the rows have a column of that name.
    """
    if path.exists() and (not path.is_file() or path.samefile(given.path)):
        raise InputError(f"--output {shown(path)} is {'the file of the rows' if path.is_file() else 'no file'}")
    with replaced(path) as file:
        (write_text if given.separator else write_parquet)(file, given, scores)


def write_text(file: IO[str], given: GivenRows, scores: Floats) -> None:
    """Write the rows of a text file, in its dialect."""
    point = given.decimal.value or "."
    with opened(given.path, given.separator) as lines:
        _, header = next(lines)
        check_header([name.strip() for name in header], given.path)
        writer = csv.writer(file, delimiter=given.separator)
        writer.writerow([*header, COLUMN])
        writer.writerows(
            [*cells, "" if np.isnan(score) else repr(score).replace(".", point)]
            for (_, cells), score in zip(lines, scores.tolist(), strict=True)
        )


def write_parquet(file: IO[str], given: GivenRows, scores: Floats) -> None:
    """Write the rows of a Parquet file, as text."""
    import pandas as pd  # Late: it takes a third of a second to import.

    frame = pd.read_parquet(given.path)
    check_header([str(name) for name in frame], given.path)
    frame.assign(**{COLUMN: scores}).to_csv(file, index=False)


def check_header(header: Collection[str], path: Path) -> None:
    """Raise InputError if there is no place for the predictions."""
    if COLUMN in header:
        raise InputError(f"{shown(path)} has a column {COLUMN!r} already; rename it, or leave it out")


@contextmanager
def replaced(path: Path) -> Iterator[IO[str]]:
    """Yield a file that takes a path's place once it is written.

    Raises:
        InputError: it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", newline="", encoding="utf-8") as file:
            yield file
        aside.replace(path)
    except OSError as error:
        raise InputError(f"--output {shown(path)} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)

"""Reads columns of a Parquet file, whose cells are checked as those of a text file are."""

import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.data.cells import MISSING, Faults, number
from student_score.data.dialect import Decimal
from student_score.data.proposals import near
from student_score.data.text_file import LARGEST_FILE, PARQUET, first_bytes, quoted, shown
from student_score.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def is_parquet(path: Path) -> bool:
    """Whether a file is one, by its first bytes."""
    return first_bytes(path) == PARQUET


def read_parquet(
    path: Path, columns: Sequence[str], categorical: Sequence[str], faults: Faults
) -> "dict[str, list[str] | array[Any]]":
    """Return the cells of columns; add what is wrong with them to `faults`.

    Raises:
        InputError: it is damaged, too large, or has no such columns.
    """
    frame = loaded(path, columns)
    faults.rows = len(frame)
    return {name: words(frame[name]) if name in categorical else doubles(frame[name], name, faults) for name in columns}


def loaded(path: Path, columns: Sequence[str]) -> "pd.DataFrame":
    """Return columns of a Parquet file as pandas has them."""
    import pandas as pd  # Late: they take half a second to import.
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            header, n = file.schema_arrow.names, file.metadata.num_rows
        if missing := [name for name in columns if name not in header]:
            there = f"its columns are {quoted(header)}{near(missing, header)}"
            raise InputError(f"{shown(path)} has no column {quoted(missing)}; {there}")
        if repeated := [name for name in columns if header.count(name) > 1]:
            raise InputError(f"{shown(path)} has duplicate column names: {quoted(repeated)}; each must be unique")
        if not n:
            raise InputError(f"{shown(path)} has no rows; at least one is needed")
        if n * len(columns) > LARGEST_FILE // 8:
            raise InputError(
                f"path: {shown(path)} has {n:,} rows; with {len(columns)} columns at most "
                f"{LARGEST_FILE // 8 // len(columns):,} can be read"
            )
        return pd.read_parquet(path, columns=list(columns))
    except (ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{shown(path)} is no readable Parquet file: {reason[:200]}") from None


def doubles(column: "pd.Series[Any]", name: str, faults: Faults) -> "array[Any]":
    """Return a column of numbers as doubles, NaN where one is missing."""
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(column.dtype) and not np.iscomplexobj(column):
        found = column.to_numpy(dtype=np.float64, na_value=math.nan)
        for row in np.flatnonzero(np.isinf(found)).tolist():
            faults.add_cell(f"row {row + 1}", name, str(found[row]))
        return array("d", found.tobytes())
    values = array("d")
    for row, cell in enumerate(column.tolist(), start=1):
        value = math.nan if missing(cell) else number(str(cell), Decimal.point)
        if value is None:
            faults.add_cell(f"row {row}", name, str(cell))
        values.append(0.0 if value is None else value)
    return values


def words(column: "pd.Series[Any]") -> list[str]:
    """Return a column of words, "" where one is missing."""
    texts = ["" if missing(cell) else str(cell).strip() for cell in column.tolist()]
    return ["" if text in MISSING else text for text in texts]


def missing(cell: object) -> bool:
    """Whether a cell holds nothing."""
    import pandas as pd  # Late: it takes a third of a second to import.

    return cell is None or cell is pd.NaT or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell))

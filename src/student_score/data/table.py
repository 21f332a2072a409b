"""Students as a file has them: numbers that may be missing, and words."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from student_score.arrays import Floats
from student_score.data.cells import MOST_CATEGORIES, heading
from student_score.data.division import Division, Indices
from student_score.data.preparation import Missing, Preparation
from student_score.data.rows import Rows, Scale, Split, split_parts
from student_score.data.text_file import shown
from student_score.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

LISTED_GAPS = 5
"""Columns with missing cells that a message lists."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as they were read.

    Attributes:
        frame: a column for each feature in the order asked for: numbers as float64 with NaN where one is missing,
            categories as str, "" where one is missing.
        targets: (n,) scores, NaN where one is missing.
        categorical: the columns of `frame` that hold categories.
        target: the name of the scores.
        first_gaps: the line of the first missing cell of each column, by its name, where it is known.
        notes: what is to be said before these rows train, a sentence each.
        path: the file they come from.
    """

    frame: "pd.DataFrame"
    targets: Floats
    categorical: tuple[str, ...] = ()
    target: str = "the target"
    first_gaps: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def of(cls, rows: Rows, features: Sequence[str]) -> "Table":
        """Return rows of numbers as a table with the given names of columns."""
        import pandas as pd  # Late: it takes a third of a second to import.

        return cls(pd.DataFrame(rows.features, columns=list(features)), rows.targets)

    @classmethod
    def read(
        cls,
        columns: Mapping[str, Sequence[object]],
        features: Sequence[str],
        target: str | None,
        *,
        categorical: tuple[str, ...] = (),
        first_gaps: Mapping[str, int],
    ) -> "Table":
        """Return columns that were read, by their names, as a table; without a target every score is missing.

        Raises:
            InputError: a column has too many categories.
        """
        import pandas as pd  # Late: it takes a third of a second to import.

        for name in categorical:
            if (count := len({*columns[name]} - {""})) > MOST_CATEGORIES:
                raise InputError(
                    f"categorical: the column {heading(name)} has {count:,} categories, of which each would be a "
                    f"feature; at most {MOST_CATEGORIES} can be, so leave it out or group them"
                )
        frame = pd.DataFrame(
            {
                name: pd.Series(list(columns[name]), dtype=object)
                if name in categorical
                else np.array(columns[name], dtype=np.float64)
                for name in features
            }
        )
        targets = np.full(len(frame), np.nan) if target is None else np.array(columns[target], dtype=np.float64)
        return cls(frame, targets, categorical, target or "the target", first_gaps)

    def noted(self, path: Path, dialect: Sequence[str]) -> "Table":
        """Return the table with its file, and a note on it where it is not all commas, points and whole rows."""
        parts = [*dialect, f"{len(self):,} rows"]
        if gaps := [f"{heading(column)} {count:,}" for column, count in self.missing.items()]:
            parts.append(f"missing cells: {', '.join(gaps[:LISTED_GAPS])}{' and more' if gaps[LISTED_GAPS:] else ''}")
        predicted = bool(np.isnan(self.targets).all())  # Of rows without a score nothing is learned.
        if (len(self) > 1 and not predicted) and (
            still := [name for name in self.frame if (self.frame[name] == self.frame[name].iloc[0]).all()]
        ):
            listed = ", ".join(heading(str(name)) for name in still[:LISTED_GAPS])
            parts.append(f"columns that never vary, of which nothing can be learned: {listed}")
        notes = (f"{heading(path.name)}: {'; '.join(parts)}",) if len(parts) > 1 else ()
        return replace(self, path=path, notes=notes)

    @property
    def missing(self) -> dict[str, int]:
        """How many cells are missing, by the name of the column, those alone that have any."""
        gaps = {**self.gaps}
        of_target = gaps.pop("")
        without_scores = of_target == len(self) and self.target == "the target"
        gaps |= {} if without_scores else {self.target: of_target}
        return {name: count for name, count in gaps.items() if count}

    @property
    def numeric(self) -> list[str]:
        """The columns that hold numbers."""
        return [name for name in self.frame.columns if name not in self.categorical]

    def take(self, indices: Indices) -> "Table":
        """Return the rows at `indices`, in that order."""
        frame = self.frame.iloc[indices].reset_index(drop=True)
        return replace(self, frame=frame, targets=self.targets[indices], first_gaps={}, notes=())

    @cached_property
    def gaps(self) -> dict[str, int]:
        """How many cells of each column are missing, those of the target under its place at the end, ""."""
        found = {
            str(name): int((column == "").sum() if name in self.categorical else column.isna().sum())
            for name, column in self.frame.items()
        }
        return found | {"": int(np.isnan(self.targets).sum())}

    def whole(self) -> "Table":
        """Return the rows of which no cell is missing."""
        kept = ~self.frame.isna().any(axis=1).to_numpy() & ~np.isnan(self.targets)
        for name in self.categorical:
            kept &= (self.frame[name] != "").to_numpy()
        return self.take(np.flatnonzero(kept))

    def digest(self) -> str:
        """Return the SHA-256 of the content, row by row; of numbers alone it is that of the same `Rows`."""
        if not self.categorical and not np.isnan(self.frame.to_numpy()).any() and not np.isnan(self.targets).any():
            return Rows(self.frame.to_numpy(dtype=np.float64), self.targets).digest()
        numbers = np.column_stack([self.frame[self.numeric].to_numpy(dtype="<f8"), self.targets.astype("<f8")])
        found = hashlib.sha256(np.ascontiguousarray(np.where(np.isnan(numbers), np.nan, numbers)).tobytes())
        for name in self.categorical:
            found.update("\0".join([name, *self.frame[name]]).encode())
        return found.hexdigest()


def check_gaps(table: Table, *, filled: bool = False) -> None:
    """Raise InputError if a cell is missing that is not filled: one of the target or, unless `filled`, any other.

    The message counts them by column, and has the ways out.
    """
    gaps = table.missing
    if filled:
        gaps = {name: count for name, count in gaps.items() if name == table.target or name in table.categorical}
    if not gaps:
        return
    said = [
        f"{heading(name)} {count:,}" + (f" (the first in line {line})" if (line := table.first_gaps.get(name)) else "")
        for name, count in list(gaps.items())[:LISTED_GAPS]
    ]
    more = f" and {len(gaps) - LISTED_GAPS} more columns" if len(gaps) > LISTED_GAPS else ""
    whole, scores = len(table.whole()), table.target in gaps
    drop = f"dataset.missing=drop leaves out their rows, so that {whole:,} of {len(table):,} stay"
    mean = "" if scores or filled else "; dataset.missing=mean fills numbers with their mean of the training rows"
    raise InputError(
        f"missing={'mean' if filled else 'error'}: "
        + ("no mean can stand for a score or a category, and " if filled else "")
        + (f"in {shown(table.path)} " if table.path else "")
        + f"cells are missing: {', '.join(said)}{more}; {drop}{mean}"
    )


def check_empty(table: Table) -> None:
    """Raise InputError if a column has no cell at all, which nothing can be made of."""
    empty = [name for name, count in table.missing.items() if count == len(table)]
    if not empty:
        return
    key, way_out = ("target", "choose another column") if empty[-1] == table.target else ("features", "leave it out")
    where = f"of {shown(table.path)} " if table.path else ""
    raise InputError(f"{key}: the column {heading(empty[-1])} {where}has missing cells alone; {way_out}")


def split_table(table: Table, division: Division, *, scale: Scale, missing: Missing) -> tuple[Split, Preparation]:
    """Divide rows, learn from the training rows how all are prepared, and scale them.

    Raises:
        InputError: what is missing cannot be filled, a category is none of the training rows', or there are too few.
    """
    check_empty(table)
    if missing is Missing.drop:
        table = table.whole()
        if not len(table):
            raise InputError("missing=drop: no row is without a missing cell")
    else:
        check_gaps(table, filled=missing is Missing.mean)
    parts = division.parts(len(table))
    preparation = Preparation.fit(table.frame.iloc[parts.train], table.categorical, fill=missing is Missing.mean)
    rows = [
        Rows(preparation.features(table.frame.iloc[part]), table.targets[part]) if len(part) else None for part in parts
    ]
    return split_parts(parts, rows, scale), preparation

"""Students as a file has them: numbers that may be missing, and words."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from student_score.arrays import Floats
from student_score.data.division import Division, Indices
from student_score.data.preparation import Missing, Preparation
from student_score.data.rows import Rows, Scale, Split, split_parts
from student_score.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as they were read.

    Attributes:
        frame: a column for each feature in the order asked for: numbers as float64 with NaN where one is missing,
            categories as str, "" where one is missing.
        targets: (n,) scores, NaN where one is missing.
        categorical: the columns of `frame` that hold categories.
    """

    frame: "pd.DataFrame"
    targets: Floats
    categorical: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def of(cls, rows: Rows, features: Sequence[str]) -> "Table":
        """Return rows of numbers as a table with the given names of columns."""
        import pandas as pd  # Late: it takes a third of a second to import.

        return cls(pd.DataFrame(rows.features, columns=list(features)), rows.targets)

    @property
    def numeric(self) -> list[str]:
        """The columns that hold numbers."""
        return [name for name in self.frame.columns if name not in self.categorical]

    def take(self, indices: Indices) -> "Table":
        """Return the rows at `indices`, in that order."""
        return Table(self.frame.iloc[indices].reset_index(drop=True), self.targets[indices], self.categorical)

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


def split_table(table: Table, division: Division, *, scale: Scale, missing: Missing) -> tuple[Split, Preparation]:
    """Divide rows, learn from the training rows how all are prepared, and scale them.

    Raises:
        InputError: what is missing cannot be filled, a category is none of the training rows', or there are too few.
    """
    if missing is Missing.drop:
        table = table.whole()
    if not len(table):
        raise InputError("missing=drop: no row is without a missing cell")
    parts = division.parts(len(table))
    preparation = Preparation.fit(table.frame.iloc[parts.train], table.categorical, fill=missing is Missing.mean)
    rows = [
        Rows(preparation.features(table.frame.iloc[part]), table.targets[part]) if len(part) else None for part in parts
    ]
    return split_parts(parts, rows, scale), preparation

"""Rows of students: read from a CSV file, checked cell by cell, split into training and test rows, standardised."""

import csv
import hashlib
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from student_score.errors import InputError


@dataclass(frozen=True, eq=False)
class Rows:
    """Students: `features` (n, n_features), as a rule hours, and `targets` (n,), as a rule score points."""

    features: NDArray[np.float64]
    targets: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.shape[:1] != self.targets.shape or 0 in self.features.shape:
            raise InputError(
                f"features of shape {self.features.shape} and targets of shape {self.targets.shape}: "
                "both need the same number of rows, at least one, and features at least one column"
            )
        if not (np.isfinite(self.features).all() and np.isfinite(self.targets).all()):
            raise InputError("features and targets must be finite numbers")

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: Sequence[int] | NDArray[np.intp]) -> "Rows":
        """Return the rows at `indices`, in that order."""
        return Rows(self.features[indices], self.targets[indices])

    def digest(self) -> str:
        """Return the SHA-256 of the numbers, row by row, as little-endian doubles."""
        table = np.column_stack([self.features, self.targets]).astype("<f8")
        return hashlib.sha256(np.ascontiguousarray(table).tobytes()).hexdigest()


def read_csv(path: Path, *, features: Sequence[str], target: str) -> Rows:
    """Read the named columns of a CSV file with a header line; empty lines are skipped.

    Raises:
        InputError: naming every bad cell by line and column, in one message.
    """
    columns = [*features, target]
    if repeated := [name for name, count in Counter(columns).items() if count > 1]:
        raise InputError(f"dataset.features and dataset.target name {quoted(repeated)} more than once")
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
        raise InputError(f"dataset.path: there is no file {path}") from None
    except IsADirectoryError:
        raise InputError(f"dataset.path: {path} is a directory; a CSV file is needed") from None
    except OSError as error:
        raise InputError(f"dataset.path: {path} cannot be read: {error.strerror}") from None
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


class Scale(Enum):
    """What is standardised (mean 0, standard deviation 1 on the training rows) before training."""

    none = "none"
    features = "features"
    features_and_target = "features_and_target"


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardised value = (value - mean) / deviation; mean 0 and deviation 1 leave every value as it is."""

    feature_means: NDArray[np.float64]
    feature_deviations: NDArray[np.float64]
    target_mean: float = 0.0
    target_deviation: float = 1.0

    @classmethod
    def fit(cls, rows: Rows, scale: Scale) -> "Scaling":
        """Return the scaling that standardises the given, that is the training, rows."""
        n_features = rows.features.shape[1]
        if scale is Scale.none:
            return cls(np.zeros(n_features), np.ones(n_features))
        from sklearn.preprocessing import StandardScaler  # Late: it takes a second to import.

        features = StandardScaler().fit(rows.features)
        if scale is Scale.features:
            return cls(features.mean_, features.scale_)
        target = StandardScaler().fit(rows.targets[:, None])
        return cls(features.mean_, features.scale_, float(target.mean_[0]), float(target.scale_[0]))

    @property
    def squared_points(self) -> float:
        """Score points squared in one unit of the network's squared error."""
        return self.target_deviation**2

    def apply(self, rows: Rows) -> Rows:
        """Return the rows as the network sees them."""
        return Rows(self.features(rows.features), (rows.targets - self.target_mean) / self.target_deviation)

    def features(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return features (n, n_features) as the network sees them."""
        return (features - self.feature_means) / self.feature_deviations

    def scores(self, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the network's outputs (n,) as score points."""
        return outputs * self.target_deviation + self.target_mean


@dataclass(frozen=True, eq=False)
class Split:
    """Training rows, test rows (None where none were asked for) and the scaling fitted on the training rows.

    `train_indices` and `test_indices` say which rows of the file they are, counted from 0.
    """

    train: Rows
    test: Rows | None
    scaling: Scaling
    train_indices: tuple[int, ...]
    test_indices: tuple[int, ...]


def split_rows(rows: Rows, *, test_fraction: float = 0.0, seed: int = 0, scale: Scale = Scale.none) -> Split:
    """Split by scikit-learn's `train_test_split`; a fraction of 0 keeps all rows, in their order, for training."""
    if not 0 <= test_fraction < 1:
        raise InputError(f"dataset.test_fraction={test_fraction}: it must be at least 0 and below 1")
    indices = np.arange(len(rows))
    train, test = indices, indices[:0]
    if test_fraction > 0:
        from sklearn.model_selection import train_test_split  # Late: it takes a second to import.

        if not 1 <= math.ceil(test_fraction * len(rows)) < len(rows):
            raise InputError(
                f"dataset.test_fraction={test_fraction} of {len(rows)} rows leaves no row to train on; "
                "lower it or use more rows"
            )
        train, test = train_test_split(indices, test_size=test_fraction, random_state=seed)
    training_rows = rows.take(train)
    return Split(
        train=training_rows,
        test=rows.take(test) if len(test) else None,
        scaling=Scaling.fit(training_rows, scale),
        train_indices=tuple(train.tolist()),
        test_indices=tuple(test.tolist()),
    )

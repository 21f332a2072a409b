"""Rows of students: split into training and test rows, and standardised."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from student_score.arrays import Floats
from student_score.errors import InputError


@dataclass(frozen=True, eq=False)
class Rows:
    """Students: `features` (n, n_features), as a rule hours, and `targets` (n,), as a rule score points.

    >>> import numpy as np
    >>> from student_score import Rows
    >>> rows = Rows(features=np.array([[5.0, 8.0], [2.0, 6.0]]), targets=np.array([85.0, 60.0]))
    >>> len(rows), rows.take([1]).features.tolist()
    (2, [[2.0, 6.0]])
    """

    features: Floats
    targets: Floats

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


class Scale(Enum):
    """What is standardised (mean 0, standard deviation 1 on the training rows) before training."""

    none = "none"
    features = "features"
    features_and_target = "features_and_target"


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardised value = (value - mean) / deviation; mean 0 and deviation 1 leave every value as it is."""

    feature_means: Floats
    feature_deviations: Floats
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

    def features(self, features: Floats) -> Floats:
        """Return features (n, n_features) as the network sees them."""
        return (features - self.feature_means) / self.feature_deviations

    def scores(self, outputs: Floats) -> Floats:
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


def check_test_fraction(test_fraction: float) -> None:
    """Raise InputError unless the fraction leaves rows to train on."""
    if not 0 <= test_fraction < 1:
        raise InputError(
            f"test_fraction={test_fraction}: it must be at least 0 and below 1, or no row is left to train on"
        )


def split_rows(rows: Rows, *, test_fraction: float = 0.0, seed: int = 0, scale: Scale = Scale.none) -> Split:
    """Split by scikit-learn's `train_test_split`; a fraction of 0 keeps all rows, in their order, for training.

    >>> from student_score import ARTICLE_ROWS, split_rows
    >>> split = split_rows(ARTICLE_ROWS, test_fraction=0.3, seed=0)
    >>> len(split.train), len(split.test), sorted(split.train_indices + split.test_indices)
    (2, 1, [0, 1, 2])
    """
    check_test_fraction(test_fraction)
    indices = np.arange(len(rows))
    train, test = indices, indices[:0]
    if test_fraction > 0:
        from sklearn.model_selection import train_test_split  # Late: it takes a second to import.

        if not 1 <= math.ceil(test_fraction * len(rows)) < len(rows):
            raise InputError(
                f"test_fraction={test_fraction} of {len(rows)} rows leaves no row to train on; "
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

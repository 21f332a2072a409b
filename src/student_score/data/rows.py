"""Rows of students: divided into training, validation and test rows, and standardised."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from student_score.arrays import Floats
from student_score.data.division import Division, Parts
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
        # Row after row, whatever the source: means, and so every bit after them, depend on the layout in memory.
        for name in ("features", "targets"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64, order="C"))
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
        """Return the scaling that standardises the given, that is the training, rows.

        Raises:
            InputError: numbers are so large that their variance is not finite.
        """
        n_features = rows.features.shape[1]
        if scale is Scale.none:
            return cls(np.zeros(n_features), np.ones(n_features))
        from sklearn.preprocessing import StandardScaler  # Late: it takes a second to import.

        with np.errstate(all="ignore"):  # What is too large gets a sentence.
            features, target = StandardScaler().fit(rows.features), StandardScaler().fit(rows.targets[:, None])
        check_finite("a feature", rows.features, features.var_, scale)
        if scale is Scale.features:
            return cls(features.mean_, features.scale_)
        check_finite("the target", rows.targets[:, None], target.var_, scale)
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


def check_finite(whose: str, columns: Floats, variances: Floats, scale: Scale) -> None:
    """Raise InputError, naming the largest number, unless the variance of every column (n, k) is finite."""
    bad = ~np.isfinite(variances)
    if bad.any():
        raise InputError(
            f"scale={scale.name}: numbers of {whose} reach {np.abs(columns[:, bad]).max():.3g}, too large for a "
            "standard deviation; correct or leave out what is no measurement"
        )


@dataclass(frozen=True, eq=False)
class Split:
    """Training rows, test rows (None where none were asked for) and the scaling fitted on the training rows.

    Attributes:
        train, test: the rows that are trained on, and those that test.
        scaling: fitted on the training rows alone.
        train_indices, test_indices: which rows of the file they are, counted from 0.
        validation, validation_indices: rows that choose between trainings, and take part in neither.
    """

    train: Rows
    test: Rows | None
    scaling: Scaling
    train_indices: tuple[int, ...]
    test_indices: tuple[int, ...]
    validation: Rows | None = None
    validation_indices: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.train_indices) + len(self.validation_indices) + len(self.test_indices)


def split_rows(
    rows: Rows,
    *,
    test_fraction: float = 0.0,
    seed: int = 0,
    scale: Scale = Scale.none,
    folds: int | None = None,
    fold: int = 0,
    validation_fraction: float = 0.0,
) -> Split:
    """Split rows as a `Division` of the same arguments says; the scaling is fitted on the training rows.

    >>> from student_score import ARTICLE_ROWS, split_rows
    >>> split = split_rows(ARTICLE_ROWS, test_fraction=0.3, seed=0)
    >>> len(split.train), len(split.test), sorted(split.train_indices + split.test_indices)
    (2, 1, [0, 1, 2])

    Raises:
        InputError: an argument is outside its range, or there are too few rows.
    """
    division = Division(
        test_fraction=test_fraction, folds=folds, fold=fold, validation_fraction=validation_fraction, seed=seed
    )
    parts = division.parts(len(rows))
    return split_parts(parts, [rows.take(part) if len(part) else None for part in parts], scale)


def split_parts(parts: Parts, rows: Sequence[Rows | None], scale: Scale) -> Split:
    """Return a split of rows that are divided already into training, validation and test rows."""
    train, validation, test = rows
    if train is None:
        raise InputError("there is no row to train on")
    return Split(
        train=train,
        test=test,
        scaling=Scaling.fit(train, scale),
        train_indices=tuple(parts.train.tolist()),
        test_indices=tuple(parts.test.tolist()),
        validation=validation,
        validation_indices=tuple(parts.validation.tolist()),
    )
